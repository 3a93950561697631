"""All usable pairs of a pool of scored responses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import BadInput

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Candidates:
    """P usable pairs, ordered by prompt, then chosen, then rejected.

    `prompt` [P] holds positions of prompts, `chosen` and `rejected` [P] positions in the flat list of
    responses, `gap` [P] the difference of their scores, always above zero. `prompt_count` counts the prompts
    of the pool, those without a usable pair included.
    """

    prompt: Ints
    chosen: Ints
    rejected: Ints
    gap: Floats
    prompt_count: int

    def __len__(self) -> int:
        return len(self.prompt)

    @property
    def per_prompt(self) -> Ints:
        """[prompt_count] how many usable pairs each prompt has: the cap on its depth."""
        return np.bincount(self.prompt, minlength=self.prompt_count).astype(np.int64)

    def take(self, at: Ints) -> "Candidates":
        """Those at the given positions, of the same pool."""
        return Candidates(
            self.prompt[at], self.chosen[at], self.rejected[at], self.gap[at], self.prompt_count
        )


def make_candidates(prompt_of: Sequence[int], texts: Sequence[str], scores: Sequence[float]) -> Candidates:
    """Every pair of responses to the same prompt whose texts and scores differ.

    A text that a prompt was given more than once counts once, with the score of its first copy; so no two
    candidates of a prompt hold the same two texts.

    Args:
        prompt_of: the position of each response's prompt; every prompt has at least one response.
        texts: the responses.
        scores: one finite score for each; higher is better. With lengths in place of scores, the longer
            response is the chosen one.

    Raises:
        BadInput: a score is not finite.
    """
    prompt, score = np.asarray(prompt_of, np.int64), np.asarray(scores, np.float64)
    if not len(prompt) == len(texts) == len(score):
        raise ValueError("prompt_of, texts and scores must have equal length")
    broken = np.flatnonzero(~np.isfinite(score))
    if len(broken):
        at = broken[0]
        raise BadInput(
            f"Response {at} (prompt {prompt[at]}) has the score {score[at]}. "
            "Every score must be a finite number: repair the judge, or leave that prompt out."
        )
    kept = _first_copies(prompt, texts)
    first, second = (kept[side] for side in _pairs_within(prompt[kept]))
    chosen = np.where(score[first] > score[second], first, second)
    rejected = first + second - chosen
    gap = score[chosen] - score[rejected]
    order = np.lexsort((rejected, chosen, prompt[chosen]))
    order = order[gap[order] > 0]
    return Candidates(
        prompt=prompt[chosen[order]],
        chosen=chosen[order],
        rejected=rejected[order],
        gap=gap[order],
        prompt_count=int(prompt.max(initial=-1)) + 1,
    )


def rank_within(groups: Ints, key: npt.NDArray[np.float64]) -> Ints:
    """Each element's rank by `key` among those of its group: 0 for the smallest; ties go by position."""
    order = np.lexsort((key, groups))
    place = np.arange(len(order))
    ordered = groups[order]
    starts = np.concatenate(([True], ordered[1:] != ordered[:-1]))[: len(order)]
    ranks = np.empty(len(order), np.int64)
    ranks[order] = place - np.maximum.accumulate(np.where(starts, place, 0))
    return ranks


def _first_copies(prompt: Ints, texts: Sequence[str]) -> Ints:
    """Positions of the first copy of each text within its prompt, grouped by prompt."""
    codes: dict[str, int] = {}
    code = np.fromiter((codes.setdefault(text, len(codes)) for text in texts), np.int64, len(texts))
    _, kept = np.unique(prompt * len(codes) + code, return_index=True)
    kept = np.sort(kept).astype(np.int64)
    return kept[np.argsort(prompt[kept], kind="stable")]


def _pairs_within(groups: Ints) -> tuple[Ints, Ints]:
    """Both sides of every pair of positions that share a group; `groups` must be sorted."""
    _, starts, sizes = np.unique(groups, return_index=True, return_counts=True)
    lefts, rights = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    # One step for each size that occurs, at most the number of responses per prompt.
    for size in np.unique(sizes):
        left, right = np.triu_indices(size, k=1)
        at = starts[sizes == size][:, None]
        lefts.append((at + left).ravel())
        rights.append((at + right).ravel())
    return np.concatenate(lefts), np.concatenate(rights)
