"""One embedding for each prompt of the pool."""

from collections.abc import Sequence

from harness.data.rows import Prompt
from harness.models.batching import padding
from harness.models.chat import prompt_ids
from harness.models.embeddings import embed_prompts
from harness.stages.job import Job
from harness.stages.shards import is_idle, join, share_of_rows
from harness.stages.shared import policy_of, read_prompts, size_of
from harness.store.formats import write_matrix

EMBEDDINGS = "embeddings.npy"


def run(job: Job) -> None:
    """Embed the prompts, with the base model or a sentence-transformers one: float32 [prompts, dimension]."""
    if job.parts:
        join(job, EMBEDDINGS)
        return
    prompts = read_prompts(job.inputs["prompts"])
    part = share_of_rows(job, len(prompts))
    if is_idle(job, part):
        return
    prompts = prompts[part]
    if job.params["kind"] == "sentence-transformers":
        _by_sentence_transformer(job, prompts)
        return
    policy = policy_of(job)
    write_matrix(job.out / EMBEDDINGS, embed_prompts(policy, prompts))
    lengths = [len(prompt_ids(policy.tokenizer, prompt.turns)) for prompt in prompts]
    job.meter.count(forward=sum(lengths), padding=padding(lengths), parameters=size_of(policy))


def _by_sentence_transformer(job: Job, prompts: Sequence[Prompt]) -> None:
    from harness.models.sentence_transformer import embed_with_sentence_transformer

    name, revision = job.knobs.get("path", job.params["name"]), job.params["revision"]
    made = embed_with_sentence_transformer(name, revision, [prompt.transcript for prompt in prompts])
    write_matrix(job.out / EMBEDDINGS, made.vectors)
    job.meter.count(forward=made.tokens, padding=made.padding, parameters=made.parameters)
