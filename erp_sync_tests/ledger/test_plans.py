"""Plans: judged, held, approved, applied in batches, overtaken, undone; and the known state beneath."""

from datetime import timedelta

import hypothesis.strategies as st
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from erp_sync.ledger import KnownRow, LeaseLost, Ledger, WrongState, known_state
from erp_sync.ledger.known_state import order_of
from erp_sync.ledger.plans import NewPlan, PlanRow, PlanState, Verdict
from erp_sync.ledger.rows import RowState
from erp_sync_tests.ledger.interleaving import meanwhile
from erp_sync_tests.ledger.world import ROUTE, START, empty

FLOW, TARGET, ENTITY = "inventory", "magento_us", "stock_level"
HELD = (Verdict(check="zeroed_share", passed=False, words="40 % of SKUs go to zero", figure="0.40", limit="0.05"),)


def rows(*keys: str, after: str = "5", order: int = 10) -> list[PlanRow]:
    return [PlanRow(key=key, before="1", after=after, source_order=order) for key in keys]


def add(ledger: Ledger, planned, **values):
    with ledger.handling(ROUTE, FLOW, "run-0") as work:
        return work.add_plan(NewPlan(entity=ENTITY, target=TARGET, rows=planned, **values))


def claim(ledger: Ledger, **values):
    return ledger.plans.claim(ROUTE, FLOW, TARGET, **{"owner": "run-1:1", **values})


def values_of(ledger: Ledger) -> dict[str, str]:
    return {row["key"]: row["value"] for row in ledger.known.table(TARGET, ENTITY).to_pylist()}


def test_a_judged_plan_is_applied_and_known(ledger: Ledger):
    plan = add(ledger, rows("A", "B", "C"))
    assert plan.state is PlanState.JUDGED
    assert ledger.any_due(ROUTE, FLOW, TARGET)
    assert [(one.flow, one.count) for one in ledger.plans.due_counts()] == [(FLOW, 3)]
    mine = claim(ledger, limit=2)
    sent = ledger.plans.begin(mine)
    ledger.plans.applied(mine, sent, values={sent[0].id: "5.0000"})
    assert values_of(ledger) == {"A": "5.0000", "B": "5"}
    assert ledger.plans.get(plan.id).state is PlanState.JUDGED
    mine = claim(ledger)
    ledger.plans.applied(mine, ledger.plans.begin(mine))
    assert ledger.plans.get(plan.id).state is PlanState.APPLIED
    assert ledger.plans.counts(plan.id) == {"applied": 3}
    day = timedelta(days=1)
    assert ledger.days.rows(ROUTE, FLOW, START, START + day) == {"applied": 3}
    assert ledger.days.rows(ROUTE, FLOW, START + day, START + 2 * day) == {}
    assert not ledger.any_due(ROUTE, FLOW, TARGET)


def test_a_held_plan_waits_and_alerts_once(ledger: Ledger):
    first = add(ledger, rows("A"), verdicts=HELD)
    again = add(ledger, rows("A"), verdicts=HELD)
    assert (first.state, first.known, again.id, again.known) == (PlanState.HELD, False, first.id, True)
    assert claim(ledger) is None
    plan = ledger.plans.approve(first.id, "ann", "stock take")
    assert (plan.state, plan.reason) == (PlanState.APPROVED, "40 % of SKUs go to zero")
    assert plan.verdicts == HELD
    assert [one.key for one in claim(ledger).rows] == ["A"]
    assert [(one.decision, one.who, one.why) for one in ledger.plans.approvals(first.id)] == [
        ("approved", "ann", "stock take")
    ]
    with pytest.raises(WrongState):
        ledger.plans.reject(first.id, "ann", "no")


