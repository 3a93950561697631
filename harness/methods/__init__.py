"""The ideas compared: which prompts, how many pairs of each, which pairs, and gradients to guide them."""
