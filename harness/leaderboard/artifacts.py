"""A store's artifacts as records are made of them."""

import json
from functools import cache, lru_cache
from typing import Any

from harness.store.formats import read_json
from harness.store.local import LocalStore

NEW_LINE = "\n"
FILES_KEPT = 64
"""More than one cell reads. Cells follow each other by replicate, so what they share is still there."""


class Artifacts:
    """A store's artifacts as many cells read them: what several of them share is read once.

    Every artifact is checked against its digest. What is read must not be changed.
    """

    def __init__(self, store: LocalStore) -> None:
        self.has = store.has
        self.manifest = cache(store.manifest)
        self.content = lru_cache(FILES_KEPT)(self._content)
        self._store = store

    def _content(self, stage: str, key: str, name: str) -> Any:
        """A JSON file's value, or the list of the values of a file that has one on each line."""
        path = self._store.open(stage, key) / name
        if path.suffix == ".json":
            return read_json(path)
        # one document is read many times quicker than as many as there are lines
        return json.loads(f"[{path.read_text(encoding='utf-8').rstrip().replace(NEW_LINE, ',')}]")
