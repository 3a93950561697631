"""The judge's grades of a policy's answers to a question file, one or two turns."""

from collections.abc import Sequence
from pathlib import Path

from harness.data.rows import Prompt
from harness.evaluation.mt_bench import grade_questions, mt_bench_summary, read_questions
from harness.judges.base import Answer
from harness.models.sampling import Sampling
from harness.stages.job import Job
from harness.stages.judging import count_judge, judge_of
from harness.stages.sampling import sampled
from harness.store.formats import RESULT, write_json


def run(job: Job) -> int:
    """Ask the questions and have the answers graded; how many have no grade."""
    settings = Sampling(
        per_prompt=1,
        temperature=job.params["temperature"],
        max_new_tokens=job.params["max_new_tokens"],
        seed=job.params["seed"],
        stream="mt_bench",
    )
    judge = judge_of(job)

    def answer(prompts: Sequence[Prompt]) -> list[str]:
        return [row.text for row in sampled(job, [(prompt, 1) for prompt in prompts], settings)]

    def grade(answers: Sequence[tuple[Prompt, str]]) -> list[float | None]:
        return judge.scores([Answer(*each) for each in answers])

    graded = grade_questions(read_questions(Path(job.knobs["path"])), answer, grade)
    count_judge(job, judge)
    items = {f"{entry.question}/{entry.turn}": entry.grade for entry in graded}
    answers = {f"{entry.question}/{entry.turn}": entry.answer for entry in graded}
    found = {"judge": judge.id, "summary": mt_bench_summary(graded), "items": items, "answers": answers}
    write_json(job.out / RESULT, found)
    return sum(entry.grade is None for entry in graded)
