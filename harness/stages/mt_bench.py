"""The judge's grades of a policy's answers to a question file, in one or two turns."""

from collections.abc import Sequence
from pathlib import Path

from harness.data.rows import Prompt
from harness.evaluation.mt_bench import grade_questions, mt_bench_summary, read_questions
from harness.judges.base import Answer
from harness.stages.job import Job
from harness.stages.judging import count_judge, judge_of
from harness.stages.sampling import sampled
from harness.stages.shared import sampling_of
from harness.store.formats import RESULT, write_json, write_rows

ANSWERS = "answers.jsonl"


def run(job: Job) -> int:
    """Answer every question, the second turn after the model's own first answer; how many have no grade."""
    judge, settings = judge_of(job), sampling_of(job.params, 1, "mt_bench")

    def sample(prompts: Sequence[Prompt]) -> list[str]:
        return [response.text for response in sampled(job, [(prompt, 1) for prompt in prompts], settings)]

    def grade(rows: Sequence[tuple[Prompt, str]]) -> list[float | None]:
        return judge.scores([Answer(*row) for row in rows])

    graded = grade_questions(read_questions(Path(job.knobs["path"])), sample, grade)
    count_judge(job, judge)
    write_rows(job.out / ANSWERS, graded)
    items = {f"{entry.question}/{entry.turn}": entry.grade for entry in graded}
    write_json(job.out / RESULT, {"judge": judge.id, "scores": mt_bench_summary(graded), "items": items})
    return [entry.grade for entry in graded].count(None)
