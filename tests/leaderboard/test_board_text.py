"""Escapes and number formats, one by one."""

import pytest

from harness.leaderboard.layout import dotted, layout, whole
from harness.leaderboard.render import as_plain
from harness.leaderboard.text import interval, markdown, number, percent, plain, scientific, spreadsheet


def test_plain_is_one_line_without_hidden_characters() -> None:
    assert plain(" a\n\tb\x00c\u200bd\ud800 ") == "a b c d"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a|b", "a\\|b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("snake_case *x* `y`", "snake\\_case \\*x\\* \\`y\\`"),
        ("[t](https://u)", "\\[t\\](https:&#47;&#47;u)"),
        ("a\\", "a\\\\"),
        ("(www.evil.com)", "(www&#46;evil.com)"),
        ("mailto:a_b@c_d.co judge@local:1", "mailto:a\\_b@&#8288;c\\_d.co judge@local:1"),
        ("x\n# y", "x # y"),
    ],
)
def test_markdown(text: str, safe: str) -> None:
    assert markdown(text) == safe


def test_markdown_is_cut_before_it_is_escaped() -> None:
    assert markdown("|||||", longest=3) == "\\|\\|…"
    assert markdown("abc", longest=3) == "abc"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\n@", "\uff1d"])
def test_spreadsheet_formulas_become_text(start: str) -> None:
    assert spreadsheet(f"{start}x").startswith("'")
    assert spreadsheet(f"x{start}") == plain(f"x{start}")


def test_numbers() -> None:
    assert number(1234.56, 1) == "1,234.6"
    assert number(-0.04, 1, sign=True) == "+0.0"
    assert number(None, 1) == "–"
    assert interval(60.0, 62.5, 1) == "60.0 ± 2.5"
    assert interval(60.0, None, 1) == "60.0"
    assert percent(-1) == "-100 %"
    assert percent(-0.001) == "+0 %"
    assert percent(None) == "–"
    assert scientific(1.234e12) == "1.23e12"
    assert scientific(0) == "0"


def test_rounding_keeps_six_digits_and_integers_whole() -> None:
    assert as_plain([1 / 3, 123456789, 123456789.0, {"a": None}]) == [
        0.333333,
        123456789,
        123457000.0,
        {"a": None},
    ]


def test_floats_that_are_integers_are_written_as_such() -> None:
    """2.0**53 is the first float that may stand for its neighbour, too: it stays a float."""
    value = {"a": [100.0, 0.5, None, True, -0.0], "b": {"c": 2.0**53 - 1, "d": 2.0**53}}
    assert layout(whole(value["a"])) == "[100, 0.5, null, true, 0]"
    assert layout(whole(value["b"])) == '{"c": 9007199254740991, "d": 9007199254740992.0}'
    assert whole(value) == value


def test_nested_tables_become_dotted_keys_and_what_is_not_set_is_left_out() -> None:
    table = {"pool": {"prompts": {"count": 8}, "judge": {}}, "vary": ["pool"], "pairs": None, "kind": "é"}
    assert dotted(table) == {"pool.prompts.count": "8", "vary": '["pool"]', "kind": '"é"'}
