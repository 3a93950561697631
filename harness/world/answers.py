"""How an answer is worded: the proper form of each kind, and the usual lapse from it."""

from collections.abc import Sequence
from dataclasses import dataclass

DONT_KNOW = "i do not know ."
FILLERS = ("well ,", "good question !", "as far as i know ,", "let me think :")
FORM_WORDS = "the of is has and , - no ."
"""Words that the forms below are made of, besides names, attributes and values."""


@dataclass(frozen=True)
class Claim:
    """Somebody says that `entity` has the value `value` for `attribute`."""

    entity: str
    attribute: str
    value: str


def proper(kind: str, claims: Sequence[Claim]) -> str:
    """The claims in the form that this kind of prompt asks for."""
    match kind:
        case "one-word":
            return f"{claims[0].value} ."
        case "list":
            return _bullets(claims)
        case "describe":
            return _prose(claims)
        case "compare":
            return " and ".join(f"{claim.entity} is {claim.value}" for claim in claims) + " ."
        case _:
            return _sentence(claims[0])


def improper(kind: str, claims: Sequence[Claim]) -> str:
    """The same claims in a form that the prompt did not ask for."""
    match kind:
        case "one-word":
            return _sentence(claims[0])
        case "list":
            return _prose(claims)
        case "describe":
            return _bullets(claims)
        case "compare":
            return " ".join(f"- {claim.entity} {claim.value}" for claim in claims) + " ."
        case _:
            return f"{claims[0].value} ."


def refusal(entity: str, attribute: str) -> str:
    """The proper answer to an inapplicable prompt."""
    return f"{entity} has no {attribute} ."


def curt_refusal(attribute: str) -> str:
    """A refusal that is no sentence."""
    return f"no {attribute} ."


def in_form(kind: str, words: Sequence[str], entities: Sequence[str], count: int) -> bool:
    """Whether the words have the form that the kind asks for, whatever they claim.

    One sentence always. One-word: one word and its full stop. List: `count` bullets. All others: no bullets
    and every entity by its name.
    """
    if words.count(".") > 1:
        return False
    match kind:
        case "one-word":
            return len([word for word in words if word != "."]) == 1
        case "list":
            return words.count("-") == count
        case _:
            return "-" not in words and all(entity in words for entity in entities)


def _sentence(claim: Claim) -> str:
    return f"the {claim.attribute} of {claim.entity} is {claim.value} ."


def _bullets(claims: Sequence[Claim]) -> str:
    return " ".join(f"- {claim.attribute} {claim.value}" for claim in claims) + " ."


def _prose(claims: Sequence[Claim]) -> str:
    *before, last = [f"{claim.attribute} {claim.value}" for claim in claims]
    joined = f"{' , '.join(before)} and {last}" if before else last
    return f"{claims[0].entity} has {joined} ."
