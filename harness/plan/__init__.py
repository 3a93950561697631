"""What will be done: the catalog of stages, tasks with their keys, and the plan of a recipe."""
