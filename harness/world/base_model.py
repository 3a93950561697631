"""Trains the Atlas world's base model: a small Llama that imitates the teacher, errors included."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from harness.data.tokens import Encoded, TokenBatch, pad
from harness.models.chat import prompt_ids
from harness.models.quiet import quiet
from harness.models.random_model import Shape, random_llama
from harness.world.facts import World
from harness.world.prompts import kind_weights, training_half
from harness.world.teacher import teacher_answer
from harness.world.tokenizer import make_tokenizer

GROUP = 8
"""Batches that are sorted by length together."""


@dataclass(frozen=True)
class SftSettings:
    """The training run and the shape of the model; the defaults make the usual base model."""

    steps: int = 600
    batch_size: int = 32
    learning_rate: float = 2e-3
    seed: int = 0
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    intermediate: int = 256


@dataclass(frozen=True)
class SftReport:
    """Loss of the first and of the last step (nats per response token), tokens seen, and pads beside them."""

    loss_first: float
    loss_last: float
    tokens: int
    padding: int


def train_base_model(
    world: World, out: Path, settings: SftSettings, progress: Callable[[int, int], None] | None = None
) -> SftReport:
    """Train on fresh teacher answers to prompts of the training half; write model and tokenizer into `out`.

    Prompts are drawn uniformly within a kind, without the log's skew. AdamW, learning rate falling linearly
    to zero, loss on the response only. On the CPU, in fp32. With one thread the same settings give the same
    bits, and the global random state is left as it was.

    Args:
        world: the facts to learn.
        out: folder, made if needed; loads as any Hugging Face model.
        settings: shape and training run.
        progress: called with (steps done, steps in all).
    """
    tokenizer = make_tokenizer(world)
    shape = Shape(settings.hidden, settings.layers, settings.heads, settings.intermediate, settings.seed)
    model = random_llama(tokenizer, shape)
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=0.0, fused=True)
    decay = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=settings.steps)
    losses: list[float] = []
    tokens = padding = 0
    for batch in _batches(world, tokenizer, settings):
        loss = response_loss(model, batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        decay.step()
        losses.append(loss.item())
        tokens += int(batch.attention_mask.sum())
        padding += int((batch.attention_mask == 0).sum())
        if progress is not None:
            progress(len(losses), settings.steps)
    with quiet():
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
    return SftReport(losses[0], losses[-1], tokens, padding)


def _batches(world: World, tokenizer: PreTrainedTokenizerFast, settings: SftSettings) -> Iterator[TokenBatch]:
    """`steps` batches of fresh examples, cut from GROUP batches' worth of them sorted by length.

    Rows of like length leave a third of the padding; the batches of a group come in random order.
    """
    rng = np.random.default_rng([settings.seed, world.seed, 3])
    examples = sft_examples(world, tokenizer, rng)
    for step in range(settings.steps):
        if step % GROUP == 0:
            rows = sorted(itertools.islice(examples, GROUP * settings.batch_size), key=len)
            order = rng.permutation(GROUP)
        start = int(order[step % GROUP]) * settings.batch_size
        yield pad(rows[start : start + settings.batch_size], tokenizer.pad_token_id)


def sft_examples(
    world: World, tokenizer: PreTrainedTokenizerFast, rng: np.random.Generator
) -> Iterator[Encoded]:
    """Prompts of the training half with a teacher's answer each, without end."""
    prompts = training_half(world)
    rendered = [prompt_ids(tokenizer, prompt.text) for prompt in prompts]
    cumulative = np.cumsum(kind_weights(prompts, np.ones(len(prompts))))
    ids = tokenizer.get_vocab()
    while True:
        index = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        answer = teacher_answer(world, prompts[index], rng).split()
        # EOS also after an answer that is cut off: the teacher did stop there.
        yield Encoded(rendered[index], (*(ids[word] for word in answer), tokenizer.eos_token_id))


def response_loss(model: LlamaForCausalLM, batch: TokenBatch) -> Tensor:
    """Mean cross-entropy of the response tokens, in nats; the head sees these positions only.

    No attention mask: the rows are padded on the right, where causal attention does not look.
    """
    hidden = model.model(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    answers = batch.response_mask[:, 1:]
    return F.cross_entropy(model.lm_head(hidden[:, :-1][answers]), batch.input_ids[:, 1:][answers])
