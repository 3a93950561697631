"""The schema of table.json fits what is written, and says what it is."""

from typing import Any

import pytest
from synthetic_records import board, cost, record, task

from harness.leaderboard.assemble import make_table
from harness.leaderboard.record import SCHEMA_VERSION, Record
from harness.leaderboard.render import plain_table
from harness.leaderboard.table_fields import FIELDS
from harness.leaderboard.table_schema import table_schema


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether `value` is what the part of JSON Schema that ours uses asks for."""
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "anyOf" in schema:
        return any(fits(value, option, root) for option in schema["anyOf"])
    if "const" in schema:
        return bool(value == schema["const"])
    match schema.get("type"):
        case "object":
            known = schema.get("properties", {})
            other = schema.get("additionalProperties", True)
            return (
                isinstance(value, dict)
                and set(schema.get("required", [])) <= value.keys()
                and all(fits(part, known[key], root) for key, part in value.items() if key in known)
                and all(
                    other is True or (isinstance(other, dict) and fits(part, other, root))
                    for key, part in value.items()
                    if key not in known
                )
            )
        case "array":
            return isinstance(value, list) and all(fits(part, schema["items"], root) for part in value)
        case None:
            return True
        case name:
            kinds: dict[str, Any] = {
                "string": str,
                "integer": int,
                "number": (int, float),
                "boolean": bool,
                "null": type(None),
            }
            return isinstance(value, kinds[name]) and (name == "boolean" or not isinstance(value, bool))


@pytest.mark.parametrize(
    "records",
    [
        board({"dpo": 50, "a": 60}),
        [record()],
        [record(tasks=[]), record("a", tasks=[])],
        [record(tasks=[task("x", spent=cost(1).model_copy(update={"peak_device_bytes": 7}))])],
    ],
    ids=["board", "one method", "no costs", "a GPU"],
)
def test_tables_fit_the_schema(records: list[Record]) -> None:
    schema = table_schema()
    table = plain_table(make_table(records))
    assert fits(table, schema, schema)
    assert table.keys() == schema["properties"].keys()
    assert not fits(table | {"schema_version": SCHEMA_VERSION + 1}, schema, schema)
    assert not fits(table | {"rows": [{}]}, schema, schema)


def test_the_schema_has_a_version_and_explains_its_parts() -> None:
    schema = table_schema()
    assert schema["title"].endswith(f"version {SCHEMA_VERSION}")
    assert schema["description"].startswith("A whole leaderboard")
    assert all(part.get("description") for part in schema["$defs"].values())


def test_every_field_has_a_sentence_of_its_own_and_no_sentence_is_without_field() -> None:
    schema = table_schema()
    parts = schema["$defs"] | {"Table": schema}
    assert {name: set(part["properties"]) for name, part in parts.items()} == {
        name: set(fields) for name, fields in FIELDS.items()
    }
    for name, part in parts.items():
        for field, told in part["properties"].items():
            assert told["description"] == FIELDS[name][field]
            assert told["description"].endswith(".")
