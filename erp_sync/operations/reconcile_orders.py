"""Store, ledger and ERP compared order by order, by created time: what is missing, too much, or different.

Created time does not move, so the sets prove completeness whatever the windows of updates have missed. What
the ledger holds or has dead-lettered is told apart: it is open, not lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.documents import flow_module
from erp_sync.components.installation import Installation
from erp_sync.ledger import Delivery, State
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.order import OrderStatus, SalesOrder
from erp_sync.model.order_status import OrderStatusUpdate
from erp_sync.model.remaining import ended, lost, remaining
from erp_sync.operations.choosing import connector
from erp_sync.operations.putting_back import PUT_BACK, accepted_edits, may_be_compared, owned_by_target
from erp_sync.operations.reconcile_customers import COUNTED, compare_customers
from erp_sync.operations.reconcile_documents import Comparison
from erp_sync.operations.reconcile_refunds import REFUNDS_COMPARED, compare_refunds
from erp_sync.operations.reconciliation import Difference, EditedDocument, Progress, Reconciliation
from erp_sync.ports.adoption import Match
from erp_sync.ports.outcomes import Receipt
from erp_sync.ports.raw import BadRecord, MappingProblem, Window
from erp_sync.ports.reconciling import Edited, TellsEdits


def reconcile_orders(here: Installation, route: RouteSpec, window: Window, progress: Progress) -> Reconciliation:
    """Compare the orders placed in the window: there, once, with the same total, its lines, costs, deposits and
    address as they were sent, cancelled on both sides or on none.

    Raises the TransportError tree where a system does not answer, CannotDo.
    """
    return _Orders(here, route, window).run(progress)


class _Order(msgspec.Struct):
    """An order as the store has it now. `key`: of its step at the ERP; "" where it cannot be mapped."""

    native_id: str
    number: str
    scope: str
    document: Any = None
    key: str = ""
    problem: str = ""


class _Orders(Comparison):
    flow, batch, what = "orders", 200, "orders"

    def __init__(self, here: Installation, route: RouteSpec, window: Window) -> None:
        source = connector(here, route, "store").port(Entity.SALES_ORDER, "source")
        super().__init__(here, route, window, source, (route.store, route.erp))
        self.erp: Any = connector(here, route, "erp")
        self.target = flow_module("orders", "transform").target(self.erp)
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.cancelled: dict[str, tuple[str, bool, bool]] = {}
        self.linked: dict[str, str] = {}

    def compare(self, ids: Sequence[str]) -> None:
        """One batch: two queries at the ERP for all of it."""
        orders = self._orders(ids)
        keys = [order.key for order in orders if order.key]
        target: Any = self.erp.port(Entity.SALES_ORDER, "target")
        there: dict[str, Receipt] = target.read_back(keys) if keys else {}
        documents = [order.document for order in orders if order.document is not None]
        matches: dict[str, Match] = {}
        if documents and hasattr(self.erp, "adoption"):
            matches = {match.native_id: match for match in self.erp.adoption([self.route.store]).orders(documents)}
        deliveries = self.here.ledger.deliveries.latest(
            self.route.name, "orders", self.route.erp, [self._key(order) for order in orders]
        )
        unread = set(
            self.here.ledger.cursors.never_received(
                self.route.store, Entity.SALES_ORDER, [order.native_id for order in orders]
            )
        )
        refused = self._refused([order.native_id for order in orders])
        linked = self.here.ledger.cross_references.find(
            Entity.SALES_ORDER, self.route.store, [order.native_id for order in orders], self.route.erp
        )
        self.linked |= {identity: native_id for native_id, identity in linked.items()}
        # Adopted orders carry no key of ours: they are read by the id that the cross references know. So is one of
        # ours that cannot be mapped any more.
        others = [linked[order.native_id] for order in orders if order.key not in there and order.native_id in linked]
        by_id: dict[str, Receipt] = target.read_back_ids(others) if others else {}
        adopted = self.here.ledger.cross_references.adopted(Entity.SALES_ORDER, self.route.erp) if by_id else {}
        for order in orders:
            receipt, match = there.get(order.key), matches.get(order.native_id)
            candidates = set(match.target_ids) if match is not None else set()
            if receipt is None and (receipt := by_id.get(linked.get(order.native_id, ""))) is not None:
                self.counts["adopted"] += receipt.target_id in adopted
            if receipt is not None:
                candidates.add(receipt.target_id)
                self._total(order, receipt)
            if len(candidates) > 1:
                ids = ", ".join(sorted(candidates))
                self.differs("duplicate", order.number, erp=ids, words="one order, several records")
            self._presence(
                order,
                receipt is not None,
                deliveries.get(self._key(order)),
                order.native_id in unread,
                refused.get(order.native_id),
            )
        self._contents(orders, there, deliveries)

    def _contents(
        self, orders: Sequence[_Order], there: Mapping[str, Receipt], deliveries: Mapping[EntityKey, Delivery]
    ) -> None:
        """Of what we sent: what somebody has changed in the ERP since. The document as it went is what counts: what
        the store changed after it is its next version's to tell."""
        target: Any = self.erp.port(Entity.SALES_ORDER, "target")
        if not isinstance(target, TellsEdits):
            return
        decode = flow_module("orders", "transform").decode
        sent: dict[str, tuple[_Order, Receipt, Any]] = {}
        # What was paid before units were lost is booked whole.
        paid: dict[str, set[str]] = {}
        for order in orders:
            receipt, delivery = there.get(order.key), deliveries.get(self._key(order))
            if receipt is not None and delivery is not None and may_be_compared(delivery):
                whole = decode(delivery.payload)
                sent[receipt.target_id] = (order, receipt, remaining(whole))
                if lost(whole):
                    paid[receipt.target_id] = {f"{one.amount.normalize():f}" for one in whole.payments}
        self.counts["contents_compared"] += len(sent)
        documents = {identity: document for identity, (_, _, document) in sent.items()}
        edits = target.edits(documents, self._known) if sent else {}
        accepted = accepted_edits(self.here, [self._key(order) for order, _, _ in sent.values()])
        owned = owned_by_target(self.route)
        for identity in sent:
            order, receipt, _ = sent[identity]
            name, compared = receipt.number or identity, []
            left_so = accepted.get(self._key(order), frozenset())
            for one in edits.get(identity, ()):
                if owned(one.part) or (one.field, one.there) in left_so:
                    continue
                if one.part == "payments" and one.there in paid.get(identity, ()):
                    continue
                words = f"{one.field} was {'changed' if one.there else 'taken away'} in {name}"
                words += f"; it stays: {one.stays}" if one.stays else ""
                difference = self.differs("edited", order.number, store=one.sent, erp=one.there, words=words)
                compared.append((one, difference))
            self._keep(deliveries[self._key(order)], name, compared)

    def _keep(self, delivery: Delivery, name: str, compared: list[tuple[Edited, Difference]]) -> None:
        """Also where nothing differs any more, and a correction still waits for a person."""
        if compared or (delivery.operation == PUT_BACK and delivery.state is not State.DELIVERED):
            self.edited.append(EditedDocument(delivery=delivery.id, name=name, edits=compared))

    def _known(self, keys: Sequence[str], operation: str) -> Mapping[str, Receipt]:
        return self.here.ledger.steps.receipts(self.route.erp, keys, operation)

    def _orders(self, ids: Sequence[str]) -> list[_Order]:
        found = []
        for page in self.source.fetch(ids):
            for record in page:
                order = _Order(record.native_id, record.native_id, record.scope)
                try:
                    order.document = self.source.to_canonical(record, self.lookups)
                    order.number = order.document.number
                    gone = ended(order.document)
                    # What had left before the rest was cancelled stays: nothing of the order is open, it is no more.
                    partly = gone and any(line.quantity_shipped for line in order.document.lines)
                    self.cancelled[record.native_id] = (order.number, gone, partly)
                    self.counts["cancelled_in_store"] += gone
                    steps = self.target.steps(_placed(order.document) if gone else order.document)
                    order.key = next((step.key for step in steps if step.name == Entity.SALES_ORDER), "")
                except (BadRecord, MappingProblem) as problem:
                    order.problem = str(problem)
                found.append(order)
        return found

    def _key(self, order: _Order) -> EntityKey:
        return EntityKey(self.route.store, order.scope, Entity.SALES_ORDER, order.native_id)

    def _refused(self, native_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        return self.here.ledger.quarantine.reasons(self.route.store, self.route.name, "orders", native_ids)

    def _total(self, order: _Order, receipt: Receipt) -> None:
        theirs = receipt.totals.get("grand_total")
        if theirs is None or order.document is None or owned_by_target(self.route)("total"):
            return
        self.counts["totals_compared"] += 1
        # One that was cancelled partly before it was seen went with what was left. One that went before, whole: its
        # lines are closed there, which keep their amounts, or cut. The total lies between both.
        totals = (order.document.totals.grand_total, remaining(order.document).totals.grand_total)
        ours: Decimal = min(max(decimal_of(theirs), min(totals)), max(totals))
        difference = decimal_of(theirs) - ours
        if abs(difference) > self._tolerance():
            self.differs(
                "total",
                order.number,
                store=f"{ours} {order.document.currency}",
                erp=theirs,
                words=f"{difference:+f} in {receipt.number or receipt.target_id}",
            )

    def _tolerance(self) -> Decimal:
        """What the ERP's connection allows; differences within it were recorded when the order went."""
        return Decimal(str(self.erp.settings.settings.get("total_tolerance", "0")))

    def _presence(
        self,
        order: _Order,
        there: bool,
        delivery: Delivery | None,
        unread: bool,
        refused: tuple[str, str] | None,
    ) -> None:
        state = delivery.state if delivery is not None else None
        begun = delivery is not None and (delivery.attempts > 0 or delivery.sequence > 1)
        if there:
            self.counts["in_erp"] += 1
            if delivery is None or (state in _NOT_SENT and not begun):
                said = f"the ledger says {state.value if state else 'nothing'} of it"
                words = f"{said}; next: erp-sync adopt {self.route.name}"
                self.differs("unexpected", order.number, erp="there", words=words)
            return
        if delivery is not None and state is State.DELIVERED:
            if not order.document or order.document.status is not OrderStatus.CANCELLED:
                self.differs("missing", order.number, store="there", words=f"delivery d{delivery.id} says delivered")
        elif delivery is not None:
            self.under_way(order.number, delivery)
        elif refused is not None:
            self.is_open(order.number, "quarantine", *refused)
        elif unread:
            words = "it was never read from the store"
            self.differs("not_received", order.number, store="there", words=words, native_id=order.native_id)
        else:
            self._untold(order)

    def _untold(self, order: _Order) -> None:
        """Received, and no delivery came of it: left out with a reason, or not transformed yet."""
        events = self.here.ledger.trace(self._key(order)).events
        for event in reversed(events):
            if event.kind == "left_out":
                details = event.details
                self.is_open(order.number, "left_out", details["code"], details["reason"])
                return
        self.is_open(order.number, "received", "", "not transformed yet")

    def finish(self, ids: Sequence[str]) -> None:
        """The customers, whenever they were sent; what was refunded. By one reading of the ERP's orders: cancelled on
        one side only, and those that the store does not know."""
        compare_customers(self)
        compare_refunds(self, self._tolerance())
        try:
            port = self.erp.port(Entity.ORDER_STATUS, "source")
        except KeyError:
            return  # this ERP cannot list its orders
        store_ids, theirs = set(ids), list(port.created(self.window))
        ours: dict[str, list[OrderStatusUpdate]] = {}
        for start in range(0, len(theirs), self.batch):
            for page in port.fetch(theirs[start : start + self.batch]):
                for record in page:
                    try:
                        update = port.to_canonical(record, self.lookups)
                    except (BadRecord, MappingProblem):
                        continue  # an order that is not ours may be anything
                    key = update.order_key or self.linked.get(update.native_id, "")
                    if key and update.order_connection in ("", self.route.store):
                        ours.setdefault(key, []).append(update)
        for key in ours.keys() & store_ids:
            self._status(key, ours[key])
        self._extra(ours, [key for key in ours if key not in store_ids])

    def _status(self, key: str, updates: Sequence[OrderStatusUpdate]) -> None:
        if key not in self.cancelled or len(updates) != 1:
            return
        self.counts["statuses_compared"] += 1
        number, in_store, partly = self.cancelled[key]
        (update,) = updates
        if partly and update.status in (OrderStatus.FULFILLED, OrderStatus.CLOSED):
            return
        # Closed is what the ERP makes of an order whose lines were all closed; of one that was shipped, too.
        gone = update.status is OrderStatus.CANCELLED or (in_store and update.status is OrderStatus.CLOSED)
        if gone and not in_store and owned_by_target(self.route)("cancellation"):
            return
        if gone != in_store:
            words = f"order {update.number} of the ERP"
            store = OrderStatus.CANCELLED.value if in_store else "not cancelled"
            self.differs("status", number, store=store, erp=update.status.value, words=words)

    def _extra(self, ours: dict[str, list[OrderStatusUpdate]], elsewhere: Sequence[str]) -> None:
        known = {record.native_id for page in self.source.fetch(elsewhere) for record in page} if elsewhere else set()
        for key in elsewhere:
            for update in ours[key] if key not in known else []:
                words = f"the store has no {key}"
                self.differs("extra", update.number, erp=update.native_id, words=words)


def _placed(order: SalesOrder) -> SalesOrder:
    """An order of which nothing is left, as it was placed: what went to the ERP had this one's key."""
    replace = msgspec.structs.replace
    lines = tuple(replace(line, quantity_cancelled=ZERO, quantity_refunded=ZERO) for line in order.lines)
    return replace(order, status=OrderStatus.OPEN, lines=lines)


_COUNTS = (
    "in_erp",
    "adopted",
    "cancelled_in_store",
    "totals_compared",
    "contents_compared",
    "statuses_compared",
    COUNTED,
    REFUNDS_COMPARED,
)
_NOT_SENT = (State.WAITING, State.DUE, State.DEAD, State.HELD, State.DISMISSED)
