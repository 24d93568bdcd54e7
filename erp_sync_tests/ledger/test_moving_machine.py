"""Shipments and stock writes of the same keys in any order, with crashes and lost answers: never too much stock.

The shop of the model counts what shipments really took from each key. A stock row carries how many of them its
comparison believed to be booked: applied where the shop has booked more, it would put back what has left. A
comparison looks at one time and plans at another, a read begins and ends, a request is applied when it likes
within its settle time: between all of these the other side goes on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from erp_sync.ledger import Claim, KeyBusy, KnownRow, LeaseLost, Ledger, State, StepState, WrongState
from erp_sync.ledger.known_state import order_of
from erp_sync.ledger.plans import NewPlan, PlanRow
from erp_sync.ledger.rows import ClaimedRow, RowClaim
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import FLOW, ROUTE, Clock, accept, claim, document, empty, step

SHOP, STOCK, KEYS = "magento_us", "stock_level", ("A", "B")
INVENTORY = "inventory"
LEASE, SETTLE = 30, 45
ENDS = ("applied", "applied", "applied", "lost", "refused", "not_sent", "crash")
BELIEVED_BOOKED = (StepState.CONFIRMED, StepState.SENDING, StepState.UNKNOWN)


class Flight:
    """A request at the shop: it may be applied until `until`, whatever its sender knows."""

    def __init__(self, until: datetime) -> None:
        self.until = until
        self.over = False


class Moving(Flight):
    def __init__(self, number: str, keys: tuple[str, ...], until: datetime) -> None:
        super().__init__(until)
        self.number, self.keys = number, keys


class Writing(Flight):
    def __init__(self, row: ClaimedRow, until: datetime) -> None:
        super().__init__(until)
        self.key, self.believed = row.key, int(row.after or 0)


class Look(NamedTuple):
    """What a comparison has seen."""

    at: datetime
    believed: dict[str, int]
    known: dict[str, KnownRow]


class ShipmentsAndStock(RuleBasedStateMachine):
    url = ""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.ledger = Ledger.open(self.url, self.clock)
        empty(self.ledger)
        self.moved: dict[str, tuple[str, ...]] = {}
        self.booked: dict[str, int] = {}
        self.held = dict.fromkeys(KEYS, 0)
        self.flights: list[Flight] = []
        self.claims: list[Claim] = []
        self.rows: RowClaim | None = None
        self.looks: list[Look] = []
        self.reads: list[tuple[datetime, dict[str, int]]] = []
        self.ledger.known.write(SHOP, STOCK, [KnownRow(key=key, value="0") for key in KEYS])
        self.clock.advance(1)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self._comes_to_rest()
            self.ledger.close()

    # The world. Steps in which nothing can happen are left out.

    @rule(keys=st.sampled_from((("A",), ("B",), ("A", "B"))))
    def something_is_shipped(self, keys: tuple[str, ...]) -> None:
        number = str(len(self.moved) + 1)
        self.moved[number] = keys
        accept(self.ledger, document(number))

    @rule(seconds=st.sampled_from((1, 9, LEASE, SETTLE)))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self._under_way())
    @rule()
    def the_shop_applies_late(self) -> None:
        for flight in self._under_way():
            self._apply(flight)

    # Shipments

    @precondition(lambda self: self.claims)
    @rule()
    def the_shipments_worker_dies(self) -> None:
        self.claims = []

    @rule(end=st.sampled_from(ENDS))
    def a_shipment_goes_on(self, end: str) -> None:
        if not self.claims:
            self.claims = claim(self.ledger, 2, "run-1:1", LEASE)
        for mine in list(self.claims):
            try:
                done = self._ship(mine, end)
            except LeaseLost:
                done = True
            if done:
                self.claims.remove(mine)

    def _ship(self, mine: Claim, end: str) -> bool:
        """True where the claim ends."""
        number = mine.delivery.number.removeprefix("N")
        steps, deliveries = self.ledger.steps, self.ledger.deliveries
        (row,) = steps.plan(mine, [step("shipment", f"shipment-{number}")])
        if row.state is StepState.UNKNOWN:
            if self.booked.get(number):
                steps.confirm(mine, "shipment", Receipt(target_id=number, existed=True))
                deliveries.complete(mine)
                return True
            try:
                steps.absent(mine, "shipment")
            except KeyBusy as busy:
                deliveries.later(mine, busy.until, "settling")
                return True
        keys = self.moved[number]
        try:
            steps.begin(mine, "shipment", settle_seconds=SETTLE, moves=[(SHOP, STOCK, keys)])
        except KeyBusy as busy:
            deliveries.later(mine, busy.until, str(busy))
            return True
        except WrongState:
            steps.unknown(mine, "shipment", "the sender forgot")
            return False
        assert not self._on_their_way(Writing, keys), "a stock row is at the shop"
        flight = Moving(number, keys, self.clock() + timedelta(seconds=SETTLE))
        self.flights.append(flight)
        if end == "applied":
            self._apply(flight)
            steps.confirm(mine, "shipment", Receipt(target_id=number))
            deliveries.complete(mine)
        elif end == "lost":
            deliveries.later(mine, steps.unknown(mine, "shipment", "read timeout"), "settling")
        elif end == "refused":
            flight.over = True
            steps.refuse(mine, "shipment", "no", "no")
            deliveries.later(mine, self.clock() + timedelta(seconds=2), "no")
        elif end == "not_sent":
            flight.over = True
            steps.not_sent(mine, "shipment", "no connection")
            deliveries.later(mine, self.clock() + timedelta(seconds=1), "no connection")
        return end != "crash"

    @rule(keys=st.sampled_from((("A",), ("A", "B"))), end=st.sampled_from(ENDS))
    def one_more_is_shipped_at_once(self, keys: tuple[str, ...], end: str) -> None:
        self.something_is_shipped(keys)
        self.a_shipment_goes_on(end)

    # Stock

    @rule(end=st.sampled_from(ENDS))
    def stock_is_compared_and_written_at_once(self, end: str) -> None:
        self.a_comparison_looks()
        self.it_sees_what_is_known()
        self.it_plans()
        self.a_stock_worker_claims()
        self.it_writes(end)

    @rule()
    def a_comparison_looks(self) -> None:
        """What was booked is looked at first, what the shop is known to have a little later."""
        at = self.ledger.now()
        found = self.ledger.deliveries.find(flow=FLOW, limit=1000)
        numbers = {one.id: one.number.removeprefix("N") for one in found}
        believed = dict.fromkeys(KEYS, 0)
        for delivery_id, steps in self.ledger.steps.of_all(list(numbers)).items():
            if any(one.state in BELIEVED_BOOKED for one in steps):
                for key in self.moved[numbers[delivery_id]]:
                    believed[key] += 1
        self.looks.append(Look(at, believed, {}))

    @precondition(lambda self: self.looks)
    @rule()
    def it_sees_what_is_known(self) -> None:
        for look in self.looks:
            if not look.known:
                look.known.update({key: row for (_, key), row in self.ledger.known.get(SHOP, STOCK, KEYS).items()})

    @precondition(lambda self: any(look.known for look in self.looks))
    @rule()
    def it_plans(self) -> None:
        for look in self.looks:
            if look.known:
                self._plan(look)
        self.looks = [look for look in self.looks if not look.known]

    def _plan(self, look: Look) -> None:
        rows = [
            PlanRow(
                key=key,
                before=row.value,
                after=str(look.believed[key]),
                source_order=order_of(look.at),
            )
            for key, row in look.known.items()
            if row.sure and row.source_order <= order_of(look.at)
        ]
        with self.ledger.handling(ROUTE, INVENTORY, "run-0") as work:
            compared = [row.key for row in rows]
            work.add_plan(
                NewPlan(
                    entity=STOCK,
                    target=SHOP,
                    rows=rows,
                    compared=compared,
                    seen_at=look.at,
                    order=order_of(look.at),
                )
            )

    @rule()
    def a_stock_worker_claims(self) -> None:
        self.rows = self.ledger.plans.claim(ROUTE, INVENTORY, SHOP, owner="run-2:1", lease_seconds=LEASE)

    @precondition(lambda self: self.rows is not None)
    @rule(end=st.sampled_from(ENDS))
    def it_writes(self, end: str) -> None:
        mine, self.rows = self.rows, None
        if mine is None:
            return
        plans = self.ledger.plans
        try:
            rows = plans.begin(mine, SETTLE)
        except LeaseLost:
            return
        flights = [Writing(row, self.clock() + timedelta(seconds=SETTLE)) for row in rows]
        for flight in flights:
            assert not self._on_their_way(Moving, (flight.key,)), "a shipment is at the shop"
        self.flights += flights
        if not rows or end == "crash":
            return
        if end == "applied":
            for flight in flights:
                self._apply(flight)
            plans.applied(mine, rows)
        elif end == "lost":
            plans.unknown(mine, rows, "read timeout")
        else:
            for flight in flights:
                flight.over = True
            if end == "refused":
                plans.refused(mine, [(row, "no", "no") for row in rows])
            else:
                plans.not_sent(mine, rows, "no connection")

    @rule()
    def a_read_begins(self) -> None:
        self.reads.append((self.clock(), dict(self.held)))

    @precondition(lambda self: self.reads)
    @rule()
    def it_ends(self) -> None:
        for started, values in self.reads:
            self.ledger.known.read(
                SHOP, STOCK, [KnownRow(key=key, value=str(one)) for key, one in values.items()], started
            )
        self.reads = []

    # The shop

    def _under_way(self) -> list[Flight]:
        return [one for one in self.flights if not one.over and self.clock() < one.until]

    def _apply(self, flight: Flight) -> None:
        flight.over = True
        if isinstance(flight, Moving):
            self.booked[flight.number] = self.booked.get(flight.number, 0) + 1
            assert self.booked[flight.number] == 1, "booked twice"
        elif isinstance(flight, Writing):
            booked = sum(1 for number in self.booked if flight.key in self.moved[number])
            assert flight.believed >= booked, "stock that has left was put back"
            self.held[flight.key] = flight.believed

    def _on_their_way(self, kind: type[Flight], keys: tuple[str, ...]) -> list[Flight]:
        self.flights = self._under_way()
        return [
            one
            for one in self.flights
            if isinstance(one, kind) and set(one.keys if isinstance(one, Moving) else [one.key]) & set(keys)
        ]

    def _comes_to_rest(self) -> None:
        """With workers that work, everything is delivered, and the shop gets what it should have."""
        self.claims, self.rows, self.looks, self.reads = [], None, [], []
        for _ in range(60):
            if self._at_rest():
                return
            self.clock.advance(20)
            self.a_shipment_goes_on("applied")
            self.a_read_begins()
            self.clock.advance(1)
            self.it_ends()
            self.a_comparison_looks()
            self.it_sees_what_is_known()
            self.clock.advance(1)
            self.it_plans()
            self.a_stock_worker_claims()
            self.it_writes("applied")
        raise AssertionError("shipments and stock keep each other waiting")

    def _at_rest(self) -> bool:
        delivered = all(one.state is State.DELIVERED for one in self.ledger.deliveries.find(limit=1000))
        sure = all(row.sure for row in self.ledger.known.get(SHOP, STOCK, KEYS).values())
        right = {key: sum(1 for keys in self.moved.values() if key in keys) for key in KEYS}
        return delivered and sure and self.held == right


@pytest.mark.timeout(300)
def test_shipments_and_stock_in_any_order(shared_url: str):
    machine = type("Machine", (ShipmentsAndStock,), {"url": shared_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=18 if shared_url.startswith("sqlite") else 7,
            stateful_step_count=24,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
