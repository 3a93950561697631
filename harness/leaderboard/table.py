"""The leaderboard as data: what `table.json` holds, field by field."""

from dataclasses import dataclass, field
from typing import Any

from harness.leaderboard.cost import Overhead
from harness.leaderboard.record import Cost
from harness.leaderboard.statistics import Parts


@dataclass(frozen=True)
class Difference:
    """Method - baseline, paired. `p` fits the interval.

    `p_holm` is adjusted for all rows of the section and for the noise of their replicates
    (`statistics.family_p`).
    """

    mean: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_holm: float | None


@dataclass(frozen=True)
class Score:
    """A metric of one row; `difference` is None for the baseline, and where no baseline is comparable."""

    mean: float
    ci_low: float | None
    ci_high: float | None
    difference: Difference | None


@dataclass(frozen=True)
class Costs:
    """A row's costs, as means over replicates; `stages` splits `alone`."""

    alone: Cost
    shared: Cost
    stages: dict[str, Cost]


@dataclass(frozen=True)
class Overheads:
    """A row's overheads against the baseline of its section."""

    alone: Overhead
    shared: Overhead


@dataclass(frozen=True)
class Reach:
    """FLOPs alone at which a method has the baseline's win rate (`reach.py`).

    It needs more than `more_than` (None: no cheaper budget was tried) and at most `flops` (None: not reached
    at any budget tried). `sure` is whether the 95 % interval of the difference there lies nowhere below zero;
    the baseline itself has none.
    """

    flops: float | None
    more_than: float | None
    sure: bool


@dataclass(frozen=True)
class Judgments:
    """How many judgments of the win rate there are, and how many there should be."""

    found: int
    expected: int


@dataclass(frozen=True)
class RankInterval:
    """The places by mean win rate, 1 being the best, that hold 95 % of bootstrap draws (`bootstrap.py`).

    It is no interval of `Row.rank`, which counts significant differences, and need not hold it.
    """

    best: int
    worst: int


@dataclass(frozen=True)
class Row:
    """One method in one section; counts of pairs and prompts are means over its seeds.

    `rank`, `rank_interval`, `pareto` and `reach` are None for a row that is not ranked. `tied_with` names the
    ranked rows that are not significantly different; `missing` says why a row is incomplete.
    """

    method: str
    section: int
    rank: int | None
    rank_interval: RankInterval | None
    complete: bool
    tied_with: list[str]
    missing: list[str]
    judgments: Judgments
    seeds: list[int]
    pairs: float
    prompts: float
    mean_depth: float | None
    pareto: bool | None
    scores: dict[str, Score | None]
    cost: Costs
    overhead: Overheads
    reach: Reach | None
    pairs_dropped: float
    pairs_truncated: float
    declared: dict[str, Any]
    notes: list[str]


PAIRED = "paired difference in win rate against the reference"
"""What `Section.pairs` compares: no judge saw the two methods' outputs side by side."""


@dataclass(frozen=True)
class Pair:
    """`PAIRED`: win rate of `method` - win rate of `other`, on the prompts and replicates of both.

    `p_holm` is adjusted as that of `Difference`, for all pairs of the section, and is what ranks rest on.
    Without spread there is no interval, and no p unless the difference is exactly zero.
    """

    method: str
    other: str
    mean: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_holm: float | None


@dataclass(frozen=True)
class Contest:
    """Win rate of `method` against `other`, the judge having seen both outputs, both ways round.

    p tests it against 50; `p_holm` is adjusted for all contests of the section, and no rank rests on it.
    `missing` counts comparisons without a verdict, `flips` those whose two orders had opposite verdicts.
    """

    method: str
    other: str
    win_rate: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_holm: float | None
    missing: int
    flips: int


@dataclass(frozen=True)
class Unjudged:
    """Two methods that the recipe wants judged side by side, and the seeds in which they were not at all."""

    method: str
    other: str
    seeds: list[int]


@dataclass(frozen=True)
class LengthControl:
    """The pooled model behind `alpaca_eval.lc_win_rate` (`length_control.py`), of all rows of a section.

    `slope` is the log odds that tanh(length difference / its standard deviation) = 1 adds: above zero, the
    judge prefers longer answers. `methods` are the rows that the model was fitted on: with others, every
    length-controlled rate would be another.
    """

    slope: float
    methods: list[str]


@dataclass(frozen=True)
class Section:
    """Rows that may be ranked together: all their records agree in `comparable`.

    Over its comparisons in win rate: `smallest_detectable_difference` (points, power 80 %, alpha 5 %, before
    Holm) is the median, `noise` (variance of a difference, split by source) the mean; `separated` of the
    `compared` pairs are significant. `pairs` holds each pair of ranked rows once, `head_to_head` each two
    rows that were judged side by side, `unjudged` what the recipe asks for and is missing there;
    `length_control` is None where the records hold no lengths of the reference, or only one method.
    """

    number: int
    comparable: dict[str, str]
    seeds: list[int]
    has_baseline: bool
    smallest_detectable_difference: float | None
    noise: Parts | None
    separated: int
    compared: int
    pairs: list[Pair]
    length_control: LengthControl | None
    head_to_head: list[Contest]
    unjudged: list[Unjudged]


@dataclass(frozen=True)
class Table:
    """A whole leaderboard; rows are sorted by section, rank and win rate, and `fixed` is equal for all.

    `has_costs` is False where the records name no task at all, as imported results do: then what rows hold of
    costs and overheads means nothing, and is not written or shown. `recipe_changes` is why a run of the
    recipe now would not give the records, a sentence each, and `unrecorded` names its methods that lack one
    (`drift.py`).
    """

    schema_version: int
    recipe: str
    title: str
    baseline: str
    seeds: list[int]
    fixed: dict[str, dict[str, Any]]
    provenance: dict[str, Any]
    smallest_detectable_difference: float | None
    sections: list[Section]
    has_costs: bool
    rows: list[Row]
    recipe_changes: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
