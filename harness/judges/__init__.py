"""Judges: each scores responses and compares them."""
