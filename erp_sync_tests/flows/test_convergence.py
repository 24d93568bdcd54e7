"""Writing plans: what the store holds afterwards, and what the ledger knows of it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from erp_sync.flows.comparison import value_text
from erp_sync.flows.convergence import Convergence, ConvergenceReport, drain, sending
from erp_sync.ledger import KnownRow, quarantine
from erp_sync.ledger.errors import LeaseLost, LedgerBusy
from erp_sync.ports.leaving import may_leave
from erp_sync.ports.outcomes import Again, CallFailed, NotSent, Refused, Unknown
from erp_sync_tests.flows.shop import ENTITY, ERP, FLOW, ROUTE, SETTLE, STORE, Offer, Shop, know, known, plan
from erp_sync_tests.flows.world import Clock, Killed


@pytest.fixture
def shop() -> Shop:
    return Shop(batch_size=4)


@pytest.fixture
def converge(ledger, shop, clock):
    def run(target: Shop = shop, **more: Any) -> ConvergenceReport:
        return Convergence(
            ledger,
            target,
            route=ROUTE,
            flow=FLOW,
            entity=ENTITY,
            connection=STORE,
            source=ERP,
            owner="run:1",
            clock=clock,
            sleep=lambda _: None,
            **{"senders": 1, **more},
        ).run()

    return run


def test_rows_go_in_batches_of_the_targets_size(ledger, shop, converge):
    plan(ledger, {f"S{number}": number for number in range(10)})
    report = converge()
    assert [len(batch) for batch in shop.batches] == [4, 4, 2]
    assert shop.held == {f"S{number}": number for number in range(10)}
    assert (report.applied, report.batches) == (10, 3)
    assert known(ledger, "S3").value == '{"quantity":3}'


def test_running_again_writes_nothing(ledger, shop, converge):
    plan(ledger, {"A": 1})
    converge()
    assert converge().batches == 0
    assert len(shop.batches) == 1


def test_what_the_target_holds_already_is_not_written(ledger, shop, converge):
    plan(ledger, {"A": 1, "B": 2})
    know(ledger, {"A": 1})
    assert converge().already == 1
    assert shop.batches == [["B"]]


def test_a_row_that_a_newer_version_overtook_is_not_written(ledger, shop, converge):
    plan(ledger, {"A": 1}, order=5)
    know(ledger, {"A": 9}, order=7)
    converge()
    assert shop.batches == []
    assert known(ledger, "A").value == '{"quantity":9}'


def test_a_key_that_became_unknown_since_it_was_planned_is_held_back(ledger, shop, converge, clock):
    know(ledger, {"A": 1})
    plan(ledger, {"A": 2}, order=5)
    ledger.known.mark_unknown(STORE, ENTITY, ["A"], "a shipment was posted")
    assert converge().reasons == {"unsure": 1}
    assert shop.batches == []
    clock.advance(1)
    ledger.known.read(STORE, ENTITY, [known(ledger, "A")], clock())
    clock.advance(31)
    converge()
    assert shop.held == {"A": 2}


def test_a_row_waits_for_its_product_and_nothing_else_does(ledger, shop, converge, clock):
    shop.products = {"B"}
    plan(ledger, {"A": 1, "B": 2})
    report = converge()
    assert (report.waiting, report.applied, report.reasons) == (1, 1, {"missing_product": 1})
    shop.products.add("A")
    clock.advance(3601)
    converge()
    assert shop.held == {"A": 1, "B": 2}


def test_a_refused_batch_is_bisected_until_the_poison_row_stands_alone(ledger, shop, converge):
    shop.poison = {"C"}
    plan(ledger, {"A": 1, "B": 2, "C": 3, "D": 4})
    report = converge()
    assert shop.held == {"A": 1, "B": 2, "D": 4}
    assert (report.applied, report.refused) == (3, 1)
    (row,) = ledger.quarantine.find(flow=FLOW)
    assert (row.native_id, row.rule) == ("C", "bad_row")


def test_a_refused_row_and_its_quarantine_are_one_transaction(ledger, shop, converge, clock, monkeypatch):
    """A crash between them left a refused row that no list shows."""

    def crash(*_):
        raise RuntimeError("killed here")

    shop.poison = {"A"}
    plan(ledger, {"A": 1})
    since = clock()
    with monkeypatch.context() as patched:
        patched.setattr(quarantine, "add", crash)
        with pytest.raises(RuntimeError, match="killed here"):
            converge()
    assert ledger.plans.refusals(STORE, ENTITY, since) == {}
    assert ledger.quarantine.find(flow=FLOW) == []


def test_a_refused_row_is_remembered_so_that_it_is_not_planned_again(ledger, shop, converge, clock):
    shop.poison = {"A"}
    plan(ledger, {"A": 1})
    since = clock()
    converge()
    assert ledger.plans.refusals(STORE, ENTITY, since)["", "A"].after == '{"quantity":1}'
    assert set(ledger.plans.refusals(STORE, ENTITY, since, ["A", "B"])) == {("", "A")}
    assert ledger.plans.refusals(STORE, ENTITY, since, ["B"]) == {}
    assert ledger.plans.refusals(STORE, ENTITY, since, []) == {}


def test_an_unknown_outcome_blocks_the_key_until_it_has_settled(ledger, shop, converge, clock):
    shop.script["A"] = lambda row: Unknown(why="no answer")
    plan(ledger, {"A": 1, "B": 2})
    assert converge().unknown == 1
    assert not known(ledger, "A").sure
    assert not ledger.known.any_unsure(STORE, ENTITY), "not before the settle time is over"
    clock.advance(SETTLE + 1)
    assert [row.key for row in ledger.known.unsure(STORE, ENTITY)] == ["A"]


def test_a_key_settles_from_the_end_of_the_call_on(ledger, shop, converge, clock):
    """What was read, waited for and tried again after the write had begun may take longer than it settles."""

    def no_answer(row):
        clock.advance(SETTLE)
        return Unknown(why="no answer")

    shop.script["A"] = no_answer
    plan(ledger, {"A": 1})
    converge()
    clock.advance(SETTLE - 1)
    assert not ledger.known.any_unsure(STORE, ENTITY)
    clock.advance(2)
    assert ledger.known.any_unsure(STORE, ENTITY)


@pytest.mark.parametrize("ending", ["not sent", "refused for now", "refused for good", "without its product"])
def test_a_batch_ends_in_a_handful_of_transactions(ledger, converge, ending):
    """A store that is down, or has no products yet, cost one transaction a row."""
    shop = Shop(batch_size=100)
    skus = [f"S{number:03}" for number in range(100)]
    answers = {
        "not sent": NotSent(why="no connection"),
        "refused for now": Refused(code="busy", message="busy", again=Again.LATER),
        "refused for good": Refused(code="bad", message="bad"),
    }
    if ending in answers:
        shop.script = {sku: lambda row: answers[ending] for sku in skus}
    else:
        shop.products = set()
    plan(ledger, dict.fromkeys(skus, 1))
    commits = []
    sa.event.listen(ledger.database.engine, "commit", commits.append)
    report = converge(target=shop)
    assert (report.later, report.refused, report.waiting) in ((100, 0, 0), (0, 100, 0), (0, 0, 100))
    assert len(commits) < 12


def test_a_slow_batch_keeps_its_lease(ledger, shop, converge):
    beats = []
    heartbeat = ledger.plans.heartbeat

    def beat(claim, seconds):
        beats.append(claim.token)
        return heartbeat(claim, seconds)

    def slow(row):
        give_up = time.monotonic() + 10
        while len(beats) < 3 and time.monotonic() < give_up:
            threading.Event().wait(0.01)
        return shop.write(row)

    ledger.plans.heartbeat = beat
    shop.script["A"] = slow
    plan(ledger, {"A": 1})
    assert converge(lease_seconds=0.2).applied == 1
    assert len(beats) >= 3


@pytest.mark.parametrize("renewal", ["busy", "lost"])
def test_no_value_leaves_once_the_lease_may_have_ended(ledger, shop, converge, renewal):
    """Another run may have written a newer one since."""

    def never_renewed(claim, seconds):
        raise LedgerBusy("the ledger", 60.0) if renewal == "busy" else LeaseLost("rows", "run:1", 0)

    def waits_for_a_slot(row):
        give_up = time.monotonic() + 10
        while may_leave(repeatable=True) and time.monotonic() < give_up:
            threading.Event().wait(0.01)
        allowed.append(may_leave(repeatable=True))
        return NotSent(why="the right to send it ended before it left")

    allowed: list[bool] = []
    ledger.plans.heartbeat = never_renewed
    shop.script["A"] = waits_for_a_slot
    plan(ledger, {"A": 1})
    converge(lease_seconds=0.2)
    assert allowed == [False]
    assert may_leave(repeatable=True), "the check ends with the batch"


def test_a_thread_that_hangs_with_a_batch_ends_the_process_and_the_others_have_gone(
    ledger, shop, converge, monkeypatch
):
    freed = threading.Event()

    def hang(row):
        assert freed.wait(30), "nobody noticed"
        return shop.write(row)

    def give_up():
        given_up.append(sorted(shop.held))
        freed.set()

    given_up: list[list[str]] = []
    shop.script["A"] = hang
    plan(ledger, dict.fromkeys("ABCDEFGH", 1))
    monkeypatch.setattr(drain, "STUCK_SECONDS", 1.0)
    converge(senders=2, lease_seconds=1.0, give_up=give_up)
    assert given_up[0] == list("EFGH")
    assert sorted(shop.held) == list("ABCDEFGH")


def test_while_a_key_settles_a_newer_plan_for_it_waits(ledger, shop, converge, clock):
    shop.script["A"] = lambda row: Unknown(why="no answer")
    plan(ledger, {"A": 1})
    converge()
    del shop.script["A"]
    plan(ledger, {"A": 2}, order=9)
    converge()
    assert "A" not in shop.held
    clock.advance(SETTLE + 1)
    ledger.known.read(STORE, ENTITY, [known(ledger, "A")], clock())
    converge()
    assert shop.held == {"A": 2}


def test_what_was_not_sent_goes_later_and_is_not_unknown(ledger, shop, converge, clock):
    shop.script["A"] = lambda row: NotSent(why="429", retry_after_seconds=30)
    plan(ledger, {"A": 1})
    assert converge().later == 1
    del shop.script["A"]
    assert converge().applied == 0
    clock.advance(31)
    assert converge().applied == 1


def test_a_refusal_for_now_is_tried_again(ledger, shop, converge, clock):
    shop.script["A"] = lambda row: Refused(code="locked", message="locked", again=Again.LATER, retry_after_seconds=9)
    plan(ledger, {"A": 1})
    assert converge().reasons == {"locked": 1}
    del shop.script["A"]
    clock.advance(10)
    assert converge().applied == 1


def test_a_store_that_does_not_answer_a_look_up_is_asked_later(ledger, shop, converge, clock, monkeypatch):
    plan(ledger, {"A": 1})

    def fails(requirements):
        raise CallFailed("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(shop, "resolve", fails)
        assert converge().reasons == {"look_up_failed": 1}
    clock.advance(5)
    assert converge().applied == 1


def test_accepted_rows_are_asked_for_until_they_are_done(ledger, shop, converge):
    shop.slow = {"A": 3}
    plan(ledger, {"A": 7, "B": 1})
    report = converge()
    assert (report.accepted, report.applied) == (1, 2)
    assert shop.held == {"A": 7, "B": 1}


@pytest.fixture
def impatient(monkeypatch):
    """A run's minute is over at once."""
    monkeypatch.setattr(sending, "LONGEST_WAIT_SECONDS", 0.0)


