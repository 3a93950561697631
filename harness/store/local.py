"""The store on a local or shared disk: `<root>/<stage>/<key>/`, committed by rename."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from harness.disk import flush, flush_one, is_full, make_folder
from harness.errors import CorruptArtifact, DiskFull, StoreError
from harness.store.claims import claimed, folder_lock, is_claimed
from harness.store.keys import Identity
from harness.store.manifest import (
    NAME,
    Manifest,
    describe_files,
    mismatches,
    read_manifest,
    write_manifest,
)

SCRATCH, PARTIAL, CLAIMS = "scratch", "partial", "claims"
"""What is in the making: new folders, work to go on from, and who makes what."""


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
        """Link or copy the files of `scratch` into `folder`; until the commit is done they are in both."""
        if "scratch" in self.__dict__:
            for path in sorted(self.scratch.iterdir()):
                if path.is_file():
                    try:
                        os.link(path, self.folder / path.name)
                    except OSError:  # not every file system has links between folders
                        if (self.folder / path.name).exists():
                            raise
                        shutil.copyfile(path, self.folder / path.name)

    def forget(self) -> None:
        """Empty `scratch`: the artifact is whole."""
        if "scratch" in self.__dict__:
            shutil.rmtree(self.scratch, ignore_errors=True)


class LocalStore:
    """Artifacts on disk. An artifact is there when its manifest is, and only then.

    What is in the making belongs to whoever holds its claim. Reading needs no right to write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: set[Path] = set()

    def prepare(self) -> None:
        """Make the store's folder and sweep what dead runs left, but not what they can go on from.

        Raises:
            StoreError: if the folder cannot be written.
        """
        with self._writing():
            (self.root / SCRATCH).mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=self.root / SCRATCH).close()  # its folders may be there, and be read-only
            if not (self.root / ".gitignore").exists():
                (self.root / ".gitignore").write_text("*\n")
        self.sweep(path for path in self.in_the_making() if self.is_litter(path))

    def in_the_making(self) -> Iterator[Path]:
        """The folders of artifacts that are not whole yet, or were not when their process died."""
        for kind in (SCRATCH, PARTIAL):
            yield from sorted((self.root / kind).glob("*/*"))

    def is_litter(self, folder: Path) -> bool:
        """Whether no run goes on from such a folder: all of scratch, and what artifacts left behind."""
        return folder.parent.parent.name == SCRATCH or self.has(folder.parent.name, folder.name)

    def sweep(self, folders: Iterable[Path]) -> None:
        """Remove folders of artifacts in the making, but not those that living processes hold."""
        for folder in folders:
            with self.claim(folder.parent.name, folder.name, wait=False) as mine:
                if mine is not None:
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
            NewerStore: if a newer program wrote it.
            PermissionError: it may not be read, which is no fault of what it holds.
        """
        try:
            return read_manifest(self.folder(stage, key))
        except PermissionError:
            raise
        except (ValueError, OSError) as error:
            raise CorruptArtifact(stage, key, str(error)) from None

    def open(self, stage: str, key: str) -> Path:
        """The artifact's folder, with every file checked against its digest once in this process.

        Raises:
            CorruptArtifact: if a file is missing, changed or extra, or cannot be read.
            NewerStore: if a newer program wrote it.
            PermissionError: it may not be read, which is no fault of what it holds.
        """
        folder = self.folder(stage, key)
        if folder not in self._verified:
            manifest = self.manifest(stage, key)
            try:
                reason = next(mismatches(folder, manifest), None)
            except PermissionError:
                raise
            except OSError as error:  # a bad sector, or a file went meanwhile
                reason = f"cannot be read: {error}"
            if reason is not None:
                raise CorruptArtifact(stage, key, reason)
            self._verified.add(folder)
        return folder

    @contextmanager
    def claim(self, stage: str, key: str, wait: bool = True) -> Iterator[int | None]:
        """Be the only process that makes or removes this artifact; None, without `wait`, where another is.

        Given is the open file of the claim, for processes that may outlive this one (`claimed`).

        Raises:
            StoreError: the store cannot be written, or lies where files cannot be locked.
        """
        with ExitStack() as held:
            with self._writing():
                mine = held.enter_context(claimed(self._claim(stage, key), wait))
            yield mine

    def is_claimed(self, stage: str, key: str) -> bool:
        """Whether a living process makes or removes this artifact."""
        return is_claimed(self._claim(stage, key))

    @contextmanager
    def in_use(self, alone: bool = False) -> Iterator[None]:
        """Use the store together with others, or `alone`, for what must not happen beside a run.

        Raises:
            StoreError: others use it (`alone`), or it cannot be made.
        """
        with self._writing():
            make_folder(self.root)
            lock = folder_lock(self.root, alone)
        with lock as got:
            if not got:
                raise StoreError(f"{self.root}: a run is at work on this store. Wait for its end.")
            yield

    def discard(self, stage: str, key: str, still: Callable[[], object] = lambda: True) -> None:
        """Take an artifact out of the store; the manifest goes first, so that no half of it counts.

        What another process is making anew is left to it; what one has made anew stays, where `still`, asked
        when no other can change it, gives nothing.
        """
        folder = self.folder(stage, key)
        self._verified.discard(folder)
        with self.claim(stage, key, wait=False) as mine:
            if mine is not None and still():
                with self._writing():
                    (folder / NAME).unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def create(self, identity: Identity) -> Iterator[Draft]:
        """Make an artifact, under its claim, in a scratch folder; a clean exit commits it by rename.

        After an error nothing of it is left but what was written to `Draft.scratch`.

        Raises:
            DiskFull: there is no room for it.
        """
        folder = self.root / SCRATCH / identity.stage / identity.key
        try:
            shutil.rmtree(folder, ignore_errors=True)  # a dead process's, since the claim is ours
            folder.mkdir(parents=True)
            draft = Draft(folder, lambda: self._keep(identity))
            yield draft
            draft.gather()
            self._commit(identity, draft)
            draft.forget()
        except Exception as error:
            if is_full(error, self.root):
                raise self._full() from None
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _remove_if_empty(self._kept(identity))

    def _keep(self, identity: Identity) -> Path:
        """The folder kept for an artifact until it is whole."""
        kept = self._kept(identity)
        make_folder(kept)
        return kept

    def _kept(self, identity: Identity) -> Path:
        return self.root / PARTIAL / identity.stage / identity.key

    def _commit(self, identity: Identity, draft: Draft) -> None:
        """Put a draft in its place, once all of it is on the disk: what is there is there after any loss."""
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
        flush(draft.folder)
        final = self.folder(identity.stage, identity.key)
        make_folder(final.parent)
        if final.exists() and not (final / NAME).exists():
            shutil.rmtree(final)
        draft.folder.rename(final)
        flush_one(final.parent)

    def _claim(self, stage: str, key: str) -> Path:
        return self.root / CLAIMS / f"{stage}.{key}"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A sentence where the store cannot be written."""
        try:
            yield
        except OSError as error:
            if is_full(error, _existing(self.root)):
                raise self._full() from None
            raise StoreError(
                f"{self.root}: the store cannot be written: {error.strerror}. "
                "Choose another folder with --store or HARNESS_STORE."
            ) from None

    def _full(self) -> DiskFull:
        return DiskFull(
            f"{self.root}: the disk is full. Finished tasks and the whole pieces of unfinished ones are "
            "kept: make room, and the same command goes on from there."
        )


def _existing(folder: Path) -> Path:
    """A folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
