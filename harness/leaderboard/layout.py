"""JSON that people can read as lines and that version control can compare."""

import json
from typing import Any


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
