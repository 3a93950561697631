"""Whether a store with 100,000 artifacts stays interactive: list, size, plan and second run."""

import shutil
from pathlib import Path

from benchmarks.commands import SMOKE, device, first_run, timed
from benchmarks.figure import Benchmark, Figure, at_most
from harness.store.keys import KEY_LENGTH, digest
from harness.store.manifest import Manifest, write_manifest

NAME, ARTIFACTS, BOUND_S = "store-scale", 100_000, 5.0
STAGES = ("responses", "scores", "pairs", "adapter", "outputs")


def measure() -> list[Figure]:
    """Wall seconds of the real commands on the smoke recipe's store, before and after it has grown."""
    folder, _ = first_run(SMOKE)
    commands = (("store", "list"), ("store", "size"), ("plan", SMOKE), ("run", SMOKE))
    small = {words: timed(folder, *words).seconds for words in commands}
    try:
        fill(folder / ".harness", ARTIFACTS)
        return [_figure(words, small[words], timed(folder, *words).seconds) for words in commands]
    finally:
        shutil.rmtree(folder / ".harness", ignore_errors=True)  # nothing measured later shall meet it


def fill(store: Path, artifacts: int) -> None:
    """Add artifacts of one small file each, evenly over five stages; of no recipe."""
    for number in range(artifacts):
        stage, key = STAGES[number % len(STAGES)], digest({"filler": number})[:KEY_LENGTH]
        folder = store / stage / key
        folder.mkdir(parents=True)
        (folder / "rows.jsonl").write_text("{}\n")
        files = {"rows.jsonl": {"sha256": "0" * 64, "bytes": 3}}
        write_manifest(folder, Manifest(stage, key, 1, {}, {}, files, {"wall_s": 1.0}, {}))


def _figure(words: tuple[str, ...], small: float, large: float) -> Figure:
    case = f"harness {' '.join(words)}, {ARTIFACTS:,} artifacts more ({small:.1f} s without)"
    command = f"python -m benchmarks {NAME}"
    return at_most(Figure(NAME, case, large, "s", "-", None, device(), command), BOUND_S)


BENCHMARKS = (Benchmark(NAME, "commands on a store of 100,000 artifacts", measure),)
