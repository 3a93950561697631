"""TOML files -> one document: a recipe on top of the recipes that it extends."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

from harness.errors import BadInput
from harness.recipe.wording import dotted, show

MAX_BYTES = 1_000_000
MAX_FILES = 20
MAX_DEPTH = 50
"""How deep tables and lists may be nested. Far more than a recipe needs, far less than the stack holds."""


def read_document(path: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """The document of a recipe, and the file that each of its top-level keys comes from.

    A file's tables replace whole tables of the file that it extends; methods are never inherited.

    Raises:
        BadInput: a file cannot be read, is no TOML, or extends what it cannot.
    """
    chain = _chain(path)
    document: dict[str, Any] = {}
    origins: dict[str, Path] = {}
    for file, content in reversed(chain):
        for inherited in (document, origins):
            inherited.pop("methods", None)
        document |= content
        origins |= dict.fromkeys(content, file)
    return document, origins


def _chain(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The file, the file that it extends, and so on, each with its own content."""
    chain: list[tuple[Path, dict[str, Any]]] = []
    seen: set[Path] = set()
    following: Path | None = path
    while following is not None:
        file = following
        content = _parsed(file)
        chain.append((file, content))
        seen.add(file.resolve())
        following = _extended(file, content)
        if following is not None and following.resolve() in seen:
            raise BadInput(f"{file}: extends: the files extend each other in a circle. Remove one `extends`.")
        if following is not None and len(chain) == MAX_FILES:
            raise BadInput(
                f"{file}: extends: at most {MAX_FILES} files may extend each other. Join some of them."
            )
    return chain


def _extended(path: Path, content: dict[str, Any]) -> Path | None:
    """The file that a file extends, if any."""
    if "extends" not in content:
        return None
    name = content["extends"]
    if not isinstance(name, str):
        raise BadInput(f"{path}: extends: must be a text. Got {show(name)}.")
    base = path.parent / name
    try:
        found = base.is_file()
    except OSError:  # for one, a name longer than the file system takes
        found = False
    if not found:
        raise BadInput(f"{path}: extends: there is no file {show(name)} beside it. Correct the path.")
    return base


def _parsed(path: Path) -> dict[str, Any]:
    raw = _read(path)
    if len(raw) > MAX_BYTES:
        raise BadInput(f"{path}: a recipe has at most {MAX_BYTES:,} bytes. Is this one?")
    try:
        # some editors begin a file with a byte order mark, which this encoding drops
        document = tomllib.loads(raw.decode("utf-8-sig"))
        return {key: _frozen(value) for key, value in document.items()}
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: is not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path}: is not TOML: {_toml_problem(str(error))}") from None
    except RecursionError:
        raise BadInput(f"{path}: is nested more than {MAX_DEPTH} levels deep. Flatten it.") from None
    except ValueError:  # an integer of more digits than Python reads
        raise BadInput(f"{path}: is not TOML: a whole number has at most 64 bits. Correct it.") from None


def _read(path: Path) -> bytes:
    """A file's bytes, but no more than show that there are too many: a device may have no end."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file. Give the path of a recipe (.toml).") from None
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read: {error.strerror}. Give the path of a recipe (.toml)."
        ) from None


def _toml_problem(message: str) -> str:
    """The parser's message with its key, a Python tuple, as TOML writes it; and the remedy."""
    clash = re.fullmatch(r"(Cannot [^(]*)(\(.*\))([^(]*\(at [^(]*\))", message)
    if clash is None:
        return f"{message}. Correct the line."
    what, key, where = clash.groups()
    place = dotted(ast.literal_eval(key))
    return f"{what}{place}{where}. Two tables or keys have one name: rename one of them."


def _frozen(value: Any, depth: int = 1) -> Any:
    """Arrays as tuples, which the frozen schema holds; numbers and nesting within what TOML and we allow.

    Raises:
        ValueError: an integer has more than 64 bits.
        RecursionError: the value is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, list):
        return tuple(_frozen(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item, depth + 1) for key, item in value.items()}
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError
    return value
