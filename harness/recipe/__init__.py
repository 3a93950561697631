"""What is declared: the recipe's schema, its loader and the wording of its mistakes."""
