"""One embedding for each prompt of the pool."""

from harness.models.batching import padding
from harness.models.chat import prompt_ids
from harness.models.embeddings import embed_prompts
from harness.stages.job import Job
from harness.stages.shared import policy_of, read_prompts, size_of
from harness.store.formats import write_matrix

EMBEDDINGS = "embeddings.npy"


def run(job: Job) -> None:
    """Embed the prompts, with the base model or a sentence-transformers one: float32 [prompts, dimension]."""
    if job.params["kind"] == "sentence-transformers":
        _by_sentence_transformer(job)
        return
    policy, prompts = policy_of(job), read_prompts(job.inputs["prompts"])
    write_matrix(job.out / EMBEDDINGS, embed_prompts(policy, prompts))
    lengths = [len(prompt_ids(policy.tokenizer, prompt.turns)) for prompt in prompts]
    job.meter.count(forward=sum(lengths), padding=padding(lengths), parameters=size_of(policy))


def _by_sentence_transformer(job: Job) -> None:
    from harness.models.sentence_transformer import embed_with_sentence_transformer

    name, revision = job.knobs.get("path", job.params["name"]), job.params["revision"]
    texts = [prompt.transcript for prompt in read_prompts(job.inputs["prompts"])]
    made = embed_with_sentence_transformer(name, revision, texts)
    write_matrix(job.out / EMBEDDINGS, made.vectors)
    job.meter.count(forward=made.tokens, padding=made.padding, parameters=made.parameters)