def test_what_is_not_done_within_its_minute_is_asked_for_by_a_later_run(ledger, shop, converge, clock, impatient):
    shop.slow = {"A": 2}
    plan(ledger, {"A": 7, "B": 1})
    assert converge().reasons == {"not_done_yet": 1}
    assert shop.held == {"B": 1}
    assert converge().reasons == {}, "it is not asked for at once"
    clock.advance(31)
    assert ledger.plans.any_due(FLOW, STORE, ROUTE), "a sensor starts the run that asks"
    assert converge().reasons == {"not_done_yet": 1}
    clock.advance(31)
    assert converge().applied == 1
    assert shop.held == {"A": 7, "B": 1}
    assert len(shop.batches) == 1, "nothing is sent twice"
    assert known(ledger, "A").value == '{"quantity":7}'


def test_while_the_store_is_not_done_with_a_row_no_other_row_of_its_key_is_sent(
    ledger, shop, converge, clock, impatient
):
    shop.slow = {"A": 2}
    plan(ledger, {"A": 7}, order=5)
    converge()
    plan(ledger, {"A": 8}, order=9)
    converge()
    assert shop.batches == [["A"]]
    clock.advance(31)
    converge()
    clock.advance(31)
    shop.slow = {}
    shop.settle = lambda handles: [shop.write(Offer(sku="A", quantity=7)) for _ in handles]
    converge()
    clock.advance(31)
    converge()
    assert shop.held == {"A": 8}


