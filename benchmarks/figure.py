"""One measured figure, and how a list of them is written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Figure:
    """A measurement against its bound; `holds` is None where there is no bound to hold."""

    name: str
    case: str
    figure: float
    unit: str
    bound: str
    holds: bool | None
    device: str
    command: str


def at_most(figure: Figure, bound: float | None) -> Figure:
    """The figure against an upper bound; none: as it is."""
    if bound is None:
        return figure
    words = f"<= {bound:g} {figure.unit}".rstrip()
    return replace(figure, bound=words, holds=figure.figure <= bound)


def at_least(figure: Figure, bound: float | None) -> Figure:
    """The figure against a lower bound; none: as it is."""
    if bound is None:
        return figure
    words = f">= {bound:g} {figure.unit}".rstrip()
    return replace(figure, bound=words, holds=figure.figure >= bound)


class Skipped(Exception):
    """A benchmark cannot run on this machine; the text says why."""


@dataclass(frozen=True)
class Benchmark:
    """A named measurement: `measure` runs it and returns its figures, or raises Skipped."""

    name: str
    text: str
    measure: Callable[[], list[Figure]]


def markdown(figures: Iterable[Figure]) -> str:
    """A Markdown table of figures."""
    lines = ["| benchmark | case | figure | bound | holds | device |", "|---|---|---:|---|---|---|"]
    for figure in figures:
        holds = {True: "yes", False: "**no**", None: "-"}[figure.holds]
        lines.append(
            f"| {figure.name} | {figure.case} | {figure.figure:.3g} {figure.unit} | {figure.bound} | {holds} "
            f"| {figure.device} |"
        )
    return "\n".join(lines)
