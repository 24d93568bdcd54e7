"""What an account pays, as a system itself resolves it: many questions at once, from a sandbox's own database.

The evidence of a system that keeps prices (`evidence.Store` or `evidence.Erp` of its sandbox) answers them by the same
rules as its API does. Who compares two systems asks both the same and compares the lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PriceQuestion:
    """What one unit of an item costs an account that orders so many of it.

    Attributes:
        account: as the system's users know it: a customer number.
        item: a product or item number.
        quantity: of one line, in `unit`.
        currency: ISO 4217.
        at: with a time zone; systems that know days take the day of their company.
        unit: unit of measure; "" is the one that the system counts in.
    """

    account: str
    item: str
    quantity: Decimal
    currency: str
    at: datetime
    unit: str = ""


@dataclass(frozen=True, slots=True)
class PricePaid:
    """An answer: the price of one unit as an order line of that quantity would have it, rounded by the system.

    Attributes:
        gross: whether tax is in it.
        why: where the price comes from, in the system's words.
    """

    amount: Decimal
    gross: bool
    why: str


@dataclass(frozen=True, slots=True)
class NoPrice:
    """The system would sell nothing here; `reason` says why."""

    reason: str


class PriceEvidence(Protocol):
    """A system that tells what accounts pay."""

    def prices_paid(self, questions: Sequence[PriceQuestion]) -> list[PricePaid | NoPrice]:
        """An answer to each question, in their order, from one moment of the database."""
