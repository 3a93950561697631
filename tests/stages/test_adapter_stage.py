"""What training is handed of the reference."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pool_of_words import run_stage, write_pool

from harness.data.tokens import Encoded
from harness.models.load import Policy, load_policy
from harness.models.logprobs import row_token_logprobs
from harness.stages import adapter, logprobs, pairs
from harness.training.reference import Known, make_reference


@pytest.mark.parametrize("common", [False, True])
def test_a_loss_is_handed_single_tokens_only_where_it_needs_them(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, common: bool
) -> None:
    """The base model's own values for every row of the pairs; all losses get their sums."""
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
    monkeypatch.setattr(adapter, "settings_of", lambda _: SimpleNamespace(loss=SimpleNamespace(needs=needs)))
    with pytest.raises(Trained):
        run_stage(tmp_path / "adapter", adapter.run, {}, inputs)
    known: Known = given["known"]
    rows = list(known.sums)
    assert known.source == "stored"
    assert len(rows) > 12
    expected = row_token_logprobs(load_policy(tiny_base), rows)
    assert list(known.sums.values()) == pytest.approx([row.sum() for row in expected], rel=1e-4)
    assert set(known.tokens) == (set(rows) if common else set())
    for row, tokens in zip(rows, expected, strict=True):
        if common:
            np.testing.assert_allclose(known.tokens[row], tokens, rtol=1e-4, atol=1e-5)


def test_a_record_says_where_the_reference_came_from(tiny_policy: Policy) -> None:
    """One row that had to be computed is enough; single tokens are asked for where the loss needs them."""
    rows = [Encoded((1, 4), (5, 6)), Encoded((1, 4), (7,))]
    sums = dict.fromkeys(rows, -1.0)

    def source(known: Known, *needs: str) -> str:
        return make_reference(tiny_policy, rows, known, frozenset(needs)).source

    assert source(Known("bank", {}, {}), "certainty") == "none"
    assert source(Known("bank", sums, {}), "reference") == "bank"
    assert source(Known("stored", sums, {}), "reference") == "stored"
    assert source(Known("stored", {rows[0]: -1.0}, {}), "reference") == "computed"
    assert source(Known("stored", sums, {}), "reference", "common") == "computed"
