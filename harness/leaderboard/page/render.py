"""Templates to pages: all that is printed is escaped, and a page runs and loads nothing but what it holds."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from harness.leaderboard.figures import difference_of, sign_of
from harness.leaderboard.layout import dotted
from harness.leaderboard.outputs import verdict
from harness.leaderboard.page import charts
from harness.leaderboard.reach import reached
from harness.leaderboard.readme import heading
from harness.leaderboard.render import SIGNIFICANT
from harness.leaderboard.text import compact, number, percent, power, scientific, visible

TEMPLATES = Path(__file__).parent / "templates"
SHADES = 5


def render(template: str, **context: Any) -> str:
    """A page from a template of this package; style and script stand in it, and may be no others."""
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = (
        _environment()
        .get_template(template)
        .render(**context, style=Markup(style), script=Markup(script), policy=policy)
    )
    return page if page.endswith("\n") else page + "\n"


def _hash(text: str) -> str:
    """As a content security policy names what it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters |= {
        "number": lambda *given, **options: number(*given, **options).replace("-", "−"),
        "points": lambda value, decimals: number(value, decimals, bool(round(value, decimals))).replace(
            "-", "−"
        ),
        "percent": lambda ratio: percent(ratio).replace("-", "−"),
        "compact": compact,
        "power": exponential,
        "reached": lambda reach: reached(reach, power),
        "heading": heading,
        "verdict": verdict,
        "dotted": dotted,
        "json": lambda value: ", ".join(f"{key} = {text}" for key, text in dotted(value).items()),
        "shade": lambda share: f"h{round(SHADES * min(share, 1.0))}",
    }
    environment.globals |= {"charts": charts, "difference_of": difference_of, "sign_of": sign_of}
    return environment


def _harmless(value: object) -> object:
    """What a template prints, before it is escaped: no text that hides or reorders, no endless float."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return f"{value:.{SIGNIFICANT}g}" if isinstance(value, float) else value


def exponential(value: float) -> Markup:
    """8.64e10 as 8.64 × 10¹⁰."""
    mantissa, _, exponent = scientific(value).partition("e")
    if not exponent:
        return Markup(mantissa)
    return Markup("{}&hairsp;×&hairsp;10<sup>{}</sup>").format(mantissa, exponent.replace("-", "−"))


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).disable(["link", "image", "autolink"])


def inline(line: str) -> Markup:
    """A sentence of the README, inert Markdown, as HTML."""
    return Markup(_markdown().renderInline(line))
