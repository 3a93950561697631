"""A hub of one dataset on this machine: as much of the Hugging Face hub as `datasets` asks for."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Commits = Mapping[str, Mapping[str, bytes]]
"""Revision -> file name -> content."""


@contextmanager
def serve(dataset: str, commits: Commits) -> Iterator[str]:
    """The address of a hub that has `dataset` ("owner/name") at these commits."""

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self) -> None:
            asked = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.partition("?")[0].strip("/").split("/")
            match path:
                case ["datasets", owner, name, "resolve", revision, file] if f"{owner}/{name}" == dataset:
                    self._file(revision, file)
                case ["api", "datasets", owner, name, what, revision, *_] if f"{owner}/{name}" == dataset:
                    self._about(what, revision, asked)
                case _:
                    self._send(404, b"", {"x-error-code": "RepoNotFound"})

        def _file(self, revision: str, file: str) -> None:
            if file not in commits.get(revision, {}):
                return self._send(404, b"", {"x-error-code": "EntryNotFound"})
            content = commits[revision][file]
            etag = hashlib.sha1(content).hexdigest()
            return self._send(200, content, {"etag": f'"{etag}"', "x-repo-commit": revision})

        def _about(self, what: str, revision: str, asked: bytes) -> None:
            if revision not in commits:
                return self._send(404, b"", {"x-error-code": "RevisionNotFound"})
            files = [
                {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for file, content in commits[revision].items()
            ]
            siblings = [{"rfilename": file["path"]} for file in files]
            listed = [file for file in files if what != "paths-info" or str(file["path"]).encode() in asked]
            about: Any = (
                {"id": dataset, "sha": revision, "siblings": siblings} if what == "revision" else listed
            )
            return self._send(200, json.dumps(about).encode(), {"content-type": "application/json"})

        def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
