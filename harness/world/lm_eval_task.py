"""Writes the Atlas world's facts as a multiple-choice task for lm-eval."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from harness.data.rows import Prompt
from harness.world.answers import Claim, proper
from harness.world.facts import World
from harness.world.knowledge import knowledge_prompts
from harness.world.lexicon import VALUES

TASK = "atlas_facts"
VERSION = 1.0


@dataclass(frozen=True)
class Item:
    """A multiple-choice question: `id` is "entity.attribute", `answer` the index of the true choice."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int


def write_task(world: World, folder: Path) -> None:
    """Write `atlas_facts.yaml` and `atlas_facts.jsonl` into `folder`: every fact once, six choices each.

    Question: the held-out fact prompt, as the user would write it; lm-eval renders it with the model's chat
    template. Choices: the sentence of the proper answer with each value of the attribute, so chance is 1/6.
    They differ in one word, so their length plays no part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / f"{TASK}.jsonl"
    data.write_text("".join(json.dumps(asdict(item)) + "\n" for item in task_items(world)))
    settings = {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.resolve())}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "target_delimiter": " ",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": VERSION},
    }
    (folder / f"{TASK}.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


def task_items(world: World) -> list[Item]:
    """One item for each fact, in the order of `knowledge_prompts`."""
    return [_item(world, prompt) for prompt in knowledge_prompts(world) if prompt.meta["kind"] == "fact"]


def _item(world: World, prompt: Prompt) -> Item:
    entity, attribute = prompt.meta["entities"][0], prompt.meta["attributes"][0]
    values = VALUES[attribute]
    choices = tuple(proper("fact", [Claim(entity, attribute, value)]) for value in values)
    answer = values.index(world.facts[entity, attribute].truth)
    return Item(f"{entity}.{attribute}", prompt.text, choices, answer)
