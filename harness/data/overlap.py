"""Decontamination: which training prompts share a long run of words with evaluation prompts."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

SIZES = (13, 8)
"""Words in a row: 13 as in GPT-3 (arXiv 2005.14165, appendix C), and 8 for shorter prompts."""
MOST = 10
"""At most so many evaluation prompts are named for one run of words, so that a common phrase stays cheap."""


@dataclass(frozen=True)
class Overlap:
    """Two prompts, the size of the longest run that they share (0: all words), and the first such run."""

    training: str
    evaluation: str
    size: int
    shared: str


def normalised(text: str) -> list[str]:
    """The words of a text, without case, punctuation, and the ways to write one letter (Unicode NFKC)."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def find_overlaps(
    training: Mapping[str, str], evaluation: Mapping[str, str], sizes: Sequence[int] = SIZES
) -> list[Overlap]:
    """Every training prompt (id -> text) with each evaluation prompt (id -> text) that it overlaps, once.

    Texts whose words are all the same overlap, however short; others do if they share `size` words in a row.
    In languages without blanks between words, a word here is a whole sentence, so less is found. Takes time
    linear in the words of both.
    """
    index = _index(evaluation, sizes)
    overlaps: list[Overlap] = []
    for name, text in training.items():
        found: dict[str, Overlap] = {}
        for size, run in _runs(normalised(text), sizes):
            for other in index.get((size, run), ()):
                found.setdefault(other, Overlap(name, other, size, run))
        overlaps += found.values()
    return overlaps


def _index(evaluation: Mapping[str, str], sizes: Sequence[int]) -> Mapping[tuple[int, str], list[str]]:
    """(size, run of words) -> the first MOST evaluation prompts that hold it."""
    index: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for name, text in evaluation.items():
        for key in dict.fromkeys(_runs(normalised(text), sizes)):
            if len(index[key]) < MOST:
                index[key].append(name)
    return index


def _runs(words: Sequence[str], sizes: Sequence[int]) -> Iterator[tuple[int, str]]:
    """All words as size 0, then every run of the largest size, and so on down."""
    if words:
        yield 0, " ".join(words)
    for size in sorted(sizes, reverse=True):
        for start in range(len(words) - size + 1):
            yield size, " ".join(words[start : start + size])
