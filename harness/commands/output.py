"""Where a command's lines go: its result, the steps towards it, and details that only some want."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.segment import Segment

from harness.commands.words import harmless

PIPED = 160
"""Characters in a line where the output is no terminal: wide enough that no table is cut."""


class InertConsole(Console):
    """A console whose texts, whoever wrote them, neither steer the terminal nor become emoji."""

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)

    def render(self, *given: Any, **options: Any) -> Iterator[Segment]:
        """As rich does it, with control characters of a text as escapes; rich's own are no text."""
        for segment in super().render(*given, **options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)


@dataclass(frozen=True)
class Output:
    """`result` is always shown, `steps` unless quiet, `details` only if verbose; errors are raised.

    Colour is used on a terminal only, and not where NO_COLOR is set: rich sees to both.
    """

    result: Console
    steps: Console
    details: Console


def make_output(quiet: bool = False, verbose: bool = False) -> Output:
    """Output to stdout."""

    def console(shown: bool) -> Console:
        width = None if sys.stdout.isatty() else PIPED
        return InertConsole(width=width, quiet=not shown)

    return Output(console(True), console(not quiet), console(verbose and not quiet))
