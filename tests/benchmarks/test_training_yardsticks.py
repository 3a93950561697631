"""The loop by hand, and the pairs that whole trainings are compared on."""

from dataclasses import replace

import torch

from benchmarks.random_base import word_pairs
from benchmarks.shapes import TINY
from benchmarks.training import bare_loop, one_epoch, our_loop
from harness.models.load import load_policy
from harness.training.examples import make_examples

SHAPE = replace(TINY, hidden=16, layers=2, intermediate=32, vocabulary=60, prompt=8, response=5)


def test_the_loop_by_hand_trains_the_same_weights_as_ours() -> None:
    """Two steps of two forward passes of one prompt each, from the same fresh adapter."""
    with one_epoch(SHAPE, prompts=4, step=16, micro_batch=8) as job:
        trainers = [job.trainer(), job.trainer()]
        start = _adapter(trainers[0].model)
        our_loop(trainers[0])()
        bare_loop(trainers[1])()
    ours, bare = (_adapter(trainer.model) for trainer in trainers)
    moved = torch.linalg.vector_norm(ours - start)
    assert moved > 0
    assert torch.linalg.vector_norm(bare - ours) <= 1e-3 * moved


def test_pairs_in_words_have_the_tokens_of_the_shape() -> None:
    """A prompt of 8 tokens is 5 words and 3 of the template, a response of 5 is 4 words and an end."""
    with one_epoch(SHAPE, prompts=2) as job:
        policy = load_policy(job.folder / "base")
        pairs = make_examples(policy.tokenizer, word_pairs(SHAPE, 2, 8, 8), max_length=13).pairs
        rows = {row for pair in pairs for row in (pair.chosen, pair.rejected)}
        assert {(len(row.prompt), len(row.response)) for row in rows} == {(8, 5)}
        assert len(pairs) == len(rows) == 16
        assert rows == set(job.known)


def _adapter(model: torch.nn.Module) -> torch.Tensor:
    trained = [weight.detach().flatten() for weight in model.parameters() if weight.requires_grad]
    return torch.cat(trained).clone()
