"""What became of an order that SAP answered with 201: it is there, and is never sent again by erp_sync itself.

The number of a draft was seen to be given for an order's, and an add-on may empty or change the field of our key after
the order was made: what was made is told by its DocEntry, our key and the store's order number together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from erp_sync.ports.outcomes import CREATED_UNRECOGNISED, Accepted, Applied, NotSent, Outcome, Refused
from erp_sync.systems.sap_b1.approvals import Approvals
from erp_sync.systems.sap_b1.finding import OrderFinder, receipt_of
from erp_sync.transport.errors import TransportError

ASK_AFTER_SECONDS = 60.0


class Made(msgspec.Struct, frozen=True):
    """A document that SAP says it made, as the ledger keeps it: ``made:91@1768430000:10045:shopware_de_10045``.

    Attributes:
        entry: the DocEntry.
        number: the store's order number, as it was sent as NumAtCard.
        key: ours.
        at: when SAP said so, in seconds since 1970.
    """

    entry: int
    number: str
    key: str
    at: int = 0

    def __str__(self) -> str:
        at = f"@{self.at}" if self.at else ""
        return f"made:{self.entry}{at}:{quote(self.number, safe='')}:{self.key}"

    @classmethod
    def is_one(cls, handle: str) -> bool:
        return handle.startswith("made:")

    @classmethod
    def read(cls, text: str) -> Made:
        """Raises ValueError for what is none."""
        kind, made, number, key = [*text.split(":", 3), "", "", ""][:4]
        entry, _, at = made.partition("@")
        if kind != "made" or not entry.isdigit() or not key or not (at or "0").isdigit():
            raise ValueError(f"no order was made as {text!r}")
        return cls(int(entry), unquote(number), key, int(at or 0))


class MadeOrders:
    """Thread-safe; keeps nothing."""

    def __init__(
        self,
        finder: OrderFinder,
        approvals: Approvals,
        settle_seconds: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`settle_seconds`: so long a read may be behind what SAP has answered."""
        self._finder, self._approvals = finder, approvals
        self._settle_seconds, self._clock = settle_seconds, clock

    def verified(self, answer: Mapping[str, Any], body: Mapping[str, Any], key: str, *, document: str) -> Outcome:
        """After a 201. `Accepted` where it cannot be read now. Never raises for what SAP or the network did."""
        try:
            now = int(self._clock().timestamp())
            made = Made(int(answer["DocEntry"]), str(body.get("NumAtCard") or ""), key, now)
        except (KeyError, TypeError, ValueError):
            return Refused(
                code=CREATED_UNRECOGNISED,
                message=f"SAP Business One says that it made the order of {document} ({key}), without a DocEntry.",
            )
        try:
            return self._look(made, document) or self._unrecognised(made)
        except (TransportError, KeyError, TypeError, ValueError):
            return Accepted(handle=str(made), ask_after_seconds=ASK_AFTER_SECONDS)

    def settle(self, handle: str) -> Outcome:
        """The same, later on. Never raises for what SAP or the network did; ValueError for another's handle."""
        made = Made.read(handle)
        try:
            outcome = self._look(made, "")
            if outcome is None:
                # A draft that a person refused meanwhile tells more.
                finding = self._finder.find([made.key])[made.key]
                outcome = finding if isinstance(finding, Accepted) else None
        except TransportError as error:
            return NotSent(why=str(error), retry_after_seconds=error.retry_after_seconds)
        if isinstance(outcome, Accepted):
            # Asked for as a draft from now on: the number of the draft is known.
            return self._approvals.settle(outcome.handle)
        return outcome or self._unrecognised(made)

    def _look(self, made: Made, document: str) -> Outcome | None:
        """None where neither the number nor our key leads to it. Raises the TransportError tree."""
        row = self._finder.row(made.entry, document=document)
        field = self._finder.key_field
        if row is not None and row.get(field) == made.key:
            return Applied(receipt=receipt_of(row))
        there = self._finder.there(made.key, document=document)
        if there is not None:
            return there
        if row is not None and not row.get(field) and made.number and row.get("NumAtCard") == made.number:
            receipt = receipt_of(row)
            noted = {**receipt.values, "key": f"{field} is empty in SAP, recognised by DocEntry and NumAtCard"}
            return Applied(receipt=msgspec.structs.replace(receipt, values=noted))
        return None

    def _unrecognised(self, made: Made) -> Outcome:
        """Not yet, while a read may be behind; then a person looks."""
        if self._clock().timestamp() < made.at + self._settle_seconds:
            return Accepted(handle=str(made), ask_after_seconds=ASK_AFTER_SECONDS)
        return Refused(
            code=CREATED_UNRECOGNISED,
            message=f"SAP Business One says that it made document {made.entry} of {made.key} (NumAtCard "
            f"{made.number}), and the order of that DocEntry is not recognised as it; no other order and no draft has "
            f"that {self._finder.key_field}. Look for it there by its DocEntry and NumAtCard: it is not sent again by "
            "itself.",
        )
