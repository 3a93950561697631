"""The gradient bank: a sketched LoRA gradient and a log-probability for each response."""

from pathlib import Path

import numpy as np

from harness.methods.features import GradientBank
from harness.methods.gradients import add_feature_adapter, response_gradients
from harness.methods.projection import Sketch
from harness.models.chat import encode
from harness.stages.job import Job
from harness.stages.shared import policy_of, read_prompts, read_responses, size_of
from harness.store.formats import read_matrix, write_matrix

GRADIENTS = "gradients.npy"
LOGPROBS = "logprobs.npy"


def run(job: Job) -> None:
    """One pass over the responses: fp16 gradients [responses, dim], fp32 log-probabilities [responses]."""
    policy = policy_of(job)
    text = {prompt.id: prompt.text for prompt in read_prompts(job.inputs["prompts"])}
    rows = [
        encode(policy.tokenizer, text[response.prompt_id], response.text, response.finished)
        for response in read_responses(job.inputs["responses"])
    ]
    parameters, seed = size_of(policy), job.params["seed"]
    model = add_feature_adapter(policy.model, job.params["rank"], seed)
    sketch = Sketch(job.params["dim"], seed)
    bank = response_gradients(model, rows, sketch, policy.tokenizer.pad_token_id, progress=job.progress)
    write_matrix(job.out / GRADIENTS, bank.gradients.astype(np.float16))
    write_matrix(job.out / LOGPROBS, bank.logprobs)
    tokens = sum(len(row) for row in rows)
    captured = sum(weight.numel() for name, weight in model.named_parameters() if "lora_B" in name)
    job.meter.count(forward=tokens, backward=tokens, parameters=parameters, trainable=captured)


def read_bank(folder: Path) -> GradientBank:
    """The bank of a `gradients` artifact, in fp32."""
    gradients = np.asarray(read_matrix(folder / GRADIENTS), np.float32)
    return GradientBank(gradients, np.asarray(read_matrix(folder / LOGPROBS)))
