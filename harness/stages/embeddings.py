"""One embedding for each prompt of the pool."""

from harness.models.chat import prompt_ids
from harness.models.embeddings import embed_prompts
from harness.stages.job import Job
from harness.stages.shared import policy_of, read_prompts, size_of
from harness.store.formats import write_matrix

EMBEDDINGS = "embeddings.npy"


def run(job: Job) -> None:
    """Embed the prompts with the base model: float32 [prompts, hidden]."""
    policy, prompts = policy_of(job), read_prompts(job.inputs["prompts"])
    write_matrix(job.out / EMBEDDINGS, embed_prompts(policy, prompts))
    tokens = sum(len(prompt_ids(policy.tokenizer, prompt.turns)) for prompt in prompts)
    job.meter.count(forward=tokens, parameters=size_of(policy))
