"""Two passes over what a seed left: source against target, record by record, by the sandboxes' checker; then ledger
and lake against both, which the checker does not believe in. What is left to a person is judged in `cases`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.demo.judging import claims
from erp_sync.flows.comparison import value_text
from erp_sync.ledger import Ledger, State
from erp_sync.ledger.plan_values import PlanState
from erp_sync.sandbox.checker import Conventions, Report, SystemFiles, check
from erp_sync.sandbox.evidence import store_evidence
from erp_sync_tests.chaos.cases import Cases, Explaining, capabilities_of
from erp_sync_tests.chaos.house import catalogue, people_of, played
from erp_sync_tests.chaos.staleness import allowed, overstayed, stale_values

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Verdict:
    """What is wrong, each in words; and what erp_sync leaves to a person."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    cases: Counter[str] = field(default_factory=Counter)
    stale_seconds: float = 0.0

    @property
    def good(self) -> bool:
        return not (self.lost or self.duplicated or self.stale or self.unexplained)

    def words(self) -> list[str]:
        return self.proof() + [f"unexplained: {one}" for one in self.unexplained]

    def proof(self) -> list[str]:
        """What the systems themselves show."""
        return [f"{what}: {one}" for what in ("lost", "duplicated", "stale") for one in getattr(self, what)]


class Judged(Protocol):
    """What is asked of a seed's world, in either tier.

    Attributes:
        network: `systems` by name, each with vendor, database, journal and clock.
        pauses: seconds between two looks at the source, by flow of state.
        interruptions: moments at which a process of the product died or stood still, and until which: Unix seconds.
    """

    network: Any
    route: RouteSpec
    pauses: Mapping[str, float]
    interruptions: Sequence[float]

    def installation(self, *, as_shipped: bool = False) -> Installation: ...

    def outside(self, ask: Callable[[], Any]) -> Any: ...


def judge(house: Judged, here: Installation, defects: list[str]) -> Verdict:
    verdict = Verdict(unexplained=list(dict.fromkeys(defects)))
    systems, route = house.network.systems, house.route
    store, erp = (
        SystemFiles(one.database, one.journal.path, one.vendor) for one in (systems[route.store], systems[route.erp])
    )
    conventions = Conventions(external_id=f"{route.store}_{{id}}")
    report = check(store, erp, claims(here), conventions)
    cases = Explaining(house, here, report).look()
    verdict.cases, verdict.unexplained = cases.counted, verdict.unexplained + cases.unexplained
    skewed = any(system.clock.skew for system in systems.values())
    compared(verdict, report, cases, skewed=skewed, prices="prices" in route.flows)
    values = stale_values(store, erp, house.interruptions)
    source, target = (capabilities_of(systems[name].vendor) for name in (route.erp, route.store))
    most = {flow: allowed(flow, source, target, pause) for flow, pause in house.pauses.items()}
    verdict.stale += overstayed(values, most)
    verdict.stale_seconds = max((one.seconds for one in values), default=0.0)
    for system in systems.values():
        verdict.duplicated += getattr(people_of(system.vendor), "twice", lambda _: [])(system.database)
    _deliveries(verdict, here)
    _plans(verdict, here)
    _rows(verdict, house.route, here.ledger)
    _known_state(verdict, house, here)
    _received(verdict, house, here)
    return verdict


def compared(verdict: Verdict, report: Report, cases: Cases, *, skewed: bool, prices: bool = True) -> None:
    """What the checker found, but for what an explained case already says. `prices`: the route moves them."""
    orders, shipments, stock = report.orders, report.shipments, report.stock
    dead = cases.numbers("shipments")
    verdict.lost += [f"order {one} is not in the ERP" for one in orders.lost]
    verdict.lost += [
        f"order {one} is open in the store and given up in the ERP" for one in orders.open_but_closed_in_erp
    ]
    verdict.lost += [f"fulfillment {one} is not in the store" for one in shipments.missing if one not in dead]
    verdict.unexplained += [
        f"fulfillment {one} is another one in the store: {what}"
        for one, what in shipments.differing.items()
        if one not in dead
    ]
    verdict.duplicated += [f"order {one} is in the ERP twice" for one in orders.duplicated]
    verdict.duplicated += [f"a deposit of order {one} is in the ERP twice" for one in orders.deposits_duplicated]
    verdict.duplicated += [f"customer {one} is in the ERP twice" for one in orders.customers_duplicated]
    verdict.duplicated += [f"fulfillment {one} is booked twice" for one in shipments.booked_twice]
    verdict.duplicated += [f"shipment {one} of the store belongs to nothing" for one in shipments.unexplained]
    verdict.duplicated += [f"the mail of fulfillment {one} went out twice" for one in shipments.mails_twice]
    verdict.lost += [
        f"no mail of fulfillment {one} went out"
        for one in shipments.mails_missing
        if one not in dead | {*shipments.missing, *shipments.of_cancelled}
    ]
    verdict.stale += [f"stock of {key} is {there}, not {wanted}" for key, (there, wanted) in stock.mismatches.items()]
    verdict.stale += [
        f"price of {sku} is {there}, not {wanted}" for sku, (there, wanted) in stock.price_mismatches.items() if prices
    ]
    verdict.unexplained += [
        f"{one.what} of order {one.order} is {one.store} in the store and {one.erp} in the ERP"
        for one in orders.differences
    ]
    verdict.unexplained += [f"order {number}: {why}" for number, why in orders.false_claims.items()]
    verdict.unexplained += [f"order {one} of the ERP is nobody's" for one in orders.not_from_store]
    open_orders = cases.numbers("orders")
    verdict.lost += [
        f"the cancellation of order {one}, which is open in the ERP,"
        for one in orders.cancelled_open_in_erp
        if one not in open_orders
    ]
    if not skewed:
        verdict.unexplained += [f"a mail of fulfillment {one} went out early" for one in shipments.mails_early]


