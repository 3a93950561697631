"""A recipe under one replicate: its seeds, and its tables as task parameters."""

from dataclasses import dataclass
from typing import Any

from harness.recipe.schema import Recipe, Role
from harness.recipe.table import Table


@dataclass(frozen=True)
class Draw:
    """A recipe under one replicate."""

    recipe: Recipe
    replicate: int

    def seed(self, role: Role) -> int:
        """The seed of a role in this replicate."""
        return self.recipe.seeds.of(role, self.replicate)

    @property
    def world(self) -> int:
        """The seed of the embedded world."""
        return self.recipe.model.seed


def plain(table: Table, *without: str) -> dict[str, Any]:
    """A recipe table as plain JSON, some keys left out."""
    return table.model_dump(mode="json", exclude=set(without))
