"""Fetching and pushing: the hub's real client against a server on loopback, and a stand-in for its API."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import huggingface_hub.constants
import pytest
from huggingface_hub import HfApi

from harness.errors import BadInput
from harness.models.hub import fetch, locate, push

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    """Gives the files of `server.files` as the model someone/tiny; someone/gated and others are refused."""

    server: Any

    def do_GET(self) -> None:
        api, at = "/api/models/someone/tiny", f"/someone/tiny/resolve/{COMMIT}/"
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/someone/gated"):
            self.reply(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif path == f"{api}/revision/main":
            self.reply(200, json.dumps({"id": "someone/tiny", "sha": COMMIT}).encode())
        elif path == f"{api}/tree/{COMMIT}":
            self.reply(200, json.dumps([self.entry(file) for file in self.server.files]).encode())
        elif path.startswith(at) and path.removeprefix(at) in self.server.files:
            self.server.asked.append(path.removeprefix(at))
            content = self.server.files[path.removeprefix(at)]
            sha = hashlib.sha256(content).hexdigest()
            self.reply(200, content, {"ETag": f'"{sha}"', "X-Repo-Commit": COMMIT})
        else:
            self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET  # noqa: N815  # named by the base class

    def entry(self, name: str) -> dict[str, Any]:
        content = self.server.files[name]
        sha = hashlib.sha256(content).hexdigest()
        return {"type": "file", "path": name, "size": len(content), "oid": sha[:40]}

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The server; its `files` by name, and the names it was `asked` for."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.files, server.asked = {}, []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name, value in (
        ("ENDPOINT", address),
        ("HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"),
        ("HF_HUB_OFFLINE", False),
        ("HF_HUB_CACHE", str(tmp_path / "hub")),
        ("HF_HUB_DISABLE_XET", True),
    ):
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_is_fetched_once_and_then_found_offline(hub: Any, tiny_base: Path) -> None:
    """Copies of the weights in other formats stay where they are."""
    hub.files = {path.name: path.read_bytes() for path in tiny_base.iterdir()}
    wanted = set(hub.files)
    hub.files |= {"original/model.safetensors": b"1", "consolidated.safetensors": b"2", "tf_model.h5": b"3"}
    folder = fetch("someone/tiny")
    assert {path.name for path in folder.iterdir()} == wanted
    assert (folder / "model.safetensors").read_bytes() == (tiny_base / "model.safetensors").read_bytes()
    assert folder.name == COMMIT
    asked = len(hub.asked)
    assert asked > 0
    assert locate("someone/tiny") == locate("someone/tiny", COMMIT) == fetch("someone/tiny", COMMIT) == folder
    assert len(hub.asked) == asked


def test_a_repository_of_pickles_is_refused(hub: Any) -> None:
    hub.files = {"config.json": b"{}", "pytorch_model.bin": b"weights"}
    with pytest.raises(BadInput, match="holds no weights in safetensors"):
        fetch("someone/tiny")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("someone/gated", r"is gated\. Accept its terms on its page, then run 'hf auth login'"),
        ("someone/else", "the hub has no such model or revision, or hides it without a login"),
        ("no good name", "is neither a folder nor a name on the hub"),
    ],
)
def test_what_the_hub_does_not_give_is_one_sentence(hub: Any, name: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        fetch(name)


def test_no_hub_is_one_sentence(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BadInput, match=r"'someone/tiny': cannot be fetched\. Check the network"):
        fetch("someone/tiny")


def test_a_folder_needs_no_hub(tiny_base: Path) -> None:
    assert fetch(str(tiny_base)) == locate(str(tiny_base)) == tiny_base


class _Api:
    """A stand-in that remembers what it is asked to do, and sends nothing."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
        self.calls.append(("create", repo_id, private, exist_ok))
        return f"https://example.test/{repo_id}"

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> None:
        self.calls.append(("upload", repo_id, folder_path))


def test_a_push_makes_a_private_repository_and_uploads_the_folder(tmp_path: Path) -> None:
    api = _Api()
    assert push(tmp_path, "me/model", cast(HfApi, api)) == "https://example.test/me/model"
    assert api.calls == [("create", "me/model", True, True), ("upload", "me/model", tmp_path)]


def test_a_push_that_the_hub_refuses_is_one_sentence(hub: Any, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"push: the hub did not take 'me/model'.*Check the name"):
        push(tmp_path, "me/model", HfApi(endpoint=huggingface_hub.constants.ENDPOINT, token=False))
