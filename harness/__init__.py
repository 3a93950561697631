"""Honest comparison of LLM preference optimisation. Imports nothing heavy."""

__version__ = "0.1.0"
