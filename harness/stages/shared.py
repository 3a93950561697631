"""What several stages read or build the same way."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never

from pydantic import TypeAdapter
from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.data.rows import Prompt, Response
from harness.data.tokens import Encoded
from harness.errors import Diverged, HarnessError
from harness.judges.base import Answer, Graded, Judge
from harness.judges.length import LengthGrader
from harness.judges.oracle import OracleGrader
from harness.models.chat import encode
from harness.models.load import Policy, load_policy
from harness.models.sampling import Sampling
from harness.recipe import judges
from harness.stages.job import Job
from harness.store.formats import PROMPTS, RESPONSES, RESULT, read_json, read_rows
from harness.world.facts import make_world

DIVERGED = "diverged"
"""In the log of a training: why it came to no adapter."""


def variant(union: Any, table: Mapping[str, Any]) -> Any:
    """The schema class of a table with a `kind`, given as plain JSON."""
    return TypeAdapter(union).validate_json(json.dumps(table))


def judge_of(params: Mapping[str, Any]) -> Judge:
    """The judge that a task's parameters name."""
    table: judges.Judge = variant(judges.Judge, params["judge"])
    match table:
        case judges.OracleJudge():
            return Graded(OracleGrader(make_world(params["world"])))
        case judges.LengthJudge():
            return Graded(LengthGrader())
        case judges.DataJudge():
            raise NotImplementedError
        case judges.RewardModelJudge():
            raise NotImplementedError
        case judges.LocalJudge():
            raise NotImplementedError
        case judges.EndpointJudge():
            raise NotImplementedError
        case _:
            assert_never(table)


def scored(judge: Judge, answers: Sequence[Answer]) -> list[float]:
    """The judge's score of each.

    Raises:
        HarnessError: some came to no score.
    """
    scores = judge.scores(answers)
    given = [score for score in scores if score is not None]
    if len(given) < len(scores):
        raise HarnessError(
            f"judge {judge.id}: gave no score to {len(scores) - len(given)} of {len(scores)} responses. "
            "Those that it gave are kept; run the recipe again to ask for the others."
        )
    return given


def count_judge(job: Job, judge: Judge) -> None:
    """Meter what a judge has been asked."""
    used = judge.usage
    job.meter.count_judge(calls=used.calls, usd=used.usd)
    job.meter.count(forward=used.tokens_forward, parameters=used.parameters)


def policy_of(job: Job) -> Policy:
    """The base model, with the adapter where the task has one.

    Raises:
        Diverged: there is none, as its training diverged.
    """
    return load_policy(job.inputs["base_model"], check_adapter(job))


def check_adapter(job: Job) -> Path | None:
    """The folder of the task's adapter, if it has one.

    Raises:
        Diverged: its training diverged.
    """
    adapter = job.inputs.get("adapter")
    if adapter is not None and (reason := _divergence(adapter)):
        raise Diverged(reason)
    return adapter


def _divergence(adapter: Path) -> str | None:
    log = adapter / RESULT  # a folder that PEFT wrote has none
    return read_json(log).get(DIVERGED) if log.is_file() else None


def size_of(policy: Policy) -> int:
    """N: how many parameters a token passes through."""
    return int(policy.model.num_parameters())


def read_prompts(folder: Path) -> list[Prompt]:
    """The prompts of a `prompts`, `breadth` or `held_out` artifact."""
    return read_rows(folder / PROMPTS, Prompt)


def read_responses(folder: Path) -> list[Response]:
    """The responses of a `responses` or `outputs` artifact, ordered by prompt, then by index."""
    return read_rows(folder / RESPONSES, Response)


def encoded_responses(job: Job, tokenizer: Tokenizer) -> list[Encoded]:
    """The token rows of the task's responses with their prompts, in the order of the responses."""
    turns = {prompt.id: prompt.turns for prompt in read_prompts(job.inputs["prompts"])}
    return [
        encode(tokenizer, turns[response.prompt_id], response.text, response.finished)
        for response in read_responses(job.inputs["responses"])
    ]


def texts_by_prompt(responses: Sequence[Response]) -> dict[str, list[str]]:
    """The texts of each prompt's responses, by prompt id, in the order of their index."""
    texts: dict[str, list[str]] = {}
    for response in responses:
        texts.setdefault(response.prompt_id, []).append(response.text)
    return texts


def sampling_of(params: Mapping[str, Any], per_prompt: int, stream: str) -> Sampling:
    """How a task's parameters say to sample, `per_prompt` responses with the random numbers of a stream."""
    return Sampling(
        per_prompt=per_prompt,
        temperature=params["temperature"],
        max_new_tokens=params["max_new_tokens"],
        seed=params["seed"],
        stream=stream,
    )
