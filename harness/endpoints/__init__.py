"""Calls to OpenAI-compatible chat endpoints: journaled, never paid twice, within a hard budget."""
