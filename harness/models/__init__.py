"""Causal language models: loading, rendering, scoring, sampling and embedding."""
