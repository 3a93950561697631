"""Asks questions in a process of its own: `python asking.py SETTINGS`, a JSON object; prints the totals as
JSON.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.endpoints.batch import Batch, Failure
from harness.endpoints.caller import Caller
from harness.endpoints.endpoint import Endpoint
from harness.endpoints.pace import Backoff
from harness.endpoints.prices import Price
from harness.endpoints.reading import Completion
from harness.endpoints.request import Request

if TYPE_CHECKING:
    from chat_server import ChatServer

QUICK = Backoff(first_s=0.001, longest_s=0.01, poll_s=0.005)


def endpoint(url: str, **settings: Any) -> Endpoint:
    """An endpoint at a test's server: free of charge for prompts, a dollar for each token of an answer."""
    usual: dict[str, Any] = {"concurrency": 4, "attempts": 4, "timeout_s": 10.0, "price": Price(0.0, 1e6)}
    return Endpoint(base_url=url, model="judge-2026-01-01", **usual | settings)


def ask(text: str, **params: Any) -> Request:
    """A request of one message, whose answer has one token at most."""
    return Request([{"role": "user", "content": text}], "plain-1", {"max_tokens": 1, **params})


def complete(server: "ChatServer", folder: Path, items: list[str], **settings: Any) -> Batch:
    """Ask a server for all items."""
    return Caller(endpoint(server.url, **settings), folder, QUICK).complete([ask(item) for item in items])


def texts(batch: Batch) -> list[str | None]:
    """The answers; none for a failure."""
    return [answer.text if isinstance(answer, Completion) else None for answer in batch.answers]


def failures(batch: Batch) -> list[str]:
    """Why items failed."""
    return [answer.why for answer in batch.answers if isinstance(answer, Failure)]


def main(folder: str, questions: list[str], url: str, **settings: Any) -> None:
    batch = Caller(endpoint(url, **settings), Path(folder), QUICK).complete([ask(text) for text in questions])
    print(json.dumps(asdict(batch.totals)))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