def test_a_question_that_does_not_get_through_is_asked_again(ledger, shop, converge, clock, impatient, monkeypatch):
    shop.slow = {"A": 1}
    plan(ledger, {"A": 7})
    converge()
    clock.advance(31)
    with monkeypatch.context() as patched:
        patched.setattr(shop, "settle", lambda handles: [NotSent(why="no connection") for _ in handles])
        assert converge().reasons == {"not_done_yet": 1}
    clock.advance(31)
    assert converge().applied == 1
    assert len(shop.batches) == 1


def test_a_job_that_never_ends_is_read_back(ledger, shop, converge, clock, impatient):
    shop.slow = {"A": 1000}
    plan(ledger, {"A": 7})
    converge()
    clock.advance(24 * 3600 + 1)
    assert converge().reasons == {"never_done": 1}
    assert [row.key for row in ledger.known.unsure(STORE, ENTITY)] == ["A"]


def test_killed_while_it_waited_the_next_run_asks_with_the_handle(ledger, shop, converge, clock, monkeypatch):
    shop.slow = {"A": 1}
    plan(ledger, {"A": 7})

    def dies(claim, lease_seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ledger.plans, "heartbeat", dies)
        with pytest.raises(KeyboardInterrupt):
            converge()
    clock.advance(61)
    assert converge().applied == 1
    assert shop.held == {"A": 7}
    assert len(shop.batches) == 1


