"""What training is handed of the reference."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pool_of_words import run_stage, write_pool

from harness.data.tokens import Encoded
from harness.models.load import load_policy
from harness.models.logprobs import response_token_logprobs
from harness.stages import adapter, logprobs, pairs


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
