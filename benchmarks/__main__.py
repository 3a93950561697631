"""`python -m benchmarks` lists the benchmarks; with names it runs them and prints a table."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import (
    bank,
    bank_gpu,
    board,
    calls,
    clustering,
    commands,
    engines,
    features,
    flips,
    fuzz,
    grouped,
    grouped_gpu,
    kills,
    net_overhead,
    pair_features,
    selection_scale,
    sketch,
    store_scale,
    training,
)
from benchmarks.figure import Figure, Skipped, markdown

SUBJECTS = (
    commands, engines, bank, bank_gpu, pair_features, sketch, features, clustering, selection_scale,
    net_overhead, grouped, training, grouped_gpu, board, kills, calls, flips, fuzz, store_scale,
)  # fmt: skip
BENCHMARKS = {benchmark.name: benchmark for subject in SUBJECTS for benchmark in subject.BENCHMARKS}

PAGE = """# Benchmarks

Written by `python -m benchmarks NAMES --page docs/benchmarks.md` (`nox -s benchmarks`: all of them). Every
figure is measured on the machine named; a bound is what the project holds itself to on two cores without a
GPU. Ratios are of processor seconds of one thread, the variants taking turns in one process.

"""


def main() -> int:
    """Run what the command line asks for; 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run; none: list them")
    parser.add_argument("--all", action="store_true", help="run all of them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table as a Markdown page")
    parser.add_argument(
        "--add", nargs="+", type=Path, default=[], metavar="FILE", help="figures that --json wrote before"
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="a sentence for the page about this run")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark is called '{unknown[0]}'. Known: {', '.join(BENCHMARKS)}.")
    names = list(BENCHMARKS) if options.all else options.names
    if not names and not options.add:
        for benchmark in BENCHMARKS.values():
            print(f"{benchmark.name:18} {benchmark.text}")
        return 0
    earlier = [Figure(**row) for file in options.add for row in json.loads(file.read_text())]
    return _run(names, earlier, options.json, options.page, options.note)


def _run(names: list[str], earlier: list[Figure], as_json: Path | None, page: Path | None, note: str) -> int:
    figures, skipped = list(earlier), dict[str, str]()
    for name in names:
        print(f"running {name} ...", file=sys.stderr)
        try:
            figures += BENCHMARKS[name].measure()
        except Skipped as why:
            skipped[name] = f"skipped: {why}"
            print(f"{name}: {skipped[name]}")
    print(markdown(figures))
    if as_json:
        as_json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
    if page:
        stated = dict.fromkeys([figure.name for figure in earlier] + names)
        commands_run = "\n".join(
            f"- {name}: {skipped.get(name, f'`python -m benchmarks {name}`')}" for name in stated
        )
        said = f"{note}\n\n" if note else ""
        page.write_text(f"{PAGE}{said}{markdown(figures)}\n\n{commands_run}\n")
    return 1 if any(figure.holds is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
