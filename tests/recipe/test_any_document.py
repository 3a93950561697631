"""Whatever a file holds, it is a recipe or gives sentences: no other exception, and no broken line."""

import copy
import datetime
import json
import math
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.__main__ import main
from harness.commands.inputs import files_of
from harness.commands.places import places_of
from harness.errors import BadInput
from harness.plan.build import build_plan
from harness.recipe.launching import AccelerateConfig, Launching, launch_of
from harness.recipe.load import load_recipe
from harness.recipe.schema import KINDS, Role, kind_of
from harness.recipe.table import Table
from harness.store.keys import canonical

CASES = int(os.environ.get("HARNESS_FUZZ_CASES", "900"))
MOST_MS = 2000 if "HARNESS_FUZZ_CASES" in os.environ else None
"""What a case may take; in the suite, which may have a busy machine, nobody looks at the time."""

GOOD: dict[str, Any] = {
    "title": "test",
    "baseline": "dpo",
    "seeds": {"replicates": [0, 1], "vary": ["pool", "training"]},
    "pool": {"prompts": {"kind": "atlas", "count": 100}, "judge": {"kind": "oracle"}},
    "budget": {"responses": 64, "pairs": 32},
    "features": {"gradients": {"rank": 4, "dim": 64}},
    "training": {"steps": 8, "pairs_per_step": 8, "micro_batch": 4, "learning_rate": 1e-3},
    "tuning": {"trials": 2, "prompts": 4, "space": {"beta": [0.1, 0.5]}},
    "evaluation": {
        "alpaca_eval": {"prompts": {"kind": "atlas", "count": 20}},
        "lm_eval": {"tasks": ["atlas_facts"]},
    },
    "methods": {
        "sft": {},
        "null": {"answer": "no"},
        "dpo": {"responses_per_prompt": 4, "depth": {"kind": "random", "minimum": 1}},
        "depth": {
            "responses_per_prompt": 8,
            "breadth": {"kind": "clusters"},
            "depth": {"kind": "gradient-clusters", "clusters": 3, "prefer": "near"},
            "pairing": {"kind": "nearest"},
            "training": {"learning_rate": 0.5},
            "tuning": {"space": {"beta": [1, 2.0, 3]}},
        },
    },
}
ENDPOINT = {"base_url": "http://localhost:1/v1", "model": "judge", "key_env": "KEY", "budget_usd": 1.0}
RICH: dict[str, Any] = {
    "title": "data, models and judges from outside",
    "baseline": "dpo",
    "model": {
        "kind": "random",
        "hidden": 32,
        "sft": {"data": {"path": "sft.jsonl"}, "steps": 2, "learning_rate": 1e-4, "weights": "full"},
    },
    "pool": {
        "prompts": {"kind": "dataset", "path": "pool.jsonl", "count": 16, "held_out": 0.5},
        "responses": {"kind": "sample", "endpoint": ENDPOINT},
        "judge": {"kind": "endpoint", "template": "weighted", "both_orders": True, **ENDPOINT},
    },
    "budget": {"responses": 32},
    "features": {"embedding": {"kind": "sentence-transformers", "name": "folder", "revision": "0" * 40}},
    "sampling": {"batch_size": 8},
    "training": {"steps": 2, "pairs_per_step": 4, "learning_rate": 1e-3},
    "loss": {"kind": "sum", "terms": [{"kind": "dpo", "beta": 0.1}, {"kind": "ipo"}], "weights": [1.0, 0.5]},
    "evaluation": {
        "alpaca_eval": {
            "prompts": {"kind": "dataset", "path": "held.jsonl", "count": 8},
            "reference": {"kind": "method", "method": "dpo"},
            "judge": {"kind": "reward-model", "name": "me/reward", "revision": "0" * 40},
        },
        "mt_bench": {
            "questions": "questions.jsonl",
            "judge": {"kind": "local", "name": "me/judge", "revision": "0" * 40},
        },
    },
    "resources": {
        "default": {"gpus": 0.5, "cpus": 2.0, "memory_gb": 8.0},
        "responses": {"gpus": 1.0, "shards": 4},
        "training": {"launcher": "accelerate", "processes": 2, "config": "two.yaml", "nodes": 1},
    },
    "methods": {"dpo": {"responses_per_prompt": 4}, "sft": {}},
}
CONFIG: dict[str, Any] = {
    "distributed_type": "FSDP",
    "num_processes": 2,
    "mixed_precision": "no",
    "fsdp_config": {"fsdp_version": 2, "fsdp_state_dict_type": "FULL_STATE_DICT", "fsdp_offload": False},
}
"""An accelerate config file."""
FILES = ("sft.jsonl", "pool.jsonl", "held.jsonl", "questions.jsonl")


