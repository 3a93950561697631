"""Values and places are shown as TOML writes them, on one line."""

import datetime
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.recipe.load import load_recipe
from harness.recipe.losses import SimpoLoss
from harness.recipe.pool import AtlasPrompts
from harness.recipe.rules import GradientClustersDepth
from harness.recipe.schema import Method, Recipe, TrainingOverride
from harness.recipe.wording import PATTERNS, dotted, show, table_at, tags_at


@pytest.mark.parametrize(
    "value",
    [
        True,
        3,
        1e-3,
        float("inf"),
        'it\'s "so"\n\t\\ \x7f \x85 \u2028 é',
        [],
        ["a.toml", [1, False]],
        {},
        {"a b": 1, "c": {"d": "e"}},
        datetime.time(7, 32),
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 7, 32, tzinfo=datetime.UTC),
    ],
)
def test_what_is_shown_is_one_line_of_toml(value: object) -> None:
    shown = show(value, limit=200)
    assert len(shown.splitlines()) == 1
    assert tomllib.loads(f"x = {shown}") == {"x": value}


def test_long_values_are_cut() -> None:
    assert show("a" * 100) == '"' + "a" * 56 + "..."


def test_keys_are_quoted_where_they_must_be() -> None:
    assert dotted(("methods", "a-b_1", 0)) == "methods.a-b_1.0"
    assert dotted(("a.b", "", "c\nd")) == r'"a.b"."".' + r'"c\nd"'
    assert len(dotted(("a" * 100_000,))) == 60
    assert dotted(()) == "recipe"


@pytest.mark.parametrize("name", ["dpo", "depth", "training", "methods", "pool"])
def test_a_method_may_be_named_like_a_table(name: str) -> None:
    assert table_at(Recipe, ("methods", name)) is Method
    assert table_at(Recipe, ("methods", name, "training")) is TrainingOverride
    assert table_at(Recipe, ("methods", name, "depth")) is GradientClustersDepth
    assert table_at(Recipe, ("pool", "prompts"), variant="atlas") is AtlasPrompts
    assert table_at(Recipe, ("methods", name, "nothing")) is None


def test_a_table_with_variants_is_that_of_its_kind() -> None:
    for place in (("loss",), ("methods", "a", "loss"), ("methods", "a", "loss", "terms", 0)):
        assert table_at(Recipe, place, variant="simpo") is SimpoLoss
        assert {"dpo", "simpo"} < set(tags_at(Recipe, place))
    assert "sum" not in tags_at(Recipe, ("loss", "terms", 0))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("title = 07:32:00", "title: must be a text. Got 07:32:00."),
        ('title = ["a", 1]', 'title: must be a text. Got ["a", 1].'),
        ('"a\\nb" = 1', '"a\\nb": unknown key.'),
        ("evaluation.lm_eval.tasks = []", "evaluation.lm_eval.tasks: must not be empty. Got []."),
        (
            "methods.a.breadth.kind = 3",
            "methods.a.breadth: 3 is not known here. Known: all, random, clusters",
        ),
        ("methods.a.breadth.kind = ['clusters']", 'methods.a.breadth: ["clusters"] is not known here.'),
        (
            "methods.breadth.breadth.prompts = 3",
            "methods.breadth.breadth: needs a `kind`. Known: all, random",
        ),
        ("methods.training.depth = { beta = 3 }", "methods.training.depth: needs a `kind`. Known: uniform"),
        ('methods."a b" = {}', 'methods."a b": a method\'s name may hold a-z'),
    ],
)
def test_sentences_speak_toml(tmp_path: Path, line: str, sentence: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(line)
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    assert any(problem.startswith(f"{path}: {sentence}") for problem in caught.value.problems), (
        caught.value.problems
    )


def test_every_pattern_of_the_schema_has_words() -> None:
    def patterns(part: object) -> Iterator[str]:
        if isinstance(part, dict):
            yield from (value for key, value in part.items() if key == "pattern" and isinstance(value, str))
            yield from (found for value in part.values() for found in patterns(value))
        elif isinstance(part, list):
            yield from (found for value in part for found in patterns(value))

    assert set(patterns(Recipe.model_json_schema())) == set(PATTERNS)
