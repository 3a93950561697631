"""The console script and `python -m harness`: what the system refuses a command is a sentence."""

import os
import sys
from io import TextIOWrapper

from harness.errors import INTERRUPTED


def main() -> None:
    """Run the command line; exit code 130 where it is interrupted, 1 where the system refuses something."""
    try:
        _ready_streams()
        try:
            from harness.cli import run_app

            run_app()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has gone, and says nothing of it
        _abandon_output()
        sys.exit(1)
    except OSError as error:
        _abandon_output()
        place = error.filename or ("the output" if error.strerror else type(error).__name__)
        print(ascii(f"harness: {place}: {error.strerror or error}.")[1:-1], file=sys.stderr)
        sys.exit(1)


def _ready_streams() -> None:
    """Signs that the terminal's encoding lacks become escapes, and a closed stream the null device's.

    Else the first file that is opened, here or in a worker, would get its number and what is printed to it.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            null = open(os.devnull, "r" if name == "stdin" else "w")  # noqa: SIM115 - for good
            os.set_inheritable(null.fileno(), True)
            setattr(sys, name, null)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _abandon_output() -> None:
    """What is still in the buffer has nowhere to go; the interpreter would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