def test_a_held_plan_that_is_found_again_waits_for_what_is_said_now(ledger: Ledger):
    """A flow that was in shadow is on: the plan stands, and needs approval only."""
    shadow = Verdict(check="mode", passed=False, words="shadow mode: nothing is written")
    first = add(ledger, rows("A"), verdicts=(*HELD, shadow), approval=True)
    again = add(ledger, rows("A"), approval=True)
    assert (again.id, again.known) == (first.id, True)
    plan = ledger.plans.get(first.id)
    assert (plan.state, plan.reason, plan.verdicts) == (PlanState.HELD, "waits for approval", ())


def test_a_rejected_plan_does_not_come_back_but_another_does(ledger: Ledger):
    plan = add(ledger, rows("A"), approval=True)
    ledger.plans.reject(plan.id, "ann", "wrong warehouse")
    again = add(ledger, rows("A"), approval=True)
    assert (again.known, again.state) == (True, PlanState.REJECTED)
    assert add(ledger, rows("A", after="6"), approval=True).known is False


def test_a_newer_comparison_overtakes_what_older_plans_still_want(ledger: Ledger):
    old = add(ledger, rows("A", "B", "C"))
    new = add(ledger, rows("B", after="7", order=11), compared=["A", "B"])
    assert new.overtaken == 2
    assert [(one.key, one.after) for one in claim(ledger).rows] == [("C", "5"), ("B", "7")]
    assert ledger.plans.counts(old.id) == {"overtaken": 2, "claimed": 1}
    nothing = add(ledger, [])
    assert (nothing.id, nothing.overtaken) == (None, 2)
    assert ledger.plans.get(old.id).state is PlanState.APPLIED


def test_a_held_plan_is_superseded_by_a_newer_one(ledger: Ledger):
    old = add(ledger, rows("A"), verdicts=HELD)
    add(ledger, rows("A", after="3"), verdicts=HELD)
    assert ledger.plans.get(old.id).state is PlanState.SUPERSEDED


def test_what_is_being_sent_is_not_overtaken_and_its_key_waits(ledger: Ledger):
    add(ledger, rows("A"))
    mine = claim(ledger)
    sent = ledger.plans.begin(mine)
    add(ledger, rows("A", after="6", order=11))
    assert claim(ledger, owner="run-2:1") is None
    ledger.plans.applied(mine, sent)
    (row,) = claim(ledger, owner="run-2:1").rows
    assert row.after == "6"


def test_a_value_found_to_stand_outlives_an_older_one_that_is_on_its_way(ledger: Ledger):
    """71 is read and leaves; 72 is read, which the target is known to hold, so that nothing is to be written."""
    ledger.known.write(TARGET, ENTITY, [KnownRow(key="A", value="72", source_order=5)])
    add(ledger, rows("A", after="71", order=10))
    mine = claim(ledger)
    sent = ledger.plans.begin(mine)
    add(ledger, [], compared=["A"], order=11, orders={"A": 11})
    assert [row.sure for row in ledger.known.get(TARGET, ENTITY, ["A"]).values()] == [True]
    ledger.plans.applied(mine, sent)
    assert [row.key for row in ledger.known.unsure(TARGET, ENTITY)] == ["A"]


def test_a_value_found_to_stand_is_doubted_where_an_older_one_was_written_meanwhile(ledger: Ledger, clock):
    ledger.known.write(TARGET, ENTITY, [KnownRow(key=key, value="72", source_order=5) for key in "AB"])
    add(ledger, rows("A", after="71", order=10))
    add(ledger, rows("B", after="73", order=12), compared=["B"])
    seen_at = clock()
    clock.advance(1)
    for _ in range(2):
        mine = claim(ledger, limit=1)
        ledger.plans.applied(mine, ledger.plans.begin(mine))
    add(ledger, [], compared=["A", "B"], seen_at=seen_at, order=11, orders={"A": 11, "B": 11})
    assert [row.key for row in ledger.known.unsure(TARGET, ENTITY)] == ["A"]
    assert values_of(ledger)["B"] == "73"


