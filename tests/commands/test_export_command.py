"""`harness export` on a store with a trained adapter."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from typer.testing import CliRunner

from harness.cli import app
from harness.commands.chosen import chosen_cells
from harness.commands.places import places_of
from harness.errors import BadInput, StoreError
from harness.models.load import load_policy
from harness.models.quiet import quiet
from harness.models.source import Source, write_source
from harness.store.formats import RESULT, write_json
from harness.store.local import LocalStore
from harness.training.adapter import save_policy

RECIPE = """
title = "A comparison"
baseline = "dpo"
[seeds]
replicates = [0, 1]
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
[methods.start]
[methods.dpo]
responses_per_prompt = 2
training = { learning_rate = 2e-3 }
"""


@pytest.fixture
def project(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that holds the base model and the adapter of `dpo` under replicate 0."""
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.delenv("HARNESS_STORE", raising=False)
    (tmp_path / "model").symlink_to(tiny_base)
    (tmp_path / "data.jsonl").write_text("{}\n")
    (tmp_path / "r.toml").write_text(RECIPE)
    places = places_of(tmp_path / "r.toml")
    ends, store = chosen_cells(places, "dpo", None)[1]["dpo"].ends, LocalStore(places.store)
    store.prepare()
    with store.create(ends["base_model"].identity) as draft:
        write_source(draft.folder, Source(str(tiny_base)))
        write_json(draft.folder / RESULT, {"licence": "apache-2.0"})
    with store.create(ends["adapter"].identity) as draft, quiet():
        config = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear")
        torch.manual_seed(0)
        save_policy(get_peft_model(load_policy(tiny_base).model, config), draft.folder)
        write_json(draft.folder / RESULT, {})
    return tmp_path


def export(project: Path, method: str, *more: str) -> BaseException | None:
    words = ["export", str(project / "r.toml"), method, "--to", str(project / "out"), *more]
    return CliRunner().invoke(app, words).exception


def test_a_trained_method_is_written_with_its_card(project: Path) -> None:
    assert export(project, "dpo") is None
    files = {path.name for path in (project / "out").iterdir()}
    assert {"README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= files
    card = (project / "out" / "README.md").read_text()
    assert 'The method `dpo` of the recipe "A comparison"' in card
    assert 'license: "apache-2.0"' in card
    assert "prompts of `data.jsonl`; responses of kind 'sample'; scores by the length judge." in card
    assert '"learning_rate": 0.002' in card
    assert "Result: not evaluated" in card
    config = json.loads((project / "out" / "adapter_config.json").read_text())
    assert config["r"] == 2


def test_texts_from_outside_are_inert_in_the_card(project: Path) -> None:
    """The recipe's title, and the licence that the base model's own card states."""
    recipe = (project / "r.toml").read_text()
    title = json.dumps("\x1b[2J\n---\n# <script> [a](http://b)")
    (project / "r.toml").write_text(recipe.replace('"A comparison"', title))
    (result,) = (project / ".harness" / "base_model").glob(f"*/{RESULT}")
    store, key = LocalStore(project / ".harness"), result.parent.name
    identity = chosen_cells(places_of(project / "r.toml"), "dpo", None)[1]["dpo"].ends["base_model"].identity
    pointer = (result.parent / "model.json").read_bytes()
    store.discard("base_model", key)
    with store.create(identity) as draft:
        (draft.folder / "model.json").write_bytes(pointer)
        write_json(draft.folder / RESULT, {"licence": "[mit](http://evil)"})
    assert export(project, "dpo") is None
    card = (project / "out" / "README.md").read_text()
    assert 'recipe "\\[2J --- # &lt;script&gt; \\[a\\](http:&#47;&#47;b)", trained' in card
    assert "Its licence: not known;" in card
    assert "evil" not in card


def test_what_cannot_be_exported_is_said(project: Path) -> None:
    assert "trains nothing" in str(export(project, "start"))
    untrained = export(project, "dpo", "--replicate", "1")
    assert isinstance(untrained, StoreError)
    assert "the adapter of 'dpo/1' is not there. Run the recipe" in str(untrained)
    unknown = export(project, "dop")
    assert isinstance(unknown, BadInput)
    assert "Did you mean 'dpo'?" in str(unknown)
    assert not (project / "out").exists()
