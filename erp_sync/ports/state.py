"""Ports of state flows: where stock, prices and products come from, and where they go.

A source gives raw records; what they mean is `to_canonical`'s to say. One raw record may stand for
several canonical rows or for one. Rows are read in pages so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec

from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.documents import Requirement
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.outcomes import Outcome
from erp_sync.ports.raw import News, RawRecord, Window, all_new

State = TypeVar("State", covariant=True)
Row = TypeVar("Row")


class StateSource(Protocol[State]):
    """Where the state of one entity comes from.

    The order of values is the source's version where it has one, else the time the read started:
    `RawRecord.version` carries whichever it is.
    """

    capabilities: Capabilities

    def snapshot(self) -> Iterator[list[RawRecord]]:
        """Everything, page by page. A row that changes meanwhile may be given in either form.

        Raises a TransportError where the source does not answer: an incomplete snapshot must not be
        taken for a whole one.
        """

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        """Rows changed in the window, as they are now. May repeat a row; never silently skips one.

        As with documents, what is no news need not be given.
        """

    def read(self, keys: Sequence[str]) -> Iterator[list[RawRecord]]:
        """Rows of these keys (SKUs) as they are now; keys that do not exist are left out."""

    def peek(self, window: Window) -> dict[str, str] | None:
        """Cheap look at what changed: native id to version, at most a page; None where that cannot tell."""

    def to_canonical(self, raw: RawRecord, lookups: Lookups) -> State:
        """Map one record. Raises BadRecord or MappingProblem."""

    def mapper(self, lookups: Lookups) -> Callable[[RawRecord], State]:
        """`to_canonical` for many records in a row, by one thread."""


@runtime_checkable
class NamesKeys(Protocol):
    """A state source whose events name records by the system's own ids, while its keys are SKUs."""

    def keys_of(self, native_ids: Sequence[str]) -> dict[str, str]:
        """Key by id; ids that do not exist are left out. Raises a TransportError where it does not answer."""


class StoreOrder(msgspec.Struct, frozen=True):
    """Whose order a record of the system is: the store's connection, and since when that is known."""

    store: str
    since: datetime


@runtime_checkable
class TellsDemand(Protocol):
    """A source of stock that tells what single stores' orders take of it."""

    def recognise(self, orders: Callable[[], Mapping[str, StoreOrder]]) -> None:
        """Orders, by id in this system, that are a store's though they carry no key of it. Asked before each read;
        stock of those that became known in the window counts as changed in it."""


class StateTarget(Protocol[Row]):
    """Where the state of one entity goes. Rows are canonical: what the target should hold, or holds.

    Attributes:
        nets_own_orders: the target subtracts its own open orders from the quantity it is given.
    """

    capabilities: Capabilities
    nets_own_orders: bool

    def operation(self, row: Row) -> str:
        """Name of the declared operation that writes this row."""

    def key(self, row: Row) -> str:
        """The target's key of the row: known state is kept by it, and writes exclude each other."""

    def sku(self, key: str) -> str:
        """The SKU, as the target names it, that a key of `key` is about."""

    def values(self, row: Row) -> dict[str, Any]:
        """What the target keeps of the row, normalised as it would give it back.

        Two rows whose values are equal need no write. Values are text, Decimal, bool, None, or
        lists and mappings of texts.
        """

    def row(self, key: str, values: dict[str, Any]) -> Row:
        """The row that a key and its `values` mean: what a plan says is written by it."""

    def gone(self, key: str, values: dict[str, Any]) -> Row:
        """The row that stands for "not there" at a target that takes nothing away; `values` as they are there.
        One that does has `remove(rows)` instead, which answers like `submit`."""

    def requirements(self, row: Row) -> list[Requirement]:
        """What must exist at the target first. No I/O."""

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        """Target ids of those that exist, in as few calls as possible; missing ones are left out."""

    def snapshot(self) -> Iterator[list[Row]]:
        """Everything the target holds, page by page. Raises a TransportError where it does not answer."""

    def read(self, skus: Sequence[str]) -> Iterator[list[Row]]:
        """The target's rows of these SKUs as they are now; what does not exist is left out."""

    def submit(self, rows: Sequence[Row]) -> list[Outcome]:
        """Write; one outcome per row, in order, batched as the target allows. Never raises for what a
        vendor or network did. `Refused.whole_batch` says that the row may only have stood beside a bad one.
        """

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        """What became of accepted rows; `Accepted` again where it is not done yet."""