def kinds_of(table: type[Table]) -> list[type[Table]]:
    """A table class and all that are made from it."""
    return [table, *(found for child in table.__subclasses__() for found in kinds_of(child))]


WORDS = sorted(
    {name for table in kinds_of(Table) for name in table.model_fields}
    | {kind_of(variant) for variants in KINDS.values() for variant in variants}
    | {
        "kind",
        "near",
        "dpo",
        "[key]",
        "",
        ".",
        "a b",
        "a\nb",
        "\u2028",
        "é",
        "r.toml",
        "base.toml",
        "no.toml",
    }
    | {*Role.__args__, "a" * 300}  # type: ignore[attr-defined]
)
keys = st.sampled_from(WORDS) | st.text(max_size=8)
numbers = (
    st.sampled_from([-1, 0, 1, 2, 3, 7, 100, 10**6, 2**63 - 1, math.nan, -math.inf])
    | st.integers()
    | st.floats()
)
YAML_VALUES = [
    *(".nan", "-.inf", "1" + ":59" * 200 + ".5", "1" + "0" * 5000, "08", "0x_", "2020-01-01", "2020-99-99"),
    *("!!int ''", "!!float ''", "!!bool 1", "!!timestamp 1", "!!binary é", "!!set {a}", "!!omap 1", "!a b"),
    *("&a 1", "*a", "{<<: 1}", "{? [1]: 2}", "{.nan: 1}", "{~: 1}", "[" * 300 + "]" * 300, "|\n a", "@"),
    '"\\ud800"',
]
"""What YAML's own conversions of a value meet, and what they cannot convert."""
yaml_values = st.sampled_from(YAML_VALUES) | st.text("!&*:{}[]-.?~'\"#%\n 019einfax", max_size=20)
scalars = (
    st.sampled_from(WORDS)
    | st.text(max_size=20)
    | numbers
    | st.booleans()
    | st.dates()
    | st.times()
    | st.datetimes(min_value=datetime.datetime(1000, 1, 1))
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def toml(value: object) -> str:
    """An inline TOML value. Not always right (DEL must be escaped): a file need not be TOML either."""
    match value:
        case dict():
            return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(toml(item) for item in value) + "]"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bool():
            return str(value).lower()
        case datetime.date() | datetime.time():
            return value.isoformat()
    return str(value)


def tables(document: Any, found: list[Any]) -> list[Any]:
    """Every table and list of a document, the document first."""
    if isinstance(document, dict | list):
        found.append(document)
        for item in document.values() if isinstance(document, dict) else document:
            tables(item, found)
    return found


@st.composite
def altered(draw: st.DrawFn, *documents: dict[str, Any]) -> dict[str, Any]:
    """One of these with up to three values changed, added or taken out, anywhere."""
    document: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(0, 3))):
        table = draw(st.sampled_from(tables(document, [])))
        if isinstance(table, list):
            table.insert(draw(st.integers(0, len(table))), draw(values))
            continue
        key = draw(st.sampled_from([*table, *table, draw(keys)]))
        if key in table and draw(st.integers(0, 3)) == 0:
            del table[key]
        else:
            table[key] = draw(values | numbers | st.sampled_from(WORDS))
    return document


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """A good recipe, altered, that may extend another."""
    document = draw(altered(GOOD, RICH))
    if draw(st.integers(0, 3)) == 0:
        document["extends"] = draw(st.sampled_from(["base.toml", "r.toml", "no.toml", ".", 3]))
    return document


