"""What each command of the command line does; `harness.cli` only declares them."""
