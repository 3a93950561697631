"""Length-controlled win rates of methods, from what their records hold of win rates and lengths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.leaderboard.length_control import control_length
from harness.leaderboard.record import Record
from harness.leaderboard.scores import MEAN_LENGTH, REFERENCE_LENGTH, WIN_RATE, Judged, judged


@dataclass(frozen=True)
class Controlled:
    """The shared slope, and method -> pseudo-values of its length-controlled win rate, in percent."""

    slope: float
    methods: Mapping[str, Judged]


def controlled(methods: Mapping[str, Sequence[Record]]) -> Controlled | None:
    """Fit all `methods` together; None where lengths are missing or do not vary, or for one method alone."""
    outcomes = {method: judged(records, WIN_RATE) for method, records in methods.items()}
    differences = {method: _differences(records) for method, records in methods.items()}
    fitted = [method for method in methods if _common(outcomes[method], differences[method])]
    replicates = sorted({replicate for method in fitted for replicate in outcomes[method]})
    ids = sorted({item for method in fitted for items in outcomes[method].values() for item in items})
    if not fitted:
        return None
    found = control_length(
        np.stack([_table(outcomes[method], replicates, ids) for method in fitted]) / 100,
        np.stack([_table(differences[method], replicates, ids) for method in fitted]),
    )
    if found is None:
        return None
    values = {
        method: {
            replicate: {
                item: float(value) for item, value in zip(ids, row, strict=True) if np.isfinite(value)
            }
            for replicate, row in zip(replicates, 100 * table, strict=True)
            if np.isfinite(row).any()
        }
        for method, table in zip(fitted, found.pseudo_values, strict=True)
    }
    return Controlled(found.slope, values)


def _differences(records: Sequence[Record]) -> Judged:
    """Mean length of the outputs - that of the reference's, in characters, where both are known."""
    own, reference = judged(records, MEAN_LENGTH), judged(records, REFERENCE_LENGTH)
    return {
        replicate: {
            item: length - reference[replicate][item]
            for item, length in lengths.items()
            if item in reference[replicate]
        }
        for replicate, lengths in own.items()
        if replicate in reference
    }


def _common(outcomes: Judged, differences: Judged) -> bool:
    return any(set(items) & set(differences.get(replicate, ())) for replicate, items in outcomes.items())


def _table(method: Judged, replicates: Sequence[int], ids: Sequence[str]) -> NDArray[np.float64]:
    """[replicates, prompts], NaN where there is nothing."""
    return np.array([[method.get(r, {}).get(item, np.nan) for item in ids] for r in replicates])
