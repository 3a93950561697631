"""The log-probability of every response, given its prompt or by itself."""

from contextlib import nullcontext

import numpy as np

from harness.data.tokens import Encoded
from harness.methods.gradients import response_lengths
from harness.models.batching import padding
from harness.models.load import Policy
from harness.models.logprobs import response_token_logprobs
from harness.stages.job import Job
from harness.stages.shards import is_idle, join, share_of_rows
from harness.stages.shared import encoded_responses, policy_of, size_of
from harness.store.formats import LENGTHS, LOGPROBS, RESPONSES, TOKEN_LOGPROBS, count_rows, write_matrix
from harness.training.arithmetic import computing_in, load_to_train


def run(job: Job) -> None:
    """In nats, fp32: sums [responses], and those of all tokens one after the other; and how many tokens each
    response has, int32 [responses].

    Under the base model, as it scores or in the arithmetic of a training, or under the adapter where the task
    has one. By itself, a response follows the token that begins a text, and nothing else: p(response) as IFD
    wants it (Li et al., arXiv 2308.12032, 2.2).
    """
    if job.parts:
        join(job, LOGPROBS, TOKEN_LOGPROBS, LENGTHS)
        return
    part = share_of_rows(job, count_rows(job.inputs["responses"] / RESPONSES))
    if is_idle(job, part):
        return
    other = job.params.get("arithmetic")
    policy = policy_of(job) if other is None else load_to_train(job.inputs["base_model"], **other)
    rows = encoded_responses(job, policy.tokenizer, part)
    if not job.params["conditional"]:
        rows = [Encoded(_start(policy), row.response) for row in rows]
    with nullcontext() if other is None else computing_in(policy, other["precision"]):
        tokens = response_token_logprobs(policy, rows, progress=job.progress)
    write_matrix(job.out / LOGPROBS, np.array([row.sum() for row in tokens], np.float32))
    write_matrix(job.out / TOKEN_LOGPROBS, np.concatenate([np.empty(0, np.float32), *tokens]))
    write_matrix(job.out / LENGTHS, response_lengths(rows))
    lengths = [len(row) for row in rows]
    job.meter.count(forward=sum(lengths), padding=padding(lengths), parameters=size_of(policy))


def _start(policy: Policy) -> tuple[int, ...]:
    """The token that begins a text; where a tokenizer has none, the one that ends the text before."""
    tokenizer = policy.tokenizer
    first = tokenizer.bos_token_id
    return (tokenizer.eos_token_id if first is None else first,)
