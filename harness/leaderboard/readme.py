"""The table as Markdown for people; everything that came from outside is escaped."""

import json
from collections.abc import Callable, Mapping, Sequence, Set

from harness.leaderboard.cost import TOKENS
from harness.leaderboard.figures import Mark, contests, difference_of, places, sign_of, stages, unjudged
from harness.leaderboard.layout import dotted
from harness.leaderboard.notes import notes, section_reason
from harness.leaderboard.reach import reached
from harness.leaderboard.record import Cost, Sample
from harness.leaderboard.scores import LENGTH_CONTROLLED, MEAN_LENGTH, WIN_RATE
from harness.leaderboard.table import Reach, Row, Table
from harness.leaderboard.text import compact, interval, markdown, number, percent, plain, scientific

HEAD_TO_HEAD = (
    "Win rate of the row against the column, the judge having seen both outputs side by side, both ways "
    "round. **Bold**: not 50, with p < 0.05 after Holm's correction over all pairs. Ranks do not rest on it. "
    "†: verdicts are missing, see the notes."
)
COMMAND = "harness leaderboard recipes/{recipe}.toml"
LONGEST_SAMPLE = 160  # characters

_HEADINGS = {
    LENGTH_CONTROLLED: "length-controlled win rate",
    MEAN_LENGTH: "characters",
    "world.breadth": "facts known",
    "world.depth": "entities known",
}

Columns = Sequence[tuple[str, Callable[[Row], str]]]


def board_block(table: Table, samples: Mapping[str, Sample]) -> str:
    """The generated part of a README; `samples` (method -> sample) are shown one to a method."""
    parts = [*_earlier_recipe(table), f"Baseline: **{markdown(table.baseline)}**."]
    for section in table.sections:
        rows = [row for row in table.rows if row.section == section.number]
        if len(table.sections) > 1:
            parts.append(f"## Section {section.number}")
        if section.number > 1:
            parts.append(section_reason(section, table.sections[0]))
        parts.append(_table(rows, _score_columns(rows, table.has_costs)))
        if table.has_costs:
            parts += [
                "### Cost (mean over seeds; of peak memory the largest)",
                _table(rows, _cost_columns(rows)),
                "### Tokens, alone",
                _table(rows, _TOKEN_COLUMNS),
                "### Cost by stage, alone (seconds)",
                _table(rows, _stage_columns(rows)),
            ]
        if section.head_to_head or section.unjudged:
            parts += ["### Head to head", HEAD_TO_HEAD, _contests(rows, contests(section), unjudged(section))]
    parts += [
        "### Held equal",
        _held_equal(table),
        "### Notes",
        "\n".join(f"- {line}" for line in notes(table)),
        "### Methods as declared",
        _table(table.rows, _DECLARED_COLUMNS),
    ]
    if samples:
        parts += ["### One output of each method", _samples(samples)]
    parts += ["### Made from", _made_from(table)]
    return "\n\n".join(parts)


def _contests(
    rows: Sequence[Row], cells: Mapping[tuple[str, str], Mark], lacking: Set[tuple[str, str]]
) -> str:
    """Rows against columns, which are numbered as the rows are."""
    methods = [row.method for row in rows if any(row.method in pair for pair in (*cells, *lacking))]
    lines = [["method", *(str(at) for at in range(1, len(methods) + 1))]]
    lines.append(["---", *["---:"] * len(methods)])
    for at, one in enumerate(methods, start=1):
        pairs = [(one, other) for other in methods]
        shown = (
            _contest(cells[pair]) if pair in cells else "†" if pair in lacking else "–" for pair in pairs
        )
        lines.append([f"{at} {markdown(one)}", *shown])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _contest(mark: Mark) -> str:
    shown = interval(mark.value, mark.high, 1)
    return (f"**{shown}**" if mark.sign else shown) + (" †" if mark.partial else "")


