"""The grade of a response, 0 to 10, from the facts of the world. Deterministic, and it never errs."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.data.rows import Prompt
from harness.errors import BadInput
from harness.world.answers import Claim, in_form
from harness.world.facts import World
from harness.world.lexicon import ATTRIBUTE_OF, NAMES
from harness.world.teacher import clean_answer

WEIGHTS = {"completeness": 0.50, "precision": 0.20, "brevity": 0.12, "format": 0.09, "ending": 0.09}

_NAMES = frozenset(NAMES)


@dataclass(frozen=True)
class Grade:
    """A score from 0 to 10, and the parts from 0 to 1 whose weighted mean it is.

    `told` maps (entity, attribute) to the first value that the response gave it; later values for the same
    thing are no second guesses.
    """

    score: float
    completeness: float
    precision: float
    brevity: float
    format: float
    ending: float
    told: Mapping[tuple[str, str], str] = field(default_factory=dict)


def grade(world: World, prompt: Prompt, response: str) -> Grade:
    """Grade one response by its text alone.

    - completeness: share of the facts asked for that are told truly, at the first mention; for an
      inapplicable prompt, whether it says so.
    - precision: share of the distinct claims that are true and were asked for.
    - brevity: words of the clean answer / words of the response, at most 1; 0 where nothing is told.
    - format: 1 if it has the form that this kind of prompt asks for and tells something.
    - ending: 1 if the last word is a full stop.

    Raises:
        BadInput: if the prompt is not from the Atlas world.
    """
    if "kind" not in prompt.meta:
        raise BadInput(f"prompt {prompt.id}: the oracle grades Atlas prompts only. Choose another judge.")
    words = response.split()
    claims = read_claims(words, prompt.meta["entities"])
    completeness, precision = _substance(world, prompt.meta, words, claims)
    answers = bool(claims) or completeness > 0
    brevity = min(1.0, len(clean_answer(world, prompt).split()) / len(words)) if answers else 0.0
    formatted = answers and in_form(prompt.meta["kind"], words, prompt.meta["entities"], prompt.meta["count"])
    parts = {
        "completeness": completeness,
        "precision": precision,
        "brevity": brevity,
        "format": float(formatted),
        "ending": float(words[-1:] == ["."]),
    }
    score = round(10 * sum(WEIGHTS[name] * part for name, part in parts.items()), 6)
    return Grade(score, **parts, told=_first_values(claims))


def read_claims(words: Sequence[str], entities: Sequence[str]) -> list[Claim]:
    """The distinct claims of a response, in the order of their first mention.

    A value word names its attribute; the last name before it says whose it is, or the prompt's first
    entity where there is no name yet.
    """
    subject = entities[0]
    claims: dict[Claim, None] = {}
    for word in words:
        if word in _NAMES:
            subject = word
        elif word in ATTRIBUTE_OF:
            claims[Claim(subject, ATTRIBUTE_OF[word], word)] = None
    return list(claims)


def _substance(world: World, meta: Any, words: Sequence[str], claims: Sequence[Claim]) -> tuple[float, float]:
    """Completeness and precision."""
    if meta["kind"] == "inapplicable":
        refused = float(not claims and _refuses(words, meta["entities"][0], meta["attributes"][0]))
        return refused, refused
    asked = {(entity, attribute) for entity in meta["entities"] for attribute in meta["attributes"]}
    told = {slot: value for slot, value in _first_values(claims).items() if slot in asked}
    right = sum(world.facts[slot].truth == value for slot, value in told.items())
    precise = sum(
        (claim.entity, claim.attribute) in asked
        and world.facts[claim.entity, claim.attribute].truth == claim.value
        for claim in claims
    )
    return min(1.0, right / meta["count"]), precise / max(1, len(claims))


def _refuses(words: Sequence[str], entity: str, attribute: str) -> bool:
    """Whether the words say "no <attribute>", and of no other entity."""
    return ("no", attribute) in itertools.pairwise(words) and not _NAMES & set(words) - {entity}


def _first_values(claims: Sequence[Claim]) -> dict[tuple[str, str], str]:
    told: dict[tuple[str, str], str] = {}
    for claim in claims:
        told.setdefault((claim.entity, claim.attribute), claim.value)
    return told
