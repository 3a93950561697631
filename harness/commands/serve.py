"""`harness leaderboard --serve`: the boards as web pages, to this machine only."""

import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from harness.commands.output import Output
from harness.errors import BadInput

HOST = "127.0.0.1"


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by its base
        """Say nothing."""


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of the files in `folder`, reachable from this machine only; port 0 takes any that is free.

    Raises BadInput where the port is taken.
    """
    try:
        return ThreadingHTTPServer((HOST, port), partial(_Quiet, directory=str(folder)))
    except OSError as error:
        raise BadInput(f"--port: {port} cannot be used: {error.strerror}. Choose another, or 0.") from None


def serve(folder: Path, board: str | None, port: int, output: Output) -> None:
    """Serve `folder` until interrupted; say the address of its page, or of `board`'s, and open it.

    Raises:
        BadInput: if there are no pages yet, or the port cannot be used.
    """
    page = folder / board / "index.html" if board else folder / "index.html"
    if not page.is_file():
        raise BadInput(f"{page}: there is no such page. Make it first: harness leaderboard")
    with make_server(folder, port) as server:
        address = f"http://{HOST}:{server.server_address[1]}/{f'{quote(board)}/' if board else ''}"
        output.result.print(f"{address} (Ctrl-C stops)", highlight=False, soft_wrap=True)
        if output.result.is_terminal:
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            output.steps.print("stopped")
