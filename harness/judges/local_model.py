"""A chat model that runs here, for judges: it generates answers, or gives the next token's probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from harness.data.rows import Prompt
from harness.endpoints.batch import Failure
from harness.endpoints.reading import Completion, TokenLogprob
from harness.endpoints.request import Request
from harness.errors import BadInput
from harness.judges.base import Usage
from harness.models.batching import Progress, batches, padding
from harness.models.chat import prompt_ids
from harness.models.load import Policy
from harness.models.quiet import quiet
from harness.models.sampling import Sampling, sample, sampling_padding

_STREAM = "judge"
_KNOWN = {"temperature", "max_tokens", "logprobs", "top_logprobs", "seed"}


class LocalChat:
    """Answers with a causal language model, through its own chat template."""

    def __init__(
        self, policy: Policy, name: str, batch_size: int = 16, progress: Progress | None = None
    ) -> None:
        """`name` is the model's, with its revision: it becomes part of the judge's id."""
        self._policy, self._name, self._batch_size, self._progress = policy, name, batch_size, progress
        self._usage = Usage(parameters=int(policy.model.num_parameters()))
        limit = getattr(policy.model.config.get_text_config(), "max_position_embeddings", None)
        self._limit: int | None = limit

    @property
    def id(self) -> str:
        """The model's name and its precision."""
        return f"{self._name}:{str(self._policy.model.dtype).removeprefix('torch.')}"

    @property
    def usage(self) -> Usage:
        """Answers, and the tokens that ran through the model for them."""
        return self._usage

    def complete(self, requests: Sequence[Request]) -> Sequence[Completion | Failure]:
        """An answer to each request, in order; equal requests share one.

        Understands `temperature`, `max_tokens`, `seed`, and `logprobs` with `top_logprobs` for an answer of
        one token. A request that does not fit into the model's context fails.

        Raises:
            BadInput: a parameter that it does not understand.
        """
        asked = {_key(request): request for request in requests}
        prompts = {key: self._prompt(key, request) for key, request in asked.items()}
        answers: dict[str, Completion | Failure] = {}
        groups: dict[str, list[str]] = {}
        for key, request in asked.items():
            if reason := self._does_not_fit(prompts[key], _settings(request.params)):
                answers[key] = Failure(reason)
            else:
                groups.setdefault(repr(sorted(request.params.items())), []).append(key)
        for keys in groups.values():
            run = self._next_tokens if asked[keys[0]].params.get("logprobs") else self._generate
            found = run([prompts[key] for key in keys], _settings(asked[keys[0]].params))
            answers |= dict(zip(keys, found, strict=True))
        return [answers[_key(request)] for request in requests]

    def _prompt(self, key: str, request: Request) -> Prompt:
        """Special tokens that a text spells out are broken: they would end the judge's own turn."""
        *earlier, last = [
            {"role": message["role"], "content": self._harmless(message["content"])}
            for message in request.messages
        ]
        return Prompt(key, last["content"], history=earlier)

    def _harmless(self, text: str) -> str:
        for token in self._policy.tokenizer.all_special_tokens:
            if len(token) > 1:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def _does_not_fit(self, prompt: Prompt, settings: Mapping[str, Any]) -> str:
        tokens = len(prompt_ids(self._policy.tokenizer, prompt.turns)) + settings["max_tokens"]
        if self._limit is None or tokens <= self._limit:
            return ""
        return (
            f"{self._name}: the question and its answer need {tokens} tokens; the model reads {self._limit}."
        )

    def _generate(self, prompts: Sequence[Prompt], settings: Mapping[str, Any]) -> list[Completion]:
        sampling = Sampling(
            per_prompt=1,
            temperature=settings["temperature"],
            max_new_tokens=settings["max_tokens"],
            seed=settings["seed"],
            stream=_STREAM,
            batch_size=self._batch_size,
        )
        lengths = [len(prompt_ids(self._policy.tokenizer, prompt.turns)) for prompt in prompts]
        drawn = sample(self._policy, prompts, sampling, self._progress)
        written = [response.tokens for response in drawn]
        self._count(lengths, written, sampling_padding(lengths, written, self._batch_size))
        return [
            Completion(
                text=response.text,
                finish_reason="stop" if response.finished else "length",
                logprobs=None,
                prompt_tokens=length,
                completion_tokens=response.tokens,
                usd=0.0,
            )
            for response, length in zip(drawn, lengths, strict=True)
        ]

    def _next_tokens(self, prompts: Sequence[Prompt], settings: Mapping[str, Any]) -> list[Completion]:
        """Answers of the one likeliest token, with the log-probabilities of the likeliest."""
        decode = self._policy.tokenizer.decode
        rows = [prompt_ids(self._policy.tokenizer, prompt.turns) for prompt in prompts]
        found: dict[int, Completion] = {}
        for picked in batches([len(row) for row in rows], self._batch_size, self._progress):
            best = self._logprobs([rows[index] for index in picked]).topk(settings["top_logprobs"])
            for index, values, ids in zip(picked, best.values.tolist(), best.indices.tolist(), strict=True):
                top = tuple((decode([token]), value) for token, value in zip(ids, values, strict=True))
                logprobs = (TokenLogprob(*top[0], top),)
                found[index] = Completion(top[0][0], "length", logprobs, len(rows[index]), 1, 0.0)
        lengths = [len(row) for row in rows]
        self._count(lengths, [], padding(lengths, self._batch_size))
        return [found[index] for index in range(len(rows))]

    @torch.inference_mode()
    def _logprobs(self, rows: Sequence[tuple[int, ...]]) -> Tensor:
        """Of the token after each row, in nats: [rows, vocabulary]. No other position's logits are made."""
        pad, end = self._policy.tokenizer.pad_token_id, self._policy.tokenizer.eos_token_id
        length = max(map(len, rows))
        ids = torch.tensor([(pad,) * (length - len(row)) + row for row in rows])
        mask = torch.tensor([(0,) * (length - len(row)) + (1,) * len(row) for row in rows])
        config = GenerationConfig(
            max_new_tokens=1,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=pad,
            output_logits=True,
            return_dict_in_generate=True,
        )
        device = self._policy.device
        with quiet():
            output = self._policy.model.generate(
                ids.to(device), attention_mask=mask.to(device), generation_config=config
            )
        logprobs: Tensor = output.logits[0].float().log_softmax(-1)
        return logprobs

    def _count(self, prompts: Sequence[int], answers: Sequence[int], pads: int) -> None:
        self._usage = replace(
            self._usage,
            calls=self._usage.calls + len(prompts),
            tokens_forward=self._usage.tokens_forward + sum(prompts) + sum(answers),
            padding=self._usage.padding + pads,
        )


def _settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with their defaults.

    Raises:
        BadInput: one that is not known, or log-probabilities of more than one token.
    """
    if unknown := sorted(set(params) - _KNOWN):
        raise BadInput(f"judge: a model that runs here does not know {', '.join(unknown)}. Remove it.")
    settings = {"temperature": 0.0, "max_tokens": 1024, "seed": 0, "top_logprobs": 5, **params}
    if settings.get("logprobs") and settings["max_tokens"] != 1:
        raise BadInput("judge: a model that runs here gives log-probabilities for max_tokens = 1 only.")
    return settings


def _key(request: Request) -> str:
    """Names a request: its text decides the noise of its sample."""
    messages = [sorted(message.items()) for message in request.messages]
    return repr((messages, sorted(request.params.items()), request.draw))
