"""Words of the commands' output."""

import unicodedata


def counted(number: int, noun: str) -> str:
    """`1 board`, `2 boards`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def harmless(text: str) -> str:
    """Text from outside, with what a terminal obeys or reorders by as escapes; lines and tabs stay."""
    return "".join(
        sign if sign in "\n\t" or unicodedata.category(sign)[0] != "C" else ascii(sign)[1:-1] for sign in text
    )
