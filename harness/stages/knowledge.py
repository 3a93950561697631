"""Exact breadth and depth of what the policy knows of the world."""

from harness.models.sampling import Sampling
from harness.stages.job import Job
from harness.stages.sampling import sampled
from harness.store.formats import RESULT, write_json
from harness.world.facts import make_world
from harness.world.knowledge import knowledge, knowledge_prompts


def run(job: Job) -> None:
    """Ask for every fact and every entity, greedily, and grade the answers."""
    world = make_world(job.params["world"])
    greedy = Sampling(
        per_prompt=1, temperature=0.0, max_new_tokens=job.params["max_new_tokens"], seed=0, stream="knowledge"
    )
    responses = sampled(job, [(prompt, 1) for prompt in knowledge_prompts(world)], greedy)
    known = knowledge(world, {response.prompt_id: response.text for response in responses})
    write_json(job.out / RESULT, {"breadth": dict(known.breadth), "depth": dict(known.depth)})
