"""Value and gradient of every loss that TRL has too, against TRL's own code on the same log-probabilities.

TRL's trainers are handed a model that returns given log-probabilities of tokens, so that nothing but their
formulas runs. What means something else there is listed in docs/losses.md, and shown here.
"""

from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from trl import DPOTrainer, KTOTrainer

from harness.methods.losses import PairLogprobs
from harness.methods.losses.pairs import pairs_of_responses
from harness.stages.losses import loss_of

PAIRS, TOKENS = 5, 12
LENGTHS = torch.tensor([4, 9, 2, 6, 6, 7, 3, 2, 8, 6])
"""Of the responses: all chosen ones, then all rejected ones."""


class GivenLogprobs(nn.Module):
    """A model in name: the rest of its output is only logged."""

    def __init__(self, logprobs: Tensor, log_sum_squares: Tensor) -> None:
        super().__init__()
        self.is_gradient_checkpointing = False
        nothing = torch.zeros_like(logprobs)
        self.outputs = SimpleNamespace(
            log_probs=logprobs,
            log_sum_sq_probs=log_sum_squares,
            entropy=nothing,
            mean_logits=nothing,
            is_top1=nothing.bool(),
        )

    def forward(self, **_: Any) -> SimpleNamespace:
        return self.outputs


def same(value: Tensor) -> Tensor:
    return value


class Case:
    """Random log-probabilities of tokens, as TRL's batch and as pairs."""

    def __init__(self, lengths: Tensor = LENGTHS, dtype: torch.dtype = torch.float64) -> None:
        noise = torch.Generator().manual_seed(0)
        position = torch.arange(TOKENS)
        self.mask = (position >= 3) & (position < 3 + lengths[:, None])
        self.lengths, response = lengths, self.mask[:, 1:]
        tokens = torch.rand((3, *response.shape), generator=noise, dtype=torch.float64).to(dtype)
        self.tokens = (-3 * tokens[0]).requires_grad_(True)
        self.policy = self.tokens * response
        self.reference, self.squares = -3 * tokens[1] * response, -0.3 * tokens[2] * response

    @property
    def pairs(self) -> PairLogprobs:
        """The same as sums over tokens; the first column of `mask[:, 1:]` is the second token."""
        response = self.mask[:, 1:]
        shorter = torch.minimum(*self.lengths.chunk(2)).repeat(2)
        shared = response & (response.cumsum(1) <= shorter[:, None])
        certainty = ((self.policy - self.squares) * response).sum(1).detach() / self.lengths
        w, l = certainty.chunk(2)  # noqa: E741
        common = self._sums(shared, shorter)
        return replace(self._sums(response, self.lengths), common=common, certainty_w=w, certainty_l=l)

    def _sums(self, mask: Tensor, lengths: Tensor) -> PairLogprobs:
        policy, reference = ((side * mask).sum(1) for side in (self.policy, self.reference))
        return pairs_of_responses(policy, reference, lengths, *torch.arange(2 * PAIRS).chunk(2))

    def trl(self, kinds: list[str], weights: list[float] | None = None, **settings: Any) -> Tensor:
        """The loss of TRL's DPOTrainer."""
        defaults = {"beta": 0.1, "label_smoothing": 0.0, "ld_alpha": None, "use_weighting": False}
        tau = settings.pop("discopop_tau", None)
        trainer = SimpleNamespace(
            **defaults | settings,
            loss_types=kinds,
            loss_weights=weights or [1.0],
            f_divergence_type="reverse_kl",
            precompute_ref_logps=False,
            aux_loss_enabled=False,
            model=GivenLogprobs(self.policy, self.squares),
            ref_model=GivenLogprobs(self.reference, self.squares),
            args=SimpleNamespace(gradient_checkpointing_kwargs=None, discopop_tau=tau),
            accelerator=SimpleNamespace(device=torch.device("cpu"), gather=same, gather_for_metrics=same),
            _metrics=defaultdict(lambda: defaultdict(list)),
            _total_train_tokens=0,
            _tp_size=1,
        )
        ids = torch.zeros_like(self.mask, dtype=torch.int64)
        inputs = {"input_ids": ids, "attention_mask": ids + 1, "completion_mask": self.mask.long()}
        found: Tensor = DPOTrainer._compute_loss(trainer, trainer.model, inputs, return_outputs=False)
        return found

    def ours(self, table: dict[str, Any]) -> Tensor:
        """The mean of our losses."""
        return loss_of(table).value(replace(self.pairs, running=torch.zeros(2))).mean()

    def equal(self, ours: Tensor, theirs: Tensor) -> bool:
        """Whether value and gradient agree."""
        pairs = [
            (ours, theirs),
            *zip(
                *(torch.autograd.grad(side, self.tokens, retain_graph=True) for side in (ours, theirs)),
                strict=True,
            ),
        ]
        return all(torch.allclose(one, two, rtol=1e-6, atol=1e-12) for one, two in pairs)


