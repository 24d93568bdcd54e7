"""Amounts that two calculations of one document give differently, what else a person is asked about it, and what a
person let pass of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

import msgspec


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One amount in both calculations, of the whole document or of one line.

    Attributes:
        part: what it is, stable for the same document: ``total``, ``tax``, ``tax of line 1 (SKU-1)``.
        stated: as the source states it.
        found: as the other calculation gives it (the target's, or the sum of its parts).
        tolerance: up to this nobody is asked; None: shown beside the others, nothing depends on it.
        against: whose calculation `found` is, in a few words.
        words: why a person is asked, where it is no amount; see `held_by`.
    """

    part: str
    stated: Decimal
    found: Decimal
    tolerance: Decimal | None = None
    against: str = ""
    words: str = ""

    @property
    def amount(self) -> Decimal:
        return self.found - self.stated

    @property
    def beyond(self) -> bool:
        return self.tolerance is not None and abs(self.amount) > self.tolerance

    def __str__(self) -> str:
        if self.words:
            return f"{self.part}: {self.words}"
        limit = f", beyond {shown(self.tolerance)}" if self.tolerance is not None and self.beyond else ""
        sign = "+" if self.amount > 0 else ""
        whose = self.against or "found"
        return (
            f"{self.part}: {shown(self.stated)} stated, {shown(self.found)} {whose} ({sign}{shown(self.amount)}{limit})"
        )


def shown(amount: Decimal) -> str:
    """With two digits where that says all of it, else with all that it has."""
    short = amount.quantize(Decimal("0.01"))
    return f"{short:f}" if short == amount else f"{amount.normalize():f}"


@runtime_checkable
class TellsDifferences(Protocol):
    """A document target that can tell before anything is sent that a document's own amounts do not agree."""

    def differences(self, document: Any) -> list[Difference]:
        """All that is compared, whether it differs or not. No I/O. Raises MappingProblem."""


def undecided(found: Iterable[Difference], allowed: Sequence[Difference]) -> list[Difference]:
    """Those beyond their tolerance that nobody let pass: a person allowed at most that much, in that direction."""
    limits = {one.part: one.amount for one in allowed}
    return [one for one in found if one.beyond and not _within(one.amount, limits.get(one.part, Decimal(0)))]


def _within(amount: Decimal, limit: Decimal) -> bool:
    return min(limit, Decimal(0)) <= amount <= max(limit, Decimal(0))


def allowing(allowed: Iterable[Difference], found: Iterable[Difference]) -> tuple[Difference, ...]:
    """What is allowed once a person has let these pass as well."""
    by_part = {one.part: one for one in allowed} | {one.part: one for one in found if one.beyond}
    return tuple(by_part.values())


_POLICY = "policy "


def held_by(policy: str, why: str) -> Difference:
    """A policy of the company's own holds the document until a person lets it pass, whatever its amounts."""
    return Difference(part=_POLICY + policy, stated=Decimal(0), found=Decimal(1), tolerance=Decimal(0), words=why)


def code_of(open_ones: Sequence[Difference]) -> str:
    """``held_by_policy`` where one of the company's own holds it; else ``tax_difference`` where only tax is in
    question, else ``total_difference``."""
    if any(one.part.startswith(_POLICY) for one in open_ones):
        return "held_by_policy"
    return "tax_difference" if all(one.part.startswith("tax") for one in open_ones) else "total_difference"


def words_of(open_ones: Sequence[Difference]) -> str:
    """In a sentence, with what a person can do; the whole comparison stands in `Delivery.differences`."""
    return "; ".join(map(str, open_ones[:3])) + ". Let it pass as it is (approve), or refuse it (reject)."
