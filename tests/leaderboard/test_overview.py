"""The page above all boards: made from their tables, safe from their texts, whole without the broken ones."""

import re
from pathlib import Path

import pytest
from synthetic_records import board, record

from harness.errors import BadInput
from harness.leaderboard.board import write_board
from harness.leaderboard.overview import make_overview, write_overview
from harness.leaderboard.record import Record, write_record


def add(folder: Path, records: list[Record]) -> None:
    for one in records:
        write_record(folder / "records", one)
    write_board(folder)


def test_each_board_has_its_line_and_its_card(tmp_path: Path) -> None:
    add(tmp_path / "first", board({"dpo": 50, "uniform": 75}, prompts=40))
    add(tmp_path / "second", [record(title="Another")])
    write_overview(tmp_path)
    readme, page = (tmp_path / "README.md").read_text(), (tmp_path / "index.html").read_text()
    line = next(line for line in readme.splitlines() if "first/README.md" in line)
    assert line.startswith("| [Breadth and depth](first/README.md) | 2 | 3 | dpo | ")
    assert "significantly better: uniform;" in line
    assert "| [Another](second/README.md) | 1 | 1 | dpo | – | Only dpo is ranked. |" in readme
    assert "| detectable difference, before Holm |" in readme
    assert re.search(r"first</bdi> · 2 methods · 3 seeds · detects \d+\.\d points before Holm</p>", page)
    board_page = (tmp_path / "first" / "index.html").read_text()
    assert re.search(r"<dt>detectable difference, before Holm</dt><dd>\d+\.\d points</dd>", board_page)
    assert 'href="first/index.html"' in page
    assert page.count('<section class="entry"') == 2
    assert make_overview(tmp_path) == {"README.md": readme, "index.html": page}


def test_texts_of_boards_are_inert(tmp_path: Path) -> None:
    add(tmp_path / "a b", [record(title="<b>[x](http://y) | z")])
    files = make_overview(tmp_path)
    assert r"| [&lt;b&gt;\[x\](http:&#47;&#47;y) \| z](a%20b/README.md) |" in files["README.md"]
    assert "<b>" not in files["index.html"]
    assert 'href="a%20b/index.html"' in files["index.html"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rows": [1]}', '{"rows": [{"section": 1}]}'])
def test_a_table_that_cannot_be_read_is_left_out(tmp_path: Path, text: str) -> None:
    add(tmp_path / "good", [record()])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "table.json").write_text(text)
    assert make_overview(tmp_path)["index.html"].count('<section class="entry"') == 1


def test_no_board_is_said(tmp_path: Path) -> None:
    assert "There is no board yet." in make_overview(tmp_path)["index.html"]


def test_what_people_wrote_stays(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Ours\n\nMore words.\n")
    write_overview(tmp_path)
    assert (tmp_path / "README.md").read_text().startswith("# Ours\n\nMore words.\n\n<!-- board:begin -->")
    (tmp_path / "README.md").write_text("<!-- board:end -->")
    with pytest.raises(BadInput, match="once"):
        make_overview(tmp_path)
