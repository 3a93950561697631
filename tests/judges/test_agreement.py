"""A judge's agreement with people and with itself: by hand, and on published verdicts of real judges."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.data.rows import Prompt
from harness.judges.agreement import agreement
from harness.judges.base import Answer, Contest, Graded, Usage
from harness.judges.length import LengthGrader

P = Prompt("p", "any")


class Recorded:
    """A judge whose verdicts on (prompt id, first text) are known."""

    id = "recorded-1"
    usage = Usage()

    def __init__(self, verdicts: Mapping[tuple[str, str], float | None]) -> None:
        self._verdicts = verdicts

    def scores(self, answers: Sequence[Answer]) -> list[float | None]:
        return [None for _ in answers]

    def preferences(self, contests: Sequence[Contest]) -> list[float | None]:
        return [self._verdicts[contest.prompt.id, contest.first] for contest in contests]


def test_by_hand() -> None:
    """Four contests (a, b). 0: right both ways (1, then 2). 1: says "the first" both ways, so right once and
    flipped. 2: a tie, then right. 3: no verdict in one order. Right: 2 + 1 + 1.5 of 6; first: 1 + 2 + 0.5
    of 6.
    """
    prompts = [Prompt(str(n), "any") for n in range(4)]
    places = [(str(n), text) for n in range(4) for text in "ab"]
    verdicts = dict(zip(places, [1, 2, 1, 1, 1.5, 2, 2, None], strict=True))
    found = agreement(Recorded(verdicts), [Contest(prompt, "a", "b") for prompt in prompts], [1, 2, 1, 2])
    assert (found.judged, found.missing) == (3, 1)
    assert (found.accuracy, found.flips, found.first) == pytest.approx((4.5 / 6, 1 / 3, 3.5 / 6))


def test_a_grader_never_flips() -> None:
    contests = [Contest(P, "long", "s"), Contest(P, "s", "long"), Contest(P, "even", "odds")]
    found = agreement(Graded(LengthGrader()), contests, [1, 2, 1])
    assert (found.accuracy, found.flips, found.first) == pytest.approx((2.5 / 3, 0.0, 0.5))


def test_a_judge_without_any_verdict_is_no_result() -> None:
    with pytest.raises(ValueError, match="no verdict on any of 1 contests"):
        agreement(Recorded({("p", "a"): None, ("p", "b"): None}), [Contest(P, "a", "b")], [1])


@pytest.mark.parametrize(
    ("name", "low", "high"), [("GPT-4/Vanilla", 0.05, 0.10), ("Falcon/Vanilla", 0.5, 0.65)]
)
def test_real_judges_on_real_pairs(public_data: Path, name: str, low: float, high: float) -> None:
    """LLMBar: the flips equal a count over the published verdicts (7 and 58 % of all 419 pairs)."""
    text = gzip.decompress((public_data / "llmbar" / "llmbar.jsonl.gz").read_bytes())
    rows = [json.loads(line) for line in text.splitlines()]
    verdicts: dict[tuple[str, str], float | None] = {}
    for row in rows:  # published verdicts name the output, whatever its place: ours name the place
        kept, swapped = (row["judges"][name][f"swap = {swap}"] for swap in (False, True))
        verdicts[row["id"], row["output_1"]] = float(kept) if kept in ("1", "2") else None
        verdicts[row["id"], row["output_2"]] = 3 - float(swapped) if swapped in ("1", "2") else None
    contests = [Contest(Prompt(row["id"], row["input"]), row["output_1"], row["output_2"]) for row in rows]
    found = agreement(Recorded(verdicts), contests, [float(row["label"]) for row in rows])
    pairs = [tuple(row["judges"][name].values()) for row in rows]
    decided = [pair for pair in pairs if set(pair) <= {"1", "2"}]
    assert found.judged == len(decided) > 240
    assert found.flips == pytest.approx(sum(one != other for one, other in decided) / len(decided))
    assert low < found.flips < high
    right = sum(verdict == str(row["label"]) for row in rows for verdict in row["judges"][name].values())
    assert found.accuracy == pytest.approx(right / (2 * len(decided)), abs=0.01)
