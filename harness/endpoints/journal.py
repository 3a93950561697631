"""What has been paid for: an append-only file that several processes share.

A line is one event of one call, as JSON. `claim` is written before the call, with the most it can cost, and
one of these settles it: `paid` holds the answer and what it cost, `lost` means that the server may charge for
an answer that nobody has, and `free` that it does not charge. Every line is written under the file's lock and
is on disk before one goes on. So money is set aside before it is spent, whoever spends it, and a call that a
dead process had begun counts as lost at the most it can have cost.
"""

import fcntl
import glob
import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import Enum
from hashlib import sha256
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from harness.disk import flush_one, make_folder
from harness.errors import StoreError

DUST = 1e-9  # dollars; what sums of floats may be off by


class Claim(Enum):
    """The answer to who wants to make a call."""

    MINE = "make it, then settle it"
    PAID = "it has been paid meanwhile"
    WAIT = "another call must be settled first"
    BROKE = "the budget does not allow it"


def journal_file(folder: Path, model: str) -> Path:
    """The journal of one model: its name, made fit for a file system, and told apart from others made so."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", model)
    return folder / (
        f"{name}.jsonl" if name == model else f"{name}-{sha256(model.encode()).hexdigest()[:8]}.jsonl"
    )


class Journal:
    """One file of paid calls, open for the block inside `with`; threads and processes may share it.

    Raises:
        StoreError: the file cannot be read or written, or a line in it (other than a torn last one) is no
        event.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._me = uuid.uuid4().hex[:12]
        self._mutex = Lock()
        self._read = 0  # bytes of the file that are in what follows
        self._paid: dict[str, tuple[int, int]] = {}  # key -> (offset, bytes) of its line
        self._open: dict[str, tuple[str, float]] = {}  # key -> (who, the most it can cost)
        self._spent = 0.0

    def __enter__(self) -> "Journal":
        with ExitStack() as undo:
            try:
                make_folder(self._path.parent)
                self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
                flush_one(self._path.parent)
            except OSError as error:
                raise StoreError(f"{self._path}: the journal cannot be opened: {error.strerror}.") from None
            undo.callback(os.close, self._file)
            with self._locked():
                self._sweep()
                self._alive = os.open(self._sign(self._me), os.O_RDWR | os.O_CREAT, 0o644)
                undo.callback(os.close, self._alive)
                fcntl.flock(self._alive, fcntl.LOCK_EX)
                self._bury()
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sign(self._me).unlink(missing_ok=True)
        self._undo.close()

    @property
    def spent_usd(self) -> float:
        """All that has been paid, or may have been for calls whose answer was lost."""
        return self._spent

    def find(self, key: str) -> tuple[dict[str, Any], float | None] | None:
        """(answer, dollars) of a paid call; dollars are none where no price was known."""
        if key not in self._paid:
            return None
        offset, size = self._paid[key]
        event = json.loads(os.pread(self._file, size, offset))
        return event["answer"], event["usd"]

    def claim(self, key: str, most_usd: float | None, budget_usd: float | None) -> Claim:
        """Ask for the right to make a call that can cost so much; MINE must be settled afterwards."""
        most = most_usd or 0.0
        with self._locked():
            self._bury()
            if key in self._paid:
                return Claim.PAID
            if key in self._open:
                return Claim.WAIT
            if budget_usd is not None:
                if self._spent + most > budget_usd + DUST:
                    return Claim.BROKE
                if self._spent + most + sum(usd for _, usd in self._open.values()) > budget_usd + DUST:
                    return Claim.WAIT
            self._append("claim", key, most, by=self._me)
        os.fsync(self._file)
        return Claim.MINE

    def pay(self, key: str, usd: float | None, answer: Mapping[str, Any], template: str) -> None:
        """Settle a claim: it cost so much, and this is the answer."""
        self._settle("paid", key, usd, template=template, answer=answer)

    def lose(self, key: str, usd: float | None) -> None:
        """Settle a claim: it may have cost so much, and there is no answer."""
        self._settle("lost", key, usd)

    def free(self, key: str) -> None:
        """Settle a claim: it cost nothing."""
        self._settle("free", key, None)

    def _settle(self, event: str, key: str, usd: float | None, **more: Any) -> None:
        with self._locked():
            self._append(event, key, usd, **more)
        os.fsync(self._file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the file against all threads and processes, with what others wrote read in."""
        with self._mutex:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                self._catch_up()
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _catch_up(self) -> None:
        """Read the lines that are new, and cut off a last one that its writer died in."""
        if os.fstat(self._file).st_size == self._read:
            return
        with open(os.dup(self._file), "rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    os.ftruncate(self._file, self._read)
                    return
                self._take(line[:-1])

    def _append(self, event: str, key: str, usd: float | None, **more: Any) -> None:
        line = json.dumps({"event": event, "key": key, "usd": usd, **more}).encode()
        try:
            if os.write(self._file, line + b"\n") <= len(line):
                raise OSError(28, "the disk is full")
        except OSError as error:
            os.ftruncate(self._file, self._read)
            raise StoreError(f"{self._path}: the journal cannot be written: {error.strerror}.") from None
        self._take(line)

    def _take(self, line: bytes) -> None:
        """Account for one line.

        JSON holds no NUL: one is where power was lost before a line was on the disk. A call that was begun
        has its claim there, so it counts as lost if it is the answer's line that is gone.
        """
        if b"\0" in line:
            self._read += len(line) + 1
            return
        try:
            event = json.loads(line)
            kind, key, usd = event["event"], event["key"], event["usd"] or 0.0
            if kind == "claim":
                self._open[key] = (event["by"], usd)
            else:
                self._open.pop(key, None)
                self._spent += usd
            if kind == "paid":
                self._paid[key] = (self._read, len(line))
        except (ValueError, KeyError, TypeError):
            raise StoreError(
                f"{self._path}: no event of a journal at byte {self._read}. Mend or remove that line."
            ) from None
        self._read += len(line) + 1

    def _bury(self) -> None:
        """Settle the claims of processes that are dead: their calls may have been charged."""
        for key, (who, usd) in list(self._open.items()):
            if not self._lives(who):
                self._append("lost", key, usd)

    def _sweep(self) -> None:
        """Remove the signs of processes that were killed between two calls."""
        for sign in self._path.parent.glob(f"{glob.escape(self._path.name)}.*.alive"):
            self._lives(sign.name.split(".")[-2])

    def _lives(self, who: str) -> bool:
        """Whether the process holds the lock on its sign; the kernel takes it back when it dies."""
        if who == self._me:
            return True
        try:
            sign = os.open(self._sign(who), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(sign)
        self._sign(who).unlink(missing_ok=True)
        return False

    def _sign(self, who: str) -> Path:
        return self._path.with_name(f"{self._path.name}.{who}.alive")
