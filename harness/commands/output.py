"""Where a command's lines go: its result, the steps towards it, and details that only some want."""

import sys
from dataclasses import dataclass

from rich.console import Console

PIPED = 160
"""Characters in a line where the output is no terminal: wide enough that no table is cut."""


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
        return Console(width=width, quiet=not shown)

    return Output(console(True), console(not quiet), console(verbose and not quiet))