@st.composite
def changed_config(draw: st.DrawFn) -> bytes:
    """A good accelerate config file, altered, and lines that YAML reads in its own ways."""
    names = st.sampled_from([*AccelerateConfig.model_fields, "other"])
    document = json.loads(json.dumps(draw(altered(CONFIG)), default=str))  # dates are among YAML_VALUES
    more = draw(st.dictionaries(names, yaml_values, max_size=2))
    lines = [f"{key}: {value}\n" for key, value in more.items()]
    return "".join([yaml.safe_dump(document), *lines]).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one recipe that others can extend."""
    return furnish(tmp_path_factory.mktemp("any"))


def furnish(folder: Path) -> Path:
    """Put the recipe there that others extend, and the files that these name."""
    (folder / "base.toml").write_text("\n".join(f"{key} = {toml(item)}" for key, item in GOOD.items()))
    assert load_recipe(folder / "base.toml").title == "test"
    (folder / "two.yaml").write_text(json.dumps(CONFIG))
    (folder / "data").mkdir()
    for name in FILES:
        (folder / "data" / name).touch()
    return folder


def problems(folder: Path, content: bytes) -> tuple[str, ...]:
    """What is wrong with a file of that content; each problem is one line that begins with a file's name."""
    path = folder / "r.toml"
    path.write_bytes(content)
    try:
        recipe = load_recipe(path)
        build_plan(recipe, files_of(recipe, places_of(path)))
    except BadInput as error:
        found = error.problems
    else:
        return ()
    for problem in found:
        assert len(problem.splitlines()) == 1, problem
        assert problem.startswith((f"{path}: ", f"{folder / 'base.toml'}: ")), problem
        assert problem.endswith((".", "?")), problem
    assert found
    return found


def lines(document: dict[str, Any]) -> bytes:
    return "\n".join(f"{toml(key)} = {toml(item)}" for key, item in document.items()).encode()


def cases(share: float) -> settings:
    """A share of the cases."""
    return settings(max_examples=round(share * CASES), deadline=MOST_MS)


@cases(0.6)
@given(document=changed())
def test_a_recipe_with_changes(folder: Path, document: dict[str, Any]) -> None:
    assert not (problems(folder, lines(document)) and document in (GOOD, RICH))


@cases(0.2)
@given(document=st.dictionaries(keys, values, max_size=6))
def test_any_tables(folder: Path, document: dict[str, Any]) -> None:
    assert problems(folder, lines(document))


@cases(0.2)
@given(content=st.binary(max_size=60) | st.text("[]{}=.,'\"# \n\\abc019:-", max_size=60).map(str.encode))
def test_any_bytes(folder: Path, content: bytes) -> None:
    assert problems(folder, content)


@cases(0.2)
@given(content=changed_config() | st.binary(max_size=60))
def test_any_config_file(folder: Path, content: bytes) -> None:
    """What is taken can be handed on as JSON: a training's processes are told by it."""
    (folder / "any.yaml").write_bytes(content)
    try:
        launch = launch_of(Launching(launcher="accelerate", config="any.yaml"), "fp32", folder)
    except BadInput as error:
        for problem in error.problems:
            assert len(problem.splitlines()) == 1, problem
            assert problem.startswith('resources.training.config: "any.yaml": '), problem
            assert problem.endswith((".", "?")), problem
    else:
        assert canonical(launch.config)


@cases(0.1)
@given(
    content=changed().map(lines)
    | st.dictionaries(keys, values, max_size=6).map(lines)
    | st.binary(max_size=60)
)
def test_the_command_has_an_exit_code_and_no_traceback(folder: Path, content: bytes) -> None:
    """0 for a recipe, whose name and size are printed, and 2 for sentences on stderr, one in each line."""
    path = folder / "r.toml"
    path.write_bytes(content)
    out, wrong = StringIO(), StringIO()
    with (
        patch.object(sys, "argv", ["harness", "check", str(path)]),
        redirect_stdout(out),
        redirect_stderr(wrong),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    told = wrong.getvalue().splitlines()
    assert (ended.value.code or 0, bool(out.getvalue()), bool(told)) in [(0, True, False), (2, False, True)]
    assert out.getvalue().startswith(f"{path}: ok, ") or told
    assert all(line.startswith((f"{path}: ", f"{folder / 'base.toml'}: ")) for line in told)
