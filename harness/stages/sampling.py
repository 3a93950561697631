"""Responses that a policy or the model of an endpoint writes, metered."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.data.rows import Prompt, Response
from harness.models.chat import prompt_ids
from harness.models.load import load_tokenizer
from harness.models.sampling import Sampling, sample
from harness.stages.job import Job
from harness.stages.shared import check_adapter, policy_of
from harness.store.formats import RESULT, read_json

Asked = Sequence[tuple[Prompt, int]]
"""Prompts, and how many responses each is to get; equal numbers stand together."""


def sampled(job: Job, asked: Asked, settings: Sampling) -> list[Response]:
    """The policy's responses to each prompt, by the engine that the task's knobs name."""
    engine = job.knobs.get("sampling", {}).get("engine", "hf")
    write = _by_vllm if engine == "vllm" else _by_transformers
    responses = write(job, asked, settings)
    tokenizer = load_tokenizer(job.inputs["base_model"])
    _count(job, tokenizer, [prompt for prompt, _ in asked], responses)
    return responses


def _by_transformers(job: Job, asked: Asked, settings: Sampling) -> list[Response]:
    policy, size = policy_of(job), job.knobs.get("sampling", {}).get("batch_size", settings.batch_size)
    responses = []
    for count, group in groupby(asked, key=lambda each: each[1]):
        each = replace(settings, per_prompt=count, batch_size=size)
        responses += sample(policy, [prompt for prompt, _ in group], each, job.progress)
    return responses


def _by_vllm(job: Job, asked: Asked, settings: Sampling) -> list[Response]:
    from harness.models.vllm_sampling import sample_with_vllm

    adapter = check_adapter(job)
    responses = []
    for count, group in groupby(asked, key=lambda each: each[1]):
        each, prompts = replace(settings, per_prompt=count), [prompt for prompt, _ in group]
        responses += sample_with_vllm(job.inputs["base_model"], adapter, prompts, each)
    return responses


def _count(job: Job, tokenizer: Tokenizer, prompts: Sequence[Prompt], responses: Sequence[Response]) -> None:
    """Meter a sampling pass: every response runs its prompt's tokens and its own once forward."""
    lengths = {prompt.id: len(prompt_ids(tokenizer, prompt.turns)) for prompt in prompts}
    tokens = sum(lengths[response.prompt_id] + response.tokens for response in responses)
    parameters = read_json(job.inputs["base_model"] / RESULT)["parameters"]
    job.meter.count(forward=tokens, parameters=parameters)
