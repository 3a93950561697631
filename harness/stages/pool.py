"""Prompts with their responses and scores, in one flat order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.rows import Prompt, Response, Score
from harness.methods.candidates import Candidates, Floats, Ints, make_candidates
from harness.stages.shared import read_prompts, read_responses
from harness.store.formats import SCORES, read_rows


@dataclass(frozen=True, eq=False)
class ScoredPool:
    """`responses` and their `scores` [n], ordered by prompt; `prompt_of` [n] is each one's prompt's place."""

    prompts: list[Prompt]
    responses: list[Response]
    scores: Floats
    prompt_of: Ints

    @property
    def texts(self) -> list[str]:
        """[n] The responses' texts."""
        return [response.text for response in self.responses]

    def candidates(self) -> Candidates:
        """All pairs whose texts and scores differ."""
        return make_candidates(self.prompt_of.tolist(), self.texts, self.scores.tolist())


def read_pool(inputs: Mapping[str, Path], prefix: str = "") -> ScoredPool:
    """The pool in a task's inputs `prompts`, `responses` and `scores`, each named with the prefix.

    Without scores, which only the control `longest` can do without, a response scores its length.
    """
    prompts = read_prompts(inputs[f"{prefix}prompts"])
    responses = read_responses(inputs[f"{prefix}responses"])
    judged = inputs.get(f"{prefix}scores")
    scores = (
        [row.score for row in read_rows(judged / SCORES, Score)]
        if judged
        else [len(response.text) for response in responses]
    )
    position = {prompt.id: index for index, prompt in enumerate(prompts)}
    return ScoredPool(
        prompts,
        responses,
        np.array(scores, np.float64),
        np.array([position[response.prompt_id] for response in responses], np.int64),
    )
