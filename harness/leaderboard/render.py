"""The table as files for programs: table.json and table.csv. Both hold the same numbers."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from harness.leaderboard.layout import layout
from harness.leaderboard.record import Cost
from harness.leaderboard.table import Table
from harness.leaderboard.text import spreadsheet

SIGNIFICANT = 6  # digits kept: more than any reader needs, fewer than machines differ in


def table_json(table: Table) -> str:
    """The whole table as JSON, in the order of `table.py`."""
    return layout(plain_table(table)) + "\n"


def table_csv(table: Table) -> str:
    """One line for each row, nested fields named by dotted paths; an empty cell is a missing value."""
    rows = [dict(_flat(row)) for row in plain_table(table)["rows"]]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writerow({column: spreadsheet(column) for column in columns})
    writer.writerows({column: _cell(value) for column, value in row.items()} for row in rows)
    return out.getvalue()


def plain_table(table: Table) -> dict[str, Any]:
    """As plain values; costs that are not known are null, not zero."""
    plain: dict[str, Any] = as_plain(table)
    if not table.has_costs:
        plain["rows"] = [row | {"cost": None, "overhead": None, "reach": None} for row in plain["rows"]]
    return plain


def as_plain(value: Any) -> Any:
    """Dataclasses and costs as dicts, floats rounded to six significant digits, the rest as it is."""
    if is_dataclass(value):
        return {field.name: as_plain(getattr(value, field.name)) for field in fields(value)}
    match value:
        case Cost():
            return as_plain(value.model_dump(exclude_none=True))
        case dict():
            return {key: as_plain(part) for key, part in value.items()}
        case list():
            return [as_plain(part) for part in value]
        case float():
            return float(f"{value:.{SIGNIFICANT}g}")
    return value


def _flat(row: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if name == "declared":
            yield prefix + name, json.dumps(value, sort_keys=True)
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield prefix + name, "; ".join(map(str, value))
        elif value is not None or not prefix:
            yield prefix + name, value


def _cell(value: Any) -> Any:
    return spreadsheet(value) if isinstance(value, str) else "" if value is None else value