@pytest.mark.parametrize("compared", [["A"], None], ids=["changes", "everything"])
def test_a_value_found_to_stand_outlives_an_older_one_that_is_planned_only_then(ledger: Ledger, clock, compared):
    """71 is read by a run that stands still; 72 is read, which the target is known to hold; then the first goes on."""
    ledger.known.write(TARGET, ENTITY, [KnownRow(key="A", value="72", source_order=5)])
    seen_at = clock.advance(1)
    clock.advance(300)
    add(ledger, [], compared=compared, seen_at=clock(), order=11, orders={"A": 11})
    add(ledger, rows("A", after="71", order=10), compared=["A"], seen_at=seen_at, order=10, orders={"A": 10})
    assert [sent.key for mine in [claim(ledger)] if mine is not None for sent in ledger.plans.begin(mine)] == []
    add(ledger, rows("A", after="73", order=12), compared=["A"], seen_at=clock(), order=12, orders={"A": 12})
    assert [row.after for row in ledger.plans.begin(claim(ledger))] == ["73"]


def test_a_comparison_and_a_document_that_moves_its_keys_do_not_lock_each_other_out(ledger: Ledger, clock):
    """A busy article changes while it is compared, and its parcel holds another article that needs nothing."""
    ledger.known.write(TARGET, ENTITY, [KnownRow(key=key, value="72", source_order=5) for key in ("A", "Z")])
    seen_at = clock.advance(1)
    ledger.known.read(TARGET, ENTITY, [KnownRow(key="Z", value="70")], clock.advance(1))
    planned = rows("Z", after="71", order=11)
    compared = {"compared": ["A", "Z"], "seen_at": seen_at, "order": 11, "orders": {"A": 11, "Z": 11}}
    with (
        meanwhile(ledger, "ORDER BY known_state.scope", lambda: add(ledger, planned, **compared)) as added,
        ledger.database.write() as write,
    ):
        if not ledger.database.sqlite:
            write.execute(sa.text("SELECT key FROM known_state WHERE key = 'A' FOR UPDATE"))
        known_state.mark_unknown(write, clock(), TARGET, ENTITY, ["Z"], "a parcel moves it")
    assert [one.id for one in added] == [None]
    assert [row.key for row in ledger.known.unsure(TARGET, ENTITY)] == ["Z"]
    assert {row.key: row.source_order for row in ledger.known.get(TARGET, ENTITY, ["A"]).values()} == {"A": 11}


def test_what_is_older_of_a_key_goes_though_another_key_of_the_comparison_is_older_still(ledger: Ledger):
    ledger.known.write(TARGET, ENTITY, [KnownRow(key="A", value="72", source_order=5)])
    add(ledger, rows("A", after="71", order=10))
    add(ledger, rows("C", after="9", order=12), compared=["C"])
    mine = claim(ledger)
    done = add(ledger, [], compared=["A", "B", "C"], order=3, orders={"A": 11, "B": 3, "C": 11})
    assert done.overtaken == 1
    assert [row.key for row in ledger.plans.begin(mine)] == ["C"]


def test_a_newer_row_goes_after_the_older_one_that_is_on_its_way(ledger: Ledger):
    add(ledger, rows("A", after="71", order=10))
    mine = claim(ledger)
    sent = ledger.plans.begin(mine)
    add(ledger, rows("A", after="72", order=11), compared=["A"], order=11, orders={"A": 11})
    ledger.plans.applied(mine, sent)
    assert ledger.known.unsure(TARGET, ENTITY) == []
    assert [(one.key, one.after) for one in claim(ledger).rows] == [("A", "72")]


def test_a_row_that_was_overtaken_after_its_claim_is_not_sent(ledger: Ledger):
    add(ledger, rows("A", "B"))
    mine = claim(ledger)
    add(ledger, rows("A", after="6", order=11), compared=["A"])
    ledger.known.write(TARGET, ENTITY, [KnownRow(key="B", value="9", source_order=99)])
    assert ledger.plans.begin(mine) == []
    assert values_of(ledger) == {"B": "9"}


