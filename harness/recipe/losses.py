"""Which loss a method trains with: every kind, with its hyper-parameters and what it must be given.

The first line of a docstring is what `harness methods` prints. In formulas w is the chosen response and l the
rejected one, p and |.| a response's probability under the policy and its tokens, r its log-ratio of policy
to reference, h = r_w - r_l the margin, e the label smoothing. Defaults are those of the paper, or of its
authors' code; docs/losses.md says which, and where other trainers mean something else.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, TypeAdapter

from harness.recipe.table import NonNegative, Positive, Table

Need = Literal["reference", "common", "certainty", "batch", "running"]
"""What matters to a loss besides the policy's log-probabilities and the lengths of a pair's responses.

`common`: the log-probabilities of the first tokens of both responses, as many as the shorter one has.
`certainty`: the policy's full distribution at each token. `batch`: a pair's value depends on the other pairs
of its micro-batch. `running`: a state is kept over steps.
"""

Share = Annotated[float, Field(ge=0, le=1)]
Smoothing = Annotated[float, Field(ge=0, lt=0.5)]


class _Loss(Table):
    NEEDS: ClassVar[frozenset[Need]] = frozenset({"reference"})
    PLAIN: ClassVar[bool] = True

    @property
    def needs(self) -> frozenset[Need]:
        """What the loss must be given."""
        return self.NEEDS

    @property
    def plain(self) -> bool:
        """Whether at the reference every pair's gradient is along g_l - g_w, as that of DPO is."""
        return self.PLAIN


class DpoLoss(_Loss):
    """-log sigmoid(beta h) (arXiv 2305.18290, eq. 7)."""

    kind: Literal["dpo"] = "dpo"
    beta: Positive = 0.1


class CdpoLoss(_Loss):
    """-(1 - e) log sigmoid(beta h) - e log sigmoid(-beta h) (conservative DPO, Mitchell 2023)."""

    kind: Literal["cdpo"]
    beta: Positive = 0.1
    label_smoothing: Smoothing = 0.2  # HALOs config/loss/cdpo.yaml


class RobustLoss(_Loss):
    """(-(1 - e) log sigmoid(beta h) + e log sigmoid(-beta h)) / (1 - 2 e) (arXiv 2403.00409)."""

    kind: Literal["robust"]
    beta: Positive = 0.1
    label_smoothing: Smoothing = 0.1


class HingeLoss(_Loss):
    """max(0, 1 - beta h) (arXiv 2305.10425; with log-ratios 2309.06657)."""

    kind: Literal["hinge"]
    beta: Positive = 0.1


class IpoLoss(_Loss):
    """(r_w / |w| - r_l / |l| - 1 / (2 beta))^2, per token (arXiv 2310.12036, eq. 17)."""

    PLAIN: ClassVar[bool] = False
    kind: Literal["ipo"]
    beta: Positive = 0.1


class IpoSumLoss(_Loss):
    """(h - 1 / (2 beta))^2, in sums over tokens (arXiv 2310.12036, eq. 17)."""

    kind: Literal["ipo-sum"]
    beta: Positive = 0.1


class KtoLoss(_Loss):
    """d (1 - sigmoid(beta (r_w - z_l))) + u (1 - sigmoid(beta (z_w - r_l))), paired (arXiv 2402.01306)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset({"reference", "batch"})
    kind: Literal["kto"]
    beta: Positive = 0.1
    desirable_weight: Positive = 1.0
    undesirable_weight: Positive = 1.0

    @property
    def plain(self) -> bool:
        """Where both sides weigh the same."""
        return self.desirable_weight == self.undesirable_weight


class OrpoLoss(_Loss):
    """NLL_w - beta log sigmoid(log odds_w - log odds_l), per token (arXiv 2403.07691)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset()
    PLAIN: ClassVar[bool] = False
    kind: Literal["orpo"]
    beta: Positive = 0.1


