"""`harness schema`: the JSON Schemas of what people write and of what programs read."""

import json

from harness.leaderboard.table_schema import table_schema
from harness.recipe.schema import Recipe


def schema_text(table: bool) -> str:
    """The schema of a board's table.json, or of a recipe."""
    return json.dumps(table_schema() if table else Recipe.model_json_schema(), indent=2)
