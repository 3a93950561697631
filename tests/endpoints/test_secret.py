"""A key goes into one header and nowhere else."""

import logging
from pathlib import Path

import pytest
from asking import QUICK, ask, complete, endpoint
from chat_server import ChatServer, error, good, nobody, serving

from harness.endpoints.caller import Caller
from harness.endpoints.endpoint import Endpoint
from harness.errors import BadInput

NAME = "HARNESS_TEST_KEY"
SECRET = "sk-Planted-0123456789abcdef"


def tell_all(server: ChatServer, number: int) -> str:
    """What a careless server says: the header that it was sent."""
    return f"you sent {server.headers[number - 1]['authorization']}"


def test_it_is_written_nowhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The server repeats the key in an answer, in errors of an item and of the batch, and in garbage; the log
    is at its most talkative. All that was said or written is searched.
    """
    monkeypatch.setenv(NAME, f"{SECRET}\n")
    caplog.set_level(logging.DEBUG)
    said: list[object] = []
    with serving() as server:
        for reply in (
            lambda number, body: good(tell_all(server, number)),
            lambda number, body: error(400, tell_all(server, number)),
            lambda number, body: error(500, tell_all(server, number)),
            lambda number, body: error(401, tell_all(server, number)),
        ):
            server.behave = reply
            caller = Caller(endpoint(server.url, key_env=NAME), tmp_path, QUICK)
            said += [caller, caller.endpoint, vars(caller)]
            try:
                said.append(caller.complete([ask(f"item {len(said)}")]))
            except BadInput as problem:
                said += [problem, problem.__cause__, problem.__context__, problem.problems]
        assert {headers["authorization"] for headers in server.headers} == {f"Bearer {SECRET}"}
    with nobody() as url, pytest.raises(BadInput) as unreachable:
        Caller(endpoint(url, key_env=NAME), tmp_path, QUICK).complete([ask("gone")])
    said += [unreachable.value, unreachable.getrepr(style="long")]
    out, err = capfd.readouterr()
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    words = "\n".join([*map(repr, said), *map(str, said), caplog.text, out, err, *files])
    assert "you sent Bearer [key]" in words
    assert SECRET not in words


def test_it_is_read_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        caller = Caller(endpoint(server.url, key_env=NAME), tmp_path, QUICK)
        monkeypatch.setenv(NAME, "sk-1")
        caller.complete([ask("a")])
        monkeypatch.setenv(NAME, "sk-2")
        caller.complete([ask("b")])
        assert [headers["authorization"] for headers in server.headers] == ["Bearer sk-1", "Bearer sk-2"]


def test_none_is_sent_where_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with serving() as server:
        complete(server, tmp_path, ["a"])
        assert "authorization" not in server.headers[0]


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_missing_one_is_said_before_any_call(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NAME, raising=False)
    if value is not None:
        monkeypatch.setenv(NAME, value)
    with serving() as server:
        with pytest.raises(BadInput) as caught:
            complete(server, tmp_path, ["a"], key_env=NAME)
        assert server.asked == []
    assert str(caught.value) == (
        f"judge-2026-01-01: the environment variable {NAME} is not set. Put the key for {server.url} in it, "
        "or leave key_env out for a server that takes none."
    )


@pytest.mark.parametrize("value", [f"{SECRET} {SECRET}", f"{SECRET}\x07", f"{SECRET}é"])
def test_one_that_no_header_can_hold_is_not_shown(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, value)
    with serving() as server, pytest.raises(BadInput, match="blanks or signs that no key has") as caught:
        complete(server, tmp_path, ["a"], key_env=NAME)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"key_env": SECRET},
        {"base_url": f"https://me:{SECRET}@host/v1"},
        {"base_url": f"https://host/v1?key={SECRET}"},
    ],
)
def test_one_in_the_wrong_place_is_refused_and_not_shown(wrong: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="not shown") as caught:
        Endpoint(**({"base_url": "https://host/v1", "model": "x"} | wrong))  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