class CpoLoss(_Loss):
    """-log sigmoid(beta (log p_w - log p_l)) + alpha NLL_w (arXiv 2401.08417)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset()
    PLAIN: ClassVar[bool] = False
    kind: Literal["cpo"]
    beta: Positive = 0.1
    alpha: NonNegative = 1.0


class SimpoLoss(_Loss):
    """-log sigmoid(beta (log p_w / |w| - log p_l / |l|) - gamma) (arXiv 2405.14734)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset()
    PLAIN: ClassVar[bool] = False
    kind: Literal["simpo"]
    beta: Positive = 2.0
    gamma: NonNegative = 0.5  # gamma_beta_ratio 0.25 of princeton-nlp/SimPO simpo_config.py


class LnDpoLoss(_Loss):
    """-log sigmoid(beta (r_w / |w| - r_l / |l|)) (Tulu 3, arXiv 2411.15124)."""

    PLAIN: ClassVar[bool] = False
    kind: Literal["ln-dpo"]
    beta: Positive = 5.0


class RDpoLoss(_Loss):
    """-log sigmoid(beta h + alpha (|w| - |l|)) (arXiv 2403.19159)."""

    kind: Literal["r-dpo"]
    beta: Positive = 0.1
    alpha: NonNegative = 0.01


class LdDpoLoss(_Loss):
    """-log sigmoid(beta h), tokens past the common length weighted by alpha (arXiv 2409.06411)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset({"reference", "common"})
    kind: Literal["ld-dpo"]
    beta: Positive = 0.1
    alpha: Share = 0.5


class ApoZeroLoss(_Loss):
    """1 - sigmoid(beta r_w) + sigmoid(beta r_l) (arXiv 2408.06266, eq. 7)."""

    kind: Literal["apo-zero"]
    beta: Positive = 0.1


class ApoDownLoss(_Loss):
    """sigmoid(beta r_w) + 1 - sigmoid(beta h) (arXiv 2408.06266, eq. 8)."""

    PLAIN: ClassVar[bool] = False
    kind: Literal["apo-down"]
    beta: Positive = 0.1


class NcaLoss(_Loss):
    """-log sigmoid(beta r_w) - (log sigmoid(-beta r_w) + log sigmoid(-beta r_l)) / 2 (arXiv 2402.05369)."""

    kind: Literal["nca"]
    beta: Positive = 0.01


class ExoLoss(_Loss):
    """KL((sigmoid(beta h), sigmoid(-beta h)) || (1 - e, e)), e > 0 (arXiv 2402.00856, eq. 16)."""

    kind: Literal["exo"]
    beta: Positive = 0.1
    label_smoothing: Annotated[float, Field(gt=0, lt=0.5)] = 1e-3


class BcoLoss(_Loss):
    """-log sigmoid(beta (r_w - d)) - log sigmoid(-beta (r_l - d)), d the running mean (arXiv 2404.04656)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset({"reference", "batch", "running"})
    kind: Literal["bco"]
    beta: Positive = 0.1


class SppoHardLoss(_Loss):
    """(r_w - 1 / (2 beta))^2 + (r_l + 1 / (2 beta))^2 (arXiv 2405.00675, eq. 4.7)."""

    kind: Literal["sppo-hard"]
    beta: Positive = 0.001  # uclaml/SPPO


class AotLoss(_Loss):
    """-log sigmoid(beta (sorted (log p_w - log p_l) - sorted the reference's)) (arXiv 2406.05882)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset({"reference", "batch"})
    kind: Literal["aot"]
    beta: Positive = 0.1


class AotUnpairedLoss(_Loss):
    """-log sigmoid(beta (sorted r_w - sorted r_l)) (arXiv 2406.05882)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset({"reference", "batch"})
    kind: Literal["aot-unpaired"]
    beta: Positive = 0.1


class DiscopopLoss(_Loss):
    """(1 - m) (-log sigmoid(beta h)) + m exp(-beta h), m = sigmoid(beta h / tau) (arXiv 2406.08414)."""

    PLAIN: ClassVar[bool] = False
    kind: Literal["discopop"]
    beta: Positive = 0.05
    tau: Annotated[float, Field(gt=0, le=1)] = 0.05


class WpoLoss(_Loss):
    """min(1, exp(c_w + c_l)) times DPO, c the policy's certainty of a response (arXiv 2406.11827, eq. 2)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset({"reference", "certainty"})
    kind: Literal["wpo"]
    beta: Positive = 0.01


class BetaDpoLoss(_Loss):
    """-log sigmoid(b h), b = beta (1 + alpha (mean h - running mean)), odd h left out (arXiv 2407.08639)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset({"reference", "batch", "running"})
    kind: Literal["beta-dpo"]
    beta: Positive = 0.1
    alpha: NonNegative = 0.6
    filtered: Annotated[float, Field(ge=0, lt=1)] = 0.2


