"""The store on a local or shared disk: `<root>/<stage>/<key>/`, committed by rename."""

import fcntl
import os
import platform
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import CorruptArtifact, StoreError
from harness.store.keys import Identity
from harness.store.manifest import (
    NAME,
    Manifest,
    describe_files,
    first_mismatch,
    read_manifest,
    write_manifest,
)

HOST = platform.node().replace(".", "-") or "unknown"


class Draft:
    """An artifact being made: a folder to fill, and the cost and provenance to state.

    `missing` says how many verdicts it lacks, which the next run will ask for.

    `scratch` is a second folder, for work that must survive the process: it is there again, with what was
    written, when the same artifact is next tried. At the commit its files join those of `folder`, and what
    lies in folders inside it is dropped.
    """

    def __init__(self, folder: Path, keep: Callable[[], Path]) -> None:
        self.folder = folder
        self._keep = keep
        self.cost: Mapping[str, float] = {}
        self.provenance: Mapping[str, Any] = {}
        self.missing = 0

    @cached_property
    def scratch(self) -> Path:
        """The folder that survives; made when it is first asked for."""
        return self._keep()

    def gather(self) -> None:
        """Link the files of `scratch` into `folder`; until the commit is done they are in both."""
        if "scratch" in self.__dict__:
            for path in sorted(self.scratch.iterdir()):
                if path.is_file():
                    os.link(path, self.folder / path.name)

    def forget(self) -> None:
        """Empty `scratch`: the artifact is whole."""
        if "scratch" in self.__dict__:
            shutil.rmtree(self.scratch, ignore_errors=True)


class LocalStore:
    """Artifacts on disk. An artifact is there when its manifest is, and only then."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: set[Path] = set()

    def prepare(self) -> None:
        """Make the store's folder and sweep what dead runs left, but not what they can go on from.

        Raises:
            StoreError: if the folder cannot be written.
        """
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
            (self.root / ".gitignore").write_text("*\n")
        except OSError as error:
            raise StoreError(
                f"{self.root}: the store cannot be written: {error.strerror}. "
                "Choose another folder with --store or HARNESS_STORE."
            ) from None
        for folder in self._scratch.iterdir():
            if _abandoned(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
        for folder in self._partial.glob("*/*"):
            if self.has(folder.parent.name, folder.name):
                shutil.rmtree(folder, ignore_errors=True)

    def folder(self, stage: str, key: str) -> Path:
        """Where an artifact lies, whether it is there or not."""
        return self.root / stage / key

    def has(self, stage: str, key: str) -> bool:
        """Whether the artifact is there."""
        return (self.folder(stage, key) / NAME).is_file()

    def manifest(self, stage: str, key: str) -> Manifest:
        """The artifact's manifest, without reading its files.

        Raises:
            CorruptArtifact: if the manifest is torn or edited.
        """
        try:
            return read_manifest(self.folder(stage, key))
        except (ValueError, OSError) as error:
            raise CorruptArtifact(stage, key, str(error)) from None

    def open(self, stage: str, key: str) -> Path:
        """The artifact's folder, with every file checked against its digest once in this process.

        Raises:
            CorruptArtifact: if a file is missing, changed or extra.
        """
        folder = self.folder(stage, key)
        if folder not in self._verified:
            reason = first_mismatch(folder, self.manifest(stage, key))
            if reason is not None:
                raise CorruptArtifact(stage, key, reason)
            self._verified.add(folder)
        return folder

    def discard(self, stage: str, key: str) -> None:
        """Take an artifact out of the store; the manifest goes first, so that no half of it counts."""
        folder = self.folder(stage, key)
        self._verified.discard(folder)
        (folder / NAME).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def create(self, identity: Identity) -> Iterator[Draft]:
        """Make an artifact in a scratch folder; a clean exit commits it by rename, else nothing is left.

        Where another process has committed the same artifact meanwhile, its result stays.
        """
        folder = (
            self._scratch / f"{identity.stage}-{identity.key}-{uuid.uuid4().hex[:8]}.{HOST}.{os.getpid()}"
        )
        folder.mkdir(parents=True)
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            draft = Draft(folder, lambda: self._keep(identity, folder, undo))
            yield draft
            draft.gather()
            self._commit(identity, draft)
            draft.forget()

    def _keep(self, identity: Identity, folder: Path, undo: ExitStack) -> Path:
        """The folder kept for an artifact until it is whole, held by one process at a time.

        The lock is the kernel's, so it goes with the process that holds it, however that ends. Who comes
        second works in a folder of its own, beside `folder`, that nobody goes on from.
        """
        kept = self._partial / identity.stage / identity.key
        kept.mkdir(parents=True, exist_ok=True)
        held = os.open(kept, os.O_RDONLY)
        undo.callback(os.close, held)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            own = folder.with_name(f"kept-{folder.name}")
            own.mkdir()
            undo.callback(shutil.rmtree, own, ignore_errors=True)
            return own
        undo.callback(_remove_if_empty, kept)
        return kept

    def _commit(self, identity: Identity, draft: Draft) -> None:
        manifest = Manifest(
            stage=identity.stage,
            key=identity.key,
            version=identity.version,
            params=identity.params,
            inputs=identity.inputs,
            files=describe_files(draft.folder),
            cost=draft.cost,
            provenance=draft.provenance,
            missing=draft.missing,
        )
        write_manifest(draft.folder, manifest)
        final = self.folder(identity.stage, identity.key)
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists() and not (final / NAME).exists():
            shutil.rmtree(final)
        try:
            draft.folder.rename(final)
        except OSError:
            if not self.has(identity.stage, identity.key):
                raise

    @property
    def _scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def _partial(self) -> Path:
        return self.root / "partial"


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _abandoned(name: str) -> bool:
    """Whether a scratch folder is of a dead process of this machine; others judge their own."""
    _, host, pid = name.rsplit(".", 2)
    if host != HOST:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
