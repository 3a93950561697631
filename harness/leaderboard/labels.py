"""Where the names of a scatter plot's points go: beside them, and never over each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LABEL_SIZE, LETTER, LINE = 12.5, 7.0, 14.0
"""Pixels: the size of the text, what a letter of it takes at most, and a line."""
RADIUS = 7.0
SIDES = (("start", 11.0, 4.0), ("end", -11.0, 4.0), ("middle", 0.0, -12.0), ("middle", 0.0, 22.0))
"""Right, left, above and below: the anchor, and the shift from the point in pixels."""


@dataclass(frozen=True)
class Box:
    """A label: `share` of the width plus `dx` pixels, `y` pixels down, and which end of it stands there."""

    share: float
    dx: float
    y: float
    anchor: str


def place_labels(
    names: Sequence[str], spots: Mapping[str, tuple[float, float]], width: float, height: float
) -> dict[str, Box]:
    """Label those of `names` that find room, the first ones first; `spots` are (share of the width, y)."""
    taken = [
        (share * width - RADIUS, y - RADIUS, share * width + RADIUS, y + RADIUS)
        for share, y in spots.values()
    ]
    placed: dict[str, Box] = {}
    for name in names:
        share, y = spots[name]
        for anchor, dx, dy in SIDES:
            box = _extent(share * width + dx, y + dy, len(name) * LETTER, anchor)
            inside = box[0] >= 4 and box[2] <= width and box[1] >= 0 and box[3] <= height
            if inside and not any(_overlap(box, other) for other in taken):
                placed[name] = Box(share, dx, y + dy, anchor)
                taken.append(box)
                break
    return placed


def _extent(x: float, baseline: float, length: float, anchor: str) -> tuple[float, float, float, float]:
    left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * length
    return left, baseline - LINE + 3, left + length, baseline + 3


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
