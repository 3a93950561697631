"""The README's example is a recipe, and what it says `harness check` prints is what is printed."""

import re
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.recipe.load import load_recipe

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def example() -> str:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(block)


def test_the_example_loads(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(example())
    recipe = load_recipe(path)
    assert recipe.baseline == "dpo-random"
    assert set(recipe.methods) == {"dpo-random", "dpo", "balanced"}


def test_the_mistakes_shown_are_found_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    path = Path("recipes/bpo.toml")
    path.write_text(example().replace("clusters = 16", "clusters = 1, clusterz = 16"))
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    shown = re.findall(r"^recipes/bpo\.toml: .*$", README, re.MULTILINE)
    assert sorted(caught.value.problems) == sorted(shown)
    assert len(shown) == 2
