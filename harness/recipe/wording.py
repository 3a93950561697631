"""One problem -> one sentence: dotted place, rule, value, remedy."""

import datetime
import json
import re
import types
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Place = tuple[int | str, ...]

TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


PATTERNS = {
    r"^[a-z0-9][a-z0-9.-]*$": "must be a method's name, of a-z, 0-9, '-' and '.'",
    r"^[0-9a-f]{40}$": "must be a commit of the hub, of 40 digits 0-9 and a-f: branches and tags can move",
    r"^https?://": "must begin with http:// or https://",
    r"^[A-Z][A-Z0-9_]*$": "must be the name of an environment variable, of A-Z, 0-9 and '_'",
    r"^[^/\\]+$": "must be a task's name, without '/'",
}
"""What the patterns in the schema ask for."""


def sentence(error: ErrorDetails, document: Mapping[str, Any], root: type[BaseModel]) -> str:
    """The place and the sentence for one pydantic error in a parsed recipe."""
    loc, kind = error["loc"], error["type"]
    # pydantic names the place of a bad dictionary key with this extra last element
    is_key = bool(loc) and loc[-1] == "[key]"
    place = real_place(loc[:-1] if is_key else loc, document)
    return f"{dotted(place)}: {_rule(kind, error, place, root, is_key)}"


def _rule(kind: str, error: ErrorDetails, place: Place, root: type[BaseModel], is_key: bool) -> str:
    context = error.get("ctx", {})
    value = show(error["input"])
    if is_key:
        return "a method's name may hold a-z, 0-9, '-' and '.', at most 60 of them. Rename it."
    if kind == "extra_forbidden":
        table = table_at(root, place[:-1], variant=error["loc"][-2] if len(error["loc"]) > 1 else None)
        return "unknown key." + suggestion(str(place[-1]), list(table.model_fields) if table else [])
    if kind == "missing":
        return "required, but not there. Add it."
    if kind == "union_tag_invalid":
        return _unknown_name(error["input"]["kind"], context["expected_tags"])
    if kind == "literal_error":
        return _unknown_name(error["input"], context["expected"])
    if kind == "union_tag_not_found":
        known = tags_at(root, place)
        return f"needs a `kind`. Known: {', '.join(known)}."
    if kind in TYPES:
        return f"must be {TYPES[kind]}. Got {value}."
    return f"{_bound(kind, context)}. Got {value}."


def _unknown_name(word: object, expected: str) -> str:
    names = [name for name in expected.replace(" or ", ", ").replace("'", "").split(", ") if name]
    near = get_close_matches(word, names, n=1) if isinstance(word, str) else []
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"{show(word)} is not known here. Known: {', '.join(names)}.{hint}"


def _bound(kind: str, context: Mapping[str, Any]) -> str:
    bounds = {
        "greater_than": ("gt", "must be more than"),
        "greater_than_equal": ("ge", "must be at least"),
        "less_than": ("lt", "must be less than"),
        "less_than_equal": ("le", "must be at most"),
        "multiple_of": ("multiple_of", "must be a multiple of"),
    }
    if kind in bounds:
        limit, words = bounds[kind]
        return f"{words} {context[limit]}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    if kind == "string_pattern_mismatch":
        return PATTERNS[context["pattern"]]
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters"
    if kind == "finite_number":
        return "must be a finite number"
    return kind.replace("_", " ")


def suggestion(word: object, known: Sequence[str]) -> str:
    """' Did you mean ...?' with the nearest known name, else the list of known names."""
    near = get_close_matches(str(word), known, n=1, cutoff=0.6)
    if near:
        return f" Did you mean '{near[0]}'?"
    return f" Known: {', '.join(known)}." if known else ""


def show(value: object, limit: int = 60) -> str:
    """A value as TOML writes it, on one line, cut to a readable length."""
    return _cut(_toml(value), limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case list() | tuple():
            return f"[{', '.join(_toml(item) for item in value)}]"
        case dict():
            items = ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items())
            return f"{{ {items} }}" if items else "{}"
        case datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)


def _quoted(text: str) -> str:
    """A text in quotes, with everything escaped that would break the line or steer a terminal."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in written)


def _key(part: object) -> str:
    """A key as TOML writes it: bare where it may be."""
    text = str(part)
    return text if re.fullmatch("[A-Za-z0-9_-]+", text) else _quoted(text)


def dotted(place: Place) -> str:
    """A place as TOML writes it: `methods.balanced.depth.clusters`."""
    return ".".join(_cut(_key(part), 60) for part in place) or "recipe"


def real_place(loc: Place, document: Any) -> Place:
    """Pydantic's location without the variant names that it inserts after a table with a `kind`."""
    place: list[int | str] = []
    node = document
    for index, part in enumerate(loc):
        is_last = index == len(loc) - 1
        if isinstance(node, Mapping) and part not in node and not is_last:
            continue
        if isinstance(node, Mapping) and is_last and part not in node and node.get("kind") == part:
            continue
        place.append(part)
        node = _child(node, part)
    return tuple(place)


def _child(node: Any, part: int | str) -> Any:
    if isinstance(node, Mapping):
        return node.get(str(part))
    if isinstance(node, Sequence) and not isinstance(node, str) and isinstance(part, int):
        return node[part] if part < len(node) else None
    return None


def table_at(root: type[BaseModel], place: Place, variant: object = None) -> type[BaseModel] | None:
    """The schema class of the table at a place.

    Of a table with variants, the one of this `kind`, else the one with most fields.
    """
    tables = _tables_at(root, place)
    most = max(tables, key=lambda table: len(table.model_fields), default=None)
    return next((table for table in tables if variant in _tags(table)), most)


def tags_at(root: type[BaseModel], place: Place) -> list[str]:
    """The `kind` names that the table at a place may take."""
    return [tag for table in _tables_at(root, place) for tag in _tags(table)]


def _tables_at(root: type[BaseModel], place: Place) -> list[type[BaseModel]]:
    annotations: list[Any] = [root]
    for part in place:
        annotations = [below for annotation in annotations for below in _below(annotation, str(part))]
    return [table for annotation in annotations for table in _tables(annotation)]


def _tags(table: type[BaseModel]) -> list[str]:
    """The `kind` by which a recipe asks for a table, if any."""
    field = table.model_fields.get("kind")
    return [str(tag) for tag in get_args(field.annotation)] if field else []


def _below(annotation: Any, part: str) -> list[Any]:
    """The annotations one step down: of a table's field, or of what a mapping holds under any name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(part)
        return [field.annotation] if field else []
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return [arguments[1]]
    if origin is tuple:
        return [arguments[0]]
    if origin in (Union, types.UnionType):
        return [below for argument in arguments for below in _below(argument, part)]
    return _below(arguments[0], part) if origin is Annotated else []


def _tables(annotation: Any) -> tuple[type[BaseModel], ...]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return tuple(table for argument in arguments for table in _tables(argument))
    return _tables(arguments[0]) if origin is Annotated else ()
