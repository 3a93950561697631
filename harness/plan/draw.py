"""A recipe under one replicate: its seeds, its files, and its tables as task parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.recipe.endpoint import Endpoint
from harness.recipe.model import AtlasModel
from harness.recipe.schema import Recipe, Role
from harness.recipe.sources import Source
from harness.recipe.table import Table

SPEED = ("key_env", "concurrency", "requests_per_minute", "timeout_s", "attempts", "budget_usd")
PRICES = ("usd_per_million_in", "usd_per_million_out")
KNOBS = (*SPEED, *PRICES)
"""What an endpoint's table says that cannot change an answer."""


@dataclass(frozen=True)
class DataFile:
    """A file or folder that a recipe names: where it lies, and the SHA-256 of its content."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Draw:
    """A recipe under one replicate; `files` are those that it names."""

    recipe: Recipe
    replicate: int
    files: Mapping[str, DataFile] = field(default_factory=dict)

    def seed(self, role: Role) -> int:
        """The seed of a role in this replicate."""
        return self.recipe.seeds.of(role, self.replicate)

    @property
    def world(self) -> int | None:
        """The seed of the embedded world, where the recipe is about it."""
        model = self.recipe.model
        return model.seed if isinstance(model, AtlasModel) else None

    def source(self, table: Source) -> dict[str, Any]:
        """A source of data as parameters; a local file is known by its content, not by its name."""
        params = plain(table, *(set(type(table).model_fields) - set(Source.model_fields)))
        if table.revision is None:
            del params["path"]
            params["sha256"] = self.files[table.path].sha256
        return params

    def where(self, name: str | None) -> dict[str, str]:
        """The knob that says where a local file or folder lies; empty for what the hub has."""
        file = self.files.get(name or "")
        return {"path": str(file.path)} if file else {}

    def content(self, table: Table, key: str) -> dict[str, Any]:
        """A table as parameters, with the content of the local file or folder that one key names."""
        params, name = plain(table), getattr(table, key)
        return params | {key: self.files[name].sha256} if name in self.files else params


def plain(table: Table, *without: str) -> dict[str, Any]:
    """A recipe table as plain JSON, some keys left out."""
    return table.model_dump(mode="json", exclude=set(without))


def without_knobs(table: Table) -> dict[str, Any]:
    """A table as parameters, less what cannot change an answer."""
    return plain(table, *KNOBS) if isinstance(table, Endpoint) else plain(table)


def knobs_of(table: Table) -> dict[str, Any]:
    """What `without_knobs` leaves out."""
    return table.model_dump(mode="json", include=set(KNOBS)) if isinstance(table, Endpoint) else {}