def test_the_fast_lane_does_not_take_rows_of_the_others(ledger, shop, converge):
    plan(ledger, {"A": 1}, lane="bulk")
    plan(ledger, {"B": 2}, lane="now")
    converge(lanes=("now",))
    assert shop.held == {"B": 2}
    converge()
    assert shop.held == {"A": 1, "B": 2}


def test_several_drains_at_once_write_every_row_once(ledger, shop, converge):
    from concurrent.futures import ThreadPoolExecutor

    plan(ledger, {f"S{number:03}": number for number in range(60)})
    with ThreadPoolExecutor(4) as pool:
        reports = [one.result() for one in [pool.submit(converge, senders=2) for _ in range(4)]]
    assert sum(report.applied for report in reports) == 60
    assert sorted(sku for batch in shop.batches for sku in batch) == sorted(shop.held)
    assert len(shop.batches) == 15


def test_a_defect_before_sending_stops_only_the_row_that_has_it(ledger, shop, converge, clock, monkeypatch):
    """It failed every run: no row of its batch was ever written, and nobody was told which one it was."""

    def row(key: str, values: dict[str, Any] | None) -> Offer:
        if key == "C":
            raise KeyError("no such field")
        return Offer(sku=key, quantity=(values or {"quantity": 0})["quantity"])

    monkeypatch.setattr(shop, "row", row)
    plan(ledger, {"A": 1, "B": 2, "C": 3, "D": 4, "E": 5})
    since = clock()
    report = converge()
    assert shop.held == {"A": 1, "B": 2, "D": 4, "E": 5}
    assert (report.applied, report.refused, report.reasons) == (4, 1, {"defect": 1})
    (refused,) = ledger.quarantine.find(flow=FLOW)
    assert (refused.native_id, refused.rule) == ("C", "defect")
    assert refused.problem.startswith("KeyError: 'no such field' (raised in ")
    assert ledger.plans.refusals(STORE, ENTITY, since)["", "C"].after == '{"quantity":3}'
    clock.advance(3600)
    assert converge().reasons == {}


@pytest.mark.parametrize("moment", ["before it leaves", "after it was written"])
def test_rows_that_may_have_left_with_a_defect_are_read_back_and_then_go_alone(
    ledger, shop, converge, clock, monkeypatch, moment
):
    write = shop.submit

    def submit(rows: Any) -> Any:
        if moment == "before it leaves" and any(row.sku == "C" for row in rows):
            raise ZeroDivisionError("a defect")
        outcomes = write(rows)
        if any(row.sku == "C" for row in rows):
            raise ZeroDivisionError("a defect")
        return outcomes

    monkeypatch.setattr(shop, "submit", submit)
    wanted = {"A": 1, "B": 2, "C": 3, "D": 4}
    plan(ledger, wanted)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        converge()
    assert {sku: known(ledger, sku).sure for sku in wanted} == dict.fromkeys(wanted, False)
    assert converge().batches == 0
    clock.advance(SETTLE + 1)
    ledger.known.read(STORE, ENTITY, [known(ledger, sku) for sku in wanted], clock())
    plan(ledger, wanted, order=2)
    report = converge()
    assert {sku: shop.held[sku] for sku in "ABD"} == {"A": 1, "B": 2, "D": 4}
    assert (report.applied, report.refused, report.reasons) == (3, 1, {"defect": 1})
    (refused,) = ledger.quarantine.find(flow=FLOW)
    assert refused.native_id == "C"
    assert not known(ledger, "C").sure


