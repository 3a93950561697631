"""Trains the Atlas base model, and shows what it is like: `python -m benchmarks.base_model --seeds 0 1`."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from harness.models.chat import encode
from harness.models.load import Policy, load_policy
from harness.models.logprobs import sequence_logprobs
from harness.models.sampling import Sampling, sample
from harness.world.base_model import SftSettings, train_base_model
from harness.world.facts import World, make_world
from harness.world.knowledge import knowledge, knowledge_prompts
from harness.world.lm_eval_task import task_items
from harness.world.oracle import grade
from harness.world.prompts import training_prompts

PROMPTS, PER_PROMPT = 640, 8


def main() -> None:
    """Print one line of figures for each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=SftSettings.steps)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| seed | SFT CPU-s | P(truth) model / teacher (correlation) | breadth | depth "
        "| score mean | sd within | best of 8 | worst | distinct of 8 | first two tied |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for seed in arguments.seeds:
        world = make_world(seed)
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            train_base_model(world, Path(folder), SftSettings(steps=arguments.steps, seed=seed))
            seconds = time.process_time() - start
            policy = load_policy(Path(folder))
        row = [str(seed), f"{seconds:.0f}", _truth(world, policy), _knowledge(world, policy)]
        print("| " + " | ".join([*row, _scores(world, policy)]) + " |", flush=True)


def _truth(world: World, policy: Policy) -> str:
    """Probability of the true value among the six, of the model and of the teacher."""
    items = task_items(world)
    rows = [
        encode(policy.tokenizer, item.question, choice, True) for item in items for choice in item.choices
    ]
    logprobs = sequence_logprobs(policy, rows).reshape(len(items), -1).astype(np.float64)
    odds = np.exp(logprobs - logprobs.max(axis=1, keepdims=True))
    answers = [item.answer for item in items]
    model = odds[np.arange(len(items)), answers] / odds.sum(axis=1)
    teacher = [fact.known for fact in world.facts.values()]
    return f"{model.mean():.2f} / {np.mean(teacher):.2f} ({np.corrcoef(model, teacher)[0, 1]:.2f})"


def _knowledge(world: World, policy: Policy) -> str:
    answers = sample(policy, knowledge_prompts(world), Sampling(1, 0.0, 48, 0, "knowledge"))
    known = knowledge(world, {answer.prompt_id: answer.text for answer in answers})
    return f"{np.mean(list(known.breadth.values())):.2f} | {np.mean(list(known.depth.values())):.2f}"


def _scores(world: World, policy: Policy) -> str:
    prompts = {prompt.id: prompt for prompt in training_prompts(world, PROMPTS, seed=0)}
    responses = sample(policy, list(prompts.values()), Sampling(PER_PROMPT, 1.0, 48, 0, "pool"))
    scores = np.array([grade(world, prompts[row.prompt_id], row.text).score for row in responses])
    scores = scores.reshape(-1, PER_PROMPT)
    texts = [
        {row.text for row in responses[start : start + PER_PROMPT]}
        for start in range(0, len(responses), PER_PROMPT)
    ]
    figures = [
        scores.mean(),
        np.sqrt(scores.var(axis=1, ddof=1).mean()),
        scores.max(axis=1).mean(),
        scores.min(axis=1).mean(),
        np.mean([len(distinct) for distinct in texts]),
        (scores[:, 0] == scores[:, 1]).mean(),
    ]
    return " | ".join(f"{figure:.2f}" for figure in figures)


if __name__ == "__main__":
    main()
