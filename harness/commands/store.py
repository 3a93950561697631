"""`harness store`: what a store holds, whether it is sound, and what nobody needs any more."""

import json
import math
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from harness.commands.inputs import files_of
from harness.commands.places import places_of
from harness.commands.words import counted
from harness.errors import BadInput, CorruptArtifact, StoreError
from harness.leaderboard.text import plain
from harness.plan.build import build_plan
from harness.plan.catalog import STAGES
from harness.plan.shards import in_shards
from harness.recipe.load import load_recipe
from harness.store.inventory import Entry, entries, folder_bytes, folder_names, with_inputs
from harness.store.local import LocalStore
from harness.store.manifest import NAME, Manifest
from harness.store.verify import verifying


def list_store(root: Path, boards: Path) -> Iterator[str]:
    """One line for each artifact: name, size, age, and the recipes whose boards rest on it.

    Raises:
        StoreError, BadInput: there is no store; a record cannot be read.
    """
    users, now = _users(boards), time.time()
    for entry in _whole(root):
        who = ", ".join(sorted(users.get(entry.key, ()))) or "-"
        yield f"{entry.name:34} {_size(entry.bytes):>9} {_age(now - entry.made):>6}  {who}"


def size_of_store(root: Path) -> Iterator[str]:
    """One line for each stage: how many artifacts, and how large; then all else that lies there."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for entry in _entries(root):
        counts[entry.stage] += 1
        sizes[entry.stage] += entry.bytes
    for stage, size in sizes.most_common():
        yield f"{stage:20} {counts[stage]:>8} {_size(size):>9}"
    folders = (path for path in sorted(root.iterdir()) if path.is_dir() and path.name not in STAGES)
    others = {path.name: size for path in folders if (size := folder_bytes(path))}
    for name, size in others.items():
        yield f"{name + '/':20} {'':>8} {_size(size):>9}"
    yield f"{'all':20} {counts.total():>8} {_size(sizes.total() + sum(others.values())):>9}"


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
    known = {other[1]: "/".join(other) for other in there if other[1] in needed and store.has(*other)}
    content = {
        "artifact": f"{stage}/{key}",
        "made": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime((folder / NAME).stat().st_mtime)),
        "bytes": folder_bytes(folder),
        **_facts(manifest),
        "inputs": {name: known.get(of, f"{of} (not there)") for name, of in manifest.inputs.items()},
        "needed by": ["/".join(other) for other in there if _needs(store, other, key)],
        "on the boards of": sorted(_users(boards).get(key, ())),
    }
    return json.dumps(content, indent=1)  # ASCII: nothing in it reaches a terminal as a control character


def verify_store(root: Path, discard: bool, console: Console) -> None:
    """Read every file of every artifact, and name those that are not what was written.

    With `discard` such artifacts are taken out, so that the next run makes them again.

    Raises:
        StoreError: there are bad files, or there is no store.
    """
    names, quiet = list(_names(root)), not console.is_terminal
    with verifying(root, names) as each:
        shown = track(each, "verifying", len(names), console=console, transient=True, disable=quiet)
        found = {name: faults for name, faults in zip(names, shown, strict=True) if faults is not None}
    bad = {name: faults for name, faults in found.items() if faults}
    sentences = [f"{'/'.join(name)}: {plain(fault)}" for name, faults in bad.items() for fault in faults]
    if discard:
        for name in bad:
            LocalStore(root).discard(*name)
    if bad:
        remedy = "They are taken out; run their recipes to make them again."
        advice = remedy if discard else "--discard takes them out, and the next run makes them again."
        raise DamagedStore("\n".join([*sentences, f"{counted(len(bad), 'artifact')} damaged. {advice}"]))
    console.print(f"{counted(len(found), 'artifact')}: every file is what was written", highlight=False)


class DamagedStore(StoreError):
    """Files of a store are not what was written."""

    exit_code = 1


def collect_garbage(
    root: Path, boards: Path, recipes: Sequence[Path], force: bool, delete: bool
) -> Iterator[str]:
    """Name, line by line, or `delete` what neither these recipes nor (without `force`) the boards rest on.

    Raises:
        BadInput: nothing says what is needed, or a recipe or record cannot be read.
        StoreError: a run is at work on the store, or a manifest cannot be read.
    """
    _check(root)
    store = LocalStore(root)
    with store.in_use(alone=delete):
        there = list(_entries(root))
        wanted = _wanted(store, boards, recipes, force)
        needed = with_inputs(store, wanted, there)
        useless = [entry for entry in there if not (entry.whole and entry.key in needed)]
        litter = [path for path in store.in_the_making() if path.name not in needed or store.is_litter(path)]
        for entry in useless:
            yield f"{entry.name:34} {_size(entry.bytes):>9}"
            if delete:
                store.discard(entry.stage, entry.key)
        for path in litter:
            yield f"{path.relative_to(root)!s:34} {_size(folder_bytes(path)):>9}"
        if delete:
            store.sweep(litter)
    freed = _size(sum(entry.bytes for entry in useless))
    verb = "deleted" if delete else "would be deleted; --yes deletes"
    kept = counted(len(there) - len(useless), "artifact")
    yield f"{counted(len(useless), 'artifact')}, {freed}, {verb}. {kept} kept."


def _wanted(store: LocalStore, boards: Path, recipes: Sequence[Path], force: bool) -> set[str]:
    users = {} if force else _users(boards)
    wanted = set(users)
    for path in recipes:
        recipe = load_recipe(path)
        tasks = build_plan(recipe, files_of(recipe, places_of(path, store.root))).tasks
        stored = {task.key for task in tasks if store.has(task.stage, task.key)}
        wanted |= {task.key for task in in_shards(tasks, recipe.resources, stored)}
    if not wanted and not force:
        raise BadInput(
            f"{boards}: holds no records, and no recipe is given, so all of {store.root} would go. Name the "
            "recipes to keep, or the folder of the boards (--boards), or give --force."
        )
    return wanted


def _users(boards: Path) -> Mapping[str, set[str]]:
    """The recipes whose records, below `boards`, rest on each task, by its key."""
    users: dict[str, set[str]] = {}
    for path in sorted(boards.glob("*/records/*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            keys, recipe = [task["key"] for task in record["tasks"]], plain(record["recipe"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise BadInput(f"{path}: is not a record. Make it again, or delete it.") from None
        for key in keys:
            users.setdefault(key, set()).add(recipe)
    return users


def _entries(root: Path) -> Iterable[Entry]:
    _check(root)
    return entries(root, STAGES)


def _check(root: Path) -> None:
    if not root.is_dir():
        raise StoreError(f"{root}: there is no store. Name one with --store or HARNESS_STORE.")


def _names(root: Path) -> Iterable[tuple[str, str]]:
    _check(root)
    return folder_names(root, STAGES)


def _whole(root: Path) -> Iterator[Entry]:
    return (entry for entry in _entries(root) if entry.whole)


def _facts(manifest: Manifest) -> dict[str, Any]:
    names = ("version", "missing", "params", "files", "cost", "provenance")
    return {name: getattr(manifest, name) for name in names}


def _begins(name: tuple[str, str], start: str) -> bool:
    return name[1].startswith(start) or "/".join(name).startswith(start)


def _needs(store: LocalStore, name: tuple[str, str], key: str) -> bool:
    """Whether an artifact was made from another; a look at the text saves most of the parsing."""
    try:
        with open(os.path.join(store.root, *name, NAME), "rb") as file:
            mentioned = key.encode() in file.read()
        return mentioned and key in store.manifest(*name).inputs.values()
    except (CorruptArtifact, OSError):
        return False


def _size(count: float) -> str:
    if count < 1000:
        return f"{count:.0f} B"
    power = min(int(math.log10(count) / 3), 4)
    return f"{count / 1000**power:.1f} {' kMGT'[power]}B"


def _age(seconds: float) -> str:
    for size, letter in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {letter}"
    return f"{max(seconds, 0):.0f} s"
