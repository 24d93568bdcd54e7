"""Customers that went to the ERP with an order, compared field by field with what was sent, whenever that was; those
that were there before us, with the store's accounts.

What somebody changed of them, who is inactive and who is gone is named with both values. A customer that the store
changed since is judged by what the store has today. Nothing is asked for one by one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from erp_sync.components.documents import flow_module
from erp_sync.flows.orders.first_look import customer_id
from erp_sync.ledger.documents import FORGOTTEN
from erp_sync.ledger.finding import Made
from erp_sync.model.customer import Customer
from erp_sync.model.keys import Entity
from erp_sync.model.order import SalesOrder
from erp_sync.model.personal import is_pseudonym
from erp_sync.operations.choosing import connector
from erp_sync.operations.putting_back import (
    PUT_BACK,
    accepted_edits,
    correction_key,
    customer_may_be_compared,
    customer_number,
    owned_by_target,
)
from erp_sync.operations.reconcile_documents import Comparison
from erp_sync.operations.reconciliation import Difference, EditedDocument
from erp_sync.ports.raw import BadRecord, MappingProblem
from erp_sync.ports.reconciling import Edited, EditedCustomer, SentCustomer, TellsCustomerEdits

CUSTOMERS_AT_ONCE = 1000
MADE_BY = "customer.create"
COUNTED = "customers_compared"


def compare_customers(orders: Comparison) -> None:
    """Add what differs to a comparison of orders. Raises the TransportError tree."""
    erp = connector(orders.here, orders.route, "erp")
    target: Any = erp.port(Entity.SALES_ORDER, "target")
    if not isinstance(target, TellsCustomerEdits):
        return
    ledger, route = orders.here.ledger, orders.route
    by_record: defaultdict[str, list[str]] = defaultdict(list)
    for native_id, there in sorted(ledger.cross_references.all(Entity.CUSTOMER, route.store, route.erp).items()):
        by_record[there].append(native_id)
    by_hand = ledger.cross_references.by_hand(Entity.CUSTOMER, route.store, route.erp)
    one = _Customers(orders, target, by_record, by_hand)
    for page in ledger.deliveries.made(route.name, "orders", route.erp, MADE_BY, size=CUSTOMERS_AT_ONCE):
        one.compare(page)
    # Linked, not made: what the store's account says was never sent.
    adopted = sorted(by_record.keys() - one.compared)
    for start in range(0, len(adopted), CUSTOMERS_AT_ONCE):
        one.compare_adopted(adopted[start : start + CUSTOMERS_AT_ONCE])


class _Customers:
    """Attributes:
    by_record: the store's customers that are linked to each of the ERP's.
    by_hand: those of them that a person linked.
    """

    def __init__(
        self,
        orders: Comparison,
        target: TellsCustomerEdits,
        by_record: Mapping[str, Sequence[str]],
        by_hand: Collection[str],
    ) -> None:
        self.orders, self.target, self.by_record, self.by_hand = orders, target, by_record, by_hand
        self.here, self.route = orders.here, orders.route
        self.decode = flow_module("orders", "transform").decode
        self.owned = owned_by_target(self.route)
        self.compared: set[str] = set()

    def compare(self, page: Sequence[Made]) -> None:
        """Customers that our orders made."""
        keys = {made.key: correction_key(self.route, made.delivery, made.key) for made in page}
        corrections = self.here.ledger.deliveries.latest(self.route.name, "orders", self.route.erp, list(keys.values()))
        sent: dict[str, tuple[Made, SalesOrder]] = {}
        for made in page:
            known = made.delivery.payload not in (b"", FORGOTTEN)  # else nobody knows any more what was sent
            if known and customer_may_be_compared(corrections.get(keys[made.key])):
                order: SalesOrder = self.decode(made.delivery.payload)
                if not is_pseudonym(order.customer.email):
                    sent[made.receipt.target_id] = made, order
        self._count(len(sent))
        self.compared |= sent.keys()
        customers = {
            identity: SentCustomer(key=made.key, order=order)
            if made.ours
            else self._before_us(made.key, identity, customer_id(order))
            for identity, (made, order) in sent.items()
        }
        found = self.target.customer_edits(customers, self._now) if customers else {}
        accepted = accepted_edits(self.here, [keys[made.key] for made, _ in sent.values()])
        for identity, (made, order) in sent.items():
            key = keys[made.key]
            number = customer_number(order, made.key)
            edited = found.get(identity, EditedCustomer(name=made.receipt.number or identity, edits=[]))
            compared = self._named(number, edited, accepted.get(key, frozenset()), ours=made.ours)
            waits = corrections.get(key)
            if compared or (waits is not None and waits.operation == PUT_BACK and waits.finished_at is None):
                self.orders.edited.append(
                    EditedDocument(
                        delivery=made.delivery.id,
                        name=edited.name,
                        edits=compared,
                        customer=made.key,
                        order=edited.order,
                    )
                )

    def compare_adopted(self, records: Sequence[str]) -> None:
        """Customers that were there before us: whether they still are, active, and as the store's accounts are."""
        customers = {there: self._before_us(_name(self.by_record[there][0]), there) for there in records}
        self._count(len(customers))
        for identity, edited in self.target.customer_edits(customers, self._now).items():
            self._named(customers[identity].key, edited, frozenset(), ours=False)

    def _named(
        self, number: str, edited: EditedCustomer, accepted: frozenset[tuple[str, str]], *, ours: bool
    ) -> list[tuple[Edited, Difference]]:
        compared = []
        for one in edited.edits:
            if self.owned(one.part) or (one.field, one.there) in accepted:
                continue
            became = ("taken away", "changed") if ours else ("not there", "other than the store's")
            words = f"{one.field} was {became[bool(one.there)]} in {edited.name}"
            words += f"; it stays: {one.stays}" if one.stays else ""
            if one.before_us:
                # Nobody's edit: beside those it would hide them.
                difference = self.orders.differs("other_than_store", number, store=one.sent, erp=one.there, words=words)
            else:
                difference = self.orders.differs("edited", number, store=one.sent, erp=one.there, words=words)
            compared.append((one, difference))
        return compared

    def _before_us(self, key: str, there: str, account: str = "") -> SentCustomer:
        """A record of which no value is ours. One who was erased is compared with nobody; the address of a guest whom a
        person linked may be another there."""
        linked = dict.fromkeys((account, *self.by_record.get(there, ())))
        accounts = tuple(
            one for one in linked if one and not is_pseudonym(one) and not ("@" in one and one in self.by_hand)
        )
        return SentCustomer(key=key, accounts=accounts)

    def _now(self, ids: Sequence[str]) -> dict[str, Customer]:
        """The store's accounts of today; a store that cannot tell has none."""
        try:
            source = connector(self.here, self.route, "store").port(Entity.CUSTOMER, "source")
        except KeyError:
            return {}
        found: dict[str, Customer] = {}
        for records in source.fetch(list(ids)):
            for record in records:
                try:
                    account: Customer = source.to_canonical(record, self.orders.lookups)
                except (BadRecord, MappingProblem):
                    continue  # what was sent is all that is known of this one
                if not is_pseudonym(account.email):
                    found[record.native_id] = account
        return found

    def _count(self, number: int) -> None:
        self.orders.counts[COUNTED] = self.orders.counts.get(COUNTED, 0) + number


def _name(native_id: str) -> str:
    """Of a customer of the store; a guest's e-mail address is not told."""
    if "@" in native_id:
        return f"guest-{hashlib.sha256(native_id.encode()).hexdigest()[:12]}"
    return f"customer-{native_id}"
