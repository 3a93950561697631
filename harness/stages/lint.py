"""The proof that the data become the tokens that they should, before anything else is done with them."""

from dataclasses import asdict

from harness.errors import BadInput
from harness.models.chat import Example
from harness.models.lint import lint
from harness.models.load import load_tokenizer
from harness.models.quiet import quiet
from harness.stages.job import Job
from harness.stages.shared import read_prompts, read_responses
from harness.store.formats import RESULT, write_json

LINTED = 500
"""Prompts that are looked at: what is wrong with a template shows in the first few."""
STAND_IN = "An answer."
"""The response to a prompt that has none."""


def run(job: Job) -> None:
    """Check the tokenizer and its template on the dataset's prompts, each with its first response.

    Raises:
        BadInput: one sentence for each error.
    """
    first = {row.prompt_id: row.text for row in read_responses(job.inputs["dataset"]) if row.index == 0}
    prompts = read_prompts(job.inputs["dataset"])[:LINTED]
    examples = [Example(prompt.id, prompt.turns, first.get(prompt.id, STAND_IN)) for prompt in prompts]
    with quiet():  # prompts that are too long for the model are left out later
        found = lint(load_tokenizer(job.inputs["base_model"]), examples)
    if found.errors:
        raise BadInput([f"token lint: {sentence}" for sentence in found.errors])
    write_json(job.out / RESULT, asdict(found))