def _deliveries(verdict: Verdict, here: Installation) -> None:
    """Nothing is on its way any more."""
    for one in here.ledger.deliveries.find(states=[State.DUE, State.CLAIMED], limit=10_000):
        verdict.unexplained.append(f"{one.flow} {one.number} is still {one.state}: {one.code} {one.reason}")


def _plans(verdict: Verdict, here: Installation) -> None:
    """Nobody is waited for any more."""
    for one in here.ledger.plans.find(states=[PlanState.HELD]):
        verdict.unexplained.append(f"plan {one.id} of {one.flow} still waits for a person: {one.reason}")


def _rows(verdict: Verdict, route: Any, ledger: Ledger) -> None:
    """No row of a plan is on its way, and no value was given up: what is sent in a seed is right."""
    for flow in played(route):
        kind = FLOWS[flow]
        if kind.delivers:
            continue
        target = getattr(route, kind.target)
        for state, count in ledger.plans.pending(route.name, flow, target).items():
            verdict.unexplained.append(f"{count} rows of {flow} are still {state}")
        for one in ledger.plans.refusals(target, kind.entity, BEGINNING).values():
            verdict.unexplained.append(f"{flow} {one.key} was given up as {one.after}: {one.code} {one.message}")


def _known_state(verdict: Verdict, house: Judged, here: Installation) -> None:
    """What is known of the target is what it holds.

    Of articles that the ERP lacks nothing is written, nor asked again when a store that takes its own orders off its
    stock has sold them; nor of an order that nobody could read.
    """
    reader = house.installation(as_shipped=True)
    strange = {item.sku for item in catalogue().items if not item.in_erp} | _unread(house)
    for flow in played(house.route):
        kind = FLOWS[flow]
        if kind.delivers:
            continue
        connection = getattr(house.route, kind.target)
        target: Any = reader.connector_for(house.route, kind.target).port(kind.entity, "target")
        there = house.outside(
            lambda target=target: {
                target.key(row): value_text(target.values(row)) for page in target.snapshot() for row in page
            }
        )
        table = here.ledger.known.table(connection, kind.entity)
        nets = getattr(target, "nets_own_orders", True)
        for key, value in zip(table.column("key").to_pylist(), table.column("value").to_pylist(), strict=True):
            if there.get(key) != value and (nets or target.sku(key) not in strange):
                verdict.unexplained.append(f"{flow} {key} is known as {value}, the target holds {there.get(key)}")


def _unread(house: Judged) -> set[str]:
    """SKUs of orders that were made such that nobody can use them."""
    system = house.network.systems[house.route.store]
    files = SystemFiles(system.database, system.journal.path, system.vendor)
    poisoned = {native_id for _, native_id in getattr(house, "poisoned", ())}
    orders = store_evidence(files).orders() if poisoned else []
    return {line.sku for order in orders if str(order.id) in poisoned for line in order.lines}


def _received(verdict: Verdict, house: Judged, here: Installation) -> None:
    """Every received record lies in the lake where the ledger says, and was handled."""
    import sqlalchemy as sa

    from erp_sync.ledger.schema import received

    with here.ledger.database.read() as read:
        rows = read.execute(
            sa.select(
                received.c.connection, received.c.entity, received.c.native_id, received.c.version,
                received.c.lake_file, received.c.lake_row,
            ).where(received.c.lake_file != "")
        ).all()  # fmt: skip
    files = {row.lake_file for row in rows}
    tables: dict[str, Any] = {}
    for connection, entity in here.lake.entities():
        for entry in here.lake.files(connection, entity):
            if entry.file in files:
                tables[entry.file] = here.lake._read(entry, ["native_id", "version"]).to_pylist()
    for row in rows:
        lines = tables.get(row.lake_file)
        if lines is None:
            verdict.unexplained.append(
                f"{row.entity} {row.native_id} lies in {row.lake_file}, which is not in the lake"
            )
        elif (lines[row.lake_row]["native_id"], lines[row.lake_row]["version"]) != (row.native_id, row.version):
            verdict.unexplained.append(f"{row.entity} {row.native_id} is not row {row.lake_row} of {row.lake_file}")
    for flow in played(house.route):
        kind = FLOWS[flow]
        if here.ledger.any_unhandled(house.route.name, flow, getattr(house.route, kind.source), kind.entity):
            verdict.unexplained.append(f"{flow} has received records that it has not handled")