def test_what_is_overtaken_while_it_is_claimed_is_not_sent(ledger: Ledger):
    """PostgreSQL: the claim made a row of an older plan due again that a newer one had just overtaken."""
    add(ledger, rows("A"))
    with meanwhile(ledger, "UPDATE plan_rows SET state", lambda: add(ledger, rows("A", after="6", order=11))):
        mine = claim(ledger)
    assert ledger.plans.begin(mine) == []
    assert [row.after for row in claim(ledger, owner="run-2:1").rows] == ["6"]


def test_the_key_of_a_dead_owners_write_settles_from_the_end_of_its_lease(ledger: Ledger, clock):
    """Until then the request may have left."""
    add(ledger, rows("A"))
    ledger.plans.begin(claim(ledger, lease_seconds=30), settle_seconds=60)
    clock.advance(31)
    assert claim(ledger, owner="run-2:1") is None
    clock.advance(58)
    assert ledger.known.unsure(TARGET, ENTITY) == []
    clock.advance(2)
    assert [row.key for row in ledger.known.unsure(TARGET, ENTITY)] == ["A"]


def test_a_crash_while_sending_blocks_the_key_until_it_has_settled(ledger: Ledger, clock):
    plan = add(ledger, rows("A", "B"))
    mine = claim(ledger, lease_seconds=30, limit=1)
    ledger.plans.begin(mine, settle_seconds=60)
    idle = claim(ledger, lease_seconds=30, owner="run-2:1")
    clock.advance(30)
    add(ledger, rows("A", after="6", order=11), compared=["A"])
    (row,) = claim(ledger, owner="run-3:1", lease_seconds=300).rows
    assert row.key == "B"
    for write in (
        lambda: ledger.plans.applied(mine, mine.rows),
        lambda: ledger.plans.applied(idle, idle.rows),
        lambda: ledger.plans.begin(idle),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert ledger.plans.counts(plan.id) == {"unknown": 1, "claimed": 1}
    assert ledger.known.unsure(TARGET, ENTITY) == []
    assert ledger.known.read(TARGET, ENTITY, [KnownRow(key="A", value="1")], clock()) == 0
    clock.advance(60)
    assert [row.key for row in ledger.known.unsure(TARGET, ENTITY)] == ["A"]
    assert ledger.known.read(TARGET, ENTITY, [KnownRow(key="A", value="1")], clock()) == 1
    assert [row.key for row in claim(ledger, owner="run-3:1").rows] == ["A"]


def test_refusals_are_told_until_the_key_is_applied(ledger: Ledger, clock):
    add(ledger, rows("A", "B"))
    mine = claim(ledger)
    sent = ledger.plans.begin(mine)
    ledger.plans.refused(mine, [(row, "no_such_sku", "unknown product") for row in sent])
    assert set(ledger.plans.refusals(TARGET, ENTITY, START)) == {("", "A"), ("", "B")}
    clock.advance(1)
    add(ledger, rows("A"))
    mine = claim(ledger)
    ledger.plans.applied(mine, ledger.plans.begin(mine))
    (refusal,) = ledger.plans.refusals(TARGET, ENTITY, START).values()
    assert (refusal.key, refusal.code, refusal.after) == ("B", "no_such_sku", "5")


def test_what_was_not_sent_is_due_again(ledger: Ledger, clock):
    add(ledger, rows("A", "B"))
    mine = claim(ledger)
    sent = ledger.plans.begin(mine)
    ledger.plans.not_sent(mine, sent, "maintenance", clock() + timedelta(seconds=30))
    assert claim(ledger) is None
    clock.advance(30)
    mine = claim(ledger)
    ledger.plans.release(mine)
    assert len(claim(ledger).rows) == 2


def test_an_applied_plan_can_be_undone(ledger: Ledger):
    plan = add(ledger, [PlanRow(key="A", before="1", after="5", source_order=3), *rows("B")])
    mine = claim(ledger)
    sent = ledger.plans.begin(mine)
    ledger.plans.applied(mine, sent[:1])
    ledger.plans.refused(mine, [(sent[1], "x", "x")])
    undoing = ledger.plans.undo(plan.id, "ann", "wrong file")
    (row,) = claim(ledger).rows
    assert (row.key, row.before, row.after, row.plan_id) == ("A", "5", "1", undoing)
    assert ledger.plans.get(plan.id).state is PlanState.UNDONE
    with pytest.raises(WrongState):
        ledger.plans.undo(plan.id, "ann", "again")


def test_a_plan_can_be_undone_though_a_comparison_has_found_its_value_to_stand_since(ledger: Ledger, clock):
    plan = add(ledger, [PlanRow(key=key, before="1", after="5", source_order=3) for key in ("A", "B")])
    mine = claim(ledger)
    ledger.plans.applied(mine, ledger.plans.begin(mine))
    clock.advance(60)
    newer = PlanRow(key="B", before="5", after="7", source_order=11)
    add(ledger, [newer], compared=["A", "B"], seen_at=clock(), order=11, orders={"A": 11, "B": 11})
    mine = claim(ledger)
    ledger.plans.applied(mine, ledger.plans.begin(mine))
    clock.advance(60)
    add(ledger, [], compared=["A", "B"], seen_at=clock(), order=12, orders={"A": 12, "B": 12})
    ledger.plans.undo(plan.id, "ann", "wrong file")
    mine = claim(ledger)
    sent = ledger.plans.begin(mine)
    assert [(row.key, row.after) for row in sent] == [("A", "1")]
    ledger.plans.applied(mine, sent)
    assert values_of(ledger) == {"A": "1", "B": "7"}
    assert ledger.known.unsure(TARGET, ENTITY) == []


def test_nobody_decided_in_time(ledger: Ledger, clock):
    plan = add(ledger, rows("A"), verdicts=HELD)
    clock.advance(3600)
    assert ledger.plans.expire(timedelta(hours=2)) == []
    clock.advance(3601)
    assert ledger.plans.expire(timedelta(hours=2)) == [plan.id]
    assert ledger.plans.counts(plan.id) == {"expired": 1}


def test_urgent_rows_go_first_and_keys_can_be_chosen(ledger: Ledger):
    add(ledger, rows("A", "B"), lane="bulk", compared=["A", "B"])
    add(ledger, rows("C"), lane="now", compared=["C"])
    assert [row.key for row in claim(ledger, lanes=["now"]).rows] == ["C"]
    assert [row.key for row in claim(ledger, keys=["B"]).rows] == ["B"]


def test_a_plan_shows_itself_as_a_table(ledger: Ledger):
    plan = add(ledger, rows("A", "B"), summary={"changed": 2})
    table = ledger.plans.table(plan.id)
    assert table.column("key").to_pylist() == ["A", "B"]
    assert table.column("source_order").type == pa.int64()
    assert ledger.plans.get(plan.id).summary == {"changed": 2}
    assert ledger.plans.table(plan.id, states=[RowState.APPLIED]).num_rows == 0


def test_a_part_of_a_held_plan_is_approved_and_the_rest_waits_on(ledger: Ledger):
    held = add(ledger, rows("A", "B", "C"), verdicts=HELD)
    with pytest.raises(ValueError, match="has no held row D"):
        ledger.plans.approve(held.id, "ada", keys=["A", "D"])
    part = ledger.plans.approve(held.id, "ada", "these only", keys=["A", "C"])
    assert (part.state, part.row_count, part.reason) == (PlanState.APPROVED, 2, HELD[0].words)
    assert [one.who for one in ledger.plans.approvals(part.id)] == ["ada"]
    assert [row.key for row in claim(ledger).rows] == ["A", "C"]
    rest = ledger.plans.get(held.id)
    assert (rest.state, rest.row_count) == (PlanState.HELD, 1)
    # The comparison that finds the rest again knows it.
    assert add(ledger, rows("B"), verdicts=HELD).known
    assert ledger.plans.approve(held.id, "ada", keys=["B"]).id == held.id


def test_fifty_thousand_rows_pass_through(ledger: Ledger):
    keys = [f"SKU-{number}" for number in range(50_000)]
    table = pa.table({"key": keys, "value": ["1"] * len(keys), "source_order": pa.array(range(50_000), pa.int64())})
    assert ledger.known.write(TARGET, ENTITY, table) == 50_000
    known = ledger.known.table(TARGET, ENTITY)
    assert known.num_rows == 50_000
    assert known.column("source_order").to_pylist()[0] == 0


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["write", "read", "doubt"]), st.integers(0, 5), st.integers(0, 9), st.sampled_from("AB")),
    max_size=12,
)


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(operations=OPERATIONS)
def test_known_state_never_goes_back(ledger: Ledger, clock, operations):
    """Writes follow the source's order, reads follow when they started; the model says what may be believed."""
    empty(ledger)
    highest: dict[str, int] = {}
    for kind, order, age, key in operations:
        now = clock.advance(1)
        if kind == "write":
            written = ledger.known.write(TARGET, ENTITY, [KnownRow(key=key, value=f"w{order}", source_order=order)])
            assert bool(written) == (order >= highest.get(key, 0) or key not in highest)
            highest[key] = max(order, highest.get(key, order))
        elif kind == "read":
            started = now - timedelta(seconds=age)
            before = ledger.known.get(TARGET, ENTITY, [key]).get(("", key))
            changed = ledger.known.read(TARGET, ENTITY, [KnownRow(key=key, value="r")], started)
            assert bool(changed) == (before is None or before.observed_at <= started)
            highest.setdefault(key, 0)
        else:
            ledger.known.mark_unknown(TARGET, ENTITY, [key], "moved")
            assert key not in {row.key for row in ledger.known.get(TARGET, ENTITY, [key]).values() if row.sure}
        found = ledger.known.get(TARGET, ENTITY, [key]).get(("", key))
        assert found is None or found.source_order == highest[key]


