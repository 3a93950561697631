"""THE table of stages: every kind of work there is, in the order of the flow.

`version` is raised by hand when a change to a stage changes its results. Role `method`: what a method
pays for. `given`: the starting point that all share. `evaluation`: measuring, outside every overhead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

Role = Literal["given", "method", "evaluation"]


@dataclass(frozen=True)
class Stage:
    """One kind of work.

    `seconds` is what one task takes in the embedded default on one core: the estimate until a store has a
    history of its own. `makes` says what the artifact holds.
    """

    name: str
    version: int
    seconds: float
    role: Role
    makes: str


# fmt: off
STAGES = {
    stage.name: stage
    for stage in (
        Stage("base_model", 2, 24.0, "given", "the untrained start: model and tokenizer"),
        Stage("sft", 1, 60.0, "given", "the model after supervised fine-tuning: the untrained start of all"),
        Stage("dataset", 1, 1.0, "given", "a file or dataset, as prompts, responses and scores"),
        Stage("lint", 1, 0.5, "given", "the proof that the data become the tokens that they should"),
        Stage("prompts", 1, 0.1, "method", "the pool's prompts"),
        Stage("embeddings", 1, 0.3, "method", "one embedding for each prompt of the pool"),
        Stage("breadth", 1, 0.1, "method", "the prompts that a method trains on"),
        Stage("responses", 1, 1.1, "method", "K responses for each of these prompts"),
        Stage("scores", 1, 0.1, "method", "the judge's score of each response"),
        Stage("logprobs", 2, 0.3, "method", "the log-probability of each response and token"),
        Stage("warmup", 1, 1.5, "method", "a feature adapter after a short training on random pairs"),
        Stage("kept", 1, 0.1, "method", "what breadth keeps of scored responses"),
        Stage("validation", 1, 0.1, "method", "prompts for selection and tuning to look at"),
        Stage("hidden_states", 1, 0.3, "method", "the base model's mean hidden state over each response"),
        Stage("gradients", 2, 0.9, "method", "the gradient bank: a sketched gradient for each response"),
        Stage("pairs", 3, 0.3, "method", "the pairs that depth and pairing choose"),
        Stage("adapter", 3, 2.7, "method", "the trained LoRA adapter and its log"),
        Stage("trial", 1, 0.6, "method", "an adapter's win rate on the validation prompts"),
        Stage("tuned", 1, 0.1, "method", "the best of a method's trials, and what was tried"),
        Stage("held_out", 1, 0.1, "evaluation", "the evaluation prompts"),
        Stage("outputs", 1, 1.3, "evaluation", "a policy's outputs on the evaluation prompts"),
        Stage("alpaca_eval", 1, 0.5, "evaluation", "the judge's preference of each output to the reference"),
        Stage("head_to_head", 1, 0.2, "evaluation", "the judge's preference between two methods' outputs"),
        Stage("lm_eval", 1, 0.6, "evaluation", "lm-evaluation-harness results, item by item"),
        Stage("mt_bench", 1, 5.0, "evaluation", "the judge's grades of answers to a question file"),
        Stage("preference", 1, 0.5, "evaluation", "implicit-reward accuracy on held-out pairs"),
        Stage("knowledge", 1, 0.3, "evaluation", "what the policy knows of the world, exactly"),
    )
}
# fmt: on


def stage_seconds(history: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Expected wall seconds of one task of each stage.

    Args:
        history: (stage, wall seconds) of tasks done before; their mean replaces the catalog's figure.
    """
    seen: dict[str, list[float]] = {}
    for stage, seconds in history:
        seen.setdefault(stage, []).append(seconds)
    return {name: fmean(seen[name]) if name in seen else stage.seconds for name, stage in STAGES.items()}
