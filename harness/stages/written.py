"""Responses written by the model of an endpoint."""

from collections.abc import Sequence

from harness.data.rows import Prompt, Response
from harness.endpoints.batch import Failure
from harness.endpoints.reading import Completion
from harness.endpoints.request import Request
from harness.errors import HarnessError
from harness.recipe.endpoint import Endpoint
from harness.stages.asking import caller_of, count_calls
from harness.stages.job import Job

TEMPLATE = "conversation-1"
DRAWS = 2**20
"""Of one seed: more than any prompt gets responses, so that no two seeds share a draw, and all K do."""


def written_by_endpoint(job: Job, prompts: Sequence[Prompt]) -> list[Response]:
    """K responses to each prompt; what is paid is in the journal, whatever ends this task.

    Raises:
        HarnessError: some came to nothing; running again asks for those alone.
    """
    table = Endpoint.model_validate(job.params["endpoint"] | job.knobs["endpoint"])
    places = [(prompt, index) for prompt in prompts for index in range(job.params["per_prompt"])]
    asked = [_request(job, prompt, index) for prompt, index in places]
    batch = caller_of(job, table).complete(asked, job.progress)
    failed = [answer for answer in batch.answers if isinstance(answer, Failure)]
    if failed:
        raise HarnessError(
            f"responses: {table.model} gave none to {len(failed)} of {len(asked)} requests, for one: "
            f"{failed[0].why} Those that it gave are kept; run the recipe again to ask for the others."
        )
    count_calls(job, batch.totals)
    return [
        _response(prompt, index, table.model, answer)
        for (prompt, index), answer in zip(places, batch.answers, strict=True)
        if isinstance(answer, Completion)
    ]


def _request(job: Job, prompt: Prompt, index: int) -> Request:
    params = {"temperature": job.params["temperature"], "max_tokens": job.params["max_new_tokens"]}
    return Request(prompt.turns, TEMPLATE, params, draw=index + DRAWS * job.params["seed"])


def _response(prompt: Prompt, index: int, model: str, answer: Completion) -> Response:
    finished = answer.finish_reason == "stop"
    return Response(prompt.id, index, answer.text, answer.completion_tokens, finished, model)
