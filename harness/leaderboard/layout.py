"""JSON that people can read as lines and that version control can compare."""

import json
from collections.abc import Mapping
from typing import Any

EXACT = 2.0**53
"""Below this, a float that is an integer is exactly that integer."""


def layout(value: Any, indent: str = "") -> str:
    """JSON with one line for each innermost list or object: a changed judgment is one changed line.

    Characters outside ASCII are escaped, so that no text can hide or reorder anything.
    """
    parts = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list) or not any(isinstance(part, dict | list) for part in parts):
        return json.dumps(value, allow_nan=False)
    inner = indent + " "
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(key)}: {layout(part, inner)}" for key, part in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + layout(part, inner) for part in value) + f"\n{indent}]"


def whole(value: Any) -> Any:
    """The same JSON with every float that is an integer written as one: 100.0 -> 100."""
    match value:
        case dict():
            return {key: whole(part) for key, part in value.items()}
        case list():
            return [whole(part) for part in value]
        case float() if value.is_integer() and abs(value) < EXACT:
            return int(value)
    return value


def dotted(table: Mapping[str, Any]) -> dict[str, str]:
    """Dotted key -> JSON of the value, for all that is set in nested tables."""
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": text for inner, text in dotted(value).items()}
        elif value is not None:
            found[key] = json.dumps(value, ensure_ascii=False)
    return found