def test_a_read_that_began_before_a_write_says_nothing_about_it(ledger: Ledger, clock):
    started = clock()
    clock.advance(5)
    ledger.known.write(TARGET, ENTITY, [KnownRow(key="A", value="7", source_order=order_of(clock()))])
    assert ledger.known.read(TARGET, ENTITY, [KnownRow(key="A", value="1")], started) == 0
    assert values_of(ledger) == {"A": "7"}


def test_a_write_of_what_is_older_does_not_end_a_doubt(ledger: Ledger, clock):
    """It was under way when its key was doubted; so was one of a key that nothing was known about."""
    ledger.known.write(TARGET, ENTITY, [KnownRow(key="A", value="1", source_order=5)])
    ledger.known.doubt(TARGET, ENTITY, ["A", "B"], "read twice at once", 20)
    assert ledger.known.write(TARGET, ENTITY, [KnownRow(key=key, value="2", source_order=10) for key in "AB"]) == 0
    assert [row.key for row in ledger.known.unsure(TARGET, ENTITY)] == ["A", "B"]
    add(ledger, rows("A", "B", after="3", order=19), compared=["A", "B"])
    assert ledger.plans.begin(claim(ledger)) == []
    assert ledger.known.write(TARGET, ENTITY, [KnownRow(key=key, value="4", source_order=21) for key in "AB"]) == 2
    assert ledger.known.unsure(TARGET, ENTITY) == []


