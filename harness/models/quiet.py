"""Keeps libraries from talking: to the caller's display, and to the network."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod
from typing import Any
from unittest.mock import patch

import huggingface_hub.constants
import transformers
from tqdm.std import tqdm


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the libraries that run inside the block, and put everything back after it.

    Covers tqdm bars (all the libraries use it), transformers' own logger, every logger that takes its
    level from the root, the warnings that libraries give each other, and the hub client, which is offline
    inside: trainers report their use to it. Errors still raise.
    """
    root = logging.getLogger()
    root_level, verbosity = root.level, transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    root.setLevel(logging.CRITICAL)
    try:
        no_bars = patch.object(tqdm, "__init__", partialmethod(_disabled, tqdm.__init__))
        offline = patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        with warnings.catch_warnings(), no_bars, offline:
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(root_level)
        transformers.logging.set_verbosity(verbosity)


def _disabled(bar: tqdm, init: Any, *args: Any, **options: Any) -> None:
    """A tqdm constructor that overrules whatever its caller says about showing the bar."""
    init(bar, *args, **{**options, "disable": True})
