"""Text that comes from outside, made harmless for the file it goes into; and numbers, made readable."""

import re
import unicodedata

_MARKDOWN = re.compile(r"([\\`*_\[\]|~$])")
_ADDRESS = re.compile(r"(?<=[\w.+-])@(?=[\w\\-]+\.)")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # and their full-width twins
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

LARGE = 1e7


def plain(text: str) -> str:
    """`text` on one line, without control, format (bidirectional, zero-width) and surrogate characters."""
    visible = "".join(" " if unicodedata.category(character)[0] == "C" else character for character in text)
    return " ".join(visible.split())


def markdown(text: str, longest: int | None = None) -> str:
    """`text` as inert Markdown in a cell or line: no markup, HTML, links, cell borders or board markers."""
    line = plain(text)
    if longest is not None and len(line) > longest:
        line = line[: longest - 1] + "…"
    inert = _MARKDOWN.sub(r"\\\1", line.translate(_HTML)).replace("://", ":&#47;&#47;")
    # GitHub makes links of these, too; of an address even with an entity for its sign, so a joiner parts it
    return _ADDRESS.sub("@&#8288;", inert.replace("www.", "www&#46;"))


def spreadsheet(text: str) -> str:
    """`text` as a CSV cell that no spreadsheet takes for a formula (OWASP, "CSV injection")."""
    line = plain(text)
    return f"'{line}" if line.startswith(_FORMULA_STARTS) else line


def number(value: float | None, decimals: int, sign: bool = False) -> str:
    """Fixed-point with thousands separators; a dash for None. Never "-0.0"."""
    if value is None:
        return "–"
    return f"{value:{'+' if sign else ''}z,.{decimals}f}"


def interval(mean: float, high: float | None, decimals: int, sign: bool = False) -> str:
    """`mean ± half width`, or the mean alone where there is no interval."""
    shown = number(mean, decimals, sign)
    return shown if high is None else f"{shown} ± {number(high - mean, decimals)}"


def figure(value: float, high: float | None = None, sign: bool = False) -> str:
    """As `interval` with three decimals, or with an exponent for what is as large as FLOPs."""
    if abs(value) < LARGE:
        return interval(value, high, 3, sign)
    shown = ("+" if sign and value > 0 else "") + scientific(value)
    return shown if high is None else f"{shown} ± {scientific(high - value)}"


def percent(ratio: float | None) -> str:
    """A ratio such as an overhead, as signed whole percent; a dash for None."""
    return "–" if ratio is None else f"{100 * ratio:+z,.0f} %"


def scientific(value: float) -> str:
    """Three significant digits with a short exponent: 1.23e12."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def visible(text: str) -> str:
    """`text` with its lines kept, and all that could hide or reorder other text made visible as U+FFFD.

    These are control characters (terminal escapes), surrogates and bidirectional marks and overrides; joiners
    stay, because scripts and emoji need them.
    """
    lines = text.replace("\r\n", "\n")
    return "".join("\ufffd" if _hides(character) else character for character in lines)


def _hides(character: str) -> bool:
    return character in _BIDIRECTIONAL or (
        unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"
    )


def compact(value: float) -> str:
    """A count with a short unit: 950, 12.3 k, 4.56 M, 7.89 G."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{value:.3g}"


def power(value: float) -> str:
    """A number as 1.5×10¹⁰, with as many digits as it needs, three at most."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
