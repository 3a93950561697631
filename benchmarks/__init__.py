"""The speed figures that the project holds itself to; `python -m benchmarks` lists them."""
