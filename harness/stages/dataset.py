"""A file or dataset of the hub, as prompts, responses and scores."""

from dataclasses import asdict
from pathlib import Path

from harness.data.hub import HubDataset
from harness.data.original import OriginalData, read_original
from harness.data.report import make_report
from harness.data.rows import Response, Score
from harness.stages.job import Job
from harness.store.formats import PROMPTS, RESPONSES, RESULT, SCORES, write_json, write_rows


def run(job: Job) -> None:
    """Read the source whole; answers without a score are not among the scores. The result is a report."""
    data = read_original(_source(job), job.params["format"], strict=job.params["strict"])
    write_rows(job.out / PROMPTS, data.as_prompts)
    write_rows(job.out / RESPONSES, _responses(data))
    write_rows(job.out / SCORES, _scores(data))
    report = asdict(make_report(data))
    del report["place"]  # a path of this machine
    write_json(job.out / RESULT, report)


def _source(job: Job) -> Path | HubDataset:
    if "path" in job.knobs:
        return Path(job.knobs["path"])
    params = job.params
    return HubDataset(params["path"], params["revision"], params["split"], params["config"])


def _responses(data: OriginalData) -> list[Response]:
    return [
        Response(prompt.id, index, answer.text, tokens=0, finished=True, model=answer.model)
        for prompt in data.prompts
        for index, answer in enumerate(prompt.answers)
    ]


def _scores(data: OriginalData) -> list[Score]:
    return [
        Score(prompt.id, index, answer.score)
        for prompt in data.prompts
        for index, answer in enumerate(prompt.answers)
        if answer.score is not None
    ]
