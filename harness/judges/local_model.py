"""A chat model that runs here, for judges."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.data.rows import Prompt
from harness.endpoints.batch import Failure
from harness.endpoints.reading import Completion
from harness.endpoints.request import Request
from harness.judges.base import Usage
from harness.models.batching import Progress
from harness.models.chat import prompt_ids
from harness.models.load import Policy
from harness.models.sampling import Sampling, sample, sampling_padding

_STREAM = "judge"


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

        Each states its `temperature` and `max_tokens`; other parameters are not looked at. A request that
        does not fit into the model's context fails.
        """
        asked = {_key(request): request for request in requests}
        prompts = {key: self._prompt(key, request) for key, request in asked.items()}
        answers: dict[str, Completion | Failure] = {}
        groups: dict[str, list[str]] = {}
        for key, request in asked.items():
            if reason := self._does_not_fit(prompts[key], request.params["max_tokens"]):
                answers[key] = Failure(reason)
            else:
                groups.setdefault(repr(sorted(request.params.items())), []).append(key)
        for keys in groups.values():
            found = self._generate([prompts[key] for key in keys], asked[keys[0]].params)
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

    def _does_not_fit(self, prompt: Prompt, most: int) -> str:
        tokens = len(prompt_ids(self._policy.tokenizer, prompt.turns)) + most
        if self._limit is None or tokens <= self._limit:
            return ""
        return (
            f"{self._name}: the question and its answer need {tokens} tokens; the model reads {self._limit}."
        )

    def _generate(self, prompts: Sequence[Prompt], params: Mapping[str, Any]) -> list[Completion]:
        sampling = Sampling(
            per_prompt=1,
            temperature=params["temperature"],
            max_new_tokens=params["max_tokens"],
            seed=0,
            stream=_STREAM,
            batch_size=self._batch_size,
        )
        lengths = [len(prompt_ids(self._policy.tokenizer, prompt.turns)) for prompt in prompts]
        drawn = sample(self._policy, prompts, sampling, self._progress)
        written = [response.tokens for response in drawn]
        self._usage = replace(
            self._usage,
            calls=self._usage.calls + len(prompts),
            tokens_forward=self._usage.tokens_forward + sum(lengths) + sum(written),
            padding=self._usage.padding + sampling_padding(lengths, written, self._batch_size),
        )
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


def _key(request: Request) -> str:
    """Names a request: its text decides the noise of its sample."""
    messages = [sorted(message.items()) for message in request.messages]
    return repr((messages, sorted(request.params.items()), request.draw))
