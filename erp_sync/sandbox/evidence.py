"""What the checker judges: what a system keeps, as its sandbox tells it from its own database and journal.

A vendor's sandbox package has a module `evidence` with a class `Store`, `Erp` or both, made of the sandbox's
`SystemFiles` (protocols below). It says what is there and judges nothing: no record is left out because it looks wrong.

Amounts and quantities are Decimal, as stored. Moments are wall time, Unix seconds, from the journal; None or an empty
list where the journal knows of none. Ids are the system's own, of whatever type; they are compared and shown only.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol

from erp_sync.sandbox.files import SystemFiles

Id = Any


class NoEvidence(LookupError):
    """A vendor's sandbox does not tell what the checker asks for; the message says which and what is missing."""


# -- a store -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class StoreLine:
    """A row of an order, with units and amounts of the whole row.

    Attributes:
        sku: the store's.
        kind: "variant": a configured article, whose part is the same article once more and counts nothing; "bundle":
            its parts are what is delivered; "item": all else.
        part_of: id of the row whose part it is.
        amount: before discount and tax; a bundle's own, or its parts', who then have prices of their own.
    """

    id: Id
    sku: str
    kind: Literal["item", "variant", "bundle"]
    part_of: Id | None
    ordered: Decimal
    cancelled: Decimal
    shipped: Decimal
    refunded: Decimal
    amount: Decimal
    discount: Decimal
    tax: Decimal


@dataclass(slots=True)
class StoreTax:
    """Tax at one rate; `line` is the row that it belongs to, None for shipping."""

    line: Id | None
    percent: Decimal
    amount: Decimal


@dataclass(slots=True)
class Payment:
    """One of an order's. `state` "spent": by gift card or store credit, which was paid for before."""

    amount: Decimal
    state: Literal["pending", "authorised", "captured", "spent"]


@dataclass(slots=True)
class StoreOrder:
    """An order as the store has it now.

    Attributes:
        number: what the customer knows it by.
        channel: where it was sold: a store view, a sales channel.
        state: "cancelled"; "done": nothing is still to be delivered; "open": all else.
        currency: ISO 4217.
        total: what is paid, by whatever means, tax and shipping included.
        shipping: after its discount, before tax.
    """

    id: Id
    number: str
    channel: str
    state: Literal["open", "done", "cancelled"]
    currency: str
    total: Decimal
    tax: Decimal
    shipping: Decimal
    placed_at: float | None
    lines: list[StoreLine] = field(default_factory=list)
    taxes: list[StoreTax] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)


@dataclass(slots=True)
class Mail:
    """One that told a customer of parcels."""

    tracks: set[str]
    at: float


@dataclass(slots=True)
class StoreShipment:
    """What the store was told has left.

    Attributes:
        number: what the store's users know it by; order: the number of its order.
        tracks: tracking numbers.
        units: by the store's SKU, of rows that stand for goods: a bundle's parts.
        units_told: the store knows which units these are; else `units` is empty.
    """

    id: Id
    number: str
    order: str
    booked_at: float | None
    tracks: set[str] = field(default_factory=set)
    units: list[tuple[str, Decimal]] = field(default_factory=list)
    units_told: bool = True
    mails: list[Mail] = field(default_factory=list)


@dataclass(slots=True)
class Shelf:
    """Units of an SKU that the store has at one of its sources, before it takes off its own open orders."""

    sku: str
    source: str
    units: Decimal


@dataclass(slots=True)
class Price:
    """A product's base price; None: it has none. `of_parts`: what it costs is its parts' to say."""

    sku: str
    price: Decimal | None
    of_parts: bool


@dataclass(slots=True)
class Article:
    """What a store shows of a product; not `sold`: nobody can buy it."""

    name: str
    sold: bool


Moments = dict[tuple[str, str], list[float]]
"""By the store's SKU and source."""


class StoreEvidence(Protocol):
    """What a store keeps. Each method reads anew.

    Attributes:
        keeps_mails: it tells which mails went out; else nothing can be said of them.
    """

    keeps_mails: bool = True

    def __init__(self, files: SystemFiles) -> None: ...

    def orders(self) -> list[StoreOrder]:
        """All of them, in the order of their ids."""

    def shipments(self) -> list[StoreShipment]: ...

    def sources(self) -> set[str]:
        """Codes of the places that it keeps stock of."""

    def shelves(self) -> list[Shelf]: ...

    def stock_writes(self) -> Moments:
        """When it was told what a shelf holds."""

    def own_stock_writes(self) -> Moments:
        """When it changed a shelf itself: with a shipment, or with goods that came back."""

    def prices(self) -> list[Price]:
        """Of all products."""

    def price_writes(self) -> dict[str, list[float]]:
        """When it was told a price, by SKU."""

    def articles(self, skus: Sequence[str]) -> dict[str, Article]:
        """Those of these that it has, by SKU."""


