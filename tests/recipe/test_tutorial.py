"""What the tutorial shows is right: its recipe loads, and every command and option exists."""

import re
from pathlib import Path

import pytest
import typer.main

from harness.cli import app
from harness.recipe.load import load_recipe

ROOT = Path(__file__).parent.parent.parent
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()


def recipe() -> str:
    (block,) = re.findall(r"<!-- recipe:begin -->\n```toml\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)
    return str(block)


def other_blocks() -> list[str]:
    blocks = re.findall(r"^```toml\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if not block.startswith("title")]


def load(folder: Path, text: str) -> None:
    (folder / "r.toml").write_text(text)
    load_recipe(folder / "r.toml")


def test_the_recipe_loads(tmp_path: Path) -> None:
    load(tmp_path, recipe())


def test_the_method_fits_the_smoke_recipe(tmp_path: Path) -> None:
    method = other_blocks()[0]
    assert method.startswith("[methods.my-method]")
    load(tmp_path, (ROOT / "recipes" / "smoke.toml").read_text() + method)


def test_the_real_models_tables_fit_the_recipe(tmp_path: Path) -> None:
    """Each in the place of the recipe's own: model, responses, the pool's judge, the evaluation's judge."""
    model, responses, pool_judge, judge = other_blocks()[1:]
    text = recipe().replace("[pool]\n", responses).replace('responses = { kind = "dataset", least = 4 }', "")
    text = re.sub(r"^\[model\].*?(?=^\[pool\])", model, text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^judge = .*$", "", text, flags=re.MULTILINE)
    load(tmp_path, text + pool_judge + judge)


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^harness .*$", TUTORIAL, re.MULTILINE))))
def test_every_command_shown_exists(line: str) -> None:
    command, *words = line.partition("#")[0].split()[1:]
    known = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    options = {option for parameter in known.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    recipes = [word for word in words if word.startswith("recipes/") and "/gpu/" in word]
    assert all((ROOT / path).is_file() for path in recipes)


PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """Paths of the package and tests in code marks, and links beside the page."""
    text = page.read_text()
    named = re.findall(r"`((?:harness|tests)/[\w./-]+\.\w+)`", text)
    linked = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", text)
    missing = [path for path in named if not (ROOT / path).exists()]
    missing += [path for path in linked if not (page.parent / path).exists()]
    assert missing == []
