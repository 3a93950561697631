"""Words of the commands' output."""


def counted(number: int, noun: str) -> str:
    """`1 board`, `2 boards`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
