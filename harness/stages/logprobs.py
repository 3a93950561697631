"""The log-probability of every response, given its prompt or by itself."""

from harness.data.tokens import Encoded
from harness.methods.gradients import response_lengths
from harness.models.load import Policy
from harness.models.logprobs import sequence_logprobs
from harness.stages.job import Job
from harness.stages.shared import encoded_responses, policy_of, size_of
from harness.store.formats import LENGTHS, LOGPROBS, write_matrix


def run(job: Job) -> None:
    """Sums in nats, fp32 [responses], and tokens of each response, int32 [responses].

    Under the base model, or under the adapter where the task has one. By itself, a response follows the token
    that begins a text, and nothing else: p(response) as IFD wants it (Li et al., arXiv 2308.12032, 2.2).
    """
    policy = policy_of(job)
    rows = encoded_responses(job, policy.tokenizer)
    if not job.params["conditional"]:
        rows = [Encoded(_start(policy), row.response) for row in rows]
    write_matrix(job.out / LOGPROBS, sequence_logprobs(policy, rows, progress=job.progress))
    write_matrix(job.out / LENGTHS, response_lengths(rows))
    job.meter.count(forward=sum(len(row) for row in rows), parameters=size_of(policy))


def _start(policy: Policy) -> tuple[int, ...]:
    """The token that begins a text; where a tokenizer has none, the one that ends the text before."""
    tokenizer = policy.tokenizer
    first = tokenizer.bos_token_id
    return (tokenizer.eos_token_id if first is None else first,)
