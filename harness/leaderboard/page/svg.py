"""Drawings as text: elements whose every attribute and child is escaped.

Horizontal places are in percent of the drawing and vertical ones in pixels, so that one drawing fits a phone
and a desk without its text or its circles being stretched.
"""

from markupsafe import Markup, escape

from harness.leaderboard.text import visible


def tag(name: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """One element; `class_` is class, an underscore inside a name is a hyphen, None is left out."""
    given = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _value(value))
        for key, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(
        child if isinstance(child, Markup) else escape(visible(child)) for child in children
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), given, inner)


def percent(share: float) -> str:
    """A share of the width: 0.25 -> 25%."""
    return f"{_short(100 * share)}%"


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else _short(value)


def _short(value: float) -> str:
    """Tenths at most; never -0."""
    return f"{value:z.1f}".removesuffix(".0")
