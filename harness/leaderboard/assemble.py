"""From records to the table: scores, ranks, costs and overheads of every row."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.leaderboard import cost, scores
from harness.leaderboard.cost import UNKNOWN
from harness.leaderboard.groups import Group, check_one_recipe, merged, split
from harness.leaderboard.head_to_head import head_to_head, lacking_verdicts
from harness.leaderboard.lengths import Controlled, controlled
from harness.leaderboard.rank import Ranking, pareto_front, rank_methods
from harness.leaderboard.reach import reaches
from harness.leaderboard.record import SCHEMA_VERSION, Record
from harness.leaderboard.scores import LENGTH_CONTROLLED, REFERENCE_LENGTH, WIN_RATE, Judged
from harness.leaderboard.statistics import Estimate, Parts, smallest_detectable_difference
from harness.leaderboard.table import (
    Costs,
    Difference,
    Judgments,
    LengthControl,
    Overheads,
    Pair,
    RankInterval,
    Row,
    Score,
    Section,
    Table,
)


def make_table(records: Sequence[Record]) -> Table:
    """The leaderboard of one recipe's records, of all methods and replicates.

    Raises BadInput where there are none, or where they cannot belong to one recipe.
    """
    check_one_recipe(records)
    users = cost.task_users(records)
    metrics = sorted(
        {metric for record in records for metric in record.items} - {REFERENCE_LENGTH}
        | {WIN_RATE, LENGTH_CONTROLLED}
    )
    parts = [
        _make_section(number, group, metrics, users) for number, group in enumerate(split(records), start=1)
    ]
    sections = [section for section, _ in parts]
    return Table(
        schema_version=SCHEMA_VERSION,
        recipe=records[0].recipe,
        title=records[0].title,
        baseline=records[0].baseline,
        seeds=sorted({record.replicate for record in records}),
        fixed=records[0].fixed,
        provenance=merged([record.provenance for record in records]),
        smallest_detectable_difference=sections[0].smallest_detectable_difference,
        sections=sections,
        has_costs=cost.has_costs(records),
        rows=[row for _, rows in parts for row in rows],
    )


def _make_section(
    number: int, group: Group, metrics: Sequence[str], users: Mapping[str, int]
) -> tuple[Section, list[Row]]:
    judged = {
        metric: {method: scores.judged(records, metric) for method, records in group.methods.items()}
        for metric in metrics
    }
    control = controlled(group.methods)
    if control is not None:
        judged[LENGTH_CONTROLLED] |= control.methods
    by_metric = {metric: _scores(methods, group.baseline) for metric, methods in judged.items()}
    expected = {metric: scores.count_expected(group.records, metric) for metric in metrics}
    rows = [
        _row(number, method, records, {metric: by_metric[metric][method] for metric in metrics}, users)
        for method, records in group.methods.items()
    ]
    rows = [_with_completeness(row, group, expected) for row in rows]
    rankable = [row.method for row in rows if row.complete and row.scores[WIN_RATE] is not None]
    ranking = rank_methods({method: judged[WIN_RATE][method] for method in rankable})
    priced = cost.has_costs(group.records)
    rows = _with_ranks(_with_overheads(rows, group.baseline), ranking, priced)
    reached = reaches(rows, group.baseline) if priced else {}
    rows = [replace(row, reach=reached.get(row.method)) for row in rows]
    return _section(number, group, ranking, control), sorted(rows, key=_place)


def _scores(methods: Mapping[str, Judged], baseline: str) -> dict[str, Score | None]:
    """One metric's score of every method, with Holm's correction over the rows compared with the baseline."""
    against = {
        method: scores.difference(judged, methods[baseline])
        for method, judged in methods.items()
        if baseline in methods and method != baseline
    }
    adjusted = scores.holm_adjusted(against, methods)
    table: dict[str, Score | None] = {}
    for method, judged in methods.items():
        own, gap = scores.score(judged), against.get(method)
        difference = None
        if gap is not None:
            difference = Difference(gap.mean, gap.ci_low, gap.ci_high, gap.p, adjusted[method])
        table[method] = None if own is None else Score(own.mean, own.ci_low, own.ci_high, difference)
    return table


def _row(
    number: int,
    method: str,
    records: Sequence[Record],
    by_metric: dict[str, Score | None],
    users: Mapping[str, int],
) -> Row:
    """What a method's own records say; what depends on the other methods is filled in later."""
    pairs = statistics.fmean(record.pairs for record in records)
    prompts = statistics.fmean(record.prompts for record in records)
    return Row(
        method=method,
        section=number,
        rank=None,
        rank_interval=None,
        complete=False,
        tied_with=[],
        missing=[],
        judgments=Judgments(0, 0),
        seeds=[record.replicate for record in records],
        pairs=pairs,
        prompts=prompts,
        mean_depth=pairs / prompts if prompts else None,
        pareto=None,
        scores=by_metric,
        cost=Costs(cost.cost_alone(records), cost.cost_shared(records, users), cost.cost_by_stage(records)),
        overhead=Overheads(UNKNOWN, UNKNOWN),
        reach=None,
        pairs_dropped=statistics.fmean(record.pairs_dropped for record in records),
        pairs_truncated=statistics.fmean(record.pairs_truncated for record in records),
        declared=records[0].declared,
        notes=_notes(records),
    )