SAME_MEANING = [
    ({"kind": "dpo"}, "sigmoid", {}),
    ({"kind": "hinge"}, "hinge", {}),
    ({"kind": "ipo"}, "ipo", {}),
    ({"kind": "ln-dpo", "beta": 3.0}, "sigmoid_norm", {"beta": 3.0}),
    ({"kind": "exo", "label_smoothing": 0.2}, "exo_pair", {"label_smoothing": 0.2}),
    ({"kind": "nca"}, "nca_pair", {"beta": 0.01}),
    ({"kind": "robust", "label_smoothing": 0.3}, "robust", {"label_smoothing": 0.3}),
    ({"kind": "sppo-hard", "beta": 0.05}, "sppo_hard", {"beta": 0.05}),
    ({"kind": "apo-zero"}, "apo_zero", {}),
    ({"kind": "apo-down"}, "apo_down", {}),
    ({"kind": "aot"}, "aot", {}),
    ({"kind": "aot-unpaired"}, "aot_unpaired", {}),
    ({"kind": "discopop"}, "discopop", {"beta": 0.05, "discopop_tau": 0.05}),
    ({"kind": "ld-dpo", "alpha": 0.3}, "sigmoid", {"ld_alpha": 0.3}),
    ({"kind": "wpo", "beta": 0.1}, "sigmoid", {"use_weighting": True}),
    ({"kind": "bco"}, "bco_pair", {}),  # with a running state of zeros
]


@pytest.mark.parametrize(("table", "kind", "settings"), SAME_MEANING, ids=lambda value: str(value)[:40])
def test_value_and_gradient_are_those_of_trl(
    table: dict[str, Any], kind: str, settings: dict[str, Any]
) -> None:
    case = Case()
    theirs = case.trl([kind], **settings)
    assert case.equal(case.ours(table), theirs)
    assert not case.equal(case.ours({**table, "beta": 0.7}), theirs)


def test_a_sum_of_losses_is_that_of_trl() -> None:
    case = Case()
    terms = [{"kind": "dpo"}, {"kind": "bco"}, {"kind": "apo-zero"}]
    theirs = case.trl(["sigmoid", "bco_pair", "apo_zero"], [0.8, 0.2, 1.0])
    assert case.equal(case.ours({"kind": "sum", "terms": terms, "weights": [0.8, 0.2, 1.0]}), theirs)


def test_the_sft_term_of_trl_pools_the_tokens_of_a_batch() -> None:
    """So it is ours where all chosen responses have one length, and only there."""
    for lengths, agree in ((LENGTHS, False), (torch.cat((torch.full((PAIRS,), 5), LENGTHS[PAIRS:])), True)):
        case = Case(lengths)
        theirs = case.trl(["sigmoid", "sft"], [1.0, 0.5])
        assert case.equal(case.ours({"kind": "dpo-sft", "alpha": 0.5}), theirs) == agree


def test_trl_ignores_label_smoothing_for_dpo() -> None:
    """There is no conservative DPO in TRL any more."""
    case = Case()
    theirs = case.trl(["sigmoid"], label_smoothing=0.2)
    assert case.equal(case.ours({"kind": "dpo"}), theirs)
    assert not case.equal(case.ours({"kind": "cdpo", "label_smoothing": 0.2}), theirs)