def test_a_key_that_nothing_was_known_about_can_be_doubted(ledger: Ledger, clock):
    """What is doubted under another scope stays one row; a read that began before the doubt does not end it."""
    ledger.known.write(TARGET, ENTITY, [KnownRow(key="A", value="1"), KnownRow(key="B", value="2", scope="de")])
    before = clock()
    clock.advance(1)
    ledger.known.doubt(TARGET, ENTITY, ["A", "B", "C"], "read twice at once")
    ledger.known.read(TARGET, ENTITY, [KnownRow(key="C", value="3")], before)
    assert [(row.scope, row.key) for row in ledger.known.unsure(TARGET, ENTITY)] == [("", "A"), ("", "C"), ("de", "B")]
    ledger.known.read(TARGET, ENTITY, [KnownRow(key="C", value="3")], clock())
    assert [row.key for row in ledger.known.unsure(TARGET, ENTITY)] == ["A", "B"]


def test_scopes_keep_their_own_known_state(ledger: Ledger):
    ledger.known.write(TARGET, "price", [KnownRow(key="A", value="1", scope="de"), KnownRow(key="A", value="2")])
    ledger.known.mark_unknown(TARGET, "price", ["A"], "moved", scope="de")
    assert [(row.scope, row.key) for row in ledger.known.unsure(TARGET, "price")] == [("de", "A")]
    assert ledger.known.forget(TARGET, "price", ["A"]) == 2


