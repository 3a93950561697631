"""Shows the world by example: one graded answer of each kind. `python -m harness.world.tour` prints it."""

import numpy as np

from harness.data.rows import Prompt
from harness.world.facts import World, make_world
from harness.world.oracle import WEIGHTS, Grade, grade
from harness.world.prompts import SHARES, held_out_half, held_out_prompts, training_half
from harness.world.teacher import clean_answer, teacher_answer


def tour(world: World) -> str:
    """Markdown: sizes of the world; for each kind a prompt, its clean answer and a flawed one, graded."""
    training, held_out = training_half(world), held_out_half(world)
    asked = held_out_prompts(world, len(held_out), seed=0)
    lines = [
        f"{len(world.facts)} facts; {len(training)} distinct training prompts, {len(held_out)} held out.",
        "",
        f"| kind (share) | prompt, clean answer, *flawed answer* | {' | '.join(WEIGHTS)} | score |",
        f"|---|---|{'---|' * len(WEIGHTS)}---|",
    ]
    for kind, share in SHARES.items():
        prompt = next(prompt for prompt in asked if prompt.meta["kind"] == kind)
        answer, graded = _flawed(world, prompt)
        parts = " | ".join(f"{getattr(graded, name):.2f}" for name in WEIGHTS)
        shown = f"{prompt.text}<br>{clean_answer(world, prompt)}<br>*{answer}*"
        lines.append(f"| {kind} ({share:.2f}) | {shown} | {parts} | {graded.score:.2f} |")
    return "\n".join(lines) + "\n"


def _flawed(world: World, prompt: Prompt) -> tuple[str, Grade]:
    """The teacher's first answer, under a fixed seed, that tells something and is not perfect."""
    rng = np.random.default_rng(0)
    while True:
        answer = teacher_answer(world, prompt, rng)
        graded = grade(world, prompt, answer)
        if graded.brevity and graded.score < 10:
            return answer, graded


if __name__ == "__main__":
    print(tour(make_world(0)), end="")
