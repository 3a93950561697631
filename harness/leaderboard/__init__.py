"""What the records of a recipe's methods say together."""
