"""Recipes as documents, one of the embedded world and one of real data, and changed copies of them."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.plan.draw import DataFile, Draw
from harness.recipe.schema import Recipe

REVISION = "0123456789abcdef0123456789abcdef01234567"
ENDPOINT = {"base_url": "http://localhost:8000/v1", "model": "judge-2026-01-01"}
HUB = {"name": "a/b", "revision": REVISION}

WORLD: dict[str, Any] = {
    "title": "test",
    "baseline": "dpo",
    "budget": {"responses": 8},
    "training": {"steps": 1, "learning_rate": 1e-3},
    "methods": {"dpo": {"responses_per_prompt": 2}, "null": {"answer": "no"}},
}
"""All of the embedded world."""
POOL = {"kind": "dataset", "path": "pool.jsonl", "count": 4}
REAL = WORLD | {
    "model": {"kind": "random"},
    "pool": {"prompts": POOL, "judge": {"kind": "length"}},
    "evaluation": {"alpaca_eval": {"judge": {"kind": "length"}, "prompts": {"kind": "held-out", "count": 4}}},
}
"""Nothing of it."""

LOCAL = (
    "pool.jsonl", "sft.jsonl", "reference.json", "official.json", "questions.jsonl", "base", "chat.jinja",
    "encoder", "reward", "judge", "tasks",
)  # fmt: skip
FILES = {name: DataFile(Path("/data") / name, f"sha256 of {name}") for name in LOCAL}
"""What these recipes name that lies on this machine."""


def recipe(document: dict[str, Any], **changes: Any) -> Recipe:
    """The document with other values at dotted places, whose dots are written as `__`."""
    changed = deepcopy(document)
    for place, value in changes.items():
        *tables, key = place.split("__")
        table = changed
        for name in tables:
            table = table.setdefault(name, {})
        table[key] = value
    return Recipe.model_validate(changed)


def draw_of(document: dict[str, Any], **changes: Any) -> Draw:
    """A changed document under replicate 0, with FILES."""
    return Draw(recipe(document, **changes), 0, FILES)


def elsewhere(draw: Draw) -> Draw:
    """The same, with every file at another place."""
    moved = {name: DataFile(Path("/moved") / name, file.sha256) for name, file in draw.files.items()}
    return replace(draw, files=moved)


def rewritten(draw: Draw, name: str) -> Draw:
    """The same, with one file's content changed."""
    changed = DataFile(draw.files[name].path, "another sha256")
    return replace(draw, files={**draw.files, name: changed})
