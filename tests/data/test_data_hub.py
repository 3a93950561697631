"""Datasets of the hub, read by the real `datasets` from a hub on this machine, with a network and without."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from loopback_hub import serve

from harness.data.hub import HubDataset, hub_rows
from harness.errors import BadInput

FIRST, SECOND, NONE = "a" * 40, "b" * 40, "c" * 40
ROW = {"prompt": "p", "chosen": "a", "rejected": "b"}
OTHER = ROW | {"chosen": "another"}

# Each dataset as a list of arguments -> its rows, or the sentence that refuses it.
READER = """
import json, sys
from harness.data.hub import HubDataset, hub_rows
from harness.errors import BadInput
for arguments in json.loads(sys.argv[1]):
    try:
        outcome = list(hub_rows(HubDataset(*arguments)))
    except BadInput as refused:
        outcome = str(refused)
    print(json.dumps(outcome))
"""


def read(home: Path, hub: str, offline: bool, *asked: list[str]) -> list[Any]:
    """What a process of its own reads, because the settings of the hub's client hold for a whole process.

    It runs beside a folder with the dataset's name, which is not what was asked for.
    """
    beside = home / "beside" / "owner" / "name"
    beside.mkdir(parents=True, exist_ok=True)
    (beside / "train.jsonl").write_text('{"local": 1}\n')
    settings = {"HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_HUB_OFFLINE": str(int(offline))}
    settings["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", READER, json.dumps(asked)], env=os.environ | settings, cwd=home / "beside",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_a_revision_is_read_as_it_was_with_and_without_a_network(tmp_path: Path) -> None:
    """Offline, `datasets` alone would give the first revision's rows for the second, never fetched one."""
    line, other = (json.dumps(row).encode() + b"\n" for row in (ROW, OTHER))
    commits = {FIRST: {"train.jsonl": line * 2}, SECOND: {"train.jsonl": other}}
    name = "owner/name"
    with serve(name, commits) as hub:
        first, missing, split, config, unknown = read(
            tmp_path, hub, False,
            [name, FIRST], [name, NONE], [name, FIRST, "test"], [name, FIRST, "train", "x"],
            ["owner/none", FIRST],
        )  # fmt: skip
        again, never = read(tmp_path, hub, True, [name, FIRST], [name, SECOND])
    assert first == again == [[1, ROW], [2, ROW]]
    assert missing.startswith(f"owner/name@{NONE[:12]}:train: Revision '{NONE}' doesn't exist")
    assert split == (
        f"owner/name@{FIRST[:12]}:test: cannot be read: Unknown split \"test\". Should be one of ['train']. "
        "Correct the split, the configuration or the data."
    )
    assert "cannot be read: BuilderConfig 'x' not found." in config
    assert "doesn't exist on the Hub or cannot be accessed. Correct the id or the revision" in unknown
    assert never == (
        f"owner/name@{SECOND[:12]}:train: is not stored on this machine, and the hub cannot be reached. "
        "Fetch it once with a network, and HF_HUB_OFFLINE not set."
    )


@pytest.mark.parametrize(
    ("source", "rules"),
    [
        (HubDataset("owner/name", "main"), ["needs a revision of 40 hex digits"]),
        (HubDataset("json", FIRST), ["must be 'owner/name'"]),
        (HubDataset("../name", "A" * 40), ["must be 'owner/name'", "needs a revision of 40 hex digits"]),
    ],
)
def test_what_is_no_pinned_dataset_of_the_hub_is_refused(source: HubDataset, rules: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        next(hub_rows(source))
    for problem, rule in zip(refused.value.problems, rules, strict=True):
        assert problem.startswith(f"{source}: {rule}")
