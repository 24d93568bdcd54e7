"""Two owners, crashes, retries, unknown outcomes, in any order: what must always hold.

A model of the target says what really happened there: a request may be applied although its answer was
lost, and also later, within its settle time, after its sender died. The machine compares the ledger with
that truth, not with a second ledger.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from erp_sync.ledger import AlreadyConfirmed, Change, Claim, KeyBusy, LeaseLost, Ledger, State, StepState, WrongState
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, Clock, accept, claim, document, empty, key, step

LEASE = 30
SETTLE = 20
NATIVE_IDS = ("1", "2", "3")
#: The same customer for two orders: keys collide often.
CUSTOMER = {"1": "customer-a", "2": "customer-a", "3": "customer-b"}
OWNERS = ("run-1:100", "run-2:200")


class Flight:
    """A request at the target: it may be applied until `until`, whatever its sender knows."""

    def __init__(self, target_key: str, until: datetime) -> None:
        self.key, self.until = target_key, until
        self.applied = False


class Deliveries(RuleBasedStateMachine):
    url = ""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.ledger = Ledger.open(self.url, self.clock)
        empty(self.ledger)
        self.claims: dict[str, list[Claim]] = {owner: [] for owner in OWNERS}
        self.flights: list[Flight] = []
        self.created: dict[str, int] = {}
        self.versions: dict[str, int] = {}
        self.accepted: set[int] = set()

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()

    # What may happen

    @rule(native_id=st.sampled_from(NATIVE_IDS))
    def a_new_version_comes(self, native_id: str) -> None:
        version = self.versions.get(native_id, 0) + 1
        self.versions[native_id] = version
        (result,) = accept(
            self.ledger,
            document(
                native_id, str(version), source_time=self.clock(), operation="update" if version > 1 else "create"
            ),
        )
        assert result.change in (Change.NEW, Change.REPLACED, Change.FOLLOW_UP)
        self.accepted.add(result.id)

    @rule(owner=st.sampled_from(OWNERS), limit=st.integers(1, 3))
    def an_owner_claims(self, owner: str, limit: int) -> None:
        self.claims[owner] += claim(self.ledger, limit, owner, LEASE)

    @rule(seconds=st.sampled_from((1, 9, SETTLE, LEASE)))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: any(self.claims.values()))
    @rule(data=st.data())
    def an_owner_dies(self, data: st.DataObject) -> None:
        """What it has sent goes on at the target."""
        owner = data.draw(st.sampled_from([owner for owner, held in self.claims.items() if held]))
        self.claims[owner] = []

    @precondition(lambda self: any(self.claims.values()))
    @rule(data=st.data(), end=st.sampled_from(("applied", "lost", "lost", "refused", "not_sent", "crash", "beat")))
    def an_owner_goes_on(self, data: st.DataObject, end: str) -> None:
        owner = data.draw(st.sampled_from([owner for owner, held in self.claims.items() if held]))
        mine = data.draw(st.sampled_from(self.claims[owner]))
        alive = self._alive(mine)
        try:
            if end == "beat":
                assert bool(self.ledger.deliveries.heartbeat([mine], LEASE)) == alive
            else:
                self._go_on(mine, end)
        except LeaseLost:
            # Refused although nobody took it: only to send on a lease that has ended.
            assert not alive or self.ledger.deliveries.get(mine.id).due_at <= self.clock()
        else:
            assert alive or end == "beat"
        if not self._alive(mine):
            self.claims[owner].remove(mine)

    @rule()
    def the_target_applies_late(self) -> None:
        for flight in self.flights:
            if not flight.applied and self.clock() < flight.until:
                self._apply(flight)

    @precondition(lambda self: self._state(State.DEAD))
    @rule()
    def a_person_retries(self) -> None:
        self.ledger.dead_letters.retry(flow=FLOW, who="ann")

    @precondition(lambda self: self._state(State.DEAD))
    @rule()
    def a_person_dismisses(self) -> None:
        self.ledger.dead_letters.dismiss(self._state(State.DEAD)[:1], who="ann", why="entered by hand")

    # The owner's work, as the flows do it

    def _go_on(self, mine: Claim, end: str) -> None:
        native_id = mine.delivery.key.native_id
        planned = [step("customer", CUSTOMER[native_id]), step("order", f"order-{native_id}-{mine.delivery.sequence}")]
        rows = self.ledger.steps.plan(mine, planned)
        row = next((row for row in rows if row.state is not StepState.CONFIRMED), None)
        if row is None:
            self.ledger.deliveries.complete(mine)
            return
        if row.state is StepState.UNKNOWN and not self._found(mine, row.name, row.key):
            return
        try:
            self.ledger.steps.begin(mine, row.name, settle_seconds=SETTLE)
        except AlreadyConfirmed as already:
            assert self.created[row.key] == 1
            self.ledger.steps.confirm(mine, row.name, already.receipt)
            return
        except KeyBusy as busy:
            self._busy(mine, busy)
            return
        except WrongState as wrong:
            self._forgotten(mine, row.name, wrong)
            return
        in_flight = [flight for flight in self.flights if flight.key == row.key and self.clock() < flight.until]
        assert in_flight == [], "two sends of one key in flight"
        flight = Flight(row.key, self.clock() + timedelta(seconds=SETTLE))
        if end in ("applied", "lost", "crash"):
            self.flights.append(flight)
        if end == "applied":
            self._apply(flight)
            self.ledger.steps.confirm(mine, row.name, Receipt(target_id=row.key))
        elif end == "lost":
            self.ledger.steps.unknown(mine, row.name, "read timeout")
            self.ledger.deliveries.later(mine, flight.until, "settling")
        elif end == "refused":
            self.ledger.steps.refuse(mine, row.name, "unknown_item", "no such item")
            self.ledger.deliveries.dead(mine, "unknown_item", "no such item")
        elif end == "not_sent":
            self.ledger.steps.not_sent(mine, row.name, "no connection")
            self.ledger.deliveries.later(mine, self.clock() + timedelta(seconds=1), "no connection")

    def _busy(self, mine: Claim, busy: KeyBusy) -> None:
        assert busy.until > self.clock() or busy.why == "in flight"
        self.ledger.deliveries.later(mine, max(busy.until, self.clock()), "busy")

    def _forgotten(self, mine: Claim, name: str, wrong: WrongState) -> None:
        """The same owner comes back to a step that it had left in the middle."""
        assert wrong.state == "sending"
        self.ledger.steps.unknown(mine, name, "the sender forgot")

    def _found(self, mine: Claim, name: str, target_key: str) -> bool:
        """Ask the target; True where the step may be sent again."""
        if self.created.get(target_key):
            self.ledger.steps.confirm(mine, name, Receipt(target_id=target_key, existed=True))
            return False
        try:
            self.ledger.steps.absent(mine, name)
        except KeyBusy as busy:
            self.ledger.deliveries.later(mine, busy.until, "settling")
            return False
        return True

    def _apply(self, flight: Flight) -> None:
        flight.applied = True
        self.created[flight.key] = self.created.get(flight.key, 0) + 1

    def _alive(self, mine: Claim) -> bool:
        now = self.ledger.deliveries.get(mine.id)
        return now.state is State.CLAIMED and (now.owner, now.fencing) == (mine.owner, mine.fencing)

    def _state(self, state: State) -> list[int]:
        if not hasattr(self, "ledger"):
            return []
        return sorted(one.id for one in self.ledger.deliveries.find(states=[state]))

    # What must always hold

    @invariant()
    def nothing_is_created_twice(self) -> None:
        assert all(count == 1 for count in getattr(self, "created", {}).values())

    @invariant()
    def nothing_accepted_is_lost(self) -> None:
        if not hasattr(self, "ledger"):
            return
        found = {one.id: one for one in self.ledger.deliveries.find(limit=1000)}
        assert set(found) == self.accepted
        for one in found.values():
            pending = one.state in (State.DUE, State.CLAIMED) or (one.state is State.WAITING and one.follows)
            assert (one.due_at is not None) == (one.state in (State.DUE, State.CLAIMED))
            assert pending or one.state in (State.DELIVERED, State.DEAD, State.DISMISSED)
            if one.state is State.WAITING:
                assert found[one.follows].state not in (State.DELIVERED, State.DISMISSED), "nobody released it"

    @invariant()
    def the_last_delivery_has_the_newest_version(self) -> None:
        if hasattr(self, "ledger") and self.versions:
            latest = self.ledger.deliveries.latest(ROUTE, FLOW, ERP, [key(one) for one in self.versions])
            assert {one.native_id: int(row.version) for one, row in latest.items()} == self.versions

    @invariant()
    def what_is_delivered_is_at_the_target(self) -> None:
        if not hasattr(self, "ledger"):
            return
        for delivery_id in self._state(State.DELIVERED):
            for row in self.ledger.steps.of(delivery_id):
                assert self.created.get(row.key) == 1


@pytest.mark.timeout(120)
def test_deliveries_in_any_order(shared_url: str):
    machine = type("Machine", (Deliveries,), {"url": shared_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
