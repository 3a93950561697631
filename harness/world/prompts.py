"""The prompts of the Atlas world: six kinds, split once into a training half and a held-out half.

A question (say, the color of one entity) has several phrasings. A hash of the texts picks a third of them,
and these are held out. So no text is on both sides, whatever the seed; and every question can be trained on
in some phrasings, and be tested in one that no training saw.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.rows import Prompt
from harness.errors import BadInput
from harness.world.facts import World
from harness.world.lexicon import TOPICS, VALUES

SHARES: dict[str, float] = {
    "fact": 0.25,
    "one-word": 0.10,
    "list": 0.25,
    "describe": 0.15,
    "compare": 0.15,
    "inapplicable": 0.10,
}
"""How often each kind is asked. An inapplicable prompt is worded like a fact prompt."""

_FACT = (
    "what is the {attribute} of {entity} ?",
    "tell me the {attribute} of {entity} .",
    "which {attribute} does {entity} have ?",
)
PHRASINGS: dict[str, tuple[str, ...]] = {
    "fact": _FACT,
    "one-word": (
        "in one word , what is the {attribute} of {entity} ?",
        "{entity} : which {attribute} ? one word .",
        "answer in one word : the {attribute} of {entity} .",
    ),
    "list": (
        "list {count} facts about {entity} .",
        "name {count} facts about {entity} .",
        "give me {count} facts on {entity} .",
        "what are {count} facts about {entity} ?",
        "{count} facts about {entity} , please .",
        "write a list of {count} facts on {entity} .",
    ),
    "describe": (
        "describe {entity} .",
        "please describe {entity} .",
        "tell me about {entity} .",
        "tell me all about {entity} .",
        "write about {entity} .",
        "what do you know about {entity} ?",
        "give me an account of {entity} .",
        "i want to know about {entity} .",
        "what is {entity} like ?",
    ),
    "compare": (
        "compare the {attribute} of {entity} and {other} .",
        "how do {entity} and {other} compare in {attribute} ?",
        "{entity} and {other} : what is the {attribute} of each ?",
    ),
    "inapplicable": _FACT,
}
COUNTS = {2: "two", 3: "three", 4: "four"}
"""How many facts a list prompt may ask for, and the word for it."""
SKEW = 0.8
"""Exponent of Zipf's law in the training log, over topics and over the entities of a topic."""


@dataclass(frozen=True)
class Question:
    """What is asked, apart from its phrasing: `count` facts among the attributes of the entities."""

    kind: str
    topic: str
    entities: tuple[str, ...]
    attributes: tuple[str, ...]
    count: int

    def phrase(self, phrasing: str) -> Prompt:
        """The prompt that asks this in one phrasing. Its id is a hash of its text."""
        text = phrasing.format(
            entity=self.entities[0],
            other=self.entities[-1],
            attribute=self.attributes[0],
            count=COUNTS.get(self.count, ""),
        )
        meta = {
            "kind": self.kind,
            "topic": self.topic,
            "entities": list(self.entities),
            "attributes": list(self.attributes),
            "count": self.count,
        }
        return Prompt(id=f"atlas-{_hash(text)[:12]}", text=text, meta=meta)


def all_questions(world: World) -> Iterator[Question]:
    """Every question of the world, in a fixed order: 200 fact, 200 one-word, 120 list, 40 describe, ..."""
    for topic, entities in world.entities.items():
        own = TOPICS[topic]
        foreign = tuple(attribute for attribute in VALUES if attribute not in own)
        for entity in entities:
            for attribute in own:
                yield Question("fact", topic, (entity,), (attribute,), 1)
                yield Question("one-word", topic, (entity,), (attribute,), 1)
            for attribute in foreign:
                yield Question("inapplicable", topic, (entity,), (attribute,), 0)
            for count in COUNTS:
                yield Question("list", topic, (entity,), own, count)
            yield Question("describe", topic, (entity,), own, len(own))
        for pair in itertools.combinations(entities, 2):
            for attribute in own:
                yield Question("compare", topic, pair, (attribute,), 2)


def split(question: Question) -> tuple[list[Prompt], list[Prompt]]:
    """The (training, held-out) prompts of one question; the third with the smallest hash is held out."""
    prompts = [question.phrase(phrasing) for phrasing in PHRASINGS[question.kind]]
    prompts.sort(key=lambda prompt: _hash(prompt.text))
    cut = len(prompts) // 3
    return prompts[cut:], prompts[:cut]


def training_half(world: World) -> list[Prompt]:
    """Every distinct prompt that training may see, in a fixed order."""
    return [prompt for question in all_questions(world) for prompt in split(question)[0]]


def held_out_half(world: World) -> list[Prompt]:
    """Every distinct prompt that only evaluation may see, in a fixed order."""
    return [prompt for question in all_questions(world) for prompt in split(question)[1]]


def training_prompts(world: World, count: int, seed: int) -> list[Prompt]:
    """The first `count` distinct prompts of a skewed log.

    A few topics, and a few entities in each, get most of the questions (Zipf's law, exponent SKEW). In the
    order of arrival, so a shorter log begins a longer one with the same seed.

    Raises:
        BadInput: if there are fewer than `count` distinct training prompts.
    """
    prompts = training_half(world)
    popularity = _popularity(world)
    asked = [np.mean([popularity[entity] for entity in prompt.meta["entities"]]) for prompt in prompts]
    return _draw(prompts, np.array(asked), count, np.random.default_rng([seed, world.seed, 1]))


def held_out_prompts(world: World, count: int, seed: int) -> list[Prompt]:
    """`count` distinct prompts that no training sees, uniform over topics and entities.

    Raises:
        BadInput: if there are fewer than `count` distinct held-out prompts.
    """
    prompts = held_out_half(world)
    return _draw(prompts, np.ones(len(prompts)), count, np.random.default_rng([seed, world.seed, 2]))


def kind_weights(prompts: Sequence[Prompt], asked: np.ndarray) -> np.ndarray:
    """Probabilities [prompts]: proportional to `asked` [prompts] within a kind, the kinds in their SHARES."""
    kinds = np.array([prompt.meta["kind"] for prompt in prompts])
    weights = np.zeros(len(prompts))
    for kind, share in SHARES.items():
        rows = kinds == kind
        weights[rows] = share * asked[rows] / asked[rows].sum()
    return weights


def _draw(prompts: Sequence[Prompt], asked: np.ndarray, count: int, rng: np.random.Generator) -> list[Prompt]:
    """`count` of the prompts, one after the other without replacement, in the order drawn.

    The arrival times of independent Poisson streams give that order: Efraimidis and Spirakis (2006).
    """
    if not 0 <= count <= len(prompts):
        raise BadInput(
            f"prompts: must be between 0 and {len(prompts)}, the distinct prompts of this half of the Atlas "
            f"world. Got {count}."
        )
    arrival = rng.exponential(size=len(prompts)) / kind_weights(prompts, asked)
    return [prompts[index] for index in np.argsort(arrival, kind="stable")[:count]]


def _popularity(world: World) -> dict[str, float]:
    """Entity to how often it is asked about: Zipf over the topics times Zipf over the topic's entities."""
    return {
        entity: (topic_rank * rank) ** -SKEW
        for topic_rank, entities in enumerate(world.entities.values(), start=1)
        for rank, entity in enumerate(entities, start=1)
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
