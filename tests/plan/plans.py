"""A small recipe's fixed part, and plans made from recipe text."""

from pathlib import Path

from harness.plan.build import Cell, Plan, build_plan
from harness.recipe.load import load_recipe


def fixed(baseline: str) -> str:
    """64 prompts of the pool, 64 responses for each method, two steps; one replicate."""
    return f"""
title = "test"
baseline = "{baseline}"
[seeds]
replicates = [0]
[pool]
prompts = {{ kind = "atlas", count = 64 }}
[budget]
responses = 64
[training]
steps = 2
learning_rate = 1e-3
"""


def planned(folder: Path, text: str) -> Plan:
    path = folder / "r.toml"
    path.write_text(text)
    return build_plan(load_recipe(path))


def cell(plan: Plan, method: str, replicate: int = 0) -> Cell:
    (found,) = [cell for cell in plan.cells if (cell.method, cell.replicate) == (method, replicate)]
    return found
