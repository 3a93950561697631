"""Samples responses, so that each is a pure function of the seed and its own prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.data.rows import Prompt, Response
from harness.models.batching import Progress, batches, pads
from harness.models.chat import end_ids, prompt_ids
from harness.models.load import Policy
from harness.models.noise import gumbel, stream_keys
from harness.models.quiet import quiet


@dataclass(frozen=True)
class Sampling:
    """How to sample. `temperature` 0 is greedy; `stream` names the use, so that uses do not share noise."""

    per_prompt: int
    temperature: float
    max_new_tokens: int
    seed: int
    stream: str
    batch_size: int = 128


@dataclass(frozen=True)
class _Row:
    """One response still to be drawn."""

    prompt: Prompt
    tokens: tuple[int, ...]
    index: int


def sample(
    policy: Policy, prompts: Sequence[Prompt], settings: Sampling, progress: Progress | None = None
) -> list[Response]:
    """Draw `per_prompt` responses to every prompt; ordered by prompt, then by index.

    A draw adds Gumbel noise to logits / temperature and takes the largest, which is a draw from the
    softmax (Gumbel-max; Maddison, Tarlow and Minka 2014). The noise depends on seed, stream, prompt id,
    response index, step and token only. So a response is the same whatever else is sampled beside it,
    and two policies sampled under one seed share their noise (common random numbers): they differ
    where the policies differ, and the paired difference of their scores has less variance.
    """
    rows = [
        _Row(prompt, tokens, index)
        for prompt in prompts
        for tokens in [prompt_ids(policy.tokenizer, prompt.turns)]
        for index in range(settings.per_prompt)
    ]
    responses: dict[int, Response] = {}
    with torch.inference_mode(), quiet():
        for picked in batches([len(row.tokens) for row in rows], settings.batch_size, progress):
            drawn = _sample_batch(policy, [rows[index] for index in picked], settings)
            responses.update(zip(picked, drawn, strict=True))
    return [responses[index] for index in range(len(rows))]


def sampling_padding(prompts: Sequence[int], responses: Sequence[int], batch_size: int) -> int:
    """Pads that `sample` runs: before the shorter prompts of a batch, and behind responses that end early.

    Args:
        prompts: tokens of the prompt of each response, in the order of the responses.
        responses: tokens of each.
        batch_size: responses drawn at a time.
    """
    return sum(
        pads([side[index] for index in picked])
        for picked in batches(prompts, batch_size)
        for side in (prompts, responses)
    )


class _GumbelMax(LogitsProcessor):  # type: ignore[misc]  # transformers ships no types
    """Turns greedy search into sampling at a temperature."""

    def __init__(self, keys: Tensor, temperature: float, prompt_length: int) -> None:
        self.keys, self.temperature, self.prompt_length = keys, temperature, prompt_length

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        noise = gumbel(self.keys, input_ids.shape[1] - self.prompt_length, scores.shape[1])
        return scores / self.temperature + noise.to(scores.dtype)


def _sample_batch(policy: Policy, rows: Sequence[_Row], settings: Sampling) -> list[Response]:
    tokenizer, device = policy.tokenizer, policy.device
    length = max(len(row.tokens) for row in rows)
    ids = torch.full((len(rows), length), tokenizer.pad_token_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):  # padded on the left: generation continues at the right end
        ids[index, length - len(row.tokens) :] = torch.tensor(row.tokens)
        mask[index, length - len(row.tokens) :] = 1
    processors = LogitsProcessorList()
    if settings.temperature > 0:
        keys = stream_keys(settings.seed, settings.stream, [(row.prompt.id, row.index) for row in rows])
        processors.append(_GumbelMax(keys.to(device), settings.temperature, length))
    config = GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        do_sample=False,
        eos_token_id=list(end_ids(tokenizer)),
        pad_token_id=tokenizer.pad_token_id,
    )
    output = policy.model.generate(
        ids.to(device), attention_mask=mask.to(device), generation_config=config, logits_processor=processors
    )
    return [
        response_of(tokenizer, row.prompt.id, row.index, tokens)
        for row, tokens in zip(rows, output[:, length:].tolist(), strict=True)
    ]


def response_of(tokenizer: Tokenizer, prompt_id: str, index: int, tokens: Sequence[int]) -> Response:
    """The response that ends at the first of `end_ids`, and is not finished where there is none."""
    ends = end_ids(tokenizer)
    length = next((at for at, token in enumerate(tokens) if token in ends), len(tokens))
    finished = length < len(tokens)
    text = tokenizer.decode(tokens[:length], skip_special_tokens=True)
    return Response(prompt_id, index, text, length + finished, finished)
