"""One measured figure, and how a list of them is written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


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


@dataclass(frozen=True)
class Benchmark:
    """A named measurement: `measure` runs it and returns its figures."""

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
