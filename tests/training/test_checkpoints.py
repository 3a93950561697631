"""A training that is killed goes on from its last whole checkpoint, to what an unbroken one gives."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from pickle import UnpicklingError
from random import Random
from unittest.mock import patch

import pytest
import torch
from power import ANY, Power
from safetensors.torch import load_file
from test_preference_training import PAIRS, SETTINGS

from harness.methods.losses import PairLoss
from harness.methods.losses.batch import bco, bco_update
from harness.training.checkpoints import PROGRESS, Checkpoints
from harness.training.preference import train
from harness.training.report import TrainingReport
from harness.training.runtime import Runtime
from harness.training.settings import TrainingSettings

LONGER = replace(SETTINGS, steps=8, warmup_steps=2, learning_rate=1e-2)


class Clock:
    """Seconds that only `carry` changes, after `ticks` of its own."""

    def __init__(self, ticks: float = 0.0) -> None:
        self.seconds = (ticks, ticks)

    def carry(self, wall_s: float, cpu_s: float) -> None:
        self.seconds = (self.seconds[0] + wall_s, self.seconds[1] + cpu_s)


class Killed(Exception):
    pass


def killed_at(step: int) -> Callable[[int, int], None]:
    def progress(done: int, of: int) -> None:
        if done == step:
            raise Killed

    return progress


def run(
    base: Path,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    fingerprint: str = "this",
    clock: Clock | None = None,
    settings: TrainingSettings = LONGER,
) -> TrainingReport:
    """Train with a checkpoint after every step, in `folder`."""
    checkpoints = Checkpoints(
        folder / "checkpoints", lambda: fingerprint, clock or Clock(), every_s=0, share=inf
    )
    return train(base, PAIRS, settings, folder / "out", Runtime(progress, checkpoints))


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in (folder / "checkpoints").iterdir())


def same_weights(first: Path, second: Path) -> bool:
    one, two = (load_file(folder / "out" / "adapter_model.safetensors") for folder in (first, second))
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def unbroken(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingReport]:
    """A training without checkpoints."""
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, train(tiny_base, PAIRS, LONGER, folder / "out")


def first_step(done: list[int]) -> Callable[[int, int], None]:
    return lambda step, _: done.append(step)


def test_saving_changes_nothing_and_keeps_two(
    tiny_base: Path, tmp_path: Path, unbroken: tuple[Path, TrainingReport]
) -> None:
    """The last step, 8, saves none: what follows it takes no time."""
    assert run(tiny_base, tmp_path) == unbroken[1]
    assert same_weights(tmp_path, unbroken[0])
    assert steps(tmp_path) == [6, 7]


def test_a_training_goes_on_to_the_same_weights_and_report(
    tiny_base: Path, tmp_path: Path, unbroken: tuple[Path, TrainingReport]
) -> None:
    """Stopped at step 5 before its save, so 4 is the last; then at 7; each process does what is left."""
    for at in (5, 7):
        with pytest.raises(Killed):
            run(tiny_base, tmp_path, killed_at(at))
    done: list[int] = []
    assert run(tiny_base, tmp_path, first_step(done)) == unbroken[1]
    assert done == [7, 8]
    assert same_weights(tmp_path, unbroken[0])


def test_a_running_loss_goes_on_with_its_state(tiny_base: Path, tmp_path: Path) -> None:
    """BCO's shift is the mean of all log-ratios so far, those before the checkpoint included."""
    needs = frozenset({"reference", "batch", "running"})
    settings = replace(LONGER, loss=PairLoss(partial(bco, beta=0.5), needs, bco_update))
    straight = train(tiny_base, PAIRS, settings, tmp_path / "straight" / "out")
    with pytest.raises(Killed):
        run(tiny_base, tmp_path, killed_at(5), settings=settings)
    done: list[int] = []
    assert run(tiny_base, tmp_path, first_step(done), settings=settings) == straight
    assert done[0] == 5
    assert same_weights(tmp_path, tmp_path / "straight")


def test_seconds_are_carried_from_process_to_process(tiny_base: Path, tmp_path: Path) -> None:
    """Each process's clock begins at 10: the first saves 10, the second 20, and the third ends at 30."""
    for at in (3, 5):
        with pytest.raises(Killed):
            run(tiny_base, tmp_path, killed_at(at), clock=Clock(10))
    last = Clock(10)
    run(tiny_base, tmp_path, clock=last)
    assert last.seconds == (30, 30)


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "optimizer.pt").write_bytes(b"torn"),
        lambda folder: (folder / "optimizer.pt").unlink(),
        lambda folder: (folder / PROGRESS).unlink(),
        lambda folder: (folder / PROGRESS).write_text('{"files"'),
        lambda folder: (folder / PROGRESS).write_text("[]"),
    ],
    ids=["torn", "missing", "unfinished", "torn note", "odd note"],
)
def test_a_torn_newest_checkpoint_falls_back_to_the_one_before(
    harm: Callable[[Path], None], tiny_base: Path, tmp_path: Path, unbroken: tuple[Path, TrainingReport]
) -> None:
    with pytest.raises(Killed):
        run(tiny_base, tmp_path, killed_at(6))
    assert steps(tmp_path) == [4, 5]
    harm(tmp_path / "checkpoints" / "checkpoint-5")
    done: list[int] = []
    assert run(tiny_base, tmp_path, first_step(done)) == unbroken[1]
    assert done[0] == 5
    assert same_weights(tmp_path, unbroken[0])


