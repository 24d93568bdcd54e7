"""What the store gave back compared with what the ERP booked of it (credit memos, cash refunds), order by order.

An order is compared as a whole wherever one of its refunds was made in the window, on either side: a part of them says
nothing of the sum. Which order is which is what the ledger's cross references know. For units that had not left, the
ERP's order was cut or closed: it may have credited them or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from erp_sync.model.keys import Entity
from erp_sync.model.money import ZERO, round_money
from erp_sync.model.order import SalesOrder
from erp_sync.model.remaining import refunded_before_it_left
from erp_sync.model.returns import Refund
from erp_sync.operations.choosing import connector
from erp_sync.operations.reconcile_documents import Comparison
from erp_sync.ports.raw import BadRecord, MappingProblem
from erp_sync.ports.reconciling import ListsRefunds

REFUNDS_COMPARED = "refunds_compared"  # orders of which refunds were compared
ORDERS_AT_ONCE = 200
CANCELLED = "canceled"


def compare_refunds(orders: Comparison, tolerance: Decimal) -> None:
    """Add what differs to a comparison of orders. Raises the TransportError tree.

    Args:
        tolerance: sums of one order may differ by so much.
    """
    store, erp = _lister(orders, "store", "source"), _lister(orders, "erp", "target")
    if store is None or erp is None:
        return  # a system that cannot tell
    links, route = orders.here.ledger.cross_references, orders.route
    there = links.find(Entity.SALES_ORDER, route.store, store.refunded(orders.window), route.erp)
    back = links.find(Entity.SALES_ORDER, route.erp, erp.refunded(orders.window), route.store)
    # Orders that the ERP does not have are told by their own comparison.
    there |= {ours: theirs for theirs, ours in back.items()}
    comparison = _Refunds(orders, store, erp, tolerance)
    ids = sorted(there)
    for start in range(0, len(ids), ORDERS_AT_ONCE):
        comparison.compare({one: there[one] for one in ids[start : start + ORDERS_AT_ONCE]})


def _lister(orders: Comparison, side: str, role: str) -> ListsRefunds | None:
    try:
        port = connector(orders.here, orders.route, side).port(Entity.REFUND, role)
    except KeyError:
        return None
    return port if isinstance(port, ListsRefunds) else None


class _Refunds:
    def __init__(self, orders: Comparison, store: ListsRefunds, erp: ListsRefunds, tolerance: Decimal) -> None:
        self.orders, self.store, self.erp, self.tolerance = orders, store, erp, tolerance

    def compare(self, pairs: Mapping[str, str]) -> None:
        """Orders by the store's id, with the ERP's."""
        given = self._refunds(self.store, list(pairs))
        booked = self._refunds(self.erp, list(pairs.values()))
        documents = self._documents(list(pairs))
        for ours, theirs in pairs.items():
            mine, there = given.get(ours, []), booked.get(theirs, [])
            if mine is None or there is None:
                continue
            self.orders.counts[REFUNDS_COMPARED] += 1
            self._compare(ours, documents.get(ours), mine, there)

    def _compare(
        self, native_id: str, document: SalesOrder | None, given: Sequence[Refund], booked: Sequence[Refund]
    ) -> None:
        most = _sum(given)
        cut = refunded_before_it_left(document) if document is not None else ZERO
        least = max(most - cut, ZERO)
        difference = _sum(booked) - min(max(_sum(booked), least), most)
        if abs(difference) <= self.tolerance:
            return
        number = document.number if document is not None else native_id
        store, erp = _told(given), _told(booked)
        if not booked:
            words = "the ERP has no credit memo and no cash refund of this order"
            words += f"; what had not left, {cut}, was taken off it there" if cut else ""
            self.orders.differs("refund_missing", number, store=store, words=words)
        elif not given:
            words = "the store has not refunded this order"
            self.orders.differs("refund_extra", number, erp=erp, words=words)
        else:
            words = f"{round_money(difference, given[0].currency):+f} in the ERP"
            self.orders.differs("refund_total", number, store=store, erp=erp, words=words)

    def _refunds(self, port: ListsRefunds, ids: Sequence[str]) -> dict[str, list[Refund] | None]:
        """By order, those that were not cancelled. None of one that has a refund which cannot be read."""
        found: dict[str, list[Refund] | None] = {}
        for order, records in port.refunds_of(ids).items():
            some: list[Refund] = []
            try:
                for record in records:
                    some.append(port.to_canonical(record, self.orders.lookups))
            except (BadRecord, MappingProblem) as problem:
                self.orders.is_open(f"refund {record.native_id}", "quarantine", "malformed_record", str(problem))
                found[order] = None
            else:
                found[order] = [one for one in some if one.custom.get("state") != CANCELLED]
        return found

    def _documents(self, ids: Sequence[str]) -> dict[str, SalesOrder]:
        """The orders as the store has them; of one that it no longer has, only the refunds are known."""
        source: Any = self.orders.source
        found: dict[str, SalesOrder] = {}
        for page in source.fetch(ids):
            for record in page:
                try:
                    found[record.native_id] = source.to_canonical(record, self.orders.lookups)
                except (BadRecord, MappingProblem):
                    continue  # it is named where it was read
        return found


def _sum(refunds: Sequence[Refund]) -> Decimal:
    return sum((one.grand_total for one in refunds), ZERO)


def _told(refunds: Sequence[Refund]) -> str:
    """``12.50 USD (000000007, 000000009)``."""
    names = ", ".join(sorted(one.number or one.native_id for one in refunds))
    if not refunds:
        return ""
    currency = refunds[0].currency
    return f"{round_money(_sum(refunds), currency)} {currency} ({names})"
