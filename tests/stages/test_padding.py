"""Tokens and pads that stages count, against the positions that the model's embedding table really saw."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pool_of_words import gradient_params, run_stage, write_pool
from torch import Tensor, nn

from harness.stages import embeddings, gradients, hidden_states, logprobs, outputs
from harness.stages.job import Job

Stage = Callable[[Job], Any]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Positions of each forward pass through an embedding table."""
    found: list[int] = []
    forward = nn.Embedding.forward

    def counted(self: nn.Embedding, ids: Tensor) -> Tensor:
        found.append(ids.numel())
        return forward(self, ids)

    monkeypatch.setattr(nn.Embedding, "forward", counted)
    return found


@pytest.fixture
def pool(tiny_base: Path, tmp_path: Path) -> dict[str, Path]:
    return {"base_model": tiny_base, **write_pool(tmp_path / "pool")}


@pytest.mark.parametrize(
    ("run", "params"),
    [
        (embeddings.run, {"kind": "policy"}),
        (hidden_states.run, {}),
        (logprobs.run, {"conditional": True}),
        (partial(gradients.make, batch_size=5, piece=8), gradient_params()),
        (partial(gradients.make, batch_size=5, piece=8), gradient_params(tokens="response")),
    ],
    ids=["embeddings", "hidden-states", "logprobs", "gradients", "gradients-response"],
)
def test_tokens_and_pads_are_all_that_ran(
    run: Stage, params: dict[str, Any], pool: dict[str, Path], seen: list[int], tmp_path: Path
) -> None:
    cost = run_stage(tmp_path / "store", run, params, pool).cost
    assert cost.tokens_forward + cost.tokens_padding == sum(seen)
    assert cost.tokens_padding > 0
    assert cost.tokens_generated == cost.tokens_scored == 0


def test_sampling_counts_what_is_written_and_what_waits(
    pool: dict[str, Path], seen: list[int], tmp_path: Path
) -> None:
    """The last token of a response is counted, and never run: one position fewer for each of 12 x 2 rows."""
    params = {"samples": 2, "temperature": 1.0, "max_new_tokens": 6, "seed": 0, "stream": "outputs"}
    inputs = {"base_model": pool["base_model"], "held_out": pool["prompts"]}
    knobs = {"sampling": {"engine": "hf", "batch_size": 7}}
    cost = run_stage(tmp_path / "store", outputs.run, params, inputs, knobs).cost
    assert cost.tokens_forward + cost.tokens_padding - 12 * 2 == sum(seen)
    assert 0 < cost.tokens_generated < cost.tokens_forward
    assert cost.tokens_padding > 0