def test_a_defect_with_what_the_store_took_does_not_forget_the_others(ledger, shop, converge, clock, monkeypatch):
    """Nothing was asked about any more: the handles came back with every lease and failed each run."""
    shop.slow = {"A": 1, "B": 1, "C": 1}
    settle = shop.settle

    def settled(handles: Any) -> Any:
        if any(handle.startswith("B") for handle in handles):
            raise ZeroDivisionError("a defect")
        return settle(handles)

    monkeypatch.setattr(shop, "settle", settled)
    plan(ledger, {"A": 1, "B": 2, "C": 3})
    converge()  # which row it is is found by asking again, by halves
    clock.advance(3600)
    converge()
    assert shop.held == {"A": 1, "C": 3}
    (refused,) = ledger.quarantine.find(flow=FLOW)
    assert refused.native_id == "B"
    assert not known(ledger, "B").sure


def test_trouble_of_the_machine_puts_no_row_in_quarantine(ledger, shop, converge, clock, monkeypatch):
    def full(_rows: Any) -> Any:
        raise OSError("disk full")

    plan(ledger, {"A": 1, "B": 2})
    with monkeypatch.context() as patched:
        patched.setattr(shop, "submit", full)
        with pytest.raises(OSError, match="disk full"):
            converge()
    assert ledger.quarantine.find(flow=FLOW) == []


LEASE = 60.0


class Deadly(Shop):
    """The process that has the row C in hand dies of it: out of memory, or a crash below Python."""

    deadly, moment = "", ""

    def row(self, key: str, values: dict[str, Any] | None) -> Offer:
        if key == self.deadly and self.moment == "before it leaves":
            raise Killed
        return super().row(key, values)

    def submit(self, rows: Any) -> Any:
        deadly = any(row.sku == self.deadly for row in rows)
        if deadly and self.moment == "while it is sent":
            self.batches.append([row.sku for row in rows])
            raise Killed
        return super().submit(rows)


class Restarts:
    """Run after run, each with a comparison of what the last one left before it."""

    def __init__(self, ledger: Any, shop: Deadly, clock: Clock, converge: Any, wanted: dict[str, int]) -> None:
        self.ledger, self.shop, self.clock, self.converge, self.wanted = ledger, shop, clock, converge, wanted
        self.order = 0

    def compare(self) -> None:
        """Read back what is unsure, and plan what differs."""
        self.order += 1
        unsure = [row.key for row in self.ledger.known.unsure(STORE, ENTITY)]
        held = [
            KnownRow(key=key, value=value_text({"quantity": self.shop.held[key]}))
            for key in unsure
            if key in self.shop.held
        ]
        held += [KnownRow(key=key, value=None) for key in unsure if key not in self.shop.held]
        self.ledger.known.read(STORE, ENTITY, held, self.clock())
        refused = self.ledger.plans.refusals(STORE, ENTITY, self.clock() - timedelta(days=1))
        apart = {key: value for key, value in self.wanted.items() if self.shop.held.get(key) != value}
        if apart := {key: value for key, value in apart.items() if ("", key) not in refused}:
            plan(self.ledger, apart, order=self.order)

    def run(self) -> bool:
        """Whether the process lived."""
        self.compare()
        try:
            self.converge(target=self.shop)
        except Killed:
            self.clock.advance(LEASE)
            self.ledger.plans.claim(ROUTE, FLOW, STORE, owner="looks-only:1", limit=1, keys=[])
            self.clock.advance(SETTLE + 1)
            return False
        return True


