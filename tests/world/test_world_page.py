"""docs/world.md shows what the code does: its examples and counts are the tour's, word by word."""

from pathlib import Path

from harness.world.facts import make_world
from harness.world.tour import tour

PAGE = Path(__file__).parents[2] / "docs" / "world.md"


def test_the_page_holds_the_tour() -> None:
    """If this fails, put the output of `python -m harness.world.tour` between the two marks."""
    shown = PAGE.read_text().split("<!-- tour -->\n")[1]
    assert shown == tour(make_world(0))