def _notes(records: Sequence[Record]) -> list[str]:
    """Each note once, after the seeds that have it where not all do."""
    seen: dict[str, list[str]] = {}
    for record in records:
        for note in record.notes:
            seen.setdefault(note, []).append(str(record.replicate))
    return [
        note if len(those) == len(records) else f"seed {', '.join(those)}: {note}"
        for note, those in seen.items()
    ]


def _with_completeness(row: Row, group: Group, expected: Mapping[str, int]) -> Row:
    """The win rate is asked of all methods; another metric only of those that have it at all."""
    records = group.methods[row.method]
    found = {metric: scores.count_judgments(records, metric) for metric in expected}
    missing = [f"no record for seed {seed}" for seed in group.seeds if seed not in row.seeds]
    missing += [
        f"{metric}: {found[metric]} of {expected[metric]} judgments"
        for metric in expected
        if found[metric] < expected[metric]
        and (metric == WIN_RATE or any(metric in record.items for record in records))
    ]
    judgments = Judgments(found[WIN_RATE], expected[WIN_RATE])
    return replace(row, complete=not missing, missing=missing, judgments=judgments)


def _with_overheads(rows: Sequence[Row], baseline: str) -> list[Row]:
    base = next((row.cost for row in rows if row.method == baseline), None)
    if base is None:
        return list(rows)
    return [
        replace(
            row,
            overhead=Overheads(
                cost.overhead(row.cost.alone, base.alone), cost.overhead(row.cost.shared, base.shared)
            ),
        )
        for row in rows
    ]


def _with_ranks(rows: Sequence[Row], ranking: Ranking, priced: bool) -> list[Row]:
    """Ranks, ties and, where costs are known, the Pareto front."""
    points = {
        row.method: (_win_rate(row), float(row.cost.alone.flops))
        for row in rows
        if priced and row.method in ranking.ranks
    }
    front = dict(zip(points, pareto_front(list(points.values())), strict=True))
    return [
        replace(
            row,
            rank=ranking.ranks.get(row.method),
            rank_interval=RankInterval(*ends) if (ends := ranking.intervals.get(row.method)) else None,
            tied_with=ranking.ties.get(row.method, []),
            pareto=front.get(row.method),
        )
        for row in rows
    ]


def _section(number: int, group: Group, ranking: Ranking, control: Controlled | None) -> Section:
    """What holds for the group; power and noise are of comparisons with the baseline, if ranked."""
    with_baseline = [gap for pair, gap in ranking.comparisons.items() if group.baseline in pair]
    gaps = [gap for gap in with_baseline or ranking.comparisons.values() if gap.standard_error > 0]
    return Section(
        number=number,
        comparable=group.comparable,
        seeds=group.seeds,
        has_baseline=group.baseline in group.methods,
        smallest_detectable_difference=_median_detectable(gaps),
        noise=_mean_parts([gap.parts for gap in gaps]),
        separated=ranking.separated,
        compared=len(ranking.comparisons),
        pairs=[
            Pair(*pair, gap.mean, gap.ci_low, gap.ci_high, gap.p, ranking.adjusted[pair])
            for pair, gap in ranking.comparisons.items()
        ],
        length_control=None if control is None else LengthControl(control.slope, list(control.methods)),
        head_to_head=head_to_head(group.methods),
        unjudged=lacking_verdicts(group.methods),
    )


def _median_detectable(gaps: Sequence[Estimate]) -> float | None:
    if not gaps:
        return None
    return statistics.median(
        smallest_detectable_difference(gap.standard_error, gap.degrees_of_freedom) for gap in gaps
    )


def _mean_parts(parts: Sequence[Parts]) -> Parts | None:
    def mean(name: str) -> float | None:
        values = [value for part in parts if (value := getattr(part, name)) is not None]
        return statistics.fmean(values) if values else None

    return Parts(mean("replicates"), mean("prompts"), mean("residual")) if parts else None


def _place(row: Row) -> tuple[bool, int, float]:
    """Ranked rows first, by rank, then by win rate; ties stay in the recipe's order."""
    return row.rank is None, row.rank or 0, -_win_rate(row)


def _win_rate(row: Row) -> float:
    own = row.scores[WIN_RATE]
    return float("-inf") if own is None else own.mean
