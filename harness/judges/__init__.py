"""Judges: each grades a response by its text, and the higher score is preferred."""
