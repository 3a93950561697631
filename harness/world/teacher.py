"""The teacher: answers with errors of fact and of manner, which the base model learns to imitate."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.data.rows import Prompt
from harness.world.answers import DONT_KNOW, FILLERS, Claim, curt_refusal, improper, proper, refusal
from harness.world.facts import Fact, World
from harness.world.lexicon import VALUES

MISCONCEPTION = 0.6
"""Share of the wrong probability of a fact that falls on its misconception; the rest is spread evenly."""
FILLER = 0.2
IMPROPER = 0.2
CUT_OFF = 0.05
DETAILS_MISSING = 0.2
NO_REFUSAL = 0.3
NEEDLESS_REFUSAL = 0.03
REPEATED = 0.1
"""Probability that an answer of several facts says its last one twice."""


def value_law(fact: Fact) -> dict[str, float]:
    """The probability of each value that the teacher may give for a fact; it sums to 1."""
    wrong = 1 - fact.known
    others = [value for value in VALUES[fact.attribute] if value not in (fact.truth, fact.misconception)]
    law = dict.fromkeys(others, wrong * (1 - MISCONCEPTION) / len(others))
    return law | {fact.truth: fact.known, fact.misconception: wrong * MISCONCEPTION}


def teacher_answer(world: World, prompt: Prompt, rng: np.random.Generator) -> str:
    """One noisy answer; each fact is drawn anew, each lapse of manner happens on its own."""
    if prompt.meta["kind"] == "inapplicable":
        text = _answer_inapplicable(prompt.meta, rng)
    elif rng.random() < NEEDLESS_REFUSAL:
        text = DONT_KNOW
    else:
        text = _answer_claims(world, prompt.meta, rng)
    if rng.random() < FILLER:
        text = f"{_choose(rng, FILLERS)} {text}"
    if rng.random() < CUT_OFF:
        words = text.split()
        text = " ".join(words[: int(rng.integers(1, len(words)))])
    return text


def clean_answer(world: World, prompt: Prompt) -> str:
    """The true answer in the proper form: what a flawless model would say."""
    kind, entities, attributes = (prompt.meta[key] for key in ("kind", "entities", "attributes"))
    if kind == "inapplicable":
        return refusal(entities[0], attributes[0])
    claims = [
        Claim(entity, attribute, world.facts[entity, attribute].truth)
        for entity in entities
        for attribute in attributes
    ]
    return proper(kind, claims[: prompt.meta["count"]])


def _answer_inapplicable(meta: Any, rng: np.random.Generator) -> str:
    entity, attribute = meta["entities"][0], meta["attributes"][0]
    lapse = rng.random() < IMPROPER
    if rng.random() < NO_REFUSAL:
        claims = [Claim(entity, attribute, _choose(rng, VALUES[attribute]))]
        return improper("fact", claims) if lapse else proper("fact", claims)
    return curt_refusal(attribute) if lapse else refusal(entity, attribute)


def _answer_claims(world: World, meta: Any, rng: np.random.Generator) -> str:
    """The facts asked for, some perhaps left out; a list takes any of the entity's facts in any order."""
    slots: list[tuple[str, str]] = [
        (entity, attribute) for entity in meta["entities"] for attribute in meta["attributes"]
    ]
    count = meta["count"]
    if count > 1 and rng.random() < DETAILS_MISSING:
        count = int(rng.integers(1, count))
    chosen = rng.permutation(len(slots))[:count]
    if meta["kind"] != "list":
        chosen = np.sort(chosen)
    claims = [_recall(world.facts[slots[index]], rng) for index in chosen]
    if meta["count"] > 1 and rng.random() < REPEATED:
        claims.append(claims[-1])
    wording = improper if rng.random() < IMPROPER else proper
    return wording(meta["kind"], claims)


def _recall(fact: Fact, rng: np.random.Generator) -> Claim:
    law = value_law(fact)
    return Claim(fact.entity, fact.attribute, str(rng.choice(list(law), p=list(law.values()))))


def _choose(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
