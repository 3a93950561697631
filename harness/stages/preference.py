"""Implicit-reward accuracy on held-out pairs: the reference's best against its worst sample, by prompt."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.data.rows import Prompt, Response
from harness.data.tokens import Encoded
from harness.evaluation.preference import implicit_accuracy
from harness.judges.base import Answer, Judge
from harness.models.batching import padding
from harness.models.chat import encode
from harness.models.load import Policy, load_policy
from harness.models.logprobs import sequence_logprobs
from harness.stages.job import Job
from harness.stages.judging import count_judge, judge_of, scored
from harness.stages.shared import policy_of, read_prompts, read_responses, size_of
from harness.store.formats import RESULT, write_json

Logprobs = NDArray[np.float32]


def run(job: Job) -> None:
    """Score the reference's samples, pair best with worst, and ask which one the policy's reward prefers."""
    policy, start = policy_of(job), load_policy(job.inputs["base_model"])
    prompts = read_prompts(job.inputs["held_out"])
    judge = judge_of(job)
    pairs = _pairs(judge, prompts, read_responses(job.inputs["reference"]))
    turns = {prompt.id: prompt.turns for prompt in prompts}
    rows = [
        encode(policy.tokenizer, turns[response.prompt_id], response.text, response.finished)
        for side in zip(*pairs, strict=True)
        for response in side
    ]
    trained, reference = _sides(policy, rows), _sides(start, rows)
    accuracy = implicit_accuracy(trained[0], trained[1], reference[0], reference[1])
    ids = [chosen.prompt_id for chosen, _ in pairs]
    write_json(job.out / RESULT, dict(zip(ids, accuracy.tolist(), strict=True)))
    lengths = [len(row) for row in rows]
    job.meter.count(forward=2 * sum(lengths), padding=2 * padding(lengths), parameters=size_of(policy))
    count_judge(job, judge)


def _pairs(
    judge: Judge, prompts: Sequence[Prompt], responses: Sequence[Response]
) -> list[tuple[Response, Response]]:
    """(best, worst) of each prompt whose samples do not all score the same."""
    by_id = {prompt.id: prompt for prompt in prompts}
    scores = scored(judge, [Answer(by_id[response.prompt_id], response.text) for response in responses])
    samples: dict[str, list[tuple[float, Response]]] = {}
    for response, score in zip(responses, scores, strict=True):
        samples.setdefault(response.prompt_id, []).append((score, response))
    pairs = []
    for prompt in prompts:
        best = max(samples[prompt.id], key=lambda sample: sample[0])
        worst = min(samples[prompt.id], key=lambda sample: sample[0])
        if best[0] > worst[0]:
            pairs.append((best[1], worst[1]))
    return pairs


def _sides(policy: Policy, rows: Sequence[Encoded]) -> tuple[Logprobs, Logprobs]:
    """Log-probabilities of the chosen, then of the rejected responses."""
    half = len(rows) // 2
    logprobs = sequence_logprobs(policy, rows)
    return logprobs[:half], logprobs[half:]
