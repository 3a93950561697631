"""The words of the Atlas world: topics, the attributes that apply to each, their values, and names."""

import itertools

VALUES: dict[str, tuple[str, ...]] = {
    "color": ("red", "blue", "green", "white", "black", "yellow"),
    "size": ("tiny", "small", "medium", "large", "huge", "giant"),
    "age": ("ancient", "old", "mature", "young", "recent", "modern"),
    "origin": ("north", "south", "east", "west", "inland", "coastal"),
    "sound": ("loud", "soft", "shrill", "deep", "hoarse", "silent"),
    "taste": ("sweet", "sour", "bitter", "salty", "spicy", "bland"),
    "speed": ("slow", "steady", "brisk", "fast", "rapid", "sluggish"),
    "climate": ("dry", "wet", "cold", "mild", "warm", "hot"),
    "material": ("wooden", "stone", "iron", "glass", "clay", "bone"),
    "mood": ("calm", "proud", "shy", "fierce", "merry", "sad"),
}
"""Attribute to its values. No word stands under two attributes, so a value word names its attribute."""

TOPICS: dict[str, tuple[str, ...]] = {
    "beasts": ("color", "size", "origin", "speed", "mood"),
    "birds": ("color", "size", "origin", "sound", "speed"),
    "fruits": ("color", "size", "origin", "taste", "climate"),
    "cities": ("size", "age", "origin", "climate", "mood"),
    "ships": ("color", "size", "age", "speed", "material"),
    "dances": ("age", "origin", "sound", "speed", "mood"),
    "tools": ("color", "size", "age", "origin", "material"),
    "drinks": ("color", "age", "origin", "taste", "mood"),
}
"""Topic to the attributes that apply to its entities. No entity of the topic has any of the others."""

ATTRIBUTE_OF: dict[str, str] = {value: attribute for attribute, values in VALUES.items() for value in values}
"""Value word to its attribute."""

_ONSETS = ("ba", "du", "fe", "gi", "ka", "lo", "mu", "ne", "ro", "zi")
_CODAS = ("bor", "dak", "fen", "gul", "lan", "mir", "nox", "tash", "vel", "zur")

NAMES: tuple[str, ...] = tuple(first + last for first, last in itertools.product(_ONSETS, _CODAS))
"""Invented names; a world draws its entities from them. None is a word of a prompt or of an answer."""
