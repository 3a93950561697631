"""The page as a file: self-contained, guarded, small, and the same for the same records."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_records import WIN_RATE, board, items, record

from harness.leaderboard.assemble import make_table
from harness.leaderboard.groups import NOT_APPLICABLE
from harness.leaderboard.outputs import MOST
from harness.leaderboard.page.board import board_page
from harness.leaderboard.page.render import inline
from harness.leaderboard.record import Record, Sample
from harness.leaderboard.text import compact, power, visible

BOARDS = Path(__file__).parent.parent.parent / "leaderboards"
VOID = {"meta", "input", "col"}


class Whole(HTMLParser):
    """Checks that every element is closed in order, and keeps what a page refers to and writes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        self.links += [value for key in ("href", "src") if (value := given.get(key))]
        self.ids += [value for value in [given.get("id")] if value]
        assert not any(key.startswith("on") or key == "style" for key in given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(records: list[Record]) -> str:
    return board_page(make_table(records), records)


def test_a_page_is_whole_and_refers_to_its_own_folder_only() -> None:
    page = Whole(page_of(board({"dpo": 50, "a": 60, "b": 70})))
    own = {"../index.html", "README.md", "table.csv", "table.json", "table.tex"}
    assert {link for link in page.links if not link.startswith("#")} == own
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert not page.tags & {"img", "link", "iframe", "object", "embed", "base", "form"}


def test_sections_have_ids_of_their_own() -> None:
    records = [*board({"dpo": 50, "a": 60}), record("z", order=9, comparable={"judge": "other"})]
    page = Whole(page_of(records))
    assert len(set(page.ids)) == len(page.ids)
    assert "Not ranked with section 1, because these differ" in page.text


def test_the_policy_allows_no_script_or_style_but_the_page_s_own_and_no_address() -> None:
    page = page_of([record()])
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]


def test_a_row_to_which_a_condition_does_not_apply_keeps_its_curve() -> None:
    log = {"history": [{"loss": 1.0}, {"loss": 0.5}]}
    asked, failed = {"head-to-head judge": "oracle"}, {"head-to-head judge": NOT_APPLICABLE}
    records = [
        record(comparable=asked, training=log),
        record("a", comparable=failed, training=log),
        record("elsewhere", comparable={"judge": "other"}, training=log),
    ]
    curves = re.findall(r'<path d="[^"]*" data-m="\d"[^>]*><title>(\w+)</title>', page_of(records))
    assert sorted(curves) == ["a", "dpo", "elsewhere"]


def test_ties_are_drawn_as_ties() -> None:
    page = page_of(board({"dpo": 50, "a": 50.2, "b": 75}, prompts=60))
    assert page.count('class="tie"') == 2
    assert page.count('<tr data-m="') > 0
    assert (
        len(
            re.findall(
                r'<tr data-m="\d" data-front[^>]* class="opens"|<tr data-m="\d"[^>]* class="opens"', page
            )
        )
        == 2
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"items": {}},
        {"items": {WIN_RATE: items({"p": [None]})}},
        {"items": {WIN_RATE: items({"p": [50.0], "q": [50.0]})}},
        {"tasks": []},
        {"samples": [Sample(prompt="", reference="", output="", preference=None)]},
        {"training": {"history": [{"loss": 1.0}] * 3}},
    ],
    ids=["nothing", "unjudged", "no spread", "no costs", "empty texts", "flat curve"],
)
@pytest.mark.parametrize("methods", [("dpo",), ("dpo", "a"), ("a", "b")], ids=["one", "two", "no baseline"])
def test_poor_records_still_make_a_page(changes: dict[str, object], methods: tuple[str, ...]) -> None:
    Whole(page_of([record(method, 0, **changes) for method in methods]))


def test_long_outputs_do_not_make_a_heavy_page() -> None:
    samples = [
        Sample(prompt=f"{n}" * 900, reference="y" * 5000, output="x" * 5000, preference=2.0) for n in range(8)
    ]
    records = [record(f"m{n}", order=n, samples=samples) for n in range(30)]
    assert len(page_of(records)) < MOST + 250_000


def test_committed_pages_are_small() -> None:
    found = sorted(BOARDS.glob("*/index.html"))
    assert len(found) >= 5
    for page in found:
        assert page.stat().st_size < 500_000, page  # the ablation has over forty methods
        Whole(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\r\nlines\tand\ttabs", "two\nlines\tand\ttabs"),
        ("\x1b[31mred\x07\x00", "\ufffd[31mred\ufffd\ufffd"),
        ("abc\u202edef\u2066", "abc\ufffddef\ufffd"),
        ("\ud800", "\ufffd"),
        ("👩\u200d🚀 שלום", "👩\u200d🚀 שלום"),
    ],
)
def test_what_hides_or_reorders_text_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_notes_of_the_readme_are_html_with_their_emphasis_and_nothing_else() -> None:
    assert inline(r"**a\_b** &lt;i&gt; `c` *d*") == "<strong>a_b</strong> &lt;i&gt; <code>c</code> <em>d</em>"
    assert "<a" not in inline("[a](https://b) <https://c>")
    assert "<b>" not in inline("<b>")


def test_numbers_are_short() -> None:
    assert [compact(value) for value in (0, 12, 950, 70_300, 80_000, 4.56e6, 7e9)] == [
        "0", "12", "950", "70.3 k", "80.0 k", "4.56 M", "7.00 G",
    ]  # fmt: skip
    assert [power(value) for value in (0, 5e10, 1.55e11, 2e-3)] == ["0", "5×10¹⁰", "1.55×10¹¹", "2×10⁻³"]
