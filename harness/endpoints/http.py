"""POSTs to an endpoint: the only door to the HTTP client, and the only place that sees a key."""

import logging
import os
import ssl
import time
from functools import cache
from types import TracebackType

import httpx2

from harness.endpoints.endpoint import Endpoint
from harness.endpoints.reading import Fault, Next, Reply
from harness.errors import BadInput

# Errors that come before anything was sent, so that nothing can be charged.
_UNSENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)

# One line for each call at level INFO, which alpaca_eval's import sets for all.
logging.getLogger("httpx2").setLevel(logging.WARNING)


class Connection:
    """Connections to one endpoint, for the block inside `with`; its threads may share it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._url = endpoint.base_url.rstrip("/") + "/chat/completions"

    def __enter__(self) -> "Connection":
        # Nothing is followed elsewhere, and nothing is retried here.
        self._client = httpx2.Client(
            verify=_certificates(),
            timeout=self._endpoint.timeout_s,
            limits=httpx2.Limits(max_connections=self._endpoint.concurrency),
            follow_redirects=False,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def post(self, body: bytes) -> Reply | Fault:
        """Send a JSON body and wait for all of the answer, at most `timeout_s` seconds.

        The key is read for this call and forgotten; where the answer repeats it, `[key]` stands in its place.

        Raises:
            BadInput: see `read_key`.
        """
        key = read_key(self._endpoint)
        try:
            return self._send(body, key)
        except _UNSENT as error:
            why = f"cannot be reached ({_hide(str(error), key) or type(error).__name__})"
            return Fault(why, Next.RECONNECT, "Check base_url, and that the server runs.")
        except httpx2.TimeoutException:
            why = f"gave no whole answer in {self._endpoint.timeout_s:g} s"
            return Fault(why, Next.RETRY, paid=True)
        except httpx2.HTTPError as error:
            return Fault(f"broke off its answer ({_hide(str(error), key)})", Next.RETRY, paid=True)

    def _send(self, body: bytes, key: str | None) -> Reply:
        deadline = time.monotonic() + self._endpoint.timeout_s
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        received = bytearray()
        with self._client.stream("POST", self._url, content=body, headers=headers) as response:
            for chunk in response.iter_bytes():
                received += chunk
                if time.monotonic() > deadline:  # the client's own limit is for each read
                    raise httpx2.ReadTimeout("the answer trickles")
            text = _hide(received.decode("utf-8", errors="replace"), key)
            return Reply(response.status_code, response.headers, text)


def read_key(endpoint: Endpoint) -> str | None:
    """The endpoint's key from the environment; none where it takes none.

    Raises:
        BadInput: the variable is not set, or holds what no HTTP header can.
    """
    if endpoint.key_env is None:
        return None
    key = os.environ.get(endpoint.key_env, "").strip()
    if not key:
        raise BadInput(
            f"{endpoint.model}: the environment variable {endpoint.key_env} is not set. Put the key for "
            f"{endpoint.base_url} in it, or leave key_env out for a server that takes none."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise BadInput(
            f"{endpoint.model}: the environment variable {endpoint.key_env} holds blanks or signs "
            "that no key has. Set it again. (The value is not shown.)"
        )
    return key


@cache
def _certificates() -> ssl.SSLContext:
    """Those that are trusted; reading them takes a tenth of a second."""
    return httpx2.create_ssl_context()


def _hide(text: str, key: str | None) -> str:
    return text.replace(key, "[key]") if key else text
