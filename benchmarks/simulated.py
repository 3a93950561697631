"""A gradient bank of any size, as if made from a pool; on disk, memory-mapped."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from harness.methods.candidates import Candidates, make_candidates
from harness.methods.features import GradientBank

PER_PROMPT, DIM, DIRECTIONS = 8, 2048, 150


@contextmanager
def simulated_bank(responses: int, dim: int = DIM) -> Iterator[GradientBank]:
    """Overlapping groups: each gradient is one of 150 directions and noise of twice its length."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((DIRECTIONS, dim), np.float32)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "gradients.npy"
        gradients = np.lib.format.open_memmap(path, "w+", np.float16, (responses, dim))
        for start in range(0, responses, 4096):
            part = gradients[start : start + 4096]
            part[:] = directions[rng.integers(DIRECTIONS, size=len(part))]
            part += 2 * rng.standard_normal(part.shape, np.float32)
        gradients.flush()
        del gradients, part
        ones = np.ones(responses, np.float32)
        yield GradientBank(np.load(path, mmap_mode="r"), -ones, np.ones(responses, np.int32), ones)


def simulated_candidates(responses: int) -> Candidates:
    """All pairs of PER_PROMPT responses to each prompt, with random scores."""
    scores = np.random.default_rng(1).random(responses).tolist()
    prompt_of = [at // PER_PROMPT for at in range(responses)]
    return make_candidates(prompt_of, [str(at) for at in range(responses)], scores)
