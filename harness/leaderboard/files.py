"""Writing the files of a board: each in one step, and a sentence where that cannot be."""

import os
from contextlib import suppress
from pathlib import Path

from harness.disk import flush_one
from harness.errors import BadInput


def write_whole(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with plain line ends; a reader never sees half of it.

    The partial file is named after this process, so that two runs may write the same board at once. Raises
    BadInput where `path` cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8", newline="\n")
        flush_one(partial)  # or a loss of power could leave an empty file in the place of a whole one
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError) -> BadInput:
    """The sentence for a place that no board can be written to."""
    return BadInput(f"{path}: cannot be written: {error.strerror}. Choose another folder with --boards.")
