"""Prefetch: what it fetches, what it says of it, and what it says where nothing can be fetched."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from harness.cli import app
from harness.commands.places import places_of
from harness.commands.prefetch import Item, fetch_all, items_of
from harness.errors import BadInput
from harness.models.hub import Access
from harness.recipe.load import load_recipe
from harness.recipe.needs import needs_of

RECIPES = Path(__file__).parent.parent.parent / "recipes"
ONLINE = Access("https://hub.example", offline=False, answers=True, token=False)
DOWN = Access("https://hub.example", offline=False, answers=False, token=False)


def item(what: str, fetch: Callable[[], list[Path]], is_here: bool = False) -> Item:
    return Item(what, lambda: is_here, fetch)


def failing() -> list[Path]:
    raise BadInput(["b: is gated. Accept its terms."])


def fetched(items: list[Item], access: Access) -> tuple[list[str], str]:
    console = Console(width=200, record=True, quiet=False)
    with console.capture() as output:
        problems = fetch_all(items, access, console)
    return problems, " ".join(output.get().split())


def test_what_fails_stops_nothing_else(tmp_path: Path) -> None:
    """A file is printed with its SHA-256, one that fails is said, the last is fetched all the same."""
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    asked: list[str] = []
    items = [
        item("a", lambda: [file]),
        item("b", failing),
        item("c", lambda: asked.append("c") or [file, file.parent / "weights"]),  # type: ignore[func-returns-value]
    ]
    problems, text = fetched(items, ONLINE)
    assert problems == ["b: is gated. Accept its terms."]
    assert asked == ["c"]
    assert f"a │ 1 │ 0.000 │ {hashlib.sha256(b'abc').hexdigest()}" in text


def test_without_the_hub_nothing_is_tried_and_what_is_lacking_is_named() -> None:
    problems, text = fetched([item("a", failing, is_here=True), item("b", failing)], DOWN)
    (problem,) = problems
    assert problem.startswith("The hub cannot be asked: https://hub.example does not answer. ")
    assert "this machine lacks: b. Run" in problem
    assert text == ""
    assert fetched([item("a", failing, is_here=True)], DOWN) == ([], "")


def test_a_recipe_of_the_hub_has_an_item_for_each_need() -> None:
    path = RECIPES / "gpu" / "single-24gb.toml"
    items = items_of(needs_of(load_recipe(path)), places_of(path))
    assert [each.what for each in items] == [
        "model Qwen/Qwen2.5-1.5B-Instruct@989aa79",
        "model Skywork/Skywork-Reward-V2-Qwen3-0.6B@8c14a4e",
        "model Skywork/Skywork-Reward-Llama-3.1-8B-v0.2@d4117fb",
        "dataset openbmb/UltraFeedback@40b4365 train",
        "dataset tatsu-lab/alpaca_eval@2edc6fa alpaca_eval_gpt4_baseline.json",
        "figures of AlpacaEval's length control",
        "tasks ifeval, gsm8k, truthfulqa_mc2",
    ]


@pytest.fixture
def local(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe on a model's folder and a data file."""
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    (tmp_path / "model").symlink_to(tiny_base)
    (tmp_path / "r.toml").write_text(RECIPE)
    return tmp_path


def test_a_local_recipe_needs_nothing_from_the_hub(local: Path) -> None:
    (local / "data.jsonl").write_text("{}\n")
    done = CliRunner().invoke(app, ["prefetch", str(local / "r.toml")])
    assert done.exit_code == 0, done.output
    assert done.output.strip() == "The recipe needs nothing from the hub."


def test_a_local_file_that_is_missing_is_said(local: Path) -> None:
    done = CliRunner().invoke(app, ["prefetch", str(local / "r.toml")])
    assert isinstance(done.exception, BadInput)
    assert "there is no file 'data.jsonl'" in str(done.exception)


def test_offline_is_one_sentence() -> None:
    """The tests run with HF_HUB_OFFLINE."""
    done = CliRunner().invoke(app, ["prefetch", str(RECIPES / "gpu" / "single-24gb.toml")])
    assert isinstance(done.exception, BadInput)
    (problem,) = done.exception.problems
    assert problem.startswith("The hub cannot be asked: HF_HUB_OFFLINE is set.")
    assert "model Qwen/Qwen2.5-1.5B-Instruct@989aa79; " in problem


RECIPE = """
title = "t"
baseline = "dpo"
[model]
kind = "hf"
name = "model"
dtype = "fp32"
[pool]
prompts = { kind = "dataset", path = "data.jsonl", count = 8 }
judge = { kind = "length" }
[budget]
responses = 8
[training]
steps = 1
learning_rate = 1e-3
[evaluation.alpaca_eval]
prompts = { kind = "held-out", count = 2 }
judge = { kind = "length" }
[methods.dpo]
responses_per_prompt = 2
"""
