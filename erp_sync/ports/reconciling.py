"""What a target has booked of documents, as a reconciliation compares it. Read in pages, never one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

import msgspec

from erp_sync.model.customer import Customer
from erp_sync.model.order import SalesOrder
from erp_sync.model.returns import Refund
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.outcomes import Receipt
from erp_sync.ports.raw import RawRecord, Window


class BookedShipment(msgspec.Struct, frozen=True, kw_only=True):
    """A shipment as the store has it.

    Attributes:
        order_key: the store's id of its order.
        keys: our keys in it; empty for one that somebody else booked.
        quantities: shipped of it, by the store's SKU.
    """

    target_id: str
    number: str
    order_key: str
    keys: tuple[str, ...]
    parcels: tuple[str, ...]
    quantities: dict[str, Decimal]


@runtime_checkable
class ListsShipments(Protocol):
    """A shipment target that can say what it holds."""

    def booked(self, order_keys: Sequence[str]) -> list[BookedShipment]:
        """All shipments of these orders. Raises CallFailed."""


@runtime_checkable
class ListsRefunds(Protocol):
    """A port of refunds (credit memos) that finds them by their orders, on either side of a route. Orders are named by
    that system's ids; a refund that was cancelled says ``canceled`` in its `custom` state."""

    def refunded(self, window: Window) -> list[str]:
        """Orders with a refund created in the window. Raises CallFailed."""

    def refunds_of(self, orders: Sequence[str]) -> dict[str, list[RawRecord]]:
        """All refunds of these orders, by order. Raises CallFailed."""

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> Refund:
        """Raises BadRecord, MappingProblem."""


class Shortage(msgspec.Struct, frozen=True, kw_only=True):
    """Units of a store's orders, and those of them that wait for stock that is not there."""

    ordered: Decimal
    short: Decimal


@runtime_checkable
class TellsShortage(Protocol):
    """A source of an ERP's orders that can say what they wait for."""

    def shortage(self, window: Window, store: str) -> Shortage:
        """Of the store's orders created in the window and not cancelled. Raises CallFailed."""


class Edited(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a document that the target has otherwise than it was sent.

    Attributes:
        field: as people read it.
        part: the canonical field, for which a route's policy is said: ``lines``, ``payments``.
        mend: what the target's port calls it where it is put back.
        stays: why it cannot be put back by itself; "" where it can.
        before_us: the value stands in a record that was there before us, and `sent` is the store's of today: nobody
            edited it.
    """

    field: str
    sent: str
    there: str
    part: str = ""
    mend: str = ""
    stays: str = ""
    before_us: bool = False


# Receipts of confirmed steps by key, of one operation: (keys, operation).
Known = Callable[[Sequence[str], str], Mapping[str, Receipt]]


@runtime_checkable
class TellsEdits(Protocol):
    """A document target that can say what somebody changed of what it was sent."""

    def edits(self, documents: Mapping[str, Any], known: Known) -> dict[str, list[Edited]]:
        """Of documents as they were sent, by their id at the target; those that are as they were sent are left out.

        Args:
            known: what our earlier writes came to: what one of them made and is gone, somebody took away.
        Raises CallFailed.
        """


class SentCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer that the target was sent with an order.

    Attributes:
        key: of the step that made the record.
        order: as it was sent; None for a record that was there before us, of which no value is ours.
        accounts: of such a record, the store's ids of its customers, or guests' e-mail addresses; several where the
            store has one person more than once.
    """

    key: str
    order: SalesOrder | None = None
    accounts: tuple[str, ...] = ()


class EditedCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody changed of a customer.

    Attributes:
        name: of the record at the target.
        order: the order that is put back from: as it was sent, its customer as the store has them now.
    """

    name: str
    edits: list[Edited]
    order: SalesOrder | None = None


# The store's customers of today, by its id; those that it does not know are left out.
Current = Callable[[Sequence[str]], Mapping[str, Customer]]


@runtime_checkable
class TellsCustomerEdits(Protocol):
    """A target of orders that can say what somebody changed of the customers that went with them."""

    def customer_edits(self, customers: Mapping[str, SentCustomer], current: Current) -> dict[str, EditedCustomer]:
        """Of customers by their id at the target: edited, inactive and gone ones.

        What was never sent is nobody's edit, nor is a value that the store itself has by now. A record that was there
        before us is compared with the store's account of today, a guest's by the e-mail address; where it has several
        accounts, a value that one of them has is right.

        Args:
            current: asked of accounts that were there before us, and of those that differ from what was sent.
        Raises CallFailed.
        """