# -- an ERP ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ErpLine:
    """A row of a sales order that stands for goods or lowers what is above it; none of tax, none of a kit's parts.

    Attributes:
        sku: the ERP's; of a row without an item something that no other row has.
        lowers: a discount of the row above it.
        quantity: as ordered, positive; None where a row has none.
        amount: before tax; negative where it lowers.
        shipped, picked: units that have left; that have left or are being packed.
        closed: nothing of it will be delivered any more.
        deliverable: a warehouse ships it, other than a service.
    """

    sku: str
    lowers: bool
    quantity: Decimal | None
    amount: Decimal
    shipped: Decimal
    picked: Decimal
    closed: bool
    deliverable: bool


@dataclass(slots=True)
class ErpTax:
    percent: Decimal
    amount: Decimal


@dataclass(slots=True)
class Deposit:
    """A payment on account of an order. `key`: what makes it one and the same."""

    key: Id
    amount: Decimal


@dataclass(slots=True)
class ErpOrder:
    """A sales order as the ERP has it now.

    Attributes:
        name: what the ERP's users know it by.
        key: under which it was sent; reference: the store's order number on it. Empty where there is none.
        state: "cancelled"; "closed": nothing more is delivered; "open": all else.
        total: tax and shipping included; shipping: before tax.
        taxes: by rate, where the ERP keeps them so.
        created_at: when it could first be read; changed: it was written again later.
    """

    id: Id
    name: str
    key: str
    reference: str
    state: Literal["open", "cancelled", "closed"]
    currency: str
    total: Decimal
    tax: Decimal
    shipping: Decimal
    created_at: float | None
    changed: bool
    lines: list[ErpLine] = field(default_factory=list)
    taxes: list[ErpTax] = field(default_factory=list)
    deposits: list[Deposit] = field(default_factory=list)


@dataclass(slots=True)
class Units:
    """Units of an SKU at one of the ERP's places, by the place's id."""

    sku: str
    place: Id
    units: Decimal


@dataclass(slots=True)
class ErpShipment:
    """A fulfillment that has left the warehouse; what is only picked or packed is none.

    Attributes:
        name: what the ERP's users know it by; order: id of the sales order.
        units: by SKU, of the order's rows; taken: of what is kept in stock, from where.
    """

    id: Id
    name: str
    order: Id
    left_at: float | None
    tracks: set[str] = field(default_factory=set)
    units: list[tuple[str, Decimal]] = field(default_factory=list)
    taken: list[Units] = field(default_factory=list)


@dataclass(slots=True)
class StockChange:
    """One row of a movement of stock, and all moments at which the movement was written, ascending."""

    sku: str
    place: Id
    moments: list[float]


class ErpEvidence(Protocol):
    """What an ERP keeps. Each method reads anew."""

    def __init__(self, files: SystemFiles) -> None: ...

    def orders(self) -> list[ErpOrder]:
        """All sales orders, the store's and others'."""

    def customers_twice(self) -> list[str]:
        """E-mail addresses that more than one active customer of a company has."""

    def shipments(self) -> list[ErpShipment]: ...

    def places(self) -> dict[Id, str]:
        """What others call its places (warehouses, locations), by id."""

    def stocked(self) -> dict[str, bool]:
        """SKUs that are kept in stock, and whether they are still sold."""

    def on_hand(self) -> list[Units]: ...

    def committed(self) -> list[tuple[Id, Units]]:
        """What is set aside for open sales orders, each with its order's id."""

    def prices(self, price_list: Id) -> dict[str, Decimal]:
        """Prices of one unit in the list, in the company's currency, of what is sold, by SKU."""

    def adjustments(self) -> list[StockChange]:
        """Rows of receipts, counts and other corrections of stock."""

    def withdrawals(self) -> list[StockChange]:
        """Rows of fulfillments, whether they have left or not."""

    def price_changes(self) -> dict[str, list[float]]:
        """When an article was changed, and with it maybe its price, by SKU."""


# -- where it is -------------------------------------------------------------------------------------------


def store_evidence(files: SystemFiles) -> StoreEvidence:
    """Of a store's sandbox. Raises NoEvidence."""
    found: StoreEvidence = _told(files, "Store")
    return found


def erp_evidence(files: SystemFiles) -> ErpEvidence:
    """Of an ERP's sandbox. Raises NoEvidence."""
    found: ErpEvidence = _told(files, "Erp")
    return found


def _told(files: SystemFiles, side: str) -> Any:
    package = files.vendor if "." in files.vendor else f"erp_sync.systems.{files.vendor}.sandbox"
    place = f"{package}.evidence"
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError as missing:
        if missing.name not in (place, package):
            raise
        raise NoEvidence(f"{package} has no module evidence: {files.vendor} cannot be judged") from missing
    made = getattr(module, side, None)
    if made is None:
        other = "Store" if side == "Erp" else "Erp"
        raise NoEvidence(f"{place} has no {side}, only {other}: {files.vendor} cannot be judged as one")
    return made(files)
