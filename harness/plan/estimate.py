"""What tasks will take: this store's own history where it has any, else the embedded default's figures."""

from collections.abc import Iterable
from statistics import fmean

from harness.plan.catalog import STAGES


def stage_seconds(history: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Expected wall seconds of one task of each stage.

    Args:
        history: (stage, wall seconds) of tasks done before; their mean replaces the catalog's figure.
    """
    seen: dict[str, list[float]] = {}
    for stage, seconds in history:
        seen.setdefault(stage, []).append(seconds)
    return {name: fmean(seen[name]) if name in seen else stage.seconds for name, stage in STAGES.items()}
