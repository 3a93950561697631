"""Arrays of the store are numbers: what would be unpickled is refused."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from harness.store.formats import read_matrix, write_matrix


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_an_array_of_objects_is_neither_read_nor_written(tmp_path: Path) -> None:
    """As numpy writes it, and a bare pickle, which numpy takes for an array where it may unpickle."""
    path, ran = tmp_path / "logprobs.npy", tmp_path / "ran"
    objects = np.array([Payload(ran)], dtype=object)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        write_matrix(path, objects)
    np.save(path, objects, allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        read_matrix(path)
    path.write_bytes(pickle.dumps(Payload(ran)))
    with pytest.raises(ValueError, match="contains pickled"):
        read_matrix(path)
    assert not ran.exists()
