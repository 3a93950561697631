"""The console script and `python -m harness`: an interruption is a sentence from the first moment on."""

import sys

from harness.errors import INTERRUPTED


def main() -> None:
    """Run the command line; exit code 130 where it is interrupted."""
    try:
        from harness.cli import run_app

        run_app()
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