class AlphaDpoLoss(_Loss):
    """SimPO with the margin gamma + beta alpha z, z the running z-score of h per token (arXiv 2410.10148)."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset({"reference", "batch", "running"})
    PLAIN: ClassVar[bool] = False
    kind: Literal["alpha-dpo"]
    beta: Positive = 2.5
    gamma: NonNegative = 1.5  # gamma_beta_ratio 0.6 of the authors' Llama 3 config
    alpha: NonNegative = 0.2


class CalDpoLoss(_Loss):
    """-log sigmoid(h) + ((r_w - 1 / (2 beta))^2 + (r_l + 1 / (2 beta))^2) / 2 (arXiv 2412.14516)."""

    kind: Literal["cal-dpo"]
    beta: Positive = 0.001


class BpoMarginLoss(_Loss):
    """max(0, 1 - beta min(r_w, -alpha r_l)), the balanced reward margin (arXiv 2506.03557)."""

    PLAIN: ClassVar[bool] = False
    kind: Literal["bpo-margin"]
    beta: Positive = 0.1
    alpha: Positive = 0.3


class DpopLoss(_Loss):
    """-log sigmoid(beta (h - penalty max(0, -r_w))) (DPO-Positive, arXiv 2402.13228)."""

    kind: Literal["dpop"]
    beta: Positive = 0.3
    penalty: NonNegative = 50.0


class DpoSftLoss(_Loss):
    """-log sigmoid(beta h) + alpha NLL_w, per token (iterative RPO, arXiv 2404.19733)."""

    PLAIN: ClassVar[bool] = False
    kind: Literal["dpo-sft"]
    beta: Positive = 0.1
    alpha: NonNegative = 1.0


Single = (
    DpoLoss
    | CdpoLoss
    | RobustLoss
    | HingeLoss
    | IpoLoss
    | IpoSumLoss
    | KtoLoss
    | OrpoLoss
    | CpoLoss
    | SimpoLoss
    | LnDpoLoss
    | RDpoLoss
    | LdDpoLoss
    | ApoZeroLoss
    | ApoDownLoss
    | NcaLoss
    | ExoLoss
    | BcoLoss
    | SppoHardLoss
    | AotLoss
    | AotUnpairedLoss
    | DiscopopLoss
    | WpoLoss
    | BetaDpoLoss
    | AlphaDpoLoss
    | CalDpoLoss
    | BpoMarginLoss
    | DpopLoss
    | DpoSftLoss
)
"""Every kind but the sum."""


class SumLoss(_Loss):
    """The weighted sum of other losses: `terms`, and a weight for each."""

    NEEDS: ClassVar[frozenset[Need]] = frozenset()
    kind: Literal["sum"]
    terms: Annotated[tuple[Annotated[Single, Field(discriminator="kind")], ...], Field(min_length=1)]
    weights: Annotated[tuple[Positive, ...], Field(min_length=1)]

    @property
    def needs(self) -> frozenset[Need]:
        """What any of the terms must be given."""
        return frozenset[Need]().union(*(term.needs for term in self.terms))

    @property
    def plain(self) -> bool:
        """Where all terms are."""
        return all(term.plain for term in self.terms)


Loss = Annotated[Single | SumLoss, Field(discriminator="kind")]

KINDS: tuple[type[_Loss], ...] = (*get_args(Single), SumLoss)

_LOSSES: TypeAdapter[Loss] = TypeAdapter(Loss)


def read_loss(table: Mapping[str, Any]) -> Loss:
    """The loss of a table as plain JSON, as a task's parameters have it."""
    return _LOSSES.validate_json(json.dumps(table))


def needs_in_words(variant: type[Table]) -> str:
    """What a kind of loss needs."""
    if variant is SumLoss:
        return "what its terms need"
    needs: frozenset[Need] = getattr(variant, "NEEDS", frozenset())
    return ", ".join(need for need in get_args(Need) if need in needs) or "no reference"
