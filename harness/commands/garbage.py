"""`harness store gc`: what of a store neither recipes nor boards need any more."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.commands.inputs import files_of
from harness.commands.places import places_of
from harness.commands.store import check_there, sized, users_of
from harness.commands.words import counted
from harness.errors import BadInput
from harness.plan.build import build_plan
from harness.plan.catalog import STAGES
from harness.plan.shards import in_shards
from harness.recipe.load import load_recipe
from harness.store.inventory import entries, folder_bytes, with_inputs
from harness.store.local import LocalStore


def collect_garbage(
    root: Path, boards: Path | None, recipes: Sequence[Path], force: bool, delete: bool
) -> Iterator[str]:
    """Name, line by line, or `delete` what neither these recipes nor (without `force`) the boards rest on.

    The boards are those in the folder `boards` (None: `leaderboards/` here) and beside the recipes.

    Raises:
        BadInput: nothing says what is needed, a folder of boards is not there, or a recipe or record cannot
            be read.
        StoreError: a run is at work on the store, or a manifest cannot be read.
    """
    check_there(root)
    store = LocalStore(root)
    with store.in_use(alone=delete):
        there = list(entries(root, STAGES))
        wanted = _wanted(store, boards, recipes, force)
        needed = with_inputs(store, wanted, there)
        useless = [entry for entry in there if not (entry.whole and entry.key in needed)]
        litter = [path for path in store.in_the_making() if path.name not in needed or store.is_litter(path)]
        for entry in useless:
            yield f"{entry.name:34} {sized(entry.bytes):>9}"
            if delete:
                store.discard(entry.stage, entry.key)
        for path in litter:
            yield f"{path.relative_to(root)!s:34} {sized(folder_bytes(path)):>9}"
        if delete:
            store.sweep(litter)
    freed = sized(sum(entry.bytes for entry in useless))
    verb = "deleted" if delete else "would be deleted; --yes deletes"
    kept = counted(len(there) - len(useless), "artifact")
    yield f"{counted(len(useless), 'artifact')}, {freed}, {verb}. {kept} kept."


def _wanted(store: LocalStore, boards: Path | None, recipes: Sequence[Path], force: bool) -> set[str]:
    wanted: set[str] = set()
    for path in recipes:
        recipe = load_recipe(path)
        tasks = build_plan(recipe, files_of(recipe, places_of(path, store.root))).tasks
        stored = {task.key for task in tasks if store.has(task.stage, task.key)}
        wanted |= {task.key for task in in_shards(tasks, recipe.resources, stored)}
    if force:
        return wanted
    folders = _board_folders(boards, recipes)
    wanted.update(*map(users_of, folders))
    if not wanted:
        raise BadInput(
            f"{folders[0]}: holds no records, and no recipe is given, so all of {store.root} would go. Name "
            "the recipes to keep, or the folder of the boards (--boards), or give --force."
        )
    return wanted


def _board_folders(named: Path | None, recipes: Sequence[Path]) -> Sequence[Path]:
    """The folder of boards that is `named`, or else `leaderboards/` here, then those beside the recipes.

    Raises:
        BadInput: the named one is not there; or none is named, and one beside a recipe, or without recipes
            the one here, is not.
    """
    here, beside = named or Path("leaderboards"), [places_of(path).board.parent for path in recipes]
    for folder in beside if recipes and not named else [here]:
        if not folder.is_dir():
            raise BadInput(
                f"{folder}: there is no such folder of boards, so it is not known what they rest on. Name "
                "theirs with --boards, or give --force to keep nothing for them."
            )
    return list(dict.fromkeys([here, *beside]))
