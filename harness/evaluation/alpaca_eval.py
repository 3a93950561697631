"""Pairwise judging with alpaca_eval's annotator and metric: the only door to that package."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from harness.models.quiet import quiet

with quiet():  # the import sets the root logger to INFO and warns about its own dependencies
    from alpaca_eval.annotators import PairwiseAnnotator
    from alpaca_eval.metrics import get_winrate

PairJudge: TypeAlias = Callable[[Sequence[tuple[str, str, str]]], Sequence[float | None]]
"""[(instruction, first, second)] -> [1 (first better) .. 1.5 (tie) .. 2 (second better); None: no answer]"""

# Each placeholder is filled with a JSON string, so that the filled prompt is a JSON list.
_TEMPLATE = "[{instruction}, {output_1}, {output_2}]"
_CONFIG = """\
judge:
  prompt_template: judge/prompt.txt
  fn_completion_parser: eval_parser
  packages_for_which_to_show_version: null
"""


@dataclass(frozen=True)
class Comparison:
    """An output to be judged against a reference for one instruction."""

    id: str
    instruction: str
    reference: str
    output: str


def compare(comparisons: Sequence[Comparison], judge: PairJudge, seed: int) -> list[float | None]:
    """The preference of each comparison, in order: 1 = reference better .. 2 = output better, None = missing.

    alpaca_eval draws from (instruction, seed) which of the two texts the judge sees first, and turns the
    verdict back; a judge's position bias shows in the result. Identical texts get 1.5 without a verdict,
    and equal comparisons share one. Nothing is cached, and nothing leaves the process.

    Raises:
        ValueError: the judge answered with a number outside 1..2.
    """
    if not comparisons:
        return []
    rows = pd.DataFrame(
        {
            "position": range(len(comparisons)),
            "instruction": [_quote(entry.instruction) for entry in comparisons],
            "output_1": [_quote(entry.reference) for entry in comparisons],
            "output_2": [_quote(entry.output) for entry in comparisons],
        }
    )
    with quiet():
        annotated = _annotator(judge, seed)(rows, chunksize=None)
    preferences = {row["position"]: row["preference"] for row in annotated}
    return [None if pd.isna(preferences[index]) else float(preferences[index]) for index in range(len(rows))]


def winrate_summary(preferences: Sequence[float | None]) -> dict[str, float]:
    """alpaca_eval's win rate: `win_rate` and its `standard_error` in percent, over `n_total` preferences.

    The win rate is 100 times the mean of preference - 1. Missing preferences are left out. One preference
    has no standard error (nan), and none has no win rate either.
    """
    present = [value for value in preferences if value is not None]
    with quiet():
        summary = get_winrate(pd.DataFrame({"preference": pd.Series(present, dtype=float)}))
    return {name: float(summary[name]) for name in ("win_rate", "standard_error", "n_total")}


def _annotator(judge: PairJudge, seed: int) -> PairwiseAnnotator:
    """The annotator reads its configuration from files only, and only while it is made."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "judge"
        config.mkdir()
        (config / "configs.yaml").write_text(_CONFIG)
        (config / "prompt.txt").write_text(_TEMPLATE)
        return PairwiseAnnotator(
            annotators_config=str(config),
            base_dir=folder,
            seed=seed,
            caching_path=None,
            fn_completions=lambda prompts: {"completions": _verdicts(judge, prompts)},
        )


def _verdicts(judge: PairJudge, prompts: Sequence[str]) -> list[str]:
    """What the parser will read for each: a number, or None."""
    verdicts = judge([tuple(json.loads(prompt)) for prompt in prompts])
    for verdict in verdicts:
        if verdict is not None and not 1 <= verdict <= 2:
            raise ValueError(f"the judge answered {verdict}; a preference lies between 1 and 2")
    return [repr(verdict if verdict is None else float(verdict)) for verdict in verdicts]


def _quote(text: str) -> str:
    """A JSON string without braces: a text that holds a placeholder cannot be taken for one."""
    return json.dumps(text).replace("{", "\\u007b").replace("}", "\\u007d")