def test_a_table_without_values_is_refused(ledger: Ledger):
    with pytest.raises(ValueError, match="no column value; it has key"):
        ledger.known.write(TARGET, ENTITY, pa.table({"key": ["A"]}))


def test_rows_that_the_target_has_in_work_are_asked_for_later(ledger: Ledger, clock):
    plan = add(ledger, rows("A", "B"))
    mine = claim(ledger, lease_seconds=30)
    ledger.plans.accepted(mine, [(row, "bulk-7") for row in ledger.plans.begin(mine)], clock() + timedelta(seconds=5))
    assert add(ledger, rows("A", after="6", order=11), compared=["A"]).overtaken == 0
    assert claim(ledger) is None
    assert ledger.due_counts(ROUTE, FLOW, TARGET) == {"accepted": 2, "due": 1}
    clock.advance(5)
    asking = claim(ledger, lease_seconds=30)
    assert [(row.key, row.handle) for row in asking.rows] == [("A", "bulk-7"), ("B", "bulk-7")]
    assert ledger.plans.begin(asking) == []
    clock.advance(30)
    again = claim(ledger, owner="run-2:1")
    assert [row.handle for row in again.rows] == ["bulk-7", "bulk-7"]
    with pytest.raises(LeaseLost):
        ledger.plans.applied(asking, asking.rows)
    ledger.plans.release(again)
    again = claim(ledger, owner="run-2:1")
    ledger.plans.accepted(again, [(again.rows[1], "bulk-7")], clock() + timedelta(seconds=5))
    ledger.plans.applied(again, again.rows[:1])
    assert [(row.key, row.after) for row in claim(ledger).rows] == [("A", "6")]
    clock.advance(5)
    last = claim(ledger)
    ledger.plans.refused(last, [(last.rows[0], "no_such_sku", "unknown product")])
    assert ledger.plans.counts(plan.id) == {"applied": 1, "refused": 1}
    assert ledger.plans.get(plan.id).state is PlanState.APPLIED


def test_keys_with_which_owners_died_are_claimed_apart_and_in_smaller_batches(ledger: Ledger, clock):
    add(ledger, rows(*"ABCDEFGH"))
    for death in (1, 2):
        assert len(claim(ledger, owner=f"run-{death}:1", lease_seconds=30, limit=64).rows) == 8
        clock.advance(30)
    add(ledger, rows("NEW"), compared=["NEW"])
    (row,) = claim(ledger, owner="run-3:1", limit=64, suspects=False).rows
    assert row.key == "NEW"
    eight = claim(ledger, owner="run-3:1", lease_seconds=30, limit=64, suspects=True)
    assert len(eight.rows) == 8
    clock.advance(30)
    alone = claim(ledger, owner="run-4:1", lease_seconds=30, limit=64, suspects=True)
    assert [row.key for row in alone.rows] == ["A"]
    ledger.plans.begin(alone)
    ledger.plans.applied(alone, alone.rows)
    other = claim(ledger, owner="run-4:1", lease_seconds=30, limit=64, suspects=True)
    assert [row.key for row in other.rows] == ["B"]
    ledger.plans.not_sent(other, other.rows, "the store is away")
    add(ledger, rows("A", after="6", order=11), compared=["A"])
    assert [row.key for row in claim(ledger, owner="run-5:1", suspects=False).rows] == ["A"], (
        "nothing is held against it"
    )
    assert [row.key for row in claim(ledger, owner="run-5:1", limit=64, suspects=True).rows] == ["B"]


