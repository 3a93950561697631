"""What training is handed of the reference."""

import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pool_of_words import run_stage, write_pool

from harness.data.rows import PreferencePair, Response
from harness.data.tokens import Encoded
from harness.models.load import load_policy
from harness.models.logprobs import response_token_logprobs
from harness.stages import adapter, logprobs, pairs
from harness.store.formats import LOGPROBS, RESPONSES, write_matrix, write_rows


@pytest.mark.parametrize("common", [False, True])
def test_a_loss_is_handed_single_tokens_only_where_it_needs_them(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, common: bool
) -> None:
    """The base model's own values for every row of the pairs; other losses get the sums."""
    pool = write_pool(tmp_path / "pool") | {"base_model": tiny_base}
    drawn = {
        "depth": {"kind": "uniform", "pairs": 2}, "pairing": {"kind": "random"}, "budget": None,
        "max_length": 64, "seed": 0,
    }  # fmt: skip
    inputs = pool | {
        "pairs": run_stage(tmp_path / "pairs", pairs.run, drawn, pool).folder,
        "reference": run_stage(tmp_path / "logprobs", logprobs.run, {"conditional": True}, pool).folder,
    }
    needs = frozenset({"reference", "common"} if common else {"reference"})
    given: dict[str, Any] = {}

    class Trained(Exception):
        """Nothing needs to be trained."""

    def train(*_: Any, **words: Any) -> None:
        given.update(words)
        raise Trained

    monkeypatch.setattr(adapter, "train", train)
    settings = SimpleNamespace(loss=SimpleNamespace(needs=needs), weights="lora", precision="fp32")
    monkeypatch.setattr(adapter, "settings_of", lambda _: settings)
    with pytest.raises(Trained):
        run_stage(tmp_path / "adapter", adapter.run, {}, inputs)
    known: dict[Encoded, Any] = given["known"]
    assert len(known) > 12
    for values, tokens in zip(
        known.values(), response_token_logprobs(load_policy(tiny_base), list(known)), strict=True
    ):
        np.testing.assert_allclose(values, tokens if common else tokens.sum(), rtol=1e-4, atol=1e-5)


def test_responses_of_no_pair_are_not_held(tmp_path: Path, tiny_base: Path) -> None:
    """Twenty megabytes of them, of which the one pair has two."""
    write_rows(
        tmp_path / RESPONSES, [Response("p", n, f"w{n % 40} " * 500, 500, True) for n in range(10_000)]
    )
    write_matrix(tmp_path / LOGPROBS, np.arange(10_000, dtype=np.float32))
    job: Any = SimpleNamespace(inputs={"base_model": tiny_base, "reference": tmp_path, "responses": tmp_path})
    settings: Any = SimpleNamespace(loss=SimpleNamespace(needs={"reference"}))
    pair = PreferencePair("p", "w1", "w7 ", "w8 ", 7, 8, True, True, 1.0)
    tracemalloc.start()
    known = adapter._stored_reference(job, [pair], settings)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert list(known.values()) == [7.0, 8.0]
    assert held < 10e6
