"""What doctor finds lacking, and that it shows no secret."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.commands.findings import Finding, There, findings_of, memory_finding
from harness.commands.machine import Device, hub_findings, machine_findings, package_findings
from harness.models.hub import Access
from harness.recipe.evaluation import LmEval
from harness.recipe.needs import HubData, HubModel, Needs, Package

A = "a" * 40
NEEDS = Needs(
    models=(HubModel("owner/m", A),),
    data=(HubData("owner/d", A),),
    files=(("model.template", "chat.jinja"),),
    keys=(("pool.judge.key_env", "SOME_KEY"),),
    packages=(Package("sampling.engine", "vllm"), Package("features.embedding", "x")),
    cuda=("sampling.engine",),
    tasks=LmEval(tasks=("gsm8k",)),
)


def nothing(asked: object) -> bool:
    return False


def everything(asked: object) -> bool:
    return True


ALL = There(everything, everything, everything, everything, everything, gpu=True)
NONE = There(nothing, nothing, nothing, nothing, nothing, gpu=False)


def test_what_is_there_lacks_nothing() -> None:
    assert [each for each in findings_of(NEEDS, ALL) if each.remedy] == []


def test_each_lack_has_its_remedy() -> None:
    lacks = {each.what: each for each in findings_of(NEEDS, NONE) if each.remedy}
    assert list(lacks) == [
        "model owner/m@aaaaaaa", "dataset owner/d@aaaaaaa train", "file chat.jinja", "key SOME_KEY",
        "package vllm", "package x", "sampling.engine",
    ]  # fmt: skip
    assert "harness prefetch" in str(lacks["model owner/m@aaaaaaa"].remedy)
    assert lacks["package vllm"].remedy == "pip install 'harness[vllm]': sampling.engine needs it."
    assert all(str(each.remedy).endswith(".") for each in lacks.values())


def test_without_a_gpu_only_what_needs_one_is_lacking() -> None:
    lacks = [each for each in findings_of(NEEDS, replace(ALL, gpu=False)) if each.remedy]
    assert [(each.what, each.state) for each in lacks] == [
        ("sampling.engine", "needs a CUDA device, and there is none")
    ]


def test_memory_lacks_where_the_least_does_not_fit() -> None:
    gib = 2**30
    assert memory_finding(16 * gib, 24 * gib, is_gpu=True) == Finding(
        "memory of the GPU", "at least 16.0 of 24 GiB, before activations"
    )
    assert memory_finding(25 * gib, 24 * gib, is_gpu=True).remedy is not None


def test_packages_are_held_against_their_ranges() -> None:
    wanted = ["pytest>=1", "pytest<1", "no-such-package>=2", "ray; extra == 'ray'"]
    found = list(package_findings(wanted))
    assert [each.what for each in found] == ["pytest", "pytest", "no-such-package"]
    assert [each.remedy for each in found] == [
        None,
        "pip install 'pytest<1'.",
        "pip install 'no-such-package>=2'.",
    ]


def test_the_hub_is_never_lacking() -> None:
    for access in (Access("https://h", True, False, False), Access("https://h", False, False, True)):
        assert all(each.remedy is None for each in hub_findings(access))


def test_the_store_need_not_be_there(tmp_path: Path) -> None:
    found = machine_findings(Device("card", 24 * 2**30, gpu=True), 2, tmp_path / "not" / "yet")
    assert ("device", "2 x card, 24 GiB") in [(each.what, each.state) for each in found]


def test_doctor_looks_at_a_recipe_and_shows_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real file, a folder for a model that is not there, and a key that is set."""
    secret = "sk-do-not-show"
    monkeypatch.setenv("DOCTOR_KEY", secret)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    (tmp_path / "data.jsonl").write_text("{}\n")
    (tmp_path / "r.toml").write_text(RECIPE)
    done = CliRunner().invoke(app, ["doctor", str(tmp_path / "r.toml"), "--store", str(tmp_path / "store")])
    assert done.exit_code == 1, done.output
    text = " ".join(done.output.split())
    assert "key DOCTOR_KEY │ set" in text
    assert "file data.jsonl │ there" in text
    assert "file a-model │ missing │ lacking." in text
    assert "1 thing lacking." in text
    assert secret not in text
    assert os.environ["DOCTOR_KEY"] == secret


def test_doctor_finds_nothing_lacking_for_the_embedded_world(tmp_path: Path) -> None:
    smoke = Path(__file__).parent.parent.parent / "recipes" / "smoke.toml"
    done = CliRunner().invoke(app, ["doctor", str(smoke), "--store", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "Nothing is lacking." in done.output


RECIPE = """
title = "t"
baseline = "dpo"
[model]
kind = "hf"
name = "a-model"
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
judge = { kind = "endpoint", base_url = "http://localhost/v1", model = "m", key_env = "DOCTOR_KEY" }
[methods.dpo]
responses_per_prompt = 2
"""
