"""`harness store`: what a store holds, and whether it is sound."""

import json
import math
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from pydantic_core import from_json
from rich.console import Console
from rich.progress import track

from harness.commands.words import counted
from harness.errors import BadInput, CorruptArtifact, StoreError
from harness.leaderboard.text import plain
from harness.plan.catalog import STAGES
from harness.store.cores import on_all_cores
from harness.store.inventory import Entry, entries, folder_bytes, folder_names
from harness.store.local import LocalStore
from harness.store.manifest import NAME
from harness.store.verify import faults


def list_store(root: Path, boards: Path, as_json: bool = False) -> Iterator[str]:
    """One line, of text or JSON, for each artifact: name, size, age, and the recipes whose boards rest on it.

    Raises:
        StoreError, BadInput: there is no store; a record cannot be read.
    """
    users, now = users_of(boards), time.time()
    for entry in _entries(root):
        if not entry.whole:
            continue
        who = sorted(users.get(entry.key, ()))
        if as_json:
            facts = {"stage": entry.stage, "key": entry.key, "bytes": entry.bytes, "made": entry.made}
            yield json.dumps({**facts, "boards": who})
        else:
            on = ", ".join(who) or "-"
            yield f"{entry.name:34} {sized(entry.bytes):>9} {_age(now - entry.made):>6}  {on}"


def size_of_store(root: Path, as_json: bool = False) -> Iterator[str]:
    """One line for each stage: how many artifacts, and how large; then all else that lies there.

    With `as_json` the same as one object.
    """
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for entry in _entries(root):
        counts[entry.stage] += 1
        sizes[entry.stage] += entry.bytes
    folders = (path for path in sorted(root.iterdir()) if path.is_dir() and path.name not in STAGES)
    others = {path.name: size for path in folders if (size := folder_bytes(path))}
    total = sizes.total() + sum(others.values())
    if as_json:
        stages = {stage: {"artifacts": counts[stage], "bytes": size} for stage, size in sizes.most_common()}
        yield json.dumps(
            {"artifacts": counts.total(), "bytes": total, "stages": stages, "others": others}, indent=1
        )
        return
    for stage, size in sizes.most_common():
        yield f"{stage:20} {counts[stage]:>8} {sized(size):>9}"
    for name, size in others.items():
        yield f"{name + '/':20} {'':>8} {sized(size):>9}"
    yield f"{'all':20} {counts.total():>8} {sized(total):>9}"


def show_artifact(root: Path, boards: Path, key: str) -> str:
    """An artifact's manifest as JSON, with what of its inputs is there, and who needs it.

    Raises:
        BadInput: no artifact, or more than one, has a key (or `stage/key`) that begins so.
        CorruptArtifact, NewerStore: its manifest cannot be read.
    """
    store, there = LocalStore(root), list(_names(root))
    found = [name for name in there if _begins(name, key) and store.has(*name)]
    if len(found) != 1:
        listed = ": " + ", ".join(map("/".join, found[:5])) if found else ""
        raise BadInput(
            f"{root}: {counted(len(found), 'artifact')} of a key that begins with '{plain(key)}'{listed}."
        )
    ((stage, key),) = found
    folder, manifest = store.folder(stage, key), store.manifest(stage, key)
    needed = set(manifest.inputs.values())
    with on_all_cores(partial(_needs, root, key), there) as each:
        needing = [other for other, needs in zip(there, each, strict=True) if needs]
    known = {other[1]: "/".join(other) for other in there if other[1] in needed and store.has(*other)}
    told = ("version", "missing", "params", "files", "cost", "provenance")
    content = {
        "artifact": f"{stage}/{key}",
        "made": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime((folder / NAME).stat().st_mtime)),
        "bytes": folder_bytes(folder),
        **{name: getattr(manifest, name) for name in told},
        "inputs": {name: known.get(of, f"{of} (not there)") for name, of in manifest.inputs.items()},
        "needed by": ["/".join(other) for other in needing],
        "on the boards of": sorted(users_of(boards).get(key, ())),
    }
    return json.dumps(content, indent=1)  # ASCII: nothing in it reaches a terminal as a control character


def verify_store(root: Path, discard: bool, console: Console) -> None:
    """Read every file of every artifact, and name those that are not what was written.

    With `discard` such artifacts are taken out, so that the next run makes them again.

    Raises:
        StoreError: there are bad files, or there is no store.
    """
    names, quiet = list(_names(root)), not console.is_terminal
    with on_all_cores(partial(faults, str(root)), names) as each:
        shown = track(each, "verifying", len(names), console=console, transient=True, disable=quiet)
        found = {name: wrong for name, wrong in zip(names, shown, strict=True) if wrong is not None}
    bad = {name: wrong for name, wrong in found.items() if wrong}
    sentences = [f"{'/'.join(name)}: {plain(fault)}" for name, wrong in bad.items() for fault in wrong]
    if discard:
        for name in bad:
            LocalStore(root).discard(*name, partial(faults, str(root), name))
    if bad:
        remedy = "They are taken out; run their recipes to make them again."
        advice = remedy if discard else "--discard takes them out, and the next run makes them again."
        raise DamagedStore("\n".join([*sentences, f"{counted(len(bad), 'artifact')} damaged. {advice}"]))
    console.print(f"{counted(len(found), 'artifact')}: every file is what was written", highlight=False)


class DamagedStore(StoreError):
    """Files of a store are not what was written."""

    exit_code = 1


def users_of(boards: Path) -> Mapping[str, set[str]]:
    """The recipes whose records, below `boards`, rest on each task, by its key."""
    users: dict[str, set[str]] = {}
    for path in sorted(boards.glob("*/records/*.json")):
        try:
            record = from_json(path.read_bytes())  # in half the time of json.loads
            keys, recipe = [task["key"] for task in record["tasks"]], plain(record["recipe"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise BadInput(f"{path}: is not a record. Make it again, or delete it.") from None
        for key in keys:
            users.setdefault(key, set()).add(recipe)
    return users


def _entries(root: Path) -> Iterable[Entry]:
    check_there(root)
    return entries(root, STAGES)


def check_there(root: Path) -> None:
    """Raises StoreError where there is no store."""
    if not root.is_dir():
        raise StoreError(f"{root}: there is no store. Name one with --store or HARNESS_STORE.")


def _names(root: Path) -> Iterable[tuple[str, str]]:
    check_there(root)
    return folder_names(root, STAGES)


def _begins(name: tuple[str, str], start: str) -> bool:
    return name[1].startswith(start) or "/".join(name).startswith(start)


def _needs(root: Path, key: str, name: tuple[str, str]) -> bool:
    """Whether an artifact was made from another; a look at the text saves most of the parsing."""
    try:
        with open(os.path.join(root, *name, NAME), "rb") as file:
            mentioned = key.encode() in file.read()
        return mentioned and key in LocalStore(root).manifest(*name).inputs.values()
    except (CorruptArtifact, OSError):
        return False


def sized(count: float) -> str:
    """Bytes, as a person reads them."""
    if count < 1000:
        return f"{count:.0f} B"
    power = min(int(math.log10(count) / 3), 4)
    return f"{count / 1000**power:.1f} {' kMGT'[power]}B"


def _age(seconds: float) -> str:
    for size, letter in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {letter}"
    return f"{max(seconds, 0):.0f} s"