def test_with_none_whole_it_starts_again(
    tiny_base: Path, tmp_path: Path, unbroken: tuple[Path, TrainingReport]
) -> None:
    with pytest.raises(Killed):
        run(tiny_base, tmp_path, killed_at(6))
    for folder in (tmp_path / "checkpoints").iterdir():
        (folder / "adapter_model.safetensors").write_bytes(b"")
    done: list[int] = []
    assert run(tiny_base, tmp_path, first_step(done)) == unbroken[1]
    assert done[0] == 1


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_pickle_in_a_checkpoint_is_not_executed(tiny_base: Path, tmp_path: Path, name: str) -> None:
    """Nor that in `training_args.bin`, which nothing reads; whoever put them there forged their digests."""
    with pytest.raises(Killed):
        run(tiny_base, tmp_path, killed_at(6))
    folder = tmp_path / "checkpoints" / "checkpoint-5"
    note = json.loads((folder / PROGRESS).read_text())
    for each in (name, "training_args.bin"):
        assert each in note["files"]
        torch.save(Payload(tmp_path / "ran"), folder / each)
        note["files"][each] = hashlib.sha256((folder / each).read_bytes()).hexdigest()
    (folder / PROGRESS).write_text(json.dumps(note))
    with pytest.raises(UnpicklingError, match="Weights only load failed"):
        run(tiny_base, tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("harm", ["missing", "zeros", ANY])
def test_a_saved_checkpoint_outlives_a_loss_of_power(
    harm: str, tiny_base: Path, tmp_path: Path, unbroken: tuple[Path, TrainingReport]
) -> None:
    """Stopped at step 6 before its save, and all that was not flushed is harmed: 5 is gone on from."""
    power = Power()
    with patch.object(os, "fsync", power.fsync), pytest.raises(Killed):
        run(tiny_base, tmp_path, killed_at(6))
    power.lose(tmp_path, harm, Random(1))
    power.release()
    done: list[int] = []
    assert run(tiny_base, tmp_path, first_step(done)) == unbroken[1]
    assert done[0] == 6
    assert same_weights(tmp_path, unbroken[0])


def test_a_checkpoint_of_other_settings_is_ignored(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tiny_base, tmp_path, killed_at(6))
    done: list[int] = []
    run(tiny_base, tmp_path, first_step(done), fingerprint="other")
    assert done[0] == 1


def test_a_short_training_saves_nothing_and_asks_for_no_fingerprint(tiny_base: Path, tmp_path: Path) -> None:
    def never() -> str:
        raise AssertionError

    checkpoints = Checkpoints(tmp_path / "checkpoints", never, Clock())
    train(tiny_base, PAIRS, LONGER, tmp_path / "out", Runtime(checkpoints=checkpoints))
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_the_note_holds_a_digest_of_every_file(tiny_base: Path, tmp_path: Path) -> None:
    run(tiny_base, tmp_path)
    folder = tmp_path / "checkpoints" / "checkpoint-7"
    note = json.loads((folder / PROGRESS).read_text())
    assert set(note["files"]) == {path.name for path in folder.iterdir()} - {PROGRESS}
    assert {"adapter_model.safetensors", "optimizer.pt", "rng_state.pth"} <= set(note["files"])


SCRIPT = """
    import os, signal, sys
    from pathlib import Path
    from test_checkpoints import run

    def progress(done, of):
        if done == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

    run(Path(sys.argv[1]), Path(sys.argv[2]), progress)
"""


@pytest.mark.slow
def test_a_killed_process_is_gone_on_from(
    tiny_base: Path, tmp_path: Path, unbroken: tuple[Path, TrainingReport]
) -> None:
    path = os.pathsep.join((str(Path(__file__).parent), *sys.path))
    words = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tiny_base), str(tmp_path)]
    done = subprocess.run([*words, "5"], check=False, env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == -signal.SIGKILL
    assert steps(tmp_path) == [3, 4]
    assert run(tiny_base, tmp_path) == unbroken[1]
    assert same_weights(tmp_path, unbroken[0])
