"""Preference training."""
