"""A reward model as judge: a sequence classifier that scores a conversation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from harness.errors import BadInput
from harness.judges.base import Answer, Contest, Usage, preference
from harness.models.batching import Progress, batches, padding
from harness.models.hub import locate
from harness.models.quiet import quiet

_AS_DATA: Mapping[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""Left out, transformers would ask at the terminal whether to run a model's own code."""


@dataclass(frozen=True)
class RewardModel:
    """Which reward model, and how it runs.

    `name` is a folder, or the id of a model in the hub's cache, and `revision` then its commit. What is
    longer than `max_length` tokens (or than the model can read) loses its beginning.
    """

    name: str
    revision: str | None = None
    precision: torch.dtype = torch.bfloat16
    max_length: int = 4096
    batch_size: int = 16


class RewardModelJudge:
    """Scores the conversation of prompt and response, rendered by the reward model's own chat template.

    The score is the classifier's one logit. It has no known scale: only differences within one prompt mean
    something (Bradley-Terry; Ouyang et al. 2022, section 3.5).
    """

    def __init__(self, table: RewardModel, progress: Progress | None = None) -> None:
        """Load the model, on the GPU where there is one.

        Raises:
            BadInput: it is not here or not in safetensors, or no classifier with one output and a template.
        """
        self._table, self._progress = table, progress
        self._model, self._tokenizer = _load(table)
        self._text_config = self._model.config.get_text_config()
        self._own_pad: int | None = self._text_config.pad_token_id
        own = getattr(self._text_config, "max_position_embeddings", None)
        self._limit = min(table.max_length, own or table.max_length)
        self._usage = Usage(parameters=int(self._model.num_parameters()))

    @property
    def id(self) -> str:
        """The model, its revision, and what else can change a score."""
        folder = Path(self._table.name)
        name = folder.name if folder.is_dir() else self._table.name
        revision = self._table.revision or "local"
        precision = str(self._table.precision).removeprefix("torch.")
        return f"reward-model-1:{name}@{revision}:{precision}:{self._limit}"

    @property
    def usage(self) -> Usage:
        """Conversations scored, and their tokens without padding."""
        return self._usage

    def scores(self, answers: Sequence[Answer]) -> list[float | None]:
        """The reward of each; higher is better. Equal conversations run once."""
        rows = [self._tokens(answer) for answer in answers]
        distinct = list(dict.fromkeys(row[-self._limit :] for row in rows))
        rewards = dict(zip(distinct, self._rewards(distinct), strict=True))
        self._usage = replace(
            self._usage,
            calls=self._usage.calls + len(rows),
            tokens_forward=self._usage.tokens_forward + sum(map(len, distinct)),
            padding=self._usage.padding + padding([*map(len, distinct)], self._table.batch_size),
        )
        return [rewards[row[-self._limit :]] for row in rows]

    def preferences(self, contests: Sequence[Contest]) -> list[float | None]:
        """1.0 or 2.0 for the higher reward, 1.5 where both are equal; there is no position bias."""
        answers = [
            Answer(contest.prompt, text) for contest in contests for text in (contest.first, contest.second)
        ]
        rewards = [reward for reward in self.scores(answers) if reward is not None]
        return [preference(*pair) for pair in zip(rewards[::2], rewards[1::2], strict=True)]

    def _tokens(self, answer: Answer) -> tuple[int, ...]:
        turns = [*answer.prompt.turns, {"role": "assistant", "content": answer.response}]
        text = self._tokenizer.apply_chat_template(turns, tokenize=False)
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    @torch.inference_mode()
    def _rewards(self, rows: Sequence[tuple[int, ...]]) -> list[float]:
        rewards = [0.0] * len(rows)
        for picked in batches([len(row) for row in rows], self._table.batch_size, self._progress):
            ids, mask = self._padded([rows[index] for index in picked])
            logits = self._model(input_ids=ids, attention_mask=mask).logits
            for index, reward in zip(picked, logits[:, 0].tolist(), strict=True):
                rewards[index] = reward
        return rewards

    def _padded(self, rows: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
        """Ids and mask, padded on the right.

        transformers' classifiers read the state of the last token that is not the configuration's padding,
        whatever the mask says; so that token pads. Where none is configured they read the last token, and so
        they must here: a token that the batch does not hold pads.
        """
        pad = self._own_pad
        if pad is None:
            pad = min(set(range(len(self._tokenizer))) - {token for row in rows for token in row})
            self._text_config.pad_token_id = pad
        ids = torch.full((len(rows), max(map(len, rows))), pad)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        return ids.to(self._model.device), mask.to(self._model.device)


def _load(table: RewardModel) -> tuple[PreTrainedModel, Tokenizer]:
    folder = locate(table.name, table.revision)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, **_AS_DATA)
            model = AutoModelForSequenceClassification.from_pretrained(
                folder, dtype=table.precision, use_safetensors=True, **_AS_DATA
            )
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise BadInput(
            f"judge {table.name}: is no sequence classifier that can be loaded: {reason}."
        ) from error
    if (outputs := model.config.num_labels) != 1:
        raise BadInput(f"judge {table.name}: a reward model has one output. Got {outputs}. Name another.")
    if tokenizer.chat_template is None:
        raise BadInput(
            f"judge {table.name}: its tokenizer has no chat template to render a conversation with. "
            "Add chat_template to its tokenizer_config.json."
        )
    return model.eval().requires_grad_(False).to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer
