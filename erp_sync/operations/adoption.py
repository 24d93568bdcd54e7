"""First connection: what the ERP holds already is found by natural keys and linked, never created again.

Orders, their payments, customers and items. Finding reads both systems and changes nothing; applying writes the
ledger, and the ERP only where asked to set our external ids. What is doubtful is left to a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.components.documents import adoption_of, flow_module, tell_of_adopted
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.flows.orders.first_look import customer_id, doubt_words, link_customer, taken
from erp_sync.ledger import Link, NewDelivery
from erp_sync.ledger.adopting import AdoptedDocument
from erp_sync.ledger.errors import CrossReferenceConflict
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.operations.adoption_report import AdoptionReport, Applied, Unreadable
from erp_sync.operations.choosing import CannotDo, connector
from erp_sync.operations.choosing import flow as flow_of
from erp_sync.ports.adoption import DOUBTFUL_MATCH, Adoption, Certainty, Match
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import CallFailed, Receipt
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord, Window

Progress = Callable[[str, int, int], None]

# Documents whose natural keys are looked for together.
BATCH = 200
RUN = "adopt"
ORDERS, PAYMENTS, CUSTOMERS, ITEMS = "orders", "payments", "customers", "items"


class _Order(msgspec.Struct):
    """`there`: of a certain one, receipts by step."""

    record: RawRecord
    document: Any
    steps: list[Step]
    there: dict[str, Receipt] = {}


def adopt(
    here: Installation,
    route: RouteSpec,
    *,
    apply: bool,
    since: datetime | None = None,
    links: Mapping[str, str] = {},
    write_external_ids: bool = False,
    who: str,
    progress: Progress = lambda what, done, total: None,
) -> AdoptionReport:
    """Look for everything that the store's orders since `since` (default: the start of the flow) refer to.

    Args:
        links: a person's word: order number, or a customer's e-mail address, to the id that it has in the ERP.
        write_external_ids: set our external id on certain orders and customers that have none. The ERP then refuses
            a second record itself, and recognises the store's orders without the cross references.

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
    adoption = adoption_of(here, route)
    if adoption is None:
        raise CannotDo(f"{route.erp} cannot be searched by natural keys: its connector offers no adoption")
    port = flow_module("orders", "transform").target(target)
    found = _Found(here, route, adoption, links)
    with call_context(run_id=RUN, lane="bulk", route=route.name, flow="orders"):
        now = here.ledger.now()
        ids = list(source.created(Window(start=since, end=now)))
        for start in range(0, len(ids), BATCH):
            progress("orders of the store", start, len(ids))
            some = list(_orders(here, route, source, port, ids[start : start + BATCH], found))
            found.look(some)
            if apply:
                found.apply(kind, flow, some, who)
            if apply and write_external_ids:
                found.write_external_ids(some)
        progress("orders of the store", len(ids), len(ids))
    if apply:
        found.told_again = tell_of_adopted(here, route) if found.orders else 0
        if since <= (flow.start or since):
            here.ledger.adopting.finished(route.name, route.erp, now)
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

    def __init__(self, here: Installation, route: RouteSpec, adoption: Adoption, links: Mapping[str, str]) -> None:
        self.here, self.route, self.adoption, self.links = here, route, adoption, links
        self.matches: dict[str, dict[str, Match]] = {ORDERS: {}, CUSTOMERS: {}, ITEMS: {}}
        self.payments: Counter[str] = Counter()
        self.external_ids = self.told_again = 0
        self.not_written: list[str] = []
        self.unreadable: list[Unreadable] = []
        self.orders = self.customers = self.items = self.doubtful = 0
        self.under_way: list[str] = []
        self.conflicts: list[str] = []

    def look(self, orders: Sequence[_Order]) -> None:
        """Search for what is not known yet: one query for many keys."""
        documents = [order.document for order in orders]
        skus = sorted({line.sku for document in documents for line in document.lines} - set(self.matches[ITEMS]))
        found = self.adoption.orders(documents) if documents else []
        for what, matches in (
            (ORDERS, taken(self.here.ledger, found, self.route.store, self.route.erp)),
            (CUSTOMERS, self.adoption.customers(documents) if documents else []),
            (ITEMS, self.adoption.items(skus) if skus else []),
        ):
            self.matches[what] |= {match.native_id: match for match in matches}
        for document in documents:
            self._told(ORDERS, Entity.SALES_ORDER, document.native_id, document.number)
            self._told(CUSTOMERS, Entity.CUSTOMER, customer_id(document), document.customer.email.strip().lower())
        self._look_at_payments(orders)

    def _told(self, what: str, entity: str, native_id: str, natural_key: str) -> None:
        """A person's word for it."""
        target_id = self.links.get(natural_key)
        if target_id is None:
            return
        before = self.matches[what].get(native_id)
        self.matches[what][native_id] = Match(
            entity=entity,
            native_id=native_id,
            natural_key=natural_key,
            certainty=Certainty.CERTAIN,
            target_ids=(target_id,),
            bare=before is not None and before.bare and before.target_ids == (target_id,),
            why="linked by a person",
            receipt=Receipt(target_id=target_id, existed=True, values={"adopted": "linked by a person"}),
        )

    def _look_at_payments(self, orders: Sequence[_Order]) -> None:
        certain = [(order, self.matches[ORDERS][order.document.native_id]) for order in orders]
        certain = [(order, match) for order, match in certain if match.certain]
        if not certain:
            return
        holdings = self.adoption.holdings([(order.document, order.steps, match) for order, match in certain])
        for (order, match), there in zip(certain, holdings, strict=True):
            order.there = there
            for name, receipt in there.items():
                if name != Entity.SALES_ORDER:
                    self.payments["ours" if match.ours else "certain" if receipt.target_id else "missing"] += 1

    def apply(self, kind: FlowKind, flow: FlowSpec, orders: Sequence[_Order], who: str) -> None:
        """Link what is certain."""
        self._link_items(orders)
        self._link_customers(orders)
        self._link_orders(kind, orders, who)

    def _link_items(self, orders: Sequence[_Order]) -> None:
        skus = {line.sku for order in orders for line in order.document.lines}
        certain = [match for sku in sorted(skus) if (match := self.matches[ITEMS][sku]).certain]
        links = [self._link(Entity.PRODUCT, match) for match in certain]
        self.items += self._linked(links, self.here.ledger.cross_references.link)

    def _link_customers(self, orders: Sequence[_Order]) -> None:
        """Their step comes back confirmed for every order of theirs."""
        for order in orders:
            match = self.matches[CUSTOMERS].get(customer_id(order.document))
            step = next((step for step in order.steps if step.name == Entity.CUSTOMER), None)
            if match is not None and step is not None and match.certain:
                store, erp = self.route.store, self.route.erp
                told = match.natural_key in self.links
                self.customers += link_customer(
                    self.here.ledger, store, erp, step.key, step.operation, match, replace=told
                )

    def _link_orders(self, kind: FlowKind, orders: Sequence[_Order], who: str) -> None:
        """Certain ones are done. Doubtful ones are dead letters: to send them is a person's decision."""
        adopted, doubtful = [], []
        for order in orders:
            match = self.matches[ORDERS][order.document.native_id]
            step = next((step for step in order.steps if step.name == kind.entity), None)
            document = self._document(kind, order)
            if step is not None and order.there:
                link = self._link(kind.entity, match, scope=order.record.scope)
                others = [(one, order.there[one.name]) for one in order.steps if one.name in order.there]
                adopted.append(
                    AdoptedDocument(
                        document=document,
                        step=step,
                        receipt=order.there[kind.entity],
                        link=link,
                        others=[(one, receipt) for one, receipt in others if one is not step],
                    )
                )
            elif match.certainty is Certainty.DOUBTFUL:
                doubtful.append((document, doubt_words(self.route.name, self.route.erp, match)))
        ledger = self.here.ledger.adopting
        try:
            done = ledger.documents(self.route.name, kind.name, adopted, who)
        except CrossReferenceConflict as conflict:
            self.conflicts.append(str(conflict))
            return
        doubted = ledger.doubt(self.route.name, kind.name, doubtful, DOUBTFUL_MATCH, who)
        self.orders += done.new
        self.doubtful += doubted.new
        self.under_way += [*done.under_way, *doubted.under_way]

    def write_external_ids(self, orders: Sequence[_Order]) -> None:
        """On certain records that carry none; the step's key is what a send would have written."""
        for order in orders:
            steps = {step.name: step for step in order.steps}
            for what, entity, native_id in (
                (ORDERS, Entity.SALES_ORDER, order.document.native_id),
                (CUSTOMERS, Entity.CUSTOMER, customer_id(order.document)),
            ):
                match, step = self.matches[what].get(native_id), steps.get(entity)
                if match is None or step is None or not (match.certain and match.bare):
                    continue
                try:
                    self.adoption.write_external_id(entity, match.target_ids[0], step.key, order.document.number)
                except CallFailed as failure:
                    self.not_written.append(f"{entity} {match.target_ids[0]} ({match.natural_key}): {failure}")
                else:
                    self.external_ids += 1
                self.matches[what][native_id] = msgspec.structs.replace(match, bare=False)

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
        counts[PAYMENTS] = dict(self.payments)
        order = (Certainty.DOUBTFUL, Certainty.MISSING, Certainty.CERTAIN)
        shown = [match for matches in self.matches.values() for match in matches.values() if not match.ours]
        applied = Applied(
            orders=self.orders,
            customers=self.customers,
            items=self.items,
            doubtful=self.doubtful,
            under_way=self.under_way,
            conflicts=self.conflicts,
            external_ids=self.external_ids,
            not_written=self.not_written,
            told_again=self.told_again,
        )
        return AdoptionReport(
            route=self.route.name,
            store=self.route.store,
            erp=self.route.erp,
            since=since,
            counts=counts,
            matches=sorted(shown, key=lambda match: order.index(match.certainty)),
            unreadable=self.unreadable,
            bare=sum(match.certain and match.bare for match in self.matches[ORDERS].values()),
            applied=applied if apply else None,
        )
