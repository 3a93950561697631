"""A real chat endpoint on loopback that misbehaves on command, and counts what it would charge for."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

os.environ["NO_PROXY"] = "127.0.0.1"  # for this process and its children


@dataclass
class Say:
    """One answer of the server.

    `paid` is whether a vendor would charge for it. `announce` is the Content-Length sent; where it is given,
    the connection ends with the body, whole or not. `pause_s` lies between any two bytes of the body.
    """

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    paid: bool = False
    announce: int | None = None
    pause_s: float = 0.0


def good(text: str = "fine", tokens: tuple[int, int] = (10, 1), **choice: Any) -> Say:
    """A whole answer; `choice` replaces fields of its one choice."""
    message = {"role": "assistant", "content": text}
    answer = {
        "id": "chatcmpl-1",
        "model": "judge-2026-01-01",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
    }
    return Say(body=json.dumps(answer), paid=True)


def error(status: int, message: str = "no", code: str = "", **headers: str) -> Say:
    """An error in OpenAI's form; header names are given with underscores."""
    body = json.dumps({"error": {"message": message, "code": code}})
    return Say(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def question(body: dict[str, Any]) -> str:
    """The last message's text."""
    return str(body["messages"][-1]["content"])


Behaviour = Callable[[int, dict[str, Any]], Say]
"""(number of the call, from 1; its JSON body) -> the answer."""


def echo(number: int, body: dict[str, Any]) -> Say:
    """Say what was asked."""
    return good(question(body))


class ChatServer:
    """Answers as `behave` says; keeps the bodies, headers and times of all calls."""

    def __init__(self, behave: Behaviour, port: int = 0) -> None:
        self.behave = behave
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.paid = 0
        self.busy = self.busiest = self.connected = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """The port it listens at."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def questions(self) -> list[str]:
        """The last message of each call, in the order they came."""
        return [question(body) for body in self.asked]

    @contextmanager
    def running(self) -> Iterator["ChatServer"]:
        """Serve for the block inside `with`."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Say:
        """Count the call and decide on its answer."""
        with self._lock:
            self.asked.append(body)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            number = len(self.asked)
        say = self.behave(number, body) if path == "/v1/chat/completions" else error(404, "no such page")
        with self._lock:
            self.busy -= 1
            self.paid += say.paid
        return say

    def count_connected(self, more: int) -> None:
        """A connection came (1), or is gone with all that was sent through it (-1)."""
        with self._lock:
            self.connected += more

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                content = self.rfile.read(length)
                if len(content) < length:  # the client was killed in the middle of its question
                    self.close_connection = True
                    return
                body = json.loads(content)
                names = {name.lower(): value for name, value in self.headers.items()}
                say = server.answer(self.path, names, body)
                data = say.body.encode()
                self.send_response(say.status)
                for name, value in say.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(say.announce or len(data)))
                self.end_headers()
                for piece in [data] if not say.pause_s else [data[at : at + 1] for at in range(len(data))]:
                    self.wfile.write(piece)
                    time.sleep(say.pause_s)
                self.close_connection = say.announce is not None

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

            def handle(self) -> None:
                """Serve; a client that was killed or gave up waiting is nobody's error."""
                server.count_connected(1)
                try:
                    super().handle()
                except (ConnectionError, TimeoutError):
                    self.close_connection = True
                finally:
                    server.count_connected(-1)

        return Handler


@contextmanager
def serving(behave: Behaviour = echo) -> Iterator[ChatServer]:
    """A running server."""
    with ChatServer(behave).running() as server:
        yield server


@contextmanager
def nobody() -> Iterator[str]:
    """A base URL at which nobody listens, and nobody else can begin to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"
