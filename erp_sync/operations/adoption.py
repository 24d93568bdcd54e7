"""First connection: what the ERP holds already is found by natural keys and linked, never created again.

Orders, their customers and their items. Finding reads both systems and changes nothing; applying writes the
ledger only. What is doubtful is left to a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.components.documents import flow_module
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.ledger import Link, NewDelivery
from erp_sync.ledger.adopting import AdoptedDocument
from erp_sync.ledger.errors import CrossReferenceConflict
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.operations.choosing import CannotDo, connector
from erp_sync.operations.choosing import flow as flow_of
from erp_sync.ports.adoption import Certainty, Match
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import Receipt
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord, Window

Progress = Callable[[str, int, int], None]

# Documents whose natural keys are looked for together.
BATCH = 200
RUN = "adopt"
ORDERS, CUSTOMERS, ITEMS = "orders", "customers", "items"
# Code of the dead letters that doubtful orders become.
DOUBTFUL = "doubtful_match"


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """An order of the store that could not be mapped, and so not be looked for."""

    number: str
    problem: str


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What was linked.

    Attributes:
        doubtful: orders that are dead letters now, until a person decides.
        under_way: orders that are being delivered at this moment: run it again.
        conflicts: ids that are linked to another record already.
    """

    orders: int = 0
    customers: int = 0
    items: int = 0
    doubtful: int = 0
    under_way: list[str] = []
    conflicts: list[str] = []


class AdoptionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the ERP holds of the store's orders, customers and items.

    Attributes:
        counts: {orders, customers, items: {certain, doubtful, missing, ours: number}}; ``ours`` carry our external
            id or are linked already.
        matches: everything that is not ours, doubtful first.
        applied: None for a dry run.
    """

    route: str
    store: str
    erp: str
    since: datetime
    counts: dict[str, dict[str, int]]
    matches: list[Match]
    unreadable: list[Unreadable]
    applied: Applied | None = None


class _Order(msgspec.Struct):
    record: RawRecord
    document: Any
    steps: list[Step]


def adopt(
    here: Installation,
    route: RouteSpec,
    *,
    apply: bool,
    since: datetime | None = None,
    links: Mapping[str, str] = {},
    who: str,
    progress: Progress = lambda what, done, total: None,
) -> AdoptionReport:
    """Look for everything that the store's orders since `since` (default: the start of the flow) refer to.

    Args:
        links: a person's word: order number to the id that it has in the ERP.

    Idempotent; safe while the flows run: an order under way is left alone. Raises the TransportError tree where a
    system does not answer (nothing is lost: what was linked until then stays), CannotDo.
    """
    from erp_sync.transport.context import call_context

    kind, flow = flow_of(route, "orders")
    since = since or flow.start
    if since is None:
        raise CannotDo(f"flow orders of route {route.name} has no start time; say --since")
    source = connector(here, route, kind.source).port(kind.entity, "source")
    target: Any = connector(here, route, kind.target)
    if not hasattr(target, "adoption"):
        raise CannotDo(f"{route.erp} cannot be searched by natural keys: its connector offers no adoption")
    port = flow_module("orders", "transform").target(target)
    found = _Found(here, route, links)
    with call_context(run_id=RUN, lane="bulk", route=route.name, flow="orders"):
        now = here.ledger.now()
        ids = list(source.created(Window(start=since, end=now)))
        for start in range(0, len(ids), BATCH):
            progress("orders of the store", start, len(ids))
            some = list(_orders(here, route, source, port, ids[start : start + BATCH], found))
            found.look(target.adoption(), some)
            if apply:
                found.apply(kind, flow, some, who)
        progress("orders of the store", len(ids), len(ids))
    here.exchanges.flush()
    return found.report(since, apply)


def _orders(
    here: Installation, route: RouteSpec, source: Any, port: Any, ids: Sequence[str], found: _Found
) -> Iterator[_Order]:
    lookups = here.lookups(route)
    for page in source.fetch(ids):
        for record in page:
            try:
                document = source.to_canonical(record, lookups)
            except (BadRecord, MappingProblem) as problem:
                found.unreadable.append(Unreadable(number=record.native_id, problem=str(problem)))
                continue
            try:
                steps = port.steps(document)
            except MappingProblem as problem:
                found.unreadable.append(Unreadable(number=document.number, problem=str(problem)))
                continue
            yield _Order(record, document, steps)


class _Found:
    """What was found so far, batch by batch."""

    def __init__(self, here: Installation, route: RouteSpec, links: Mapping[str, str]) -> None:
        self.here, self.route, self.links = here, route, links
        self.matches: dict[str, dict[str, Match]] = {ORDERS: {}, CUSTOMERS: {}, ITEMS: {}}
        self.unreadable: list[Unreadable] = []
        self.orders = self.customers = self.items = self.doubtful = 0
        self.under_way: list[str] = []
        self.conflicts: list[str] = []

    def look(self, adoption: Any, orders: Sequence[_Order]) -> None:
        """Search for what is not known yet: one query for many keys."""
        documents = [order.document for order in orders]
        skus = sorted({line.sku for document in documents for line in document.lines} - set(self.matches[ITEMS]))
        for what, matches in (
            (ORDERS, adoption.orders(documents) if documents else []),
            (CUSTOMERS, adoption.customers(documents) if documents else []),
            (ITEMS, adoption.items(skus) if skus else []),
        ):
            self.matches[what] |= {match.native_id: match for match in matches}
        for document in documents:
            if document.number in self.links:
                self.matches[ORDERS][document.native_id] = Match(
                    entity=Entity.SALES_ORDER,
                    native_id=document.native_id,
                    natural_key=document.number,
                    certainty=Certainty.CERTAIN,
                    target_ids=(self.links[document.number],),
                    why="linked by a person",
                )

    def apply(self, kind: FlowKind, flow: FlowSpec, orders: Sequence[_Order], who: str) -> None:
        """Link what is certain."""
        self._link_items(orders)
        self._link_customers(orders)
        self._link_orders(kind, orders, who)

    def _link_items(self, orders: Sequence[_Order]) -> None:
        skus = {line.sku for order in orders for line in order.document.lines}
        certain = [match for sku in sorted(skus) if _certain(match := self.matches[ITEMS][sku])]
        links = [self._link(Entity.PRODUCT, match) for match in certain]
        self.items += self._linked(links, self.here.ledger.cross_references.link)

    def _link_customers(self, orders: Sequence[_Order]) -> None:
        """Their step comes back confirmed for every order of theirs."""
        for order in orders:
            customer = order.document.customer
            match = self.matches[CUSTOMERS].get(customer.native_id or customer.email.strip().lower())
            step = next((step for step in order.steps if step.name == Entity.CUSTOMER), None)
            if match is None or step is None or not _certain(match):
                continue
            receipt = (step.key, step.operation, _receipt(match))
            link = partial(self.here.ledger.adopting.receipts, self.route.erp, [receipt])
            self.customers += self._linked([self._link(Entity.CUSTOMER, match)], link)

    def _link_orders(self, kind: FlowKind, orders: Sequence[_Order], who: str) -> None:
        """Certain ones are done. Doubtful ones are dead letters: to send them is a person's decision."""
        adopted, doubtful = [], []
        for order in orders:
            match = self.matches[ORDERS][order.document.native_id]
            step = next((step for step in order.steps if step.name == kind.entity), None)
            document = self._document(kind, order)
            if step is not None and _certain(match):
                link = self._link(kind.entity, match, scope=order.record.scope)
                adopted.append(AdoptedDocument(document=document, step=step, receipt=_receipt(match), link=link))
            elif match.certainty is Certainty.DOUBTFUL:
                reason = (
                    f"{self.route.erp} has {', '.join(match.target_ids)} with this number, but {match.why}: link it "
                    f"(erp-sync adopt {self.route.name} --apply --link {match.natural_key}=ID), retry or dismiss"
                )
                doubtful.append((document, reason))
        ledger = self.here.ledger.adopting
        try:
            done = ledger.documents(self.route.name, kind.name, adopted, who)
        except CrossReferenceConflict as conflict:
            self.conflicts.append(str(conflict))
            return
        doubted = ledger.doubt(self.route.name, kind.name, doubtful, DOUBTFUL, who)
        self.orders += done.new
        self.doubtful += doubted.new
        self.under_way += [*done.under_way, *doubted.under_way]

    def _document(self, kind: FlowKind, order: _Order) -> NewDelivery:
        """As the transformation would hand it in."""
        logic, document, record = flow_module(kind.name, "transform"), order.document, order.record
        return NewDelivery(
            key=EntityKey(self.route.store, record.scope, kind.entity, record.native_id),
            target=self.route.erp,
            version=record.version,
            source_time=record.source_time,
            payload=logic.encode(document),
            number=document.number,
            lane="now",
            concerns=logic.concerns(document),
            facts={"content": logic.content(document), **logic.facts(document)},
        )

    def _link(self, entity: str, match: Match, scope: str = "") -> Link:
        return Link(
            entity=entity,
            connection_a=self.route.store,
            scope_a=scope,
            id_a=match.native_id,
            connection_b=self.route.erp,
            id_b=match.target_ids[0],
            origin="adopted",
        )

    def _linked(self, links: list[Link], link: Callable[[list[Link]], int]) -> int:
        try:
            return link(links) if links else 0
        except CrossReferenceConflict as conflict:
            self.conflicts.append(str(conflict))
            return 0

    def report(self, since: datetime, apply: bool) -> AdoptionReport:
        counts = {
            what: dict(Counter("ours" if match.ours else match.certainty.value for match in matches.values()))
            for what, matches in self.matches.items()
        }
        order = (Certainty.DOUBTFUL, Certainty.MISSING, Certainty.CERTAIN)
        shown = [match for matches in self.matches.values() for match in matches.values() if not match.ours]
        applied = Applied(
            orders=self.orders,
            customers=self.customers,
            items=self.items,
            doubtful=self.doubtful,
            under_way=self.under_way,
            conflicts=self.conflicts,
        )
        return AdoptionReport(
            route=self.route.name,
            store=self.route.store,
            erp=self.route.erp,
            since=since,
            counts=counts,
            matches=sorted(shown, key=lambda match: order.index(match.certainty)),
            unreadable=self.unreadable,
            applied=applied if apply else None,
        )


def _certain(match: Match) -> bool:
    return match.certainty is Certainty.CERTAIN and len(match.target_ids) == 1


def _receipt(match: Match) -> Receipt:
    return Receipt(target_id=match.target_ids[0], existed=True, values={"adopted": match.why})
