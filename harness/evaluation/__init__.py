"""How good a trained policy is, measured by outside packages and by its own implicit rewards."""
