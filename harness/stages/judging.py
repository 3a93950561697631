"""The judge that a task names, and what it is asked."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, assert_never

from harness.data.rows import Score
from harness.errors import HarnessError
from harness.judges.base import Answer, Graded, Judge
from harness.judges.chat import Asking, ChatJudge
from harness.judges.dataset import DatasetGrader
from harness.judges.endpoint import EndpointChat
from harness.judges.length import LengthGrader
from harness.judges.local_model import LocalChat
from harness.judges.oracle import OracleGrader
from harness.judges.reward_model import RewardModel, RewardModelJudge
from harness.models.batching import Progress, windows
from harness.models.load import load_policy
from harness.models.source import DTYPES, Source, write_source
from harness.recipe import judges
from harness.stages.asking import caller_of
from harness.stages.job import Job
from harness.stages.shared import read_responses, variant
from harness.store.formats import SCORES, read_rows
from harness.world.facts import make_world


def judge_table(job: Job) -> judges.Judge:
    """The recipe's table of the task's judge; the name of a local model is where it lies."""
    table: dict[str, Any] = {**job.params["judge"], **job.knobs.get("judge", {})}
    if "path" in table:
        table["name"] = table.pop("path")
    judge: judges.Judge = variant(judges.Judge, table)
    return judge


def judge_of(job: Job) -> Judge:
    """The judge that a task's parameters name."""
    table = judge_table(job)
    match table:
        case judges.OracleJudge():
            return Graded(OracleGrader(make_world(job.params["world"])))
        case judges.LengthJudge():
            return Graded(LengthGrader())
        case judges.DataJudge():
            return Graded(DatasetGrader(_scores(job.inputs["dataset"])))
        case judges.RewardModelJudge():
            dtype = DTYPES[table.dtype]
            model = RewardModel(table.name, table.revision, dtype, table.max_length)
            return RewardModelJudge(model, job.progress)
        case judges.LocalJudge():
            asking = Asking(both_orders=table.both_orders, max_tokens=table.max_new_tokens)
            return ChatJudge(_local_chat(job, table), asking)
        case judges.EndpointJudge():
            asking = Asking(
                weighted=table.template == "weighted",
                both_orders=table.both_orders,
                temperature=table.temperature,
                max_tokens=table.max_tokens,
                params=_length_limit(table),
            )
            return ChatJudge(EndpointChat(caller_of(job, table), job.progress), asking)
        case _:
            assert_never(table)


def _length_limit(table: judges.EndpointJudge) -> dict[str, Any]:
    """What takes the place of `max_tokens` for a model that asks for it by another name."""
    if table.length_parameter == "max_tokens":
        return {}
    return {"max_tokens": None, table.length_parameter: table.max_tokens}


def _local_chat(job: Job, table: judges.LocalJudge) -> LocalChat:
    with TemporaryDirectory() as folder:
        write_source(Path(folder), Source(name=table.name, revision=table.revision, dtype=table.dtype))
        policy = load_policy(Path(folder))
    name = f"{Path(table.name).name}@{table.revision or 'local'}"
    return LocalChat(policy, name, progress=job.progress)


def _scores(data: Path) -> dict[tuple[str, str], float]:
    text = {(row.prompt_id, row.index): row.text for row in read_responses(data)}
    return {
        (row.prompt_id, text[row.prompt_id, row.index]): row.score for row in read_rows(data / SCORES, Score)
    }


class InWindows:
    """The progress of a judge that is asked in windows and knows no other than the one it is at."""

    def __init__(self, report: Progress) -> None:
        self._report = report
        self.first = self.last = self.rows = 0
        """Where the window begins and ends, of how many rows."""

    def __call__(self, done: int, of: int) -> None:
        """`done` of `of` calls or rows of the window."""
        self._report(self.first + done * (self.last - self.first) // max(of, 1), self.rows)


def scored(judge: Judge, answers: Sequence[Answer], progress: InWindows | None = None) -> list[float]:
    """The judge's score of each, asked in windows, across which no batch and no shared answer goes.

    Args:
        judge: who is asked.
        answers: what about.
        progress: what the judge tells, where it tells anything.

    Raises:
        HarnessError: some came to no score.
    """
    scores: list[float | None] = []
    for first, last in windows(len(answers)):
        if progress is not None:
            progress.first, progress.last, progress.rows = first, last, len(answers)
        scores += judge.scores(answers[first:last])
    given = [score for score in scores if score is not None]
    if len(given) < len(scores):
        raise HarnessError(
            f"judge {judge.id}: gave no score to {len(scores) - len(given)} of {len(scores)} responses"
            f"{_most_common_reason(judge)}. "
            "Those that it gave are kept; run the recipe again to ask for the others."
        )
    return given


def _most_common_reason(judge: Judge) -> str:
    found = judge.reasons.most_common(1) if isinstance(judge, ChatJudge) else []
    return f" (mostly: {found[0][0].rstrip('.')})" if found else ""


def count_judge(job: Job, judge: Judge) -> None:
    """Meter what a judge has been asked."""
    used = judge.usage
    job.meter.count_judge(used.calls, used.usd, (used.tokens_in, used.tokens_out), used.unpriced)
    tokens = used.tokens_forward
    job.meter.count(forward=tokens, scored=tokens, padding=used.padding, parameters=used.parameters)
