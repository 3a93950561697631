"""The figures of docs/scale.md for a million prompts are those that `harness plan` gives."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text()


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page's own command says, on a machine that has none of the models."""
    folder = tmp_path_factory.mktemp("scale")
    (folder / "prompts-1m.jsonl").write_text('{"prompt": "p"}\n')
    (command,) = re.findall(r"^harness (plan recipes/gpu/scale-1m\.toml [^#\n]*)", PAGE, flags=re.MULTILINE)
    words = [
        *command.replace("recipes/", f"{ROOT}/recipes/").split(),
        "--store",
        str(folder / "store"),
        "--json",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_DATA", str(folder))
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
        done = CliRunner().invoke(app, words, catch_exceptions=False)
    found: dict[str, Any] = json.loads(done.output)["costs"]
    return found


def rows() -> list[list[str]]:
    """The cells of the page's table, without its head."""
    (table,) = re.findall(r"^\| stage \| M tokens .*\n\|---.*\n((?:\|.*\n)+)", PAGE, flags=re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def stages(row: list[str]) -> list[str]:
    return row[0].partition(" (")[0].split(", ")


def figures(cost: dict[str, float]) -> list[float]:
    """In the units of the table's columns, from tokens to bytes."""
    return [
        (cost["tokens_forward"] + cost["tokens_backward"]) / 1e6,
        cost["flops"] / 1e15,
        cost["gpu_seconds"] / 3600,
        cost["gpu_usd"] + cost["judge_usd"],
        cost["bytes_written"] / 1e9,
    ]


def told(value: float, cell: str) -> str:
    """A value with as many digits as the cell has; nothing is less than one."""
    digits = len(cell.partition(".")[2])
    return "" if not cell and value < 1 else f"{value:,.{digits}f}"


def test_the_table_of_stages_is_what_plan_says(costs: dict[str, Any]) -> None:
    known = costs["stages"] | {"all": costs["total"]}
    for row in rows():
        summed = [sum(values) for values in zip(*(figures(known[name]) for name in stages(row)), strict=True)]
        cells = row[1:6]
        assert cells == [told(*pair) for pair in zip(summed, cells, strict=True)], row[0]


def test_each_shard_is_what_plan_says(costs: dict[str, Any]) -> None:
    said = {row[0].partition(" (")[0]: row[6:] for row in rows() if row[6]}
    assert said == {
        name: [str(one["shards"]), f"{one['gpu_seconds'] / 3600:.1f} h, {one['bytes_written'] / 1e9:.2f} GB"]
        for name, one in costs["shards"].items()
    }


def test_what_the_table_leaves_out_computes_nothing_and_writes_little(costs: dict[str, Any]) -> None:
    for name in costs["stages"].keys() - {name for row in rows() for name in stages(row)}:
        tokens, flops, _, usd, gigabytes = figures(costs["stages"][name])
        assert (tokens, flops, usd) == (0, 0, 0), name
        assert gigabytes < 1, name


def test_the_shares_of_the_time_are_those_of_the_plan(costs: dict[str, Any]) -> None:
    shares = re.findall(r"^- \*\*([a-z ]+), (\d+) %(?: each)?\*\*", PAGE, flags=re.MULTILINE)
    said = {name: share for names, share in shares for name in names.split(" and ")}
    assert len(said) == 5
    whole = costs["total"]["gpu_seconds"]
    assert said == {name: f"{costs['stages'][name]['gpu_seconds'] / whole:.0%}"[:-1] for name in said}
