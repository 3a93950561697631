"""The memory of this process while a block of work runs (Linux)."""

import threading
from pathlib import Path

GIB = 2**30


class Peak:
    """While open, watches `own`: bytes of this process, mapped files left out, which the system may drop."""

    def __init__(self) -> None:
        self.own = 0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while True:
            self.own = max(self.own, _anonymous())
            if self._over.wait(0.05):
                return

    def __enter__(self) -> "Peak":
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()


def _anonymous() -> int:
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024
