"""The embedded world: facts known exactly, prompts about them, an exact grade, and a small model."""
