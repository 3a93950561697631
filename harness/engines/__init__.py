"""Who does it: engines take a plan's tasks and a function that runs one of them."""
