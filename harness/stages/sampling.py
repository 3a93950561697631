"""Responses that a policy or the model of an endpoint writes, metered."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from harness.data.rows import Prompt, Response
from harness.models.chat import prompt_ids
from harness.models.load import load_tokenizer
from harness.models.sampling import Sampling, sample, sampling_padding
from harness.stages.job import Job
from harness.stages.shared import check_adapter, policy_of
from harness.store.formats import RESULT, read_json

Asked = Sequence[tuple[Prompt, int]]
"""Prompts, and how many responses each is to get; equal numbers stand together."""


def sampled(job: Job, asked: Asked, settings: Sampling) -> list[Response]:
    """The policy's responses to each prompt, by the engine that the task's knobs name."""
    engine = job.knobs.get("sampling", {}).get("engine", "hf")
    tokenizer = load_tokenizer(job.inputs["base_model"])
    lengths = {prompt.id: len(prompt_ids(tokenizer, prompt.turns)) for prompt, _ in asked}
    if engine == "vllm":  # which pads nothing
        responses = _by_vllm(job, asked, settings)
    else:
        responses = _by_transformers(job, asked, settings, lengths)
    _count(job, lengths, responses)
    return responses


def _by_transformers(
    job: Job, asked: Asked, settings: Sampling, lengths: Mapping[str, int]
) -> list[Response]:
    policy, size = policy_of(job), job.knobs.get("sampling", {}).get("batch_size", settings.batch_size)
    responses = []
    for count, group in groupby(asked, key=lambda each: each[1]):
        each = replace(settings, per_prompt=count, batch_size=size)
        drawn = sample(policy, [prompt for prompt, _ in group], each, job.progress)
        prompts, tokens = [lengths[row.prompt_id] for row in drawn], [row.tokens for row in drawn]
        job.meter.count(padding=sampling_padding(prompts, tokens, size))
        responses += drawn
    return responses


def _by_vllm(job: Job, asked: Asked, settings: Sampling) -> list[Response]:
    from harness.models.vllm_sampling import sample_with_vllm

    adapter = check_adapter(job)
    responses = []
    for count, group in groupby(asked, key=lambda each: each[1]):
        each, prompts = replace(settings, per_prompt=count), [prompt for prompt, _ in group]
        responses += sample_with_vllm(job.inputs["base_model"], adapter, prompts, each)
    return responses


def _count(job: Job, lengths: Mapping[str, int], responses: Sequence[Response]) -> None:
    """Meter a sampling pass: every response runs its prompt's tokens and its own once forward."""
    prompts = sum(lengths[response.prompt_id] for response in responses)
    written = sum(response.tokens for response in responses)
    parameters = read_json(job.inputs["base_model"] / RESULT)["parameters"]
    job.meter.count(forward=prompts + written, generated=written, parameters=parameters)