def test_trl_does_not_cut_the_weight_of_wpo() -> None:
    """Where the policy is surer of both responses than of a draw of its own, its weight exceeds 1."""
    case = Case()
    case.squares = case.squares * 20
    assert (case.pairs.certainty_w + case.pairs.certainty_l > 0).any()  # type: ignore[operator]
    assert not case.equal(case.ours({"kind": "wpo", "beta": 0.1}), case.trl(["sigmoid"], use_weighting=True))


def test_kto_is_that_of_trl_where_the_reference_point_is_zero() -> None:
    """TRL estimates it on mismatched prompts and responses; here both estimates are cut to 0.

    Its mean is over responses, ours over pairs: twice as much.
    """
    case = Case()
    case.reference = case.reference * 0.5
    assert (case.pairs.ratio_w.mean() < 0) & (case.pairs.ratio_l.mean() < 0)
    trainer = SimpleNamespace(
        beta=0.1,
        loss_type="kto",
        desirable_weight=1.5,
        undesirable_weight=0.5,
        calculate_KL=True,
        precompute_ref_logps=True,
        aux_loss_enabled=False,
        model=GivenLogprobs(case.policy, case.squares),
        accelerator=SimpleNamespace(device=torch.device("cpu"), gather=same, gather_for_metrics=same),
        _compute_kl_logps=lambda *_: torch.zeros(PAIRS),
        _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0,
        _tp_size=1,
    )
    ids = torch.zeros_like(case.mask, dtype=torch.int64)
    inputs = {
        "input_ids": ids,
        "attention_mask": ids + 1,
        "completion_mask": case.mask.long(),
        "label": torch.arange(2 * PAIRS) < PAIRS,
        "ref_logps": case.reference.sum(1),
        "ref_KL_logps": torch.ones(PAIRS),
    }
    theirs = KTOTrainer._compute_loss(trainer, trainer.model, inputs, return_outputs=False)
    ours = case.ours({"kind": "kto", "desirable_weight": 1.5, "undesirable_weight": 0.5})
    assert case.equal(ours, 2 * theirs)


@pytest.fixture
def experimental(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")


@pytest.mark.usefixtures("experimental")
@pytest.mark.parametrize("kind", ["cpo", "simpo"])
def test_the_pair_terms_of_cpo_and_simpo_are_those_of_trl(kind: str) -> None:
    """SimPO's gamma is the whole margin in both: TRL divides it by beta and multiplies again."""
    from trl.experimental.cpo import CPOTrainer

    case = Case()
    trainer = SimpleNamespace(
        alpha=0.0,
        beta=0.7,
        label_smoothing=0.0,
        loss_type="simpo" if kind == "simpo" else "sigmoid",
        simpo_gamma=0.9,
        accelerator=SimpleNamespace(device="cpu"),
    )
    pairs, w, l = case.pairs, *case.lengths.chunk(2)  # noqa: E741
    sides = (pairs.policy_w / w, pairs.policy_l / l) if kind == "simpo" else (pairs.policy_w, pairs.policy_l)
    theirs, *_ = CPOTrainer.cpo_loss(trainer, *sides)
    own = {"gamma": 0.9} if kind == "simpo" else {"alpha": 0.0}
    assert case.equal(case.ours({"kind": kind, "beta": 0.7, **own}), theirs.mean())


@pytest.mark.usefixtures("experimental")
def test_the_odds_ratio_term_of_orpo_is_that_of_trl() -> None:
    """TRL subtracts it from the likelihood of prompt and response over all tokens of a batch; ours takes the
    chosen response's alone, per token. TRL computes it in fp32.
    """
    from trl.experimental.orpo import ORPOTrainer

    case = Case(dtype=torch.float32)
    trainer = SimpleNamespace(beta=0.4, accelerator=SimpleNamespace(device="cpu"))
    pairs, w, l = case.pairs, *case.lengths.chunk(2)  # noqa: E741
    theirs, *_ = ORPOTrainer.odds_ratio_loss(trainer, pairs.policy_w / w, pairs.policy_l / l)
    ours = case.ours({"kind": "orpo", "beta": 0.4})
    assert case.equal(ours, (-pairs.policy_w / w).mean() - theirs.mean())