def _earlier_recipe(table: Table) -> list[str]:
    """What has changed in the recipe since the records were made, and what it has no record of."""
    parts = []
    if table.recipe_changes:
        changes = "".join(f"\n> - {markdown(change)}" for change in table.recipe_changes)
        parts.append(f"> **Of an earlier recipe.** A run of it now would not give these records:\n>{changes}")
    if table.unrecorded:
        methods = ", ".join(markdown(method) for method in table.unrecorded)
        parts.append(f"> **Incomplete.** The recipe's methods without a record: {methods}.")
    return parts


def _table(rows: Sequence[Row], columns: Columns) -> str:
    head = [name for name, _ in columns]
    lines = [head, ["---" if name in ("method", "declared") else "---:" for name in head]]
    lines += [[cell(row) for _, cell in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _score_columns(rows: Sequence[Row], has_costs: bool) -> Columns:
    """Rank, win rate, lengths and costs, and after them every other metric that some row has."""
    present = [metric for metric in rows[0].scores if any(row.scores[metric] is not None for row in rows)]
    lengths = [metric for metric in (LENGTH_CONTROLLED, MEAN_LENGTH) if metric in present]
    others = [metric for metric in present if metric not in (WIN_RATE, *lengths)]
    return [
        ("rank", lambda row: "–" if row.rank is None else str(row.rank)),
        ("places", places),
        ("method", lambda row: markdown(row.method) + (" ◆" if row.pareto else "")),
        ("win rate", lambda row: _score(row, WIN_RATE)),
        ("against baseline", _difference),
        *map(_metric_column, lengths),
        *(_SPENT_COLUMNS if has_costs else ()),
        *map(_metric_column, others),
        *(_DATA_COLUMNS if has_costs else ()),
        ("judgments", lambda row: f"{row.judgments.found}/{row.judgments.expected}"),
    ]


def _metric_column(metric: str) -> tuple[str, Callable[[Row], str]]:
    return markdown(heading(metric)), lambda row: _score(row, metric)


def _stage_columns(rows: Sequence[Row]) -> Columns:
    return [
        ("method", lambda row: markdown(row.method)),
        *[(markdown(stage), lambda row, stage=stage: _seconds(row, stage)) for stage in stages(rows)],
    ]


def _seconds(row: Row, stage: str) -> str:
    return number(row.cost.stages[stage].wall_s, 1) if stage in row.cost.stages else ""


_SPENT_COLUMNS: Columns = (
    ("tokens", lambda row: compact(row.cost.alone.tokens_forward)),
    ("FLOPs", lambda row: scientific(row.cost.alone.flops)),
    ("overhead", lambda row: percent(row.overhead.alone.flops)),
)

_DATA_COLUMNS: Columns = (
    ("pairs", lambda row: number(row.pairs, 0)),
    ("prompts", lambda row: number(row.prompts, 0)),
    ("mean depth", lambda row: number(row.mean_depth, 1)),
)

_COST_COLUMNS: Columns = (
    ("method", lambda row: markdown(row.method)),
    ("seconds alone", lambda row: number(row.cost.alone.wall_s, 1)),
    ("overhead (s, alone)", lambda row: percent(row.overhead.alone.wall)),
    ("seconds shared", lambda row: number(row.cost.shared.wall_s, 1)),
    ("overhead (s, shared)", lambda row: percent(row.overhead.shared.wall)),
    ("FLOPs alone", lambda row: scientific(row.cost.alone.flops)),
    ("overhead (FLOPs, alone)", lambda row: percent(row.overhead.alone.flops)),
    ("FLOPs shared", lambda row: scientific(row.cost.shared.flops)),
    ("overhead (FLOPs, shared)", lambda row: percent(row.overhead.shared.flops)),
    ("FLOPs to baseline's win rate", lambda row: _reach(row.reach)),
    ("peak MiB", lambda row: number(row.cost.alone.peak_memory_bytes / 2**20, 0)),
    ("judge calls", lambda row: number(row.cost.alone.judge_calls, 0)),
    ("judge $", lambda row: _dollars(row.cost.alone)),
)

_TOKEN_COLUMNS: Columns = (
    ("method", lambda row: markdown(row.method)),
    *(
        (name, lambda row, field=field: compact(getattr(row.cost.alone, field)))
        for name, field in TOKENS.items()
    ),
)


def _cost_columns(rows: Sequence[Row]) -> Columns:
    """With devices' memory where there was a device, and energy where anybody asked for it."""
    device = any(row.cost.alone.peak_device_bytes is not None for row in rows)
    asked = any(row.cost.alone.energy for row in rows)
    peak: Columns = [("peak MiB of a GPU", _device_peak)] if device else []
    energy: Columns = [("energy kJ alone", _kilojoules)] if asked else []
    return [*_COST_COLUMNS, *peak, *energy]


def _device_peak(row: Row) -> str:
    peak = row.cost.alone.peak_device_bytes
    return number(None if peak is None else peak / 2**20, 0)


def _kilojoules(row: Row) -> str:
    cost = row.cost.alone
    if cost.energy_j is None:
        return "n.a." if cost.energy else "–"
    return f"{number(cost.energy_j / 1e3, 2)} ({cost.energy})"


_DECLARED_COLUMNS: Columns = (
    ("method", lambda row: markdown(row.method)),
    (
        "declared",
        lambda row: markdown(json.dumps(row.declared, ensure_ascii=False)) if row.declared else "nothing",
    ),
)


def _reach(reach: Reach | None) -> str:
    shown = reached(reach, scientific)
    return f"**{shown}**" if reach is not None and reach.sure else shown


def _dollars(cost: Cost) -> str:
    """What is known of it: more than that where some calls have no price."""
    return ("> " if cost.judge_unpriced else "") + number(cost.judge_usd, 2)


def _score(row: Row, metric: str) -> str:
    own = row.scores[metric]
    return "–" if own is None else interval(own.mean, own.ci_high, _decimals(metric))


def _difference(row: Row) -> str:
    gap = difference_of(row)
    if gap is None:
        return "–"
    shown = interval(gap.mean, gap.ci_high, 1, sign=True)
    return f"**{shown}**" if sign_of(gap) else shown


def _decimals(metric: str) -> int:
    """Win rates in tenths of a point, lengths in characters, shares to three places."""
    return {WIN_RATE: 1, LENGTH_CONTROLLED: 1, MEAN_LENGTH: 0}.get(metric, 3)


def heading(metric: str) -> str:
    """A metric's column; what the world measures is not called as the words breadth and depth of a method."""
    return _HEADINGS.get(metric) or metric.removeprefix("lm_eval.")


def _samples(samples: Mapping[str, Sample]) -> str:
    lines = ["| method | prompt | output | reference | preference |", "| --- | --- | --- | --- | ---: |"]
    for method, sample in samples.items():
        texts = (markdown(text, LONGEST_SAMPLE) for text in (sample.prompt, sample.output, sample.reference))
        lines.append(f"| {markdown(method)} | {' | '.join(texts)} | {number(sample.preference, 2)} |")
    return "\n".join(lines)


def _held_equal(table: Table) -> str:
    """A line for each table of the recipe's fixed part, the budget first."""
    lines = ["The same for every row; what is not named here may differ, and the columns show it.", ""]
    for name, settings in sorted(table.fixed.items(), key=lambda named: named[0] != "budget"):
        shown = ", ".join(f"{key} = {value}" for key, value in dotted(settings).items())
        lines.append(f"- {markdown(name)}: {markdown(shown)}")
    return "\n".join(lines)


def _made_from(table: Table) -> str:
    facts = table.sections[0].comparable | {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in table.provenance.items()
    }
    lines = [f"- {markdown(key)}: {markdown(value)}" for key, value in facts.items()]
    command = COMMAND.format(recipe=plain(table.recipe).replace("<", ""))  # or it could forge a marker
    return "\n".join([*lines, "", "Every file here is made from `records/` by", "", f"    {command}"])
