"""Adoption: records that a person or an earlier integration entered, found by their natural keys."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import Receipt

# Codes of the dead letters that doubtful matches become: a person links, retries or dismisses.
DOUBTFUL_MATCH, DOUBTFUL_CUSTOMER = "doubtful_match", "doubtful_customer"


class Certainty(StrEnum):
    CERTAIN = "certain"  # one record, and what else is known of it agrees
    DOUBTFUL = "doubtful"  # several, or one that differs: a person decides
    MISSING = "missing"  # none


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What a target has for one record of a source.

    Attributes:
        entity: canonical entity.
        native_id: id in the source.
        natural_key: what was searched for: order number, e-mail address, SKU.
        target_ids: candidates; exactly one where certain.
        ours: it carries our external id already.
        bare: it carries no external id at all.
        why: what agrees or does not, in words.
        receipt: of a certain one: what a send would have left.
    """

    entity: str
    native_id: str
    natural_key: str
    certainty: Certainty
    target_ids: tuple[str, ...] = ()
    ours: bool = False
    bare: bool = False
    why: str = ""
    receipt: Receipt | None = None

    @property
    def certain(self) -> bool:
        return self.certainty is Certainty.CERTAIN and len(self.target_ids) == 1


class Adoption(Protocol):
    """What a target offers that can be searched by natural keys. One query for many keys; raises CallFailed."""

    def orders(self, documents: Sequence[Any]) -> list[Match]:
        """One match per document, in order."""

    def customers(self, documents: Sequence[Any]) -> list[Match]:
        """One match per customer of these orders; `native_id` is the store's customer, a guest's e-mail address."""

    def items(self, skus: Sequence[str]) -> list[Match]:
        """One match per SKU."""

    def holdings(self, found: Sequence[tuple[Any, Sequence[Step], Match]]) -> list[dict[str, Receipt]]:
        """For each order (document, planned steps, certain match): receipts by step, so that no step is ever sent."""

    def write_external_id(self, entity: str, target_id: str, key: str, number: str) -> None:
        """Set our key on a record that has none. Sending it again changes nothing."""
