"""Published results as records, so that they get a board like any other."""

from collections.abc import Mapping
from statistics import fmean

from harness.leaderboard.alpaca_results import Published, Rows
from harness.leaderboard.record import Items, Record
from harness.leaderboard.scores import MEAN_LENGTH, REFERENCE_LENGTH, WIN_RATE

FAR = 0.01
"""Points between a published win rate and that of the annotations that are worth a note."""


def published_records(
    published: Published, board: Mapping[str, Mapping[str, str]], name: str
) -> list[Record]:
    """A record for each model, in order of names; `board` holds the published rows. None names a task."""
    evaluation = {"annotator": published.annotator, "reference": published.reference}
    return [
        Record(
            recipe=name,
            title=f"Published AlpacaEval results: {name}",
            baseline=published.reference,
            method=model,
            replicate=0,
            fixed={"seeds": {"replicates": [0], "vary": []}, "evaluation": {"alpaca_eval": evaluation}},
            declared={},
            order=order,
            comparable={"judge": published.annotator, "reference": published.reference},
            pairs=0,
            prompts=0,
            pairs_dropped=0,
            pairs_truncated=0,
            notes=_notes(rows, board.get(model, {})),
            items={
                metric: Items(ids=list(values), values=list(values.values()))
                for metric, values in (
                    (WIN_RATE, rows.win_rates),
                    (MEAN_LENGTH, rows.lengths),
                    (REFERENCE_LENGTH, rows.reference_lengths),
                )
            },
            tasks=[],
            training={},
            samples=rows.samples,
            provenance={"results": "published AlpacaEval annotations", "sha256": published.digest},
        )
        for order, (model, rows) in enumerate(sorted(published.models.items()))
    ]


def _notes(rows: Rows, row: Mapping[str, str]) -> list[str]:
    """What the published leaderboard says, where it says what this board cannot: never in a column of it."""
    notes = []
    own = [value for values in rows.win_rates.values() for value in values if value is not None]
    if (rate := _number(row.get("win_rate"))) is not None and own and abs(rate - fmean(own)) > FAR:
        notes.append(f"its published win rate is {rate:.2f}, these annotations give {fmean(own):.2f}")
    if (controlled := _number(row.get("length_controlled_winrate"))) is not None:
        notes.append(
            f"its published length-controlled win rate, by alpaca_eval's own model, is {controlled:.1f}"
        )
    return notes


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
