"""What several stages read or build the same way."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.data.rows import Prompt, Response
from harness.data.tokens import Encoded
from harness.errors import Diverged
from harness.models.chat import encode
from harness.models.load import Policy, load_policy
from harness.models.sampling import Sampling
from harness.stages.job import Job
from harness.store.formats import PROMPTS, RESPONSES, RESULT, read_json, read_rows

DIVERGED = "diverged"
"""In the log of a training: why it came to no adapter."""


def variant(union: Any, table: Mapping[str, Any]) -> Any:
    """The schema class of a table with a `kind`, given as plain JSON."""
    return TypeAdapter(union).validate_json(json.dumps(table))


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


def read_responses(folder: Path, part: slice | None = None) -> list[Response]:
    """The responses of a `responses` or `outputs` artifact, or a part of them: by prompt, then by index."""
    return read_rows(folder / RESPONSES, Response, part)


def encoded_responses(job: Job, tokenizer: Tokenizer, part: slice | None = None) -> list[Encoded]:
    """The token rows of the task's responses, or of a part of them, with their prompts, in their order."""
    turns = {prompt.id: prompt.turns for prompt in read_prompts(job.inputs["prompts"])}
    return [
        encode(tokenizer, turns[response.prompt_id], response.text, response.finished)
        for response in read_responses(job.inputs["responses"], part)
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
