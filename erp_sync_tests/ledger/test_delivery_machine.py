"""Two workers, crashes, retries, unknown outcomes, in any order: what must always hold.

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

from erp_sync.ledger import (
    AlreadyConfirmed,
    Change,
    Claim,
    Delivery,
    KeyBusy,
    LeaseLost,
    Ledger,
    State,
    StepState,
    WrongState,
)
from erp_sync.ledger.sending import LOOK_FIRST
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import FLOW, Clock, accept, claim, document, empty, step

LEASE = 30
SETTLE = 45
NATIVE_IDS = ("1", "2", "3")
#: The same customer for two orders: keys collide often.
CUSTOMER = {"1": "customer-a", "2": "customer-a", "3": "customer-b"}
#: Two threads of one run: only the fencing number tells their claims apart.
OWNER = "run-1:100"
WORKERS = (0, 1)
#: How a turn of a worker ends; a crash leaves the step in sending.
ENDS = ("applied", "applied", "applied", "lost", "lost", "refused", "not_sent", "crash", "beat")

WORK = st.lists(st.sampled_from(ENDS), min_size=1, max_size=4)


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
        self.claims: dict[int, list[Claim]] = {worker: [] for worker in WORKERS}
        self.flights: list[Flight] = []
        self.created: dict[str, int] = {}
        self.versions: dict[str, int] = {}
        self.accepted: set[int] = set()
        self.untouched = False
        self.found: dict[int, Delivery] = {}
        for native_id in NATIVE_IDS:
            self.a_new_version_comes(native_id)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()

    # What may happen

    @rule(native_id=st.sampled_from(NATIVE_IDS))
    def a_new_version_comes(self, native_id: str) -> None:
        version = self.versions.get(native_id, 0) + 1
        self.versions[native_id] = version
        operation = "update" if version > 1 else "create"
        (result,) = accept(
            self.ledger, document(native_id, str(version), source_time=self.clock(), operation=operation)
        )
        assert result.change in (Change.NEW, Change.REPLACED, Change.FOLLOW_UP)
        self.accepted.add(result.id)

    @rule(seconds=st.sampled_from((1, 9, LEASE, SETTLE)))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.untouched = True

    # Steps in which nothing can happen are left out: most would be such.

    def _has_work(self, *workers: int) -> bool:
        due = (one.due_at for one in self.found.values())
        return any(self.claims[worker] for worker in workers) or any(at and at <= self.clock() for at in due)

    @precondition(lambda self: any(self.claims.values()))
    @rule(worker=st.sampled_from(WORKERS))
    def a_worker_dies(self, worker: int) -> None:
        """What it has sent goes on at the target."""
        self.claims[worker] = []
        self.untouched = True

    @precondition(lambda self: self._has_work(0))
    @rule(ends=WORK)
    def the_first_worker_works(self, ends: list[str]) -> None:
        self._work(0, ends)

    @precondition(lambda self: self._has_work(1))
    @rule(ends=WORK)
    def the_second_worker_works(self, ends: list[str]) -> None:
        self._work(1, ends)

    @precondition(lambda self: self._has_work(*WORKERS))
    @rule(worker=st.sampled_from(WORKERS), ends=WORK)
    def a_worker_sleeps_and_the_other_takes_over(self, worker: int, ends: list[str]) -> None:
        """Then it wakes and goes on, as if nothing had happened."""
        self.clock.advance(LEASE)
        self.claims[1 - worker] = []
        self._work(1 - worker, ends)
        self._work(worker, ends)

    @precondition(lambda self: self._under_way())
    @rule()
    def the_target_applies_late(self) -> None:
        for flight in self._under_way():
            self._apply(flight)

    @precondition(lambda self: self._dead_letters())
    @rule()
    def a_person_retries(self) -> None:
        self.ledger.dead_letters.retry(flow=FLOW, who="ann")

    @precondition(lambda self: self._dead_letters())
    @rule()
    def a_person_dismisses(self) -> None:
        self.ledger.dead_letters.dismiss(self._dead()[:1], who="ann", why="entered by hand")

    def _under_way(self) -> list[Flight]:
        return [one for one in self.flights if not one.applied and self.clock() < one.until]

    def _dead_letters(self) -> bool:
        return any(one.state is State.DEAD for one in self.found.values())

    def _work(self, worker: int, ends: list[str]) -> None:
        """Claims where it holds nothing, then goes on with what it holds, also where its lease has ended."""
        if not self.claims[worker]:
            self.claims[worker] = claim(self.ledger, 2, OWNER, LEASE)
        for end in ends:
            for mine in list(self.claims[worker]):
                self._turn(worker, mine, end)

    def _turn(self, worker: int, mine: Claim, end: str) -> None:
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
            self.claims[worker].remove(mine)

    # The work, as the flows do it

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
            self.flights = [one for one in self.flights if one.until > self.clock()]
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
        assert busy.until > self.clock() or busy.why in ("in flight", LOOK_FIRST)
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

    def _dead(self) -> list[int]:
        return [one.id for one in self.ledger.dead_letters.find()]

    # What must always hold

    @invariant()
    def the_ledger_and_the_target_agree(self) -> None:
        if not hasattr(self, "ledger"):
            return
        if self.untouched:
            self.untouched = False
            return  # neither the ledger nor the target has heard of it
        assert all(count == 1 for count in self.created.values()), "created twice"
        self.found = found = {one.id: one for one in self.ledger.deliveries.find(limit=1000)}
        assert set(found) == self.accepted, "accepted and lost"
        for one in found.values():
            self._is_pending_or_done(one, found)
        newest: dict[str, Delivery] = {}
        for _, one in sorted(found.items()):
            newest[one.key.native_id] = one
        assert {name: int(one.version) for name, one in newest.items()} == self.versions
        delivered = [one.id for one in found.values() if one.state is State.DELIVERED]
        for rows in self.ledger.steps.of_all(delivered).values():
            assert all(self.created.get(row.key) == 1 for row in rows), "delivered, and not at the target"

    def _is_pending_or_done(self, one: Delivery, found: dict[int, Delivery]) -> None:
        assert (one.due_at is not None) == (one.state in (State.DUE, State.CLAIMED))
        if one.state is State.WAITING:
            assert found[one.follows].state not in (State.DELIVERED, State.DISMISSED), "nobody released it"
        else:
            assert one.state in (State.DUE, State.CLAIMED, State.DELIVERED, State.DEAD, State.DISMISSED)


@pytest.mark.timeout(120)
def test_deliveries_in_any_order(shared_url: str):
    machine = type("Machine", (Deliveries,), {"url": shared_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            # On SQLite it looks deep, on PostgreSQL that the same holds there.
            max_examples=22 if shared_url.startswith("sqlite") else 8,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
