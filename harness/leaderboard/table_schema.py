"""The JSON Schema of table.json, for programs that read boards."""

from typing import Any

from pydantic import TypeAdapter

from harness.leaderboard.record import SCHEMA_VERSION
from harness.leaderboard.table import Table
from harness.leaderboard.table_fields import FIELDS

NULLABLE = ("cost", "overhead")
"""Fields of a row that are null where the table's `has_costs` is false."""


def table_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the tables that this version writes, with a sentence for each field.

    `schema_version` is raised when a field goes or changes its meaning; a new field alone does not raise it.
    """
    schema = TypeAdapter(Table).json_schema(mode="serialization")
    schema["properties"]["schema_version"] = {"const": SCHEMA_VERSION, "title": "Schema Version"}
    schema["required"] = list(schema["properties"])
    row = schema["$defs"]["Row"]["properties"]
    for name in NULLABLE:
        row[name] = {"anyOf": [row[name], {"type": "null"}]}
    for part, fields in FIELDS.items():
        properties = (schema if part == "Table" else schema["$defs"][part])["properties"]
        for name, sentence in fields.items():
            properties[name] |= {"description": sentence}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"harness leaderboard table, version {SCHEMA_VERSION}",
    } | {key: value for key, value in schema.items() if key != "title"}
