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

KNOBS = (
    "base_url", "key_env", "concurrency", "requests_per_minute", "timeout_s", "attempts",
    "usd_per_million_in", "usd_per_million_out", "budget_usd",
)  # fmt: skip
"""What an endpoint's table says that cannot change an answer: where it is asked, how fast, for how much."""


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
        read = {"format": table.format, "strict": table.strict}
        if file := self.local(table, "path"):
            return read | {"sha256": file.sha256}
        return read | table.model_dump(mode="json", include={"path", "revision", "config", "split"})

    def local(self, table: Table, key: str) -> DataFile | None:
        """The file or folder that one key of a table names; None where it names none, or what the hub has."""
        name = getattr(table, key)
        of_hub = getattr(table, "revision", None) is not None
        return None if name is None or of_hub else self.files[name]

    def where(self, table: Table, key: str) -> dict[str, str]:
        """The knob that says where that file or folder lies; empty where there is none."""
        file = self.local(table, key)
        return {"path": str(file.path)} if file else {}

    def content(self, table: Table, key: str) -> dict[str, Any]:
        """A table as parameters, with the content of that file or folder in place of its name."""
        file = self.local(table, key)
        return plain(table) | ({key: file.sha256} if file else {})


def plain(table: Table, *without: str) -> dict[str, Any]:
    """A recipe table as plain JSON, some keys left out."""
    return table.model_dump(mode="json", exclude=set(without))


def without_knobs(table: Table) -> dict[str, Any]:
    """A table as parameters; of an endpoint's, only what can change an answer."""
    return plain(table, *KNOBS) if isinstance(table, Endpoint) else plain(table)


def knobs_of(table: Table) -> dict[str, Any]:
    """What `without_knobs` leaves out."""
    return table.model_dump(mode="json", include=set(KNOBS)) if isinstance(table, Endpoint) else {}
