"""What a terminal is shown of text that comes from outside."""

import io

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.commands.output import make_output
from harness.commands.show import ShownOutput, ShownPrompt, _comparison, _text
from harness.commands.words import harmless

HOSTILE = "a\x1b]0;title\x07b\x9b31m\r\u202ec\ud800\x00"


def test_controls_become_escapes_and_the_rest_stays() -> None:
    assert harmless("tabs\tlines\né 漢 👍 [b] <i>") == "tabs\tlines\né 漢 👍 [b] <i>"
    assert harmless(HOSTILE) == r"a\x1b]0;title\x07b\x9b31m\r\u202ec\ud800\x00"


def test_an_output_is_shown_as_it_is() -> None:
    """Neither the model nor the prompt gets a control character, or the markup of our own output, through."""
    outputs = [ShownOutput("dpo", f"[red]{HOSTILE}[/red]", 1.5, "tie")]
    file = io.StringIO()
    Console(file=file, width=200).print(_comparison(ShownPrompt("p", HOSTILE, HOSTILE, outputs)))
    said = file.getvalue()
    assert said.count(r"a\x1b]0;title\x07b") == 3
    assert "[red]a" in said
    assert not {"\x1b", "\x07", "\x9b", "\r", "\u202e", "\x00"}.intersection(said)
    assert _text(HOSTILE).plain == harmless(HOSTILE)


def test_no_text_steers_the_terminal_whichever_line_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Not in a line, nor as a cell; and a word between colons stays one, as in JSON."""
    table = Table("column")
    table.add_row(Text(HOSTILE))
    console = make_output().result
    console.print(HOSTILE, ":skull:", "[bold]ours[/bold]", soft_wrap=True)
    console.print(table)
    said = capsys.readouterr().out
    assert said.count(r"a\x1b]0;title") == 2
    assert ":skull: ours\n" in said
    assert not {"\x1b", "\x07", "\x9b", "\r", "\u202e", "\x00"}.intersection(said)