def test_the_fifth_owner_that_dies_with_one_key_alone_is_the_last(ledger: Ledger, clock):
    plan = add(ledger, rows("A", "B"))
    for death in range(1, 6):
        suspects = None if death < 3 else True
        mine = claim(ledger, owner=f"run-{death}:1", lease_seconds=30, limit=2, suspects=suspects)
        clock.advance(30)
    assert [row.key for row in mine.rows] == ["A"]
    assert claim(ledger, owner="run-6:1", suspects=False) is None
    assert ledger.plans.counts(plan.id) == {"refused": 1, "due": 1}
    (refused,) = ledger.quarantine.find(flow=FLOW)
    assert (refused.connection, refused.entity, refused.native_id) == (TARGET, ENTITY, "A")
    assert (refused.rule, refused.run_id, refused.row) == ("owner_died", "run-5", b"5")
    add(ledger, rows("A", after="6", order=11), compared=["A"])
    assert [row.key for row in claim(ledger, owner="run-6:1", suspects=True).rows] == ["B"]
    clock.advance(3600)
    assert [row.key for row in claim(ledger, owner="run-7:1", suspects=True).rows] == ["A"]


def test_a_key_that_owners_died_with_is_free_again_when_a_person_tries_it(ledger: Ledger, clock):
    add(ledger, rows("A"))
    for death in range(1, 6):
        claim(ledger, owner=f"run-{death}:1", lease_seconds=30, suspects=None if death < 3 else True)
        clock.advance(30)
    assert claim(ledger, owner="run-6:1") is None
    (refused,) = ledger.quarantine.find(flow=FLOW)
    add(ledger, rows("A", after="6", order=11), compared=["A"])
    assert claim(ledger, owner="run-6:1") is None, "put off for an hour"
    since = clock() - timedelta(days=1)
    assert ("", "A") in ledger.plans.refusals(TARGET, ENTITY, since)
    ledger.plans.try_again(TARGET, ENTITY, [("", "A")], "ann")
    assert ledger.plans.refusals(TARGET, ENTITY, since) == {}
    assert [row.key for row in ledger.known.unsure(TARGET, ENTITY)] == ["A"]
    mine = claim(ledger, owner="run-7:1", suspects=False)
    assert [row.after for row in mine.rows] == ["6"]
    assert [row.id for row in ledger.quarantine.some([refused.id])] == [refused.id], "open until it is written"
    ledger.plans.begin(mine)
    ledger.plans.applied(mine, mine.rows)
    assert ledger.quarantine.some([refused.id]) == []


def test_deaths_of_long_ago_are_not_counted_and_are_forgotten(ledger: Ledger, clock):
    add(ledger, rows("A"))
    claim(ledger, lease_seconds=30)
    clock.advance(31)
    assert claim(ledger, owner="run-2:1", suspects=True) is None
    assert ledger.plans.any_suspects(TARGET)
    claim(ledger, owner="run-2:1", lease_seconds=30)
    clock.advance(8 * 24 * 3600)
    assert [row.key for row in claim(ledger, owner="run-3:1", suspects=False).rows] == ["A"]
    clock.advance(8 * 24 * 3600)
    ledger.retention.expire()
    assert not ledger.plans.any_suspects(TARGET)
