"""Which of the known names is most likely meant by an unknown one. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache

import msgspec

#: Below this a likeness is chance.
LEAST = 0.45


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One that may be meant. `score` is from 0 to 1; `why` says in what it is like the one asked for."""

    value: str
    score: float
    why: str
    words: str = ""


def ranked(asked: str, known: Iterable[tuple[str, str]], words: str = "", most: int = 5) -> list[Candidate]:
    """The likeliest first, at most so many.

    Args:
        known: value and its description (a product's name, a state's name).
        words: description of what is asked for.
    """
    found = [_candidate(asked, words, value, description) for value, description in dict(known).items()]
    likely = [one for one in found if one.score >= LEAST]
    return sorted(likely, key=lambda one: (-one.score, one.value))[:most]


def _candidate(asked: str, words: str, value: str, description: str) -> Candidate:
    score, why = likeness(asked, value)
    for told, name in ((words, "name"), (asked, "name of what was asked for")):
        if told and description:
            other, _ = likeness(told, description)
            other *= 0.95  # a name is less than the key itself
            if other > score:
                score, why = other, f"its {name} is like {description!r}" if other < 0.95 else f"{description!r}"
    return Candidate(value=value, score=round(score, 3), why=why, words=description)


def likeness(one: str, other: str) -> tuple[float, str]:
    """From 0 to 1, the same both ways, and in what they are alike."""
    if one == other:
        return 1.0, "the same"
    first, second = plain(one), plain(other)
    if not first or not second:
        return 0.0, ""
    if first == second:
        return 0.98, "the same but for letters' case and punctuation"
    shorter, longer = sorted((first, second), key=len)
    if len(shorter) >= 3 and (longer.startswith(shorter) or longer.endswith(shorter)):
        return 0.7 + 0.25 * len(shorter) / len(longer), "one is a part of the other"
    first, second = sorted((first, second))  # the matcher is not symmetric
    return 0.9 * SequenceMatcher(None, first, second, autojunk=False).ratio(), "spelled alike"


@lru_cache(maxsize=100_000)
def plain(text: str) -> str:
    """Letters and digits only, in one case."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())
