"""The base model's mean hidden state over each response: a cheap stand-in for its gradient."""

from harness.models.batching import padding
from harness.models.embeddings import embed_responses
from harness.stages.job import Job
from harness.stages.shards import is_idle, join, share_of_rows
from harness.stages.shared import encoded_responses, policy_of, size_of
from harness.store.formats import RESPONSES, count_rows, write_matrix

HIDDEN_STATES = "hidden_states.npy"


def run(job: Job) -> None:
    """One forward pass over the responses: float32 [responses, hidden], in their order."""
    if job.parts:
        join(job, HIDDEN_STATES)
        return
    part = share_of_rows(job, count_rows(job.inputs["responses"] / RESPONSES))
    if is_idle(job, part):
        return
    policy = policy_of(job)
    rows = encoded_responses(job, policy.tokenizer, part)
    write_matrix(job.out / HIDDEN_STATES, embed_responses(policy, rows, progress=job.progress))
    lengths = [len(row) for row in rows]
    job.meter.count(forward=sum(lengths), padding=padding(lengths), parameters=size_of(policy))
