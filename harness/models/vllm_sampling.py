"""Sampling by vLLM: the only door to that package, which is an extra and needs a GPU.

Its draws are not those of `models.sampling`: each request has a seed of its own, from (seed, stream, prompt
id, response index), so that it draws the same whatever else is sampled, up to what batching does to the bits
of the logits. Two policies do not share their noise. So one comparison must use one engine.
"""

import gc
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.data.rows import Prompt, Response
from harness.errors import BadInput
from harness.models.chat import end_ids, prompt_ids
from harness.models.load import load_tokenizer
from harness.models.noise import stream_keys
from harness.models.sampling import Sampling, response_of
from harness.models.source import resolve

_POSITIVE = 2**63 - 1


@dataclass(frozen=True)
class Request:
    """One response to be drawn."""

    prompt_id: str
    index: int
    tokens: tuple[int, ...]
    seed: int


def sample_with_vllm(
    base: Path, trained: Path | None, prompts: Sequence[Prompt], settings: Sampling
) -> list[Response]:
    """Draw `per_prompt` responses to every prompt; ordered by prompt, then by index.

    The engine is made anew and given up at the end, as it takes most of the GPU's memory, so one call should
    hold all there is to sample. `batch_size` is its own affair.

    Args:
        base: folder of the base model, or of a pointer to it.
        trained: an adapter, or a whole model in the base's place, or None.
        prompts: what to answer.
        settings: how to sample.

    Raises:
        BadInput: vLLM is not installed, or `base` points to no model that is here.
    """
    if find_spec("vllm") is None:
        raise BadInput(
            "sampling.engine: 'vllm' needs the extra 'vllm' and a GPU. Run: pip install 'harness[vllm]', or "
            "use engine 'hf'."
        )
    tokenizer = load_tokenizer(base)
    requests = make_requests(tokenizer, prompts, settings)
    parameters = [sampling_arguments(tokenizer, settings, request) for request in requests]
    outputs = _generate(base, trained, requests, parameters)
    gc.collect()  # the engine, which nothing names any more, lets go of the GPU
    return [_response(tokenizer, *each) for each in zip(requests, outputs, strict=True)]


def _generate(
    base: Path,
    trained: Path | None,
    requests: Sequence[Request],
    parameters: Sequence[dict[str, Any]],
) -> list[Any]:
    """A `vllm.CompletionOutput` for each request."""
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    arguments = engine_arguments(base, trained)
    outputs = LLM(**arguments).generate(
        [{"prompt_token_ids": list(request.tokens)} for request in requests],
        [SamplingParams(**each) for each in parameters],
        lora_request=LoRARequest("trained", 1, str(trained)) if "enable_lora" in arguments else None,
        use_tqdm=False,
    )
    return [output.outputs[0] for output in outputs]


def engine_arguments(base: Path, trained: Path | None) -> dict[str, Any]:
    """Arguments of `vllm.LLM` for a policy, with LoRA where `trained` is an adapter."""
    folder, source = resolve(base)
    whole = trained is not None and (trained / "config.json").is_file()
    arguments: dict[str, Any] = {
        "model": str(trained if whole else folder),
        "tokenizer": str(folder),
        "dtype": {"fp32": "float32", "bf16": "bfloat16"}[source.dtype],
        "trust_remote_code": source.trust_remote_code,
        "generation_config": "vllm",  # not the model's own: sampling is what the settings say
    }
    if trained is not None and not whole:
        rank = json.loads((trained / "adapter_config.json").read_text())["r"]
        arguments |= {"enable_lora": True, "max_lora_rank": max(8, 2 ** (rank - 1).bit_length())}
    return arguments


def make_requests(tokenizer: Tokenizer, prompts: Sequence[Prompt], settings: Sampling) -> list[Request]:
    """One request for each response, ordered by prompt, then by index; seeds are not negative."""
    rows = [
        (prompt.id, index, tokens)
        for prompt in prompts
        for tokens in [prompt_ids(tokenizer, prompt.turns)]
        for index in range(settings.per_prompt)
    ]
    keys = stream_keys(settings.seed, settings.stream, [(prompt, index) for prompt, index, _ in rows])
    return [Request(*row, seed=int(key) & _POSITIVE) for row, key in zip(rows, keys, strict=True)]


def sampling_arguments(tokenizer: Tokenizer, settings: Sampling, request: Request) -> dict[str, Any]:
    """Arguments of `vllm.SamplingParams`: a plain draw from the softmax at the temperature."""
    return {
        "temperature": settings.temperature,
        "max_tokens": settings.max_new_tokens,
        "seed": request.seed,
        "stop_token_ids": list(end_ids(tokenizer)),
        "detokenize": False,
    }


def _response(tokenizer: Tokenizer, request: Request, output: Any) -> Response:
    """From a `vllm.CompletionOutput`: its token ids hold the one it stopped at, or say that it did."""
    tokens = list(output.token_ids)
    ends = end_ids(tokenizer)
    if output.finish_reason == "stop" and not set(tokens) & set(ends):
        tokens.append(ends[0])
    return response_of(tokenizer, request.prompt_id, request.index, tokens)
