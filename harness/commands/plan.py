"""`harness plan`: what a run would do, what it would cost, and what it could tell apart."""

import json
from collections.abc import Iterator

from rich.table import Table as Grid

from harness.commands.costs import Stated, print_costs
from harness.commands.forecast import Contests, Detectable, Forecast, MethodSpends, StageTasks, forecast
from harness.commands.output import Output
from harness.commands.places import Places
from harness.commands.words import counted
from harness.leaderboard.render import as_plain


def show_plan(
    places: Places,
    jobs: int,
    output: Output,
    stated: Stated,
    as_json: bool = False,
) -> None:
    """Print the plan of a recipe against its store; nothing is run, and no result written.

    Args:
        places: the recipe, its store and its board.
        jobs: worker processes to plan for.
        output: where to print.
        stated: what is known of the model and the GPUs.
        as_json: as one object with the fields of `Forecast`.
    """
    found = forecast(places, jobs, stated)
    if as_json:
        text = json.dumps(
            as_plain(found), indent=1, allow_nan=False, default=lambda table: table.model_dump(mode="json")
        )
        output.result.out(text, highlight=False)
    else:
        _print(found, output)


def _print(found: Forecast, output: Output) -> None:
    console = output.result
    console.print(_stages(found.stages))
    console.print(_methods(found.methods))
    if tuning := found.tuning:
        console.print(
            f"Each method that trains is trained {counted(tuning.trials, 'time')}, and each time judged on "
            f"{tuning.prompts} x {tuning.samples_per_prompt} responses to validation prompts.",
            highlight=False,
            soft_wrap=True,
        )
    if contests := found.head_to_head:
        console.print(_contests(contests), highlight=False, soft_wrap=True)
    if found.costs:
        print_costs(found.costs, console)
    for task in found.to_run:
        output.details.print(f"to run: {task.stage} {task.key}", highlight=False, soft_wrap=True)
    for line in (
        f"{len(found.to_run)} of {found.tasks} tasks to run: {_duration(found)}.",
        *_detectable(found.detectable),
    ):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _contests(found: Contests) -> str:
    pairs, replicates = counted(found.pairs, "pair"), counted(found.replicates, "replicate")
    return (
        f"Head to head: {pairs} of methods in {replicates}, both ways round where the judge sees an order: "
        f"at most {found.judge_calls:,.0f} judge calls, {found.judge_calls_to_run:,.0f} of them to make."
    )


def _duration(found: Forecast) -> str:
    """How long that takes; the embedded default's figures say nothing of another model."""
    if found.seconds is None:
        return "how long that takes is not known until some are done"
    basis = "this store's history" if found.seconds_basis == "history" else "the embedded default's figures"
    jobs = counted(found.jobs, "job")
    return f"about {found.seconds / 60:.1f} min with {jobs} (estimated from {basis})"


def _stages(stages: list[StageTasks]) -> Grid:
    table = Grid(title="tasks by stage", title_justify="left")
    for column, justify in (
        ("stage", "left"),
        ("makes", "left"),
        ("stored", "right"),
        ("to run", "right"),
        ("s each", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for one in stages:
        table.add_row(one.stage, one.makes, str(one.stored), str(one.to_run), f"{one.seconds_each:.1f}")
    return table


def _methods(methods: list[MethodSpends]) -> Grid:
    """What each method spends in one replicate."""
    table = Grid(title="methods, in each replicate", title_justify="left")
    for column in ("method", "prompts", "responses = judge calls", "pairs"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for one in methods:
        if one.prompts is None:
            table.add_row(one.method, "-", "-", "-")
        else:
            limit = "" if one.pairs_exact else "at most "
            table.add_row(one.method, str(one.prompts), str(one.responses), f"{limit}{one.pairs}")
    return table


def _detectable(found: Detectable) -> Iterator[str]:
    if found.board_problem:
        yield f"The board that is there cannot be used: {found.board_problem}"
    if found.points is None:
        yield "How small a difference the evaluation detects depends on how many prompts its file has."
    elif found.basis == "board":
        yield (
            "Smallest difference in win rate that this evaluation detects (power 80 %, alpha 5 %, before "
            f"Holm): {found.points:.1f} points, by the spread on the board that is there."
        )
    else:
        yield (
            f"Smallest difference in win rate that {found.verdicts} verdicts (prompts x replicates) detect "
            f"(power 80 %, alpha 5 %, before Holm): about {found.points:.1f} points, if nothing but single "
            "verdicts varied; expect more. The board will tell."
        )
