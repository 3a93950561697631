"""JSON that people can read as lines and that version control can compare."""

import json
from collections.abc import Mapping
from typing import Any

EXACT = 2.0**53
"""Below this, a float that is an integer is exactly that integer."""

_NESTED = frozenset((dict, list))
_encoded = json.JSONEncoder(allow_nan=False).encode


def layout(value: Any, indent: str = "") -> str:
    """JSON with one line for each innermost list or object: a changed judgment is one changed line.

    Characters outside ASCII are escaped, so that no text can hide or reorder anything.
    """
    if type(value) not in _NESTED:
        return _encoded(value)
    if _NESTED.isdisjoint(map(type, value.values() if isinstance(value, dict) else value)):
        return _encoded(value)
    inner = indent + " "
    if isinstance(value, dict):
        lines = [f"{inner}{_encoded(key)}: {layout(part, inner)}" for key, part in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + layout(part, inner) for part in value) + f"\n{indent}]"


def whole(value: Any) -> Any:
    """The same JSON with every float that is an integer written as one: 100.0 -> 100."""
    if isinstance(value, list):  # of floats in most cases, and these are by far the most of a record
        return [_whole(part) if type(part) is float else whole(part) for part in value]
    if isinstance(value, dict):
        return {key: whole(part) for key, part in value.items()}
    return _whole(value) if isinstance(value, float) else value


def _whole(value: float) -> float:
    return int(value) if value.is_integer() and abs(value) < EXACT else value


def dotted(table: Mapping[str, Any]) -> dict[str, str]:
    """Dotted key -> JSON of the value, for all that is set in nested tables."""
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": text for inner, text in dotted(value).items()}
        elif value is not None:
            found[key] = json.dumps(value, ensure_ascii=False)
    return found