@pytest.mark.parametrize("moment", ["before it leaves", "while it is sent"])
def test_a_row_that_kills_every_process_is_in_quarantine_and_no_other_is(ledger, converge, clock, moment):
    """Its batch came back with every lease and killed the run again: no row of it was ever written."""
    shop = Deadly(batch_size=100)
    shop.deadly, shop.moment = "C", moment
    wanted = {"C": 1, **{f"S{number:03}": number for number in range(199)}}
    restarts = Restarts(ledger, shop, clock, converge, wanted)
    deaths = 0
    while not restarts.run():
        deaths += 1
        assert deaths < 8, "it is tried for ever"
    assert deaths == 5
    assert {sku: shop.held.get(sku) for sku in wanted if sku != "C"} == {
        sku: wanted[sku] for sku in wanted if sku != "C"
    }
    (refused,) = ledger.quarantine.find(flow=FLOW)
    assert (refused.native_id, refused.rule, refused.times) == ("C", "owner_died", 1)
    assert refused.problem == (
        "5 processes in a row ended while they had it in hand, the last one run:1, with nothing else"
    )
    since = clock() - timedelta(days=1)
    assert ledger.plans.refusals(STORE, ENTITY, since)["", "C"].code == "owner_died"
    with_it = [len(batch) for batch in shop.batches if "C" in batch]
    assert with_it == ([] if moment == "before it leaves" else [100, 100, 12, 1, 1])
    assert restarts.run()
    assert ledger.plans.any_due(FLOW, STORE, ROUTE) is False


def test_what_died_beside_it_goes_in_smaller_batches_and_is_forgotten_then(ledger, converge, clock):
    shop = Deadly(batch_size=16)
    shop.deadly, shop.moment = "C", "while it is sent"
    restarts = Restarts(ledger, shop, clock, converge, {"C": 1, **{f"S{number:02}": 1 for number in range(47)}})
    assert [restarts.run() for _ in range(2)] == [False, False]
    shop.batches.clear()
    assert not restarts.run()
    # What nobody died with goes as ever and first; then those in question, two at a time.
    assert [len(batch) for batch in shop.batches] == [16, 16, 2]
    shop.batches.clear()
    assert not restarts.run()
    assert [len(batch) for batch in shop.batches][:2] == [1]
    shop.deadly = ""
    shop.batches.clear()
    assert restarts.run()
    assert sorted(map(len, shop.batches)) == [1, 1, *[2] * 7]
    assert not ledger.plans.any_suspects(STORE)
    assert shop.held == restarts.wanted


def test_a_process_that_ends_twice_for_another_reason_refuses_nothing(ledger, converge, clock):
    shop = Deadly(batch_size=4)
    shop.deadly, shop.moment = "C", "while it is sent"
    restarts = Restarts(ledger, shop, clock, converge, {"A": 1, "B": 2, "C": 3})
    assert [restarts.run() for _ in range(4)] == [False] * 4
    shop.deadly = ""
    assert restarts.run()
    assert shop.held == restarts.wanted
    assert ledger.quarantine.find(flow=FLOW) == []
    shop.deadly = "C"
    restarts.wanted = {"C": 4}
    assert not restarts.run()
    shop.deadly = ""
    assert restarts.run(), "its deaths are counted from the beginning again"


def test_another_value_of_a_deadly_key_is_tried_alone_and_not_at_once(ledger, converge, clock):
    """Stock changes every few minutes: each change would kill a process."""
    shop = Deadly(batch_size=4)
    shop.deadly, shop.moment = "C", "while it is sent"
    restarts = Restarts(ledger, shop, clock, converge, {"C": 3})
    assert [restarts.run() for _ in range(6)] == [*[False] * 5, True]
    plan(ledger, {"A": 1, "C": 4}, order=50)
    assert converge(target=shop).applied == 1
    assert not ledger.plans.any_due(FLOW, STORE, ROUTE), "no run is started for it"
    clock.advance(3600)
    with pytest.raises(Killed):
        converge(target=shop)
    clock.advance(LEASE)
    assert converge(target=shop).batches == 0
    (refused,) = ledger.quarantine.find(flow=FLOW)
    assert (refused.times, refused.row) == (2, b'{"quantity":4}')


def test_what_the_store_took_and_nobody_survives_asking_about_is_read_back(ledger, converge, clock, impatient):
    class Asked(Shop):
        def settle(self, handles: Any) -> Any:
            if any(handle.startswith("C") for handle in handles):
                raise Killed
            return super().settle(handles)

    shop = Asked(batch_size=4)
    shop.slow = {"A": 1, "C": 1}
    plan(ledger, {"A": 1, "C": 3})
    converge(target=shop)
    deaths = 0
    for _ in range(8):
        clock.advance(LEASE + 31)
        try:
            converge(target=shop)
        except Killed:
            deaths += 1
    assert deaths == 5
    assert shop.held == {"A": 1}
    assert [row.native_id for row in ledger.quarantine.find(flow=FLOW)] == ["C"]
    assert [row.key for row in ledger.known.unsure(STORE, ENTITY)] == ["C"]
    assert shop.batches == [["A", "C"]]
