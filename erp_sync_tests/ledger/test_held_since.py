"""Since when a document stands still: from the first version that was held for the cause it has now."""

from __future__ import annotations

import sqlalchemy as sa

from erp_sync.ledger import Ledger, State, held_since
from erp_sync.ledger.activity import HeldGroup
from erp_sync.ledger.schema import delivery_events
from erp_sync.ports.documents import Requirement
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, START, Clock, accept, claim, document

TAX = ("tax_difference", "tax differs")


def test_causes_are_counted_with_the_one_that_has_stood_longest(ledger: Ledger, clock: Clock) -> None:
    for native_id in ("1", "2"):
        accept(ledger, document(native_id, held=TAX))
        clock.advance(60)
    accept(ledger, document("3"), document("4"))
    of_three, of_four = claim(ledger)
    ledger.deliveries.wait_for(of_three, [Requirement("product", "MUG")])
    ledger.deliveries.wait_for(of_four, [Requirement("customer", "ann@example.com")])
    accept(ledger, document("5"))
    lacking = {"route": ROUTE, "flow": FLOW, "code": "requirement_missing", "oldest": clock(), "count": 1}
    assert ledger.activity.held() == [
        HeldGroup(number="N4", lacks="customer", reason="lacks customer ann@example.com", **lacking),
        HeldGroup(number="N3", lacks="product", reason="lacks product MUG", **lacking),
        HeldGroup(
            route=ROUTE, flow=FLOW, code=TAX[0], lacks="", count=2, oldest=START, number="N1", reason="tax differs"
        ),
    ]


def test_a_version_that_could_go_in_between_ends_it_and_one_that_could_not_does_not(
    ledger: Ledger, clock: Clock
) -> None:
    accept(ledger, document("1", held=("pending_payment", "waits")))
    clock.advance(60)
    accept(ledger, document("1", "2", held=("pending_payment", "waits")))
    assert [one.oldest for one in ledger.activity.held()] == [START]
    accept(ledger, document("1", "3"))
    assert ledger.activity.held() == []
    clock.advance(60)
    accept(ledger, document("1", "4", held=("on_hold_in_store", "waits")))
    assert [(one.code, one.oldest) for one in ledger.activity.held()] == [("on_hold_in_store", clock())]
    clock.advance(60)
    ledger.deliveries.approve(accept(ledger, document("1", "4"))[0].id, "ann", "so be it")
    since = clock()
    for again in range(2):
        ledger.deliveries.hold(claim(ledger)[0], *TAX)
        assert [(one.code, one.oldest) for one in ledger.activity.held()] == [(TAX[0], since)]
        clock.advance(60)
        accept(ledger, document("1", f"{5 + again}"))


def test_each_look_that_finds_it_lacking_leaves_its_age(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, document("1"))
    for _ in range(3):
        ledger.deliveries.wait_for(claim(ledger)[0], [Requirement("product", "MUG")])
        (group,) = ledger.activity.held()
        assert (group.oldest, group.lacks) == (START, "product")
        clock.advance(700)


def test_what_lacks_something_lacks_it_while_it_is_looked_at_again_and_after_a_look_that_failed(
    ledger: Ledger, clock: Clock
) -> None:
    """Its notice was settled and told anew, again and again."""
    accept(ledger, document("1"))
    ledger.deliveries.wait_for(claim(ledger)[0], [Requirement("product", "MUG")])

    def lacking() -> list[tuple[str, str, object]]:
        return [(one.code, one.lacks, one.oldest) for one in ledger.activity.held()]

    for _ in range(2):
        clock.advance(700)
        (again,) = claim(ledger)
        assert lacking() == [("requirement_missing", "product", START)]
        ledger.deliveries.later(again, clock(), "HTTP 503", "look_up_failed")
        assert lacking() == [("requirement_missing", "product", START)]
    clock.advance(700)
    (again,) = claim(ledger)
    ledger.deliveries.later(again, clock(), "HTTP 429", "throttled")
    assert lacking() == [], "a look found it"


def test_what_is_let_go_by_the_targets_word_lacks_nothing_while_it_is_sent(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, document("1"))
    ledger.deliveries.wait_for(claim(ledger)[0], [Requirement("product", "MUG")])
    ledger.deliveries.release_waiting(ERP, "product", ["MUG"])
    assert ledger.activity.held() == []
    claim(ledger)
    assert ledger.activity.held() == []


def test_what_is_let_go_elsewhere_makes_nothing_older(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, document("1"), document("2", held=TAX))
    clock.advance(600)
    ledger.deliveries.hold(claim(ledger)[0], *TAX)
    since = clock()
    clock.advance(60)
    (other,) = [one for one in ledger.deliveries.find(states=[State.HELD]) if one.number == "N2"]
    ledger.deliveries.approve(other.id, "ann", "so be it")
    assert [(one.number, one.oldest) for one in ledger.activity.held()] == [("N1", since)]


def test_another_cause_begins_anew(ledger: Ledger, clock: Clock) -> None:
    """An order whose payment was waited for was told at once as held for days for its tax."""
    accept(ledger, document("1", held=("pending_payment", "waits")))
    clock.advance(5 * 24 * 3600)
    since = clock()
    for version in ("2", "3"):
        accept(ledger, document("1", version, held=TAX))
        assert [(one.code, one.oldest) for one in ledger.activity.held()] == [(TAX[0], since)]
        clock.advance(60)


def test_a_version_that_lacks_the_same_stands_since_the_first(ledger: Ledger, clock: Clock) -> None:
    lacking = (Requirement("product", "MUG"),)
    accept(ledger, document("1", requirements=lacking))
    clock.advance(700)
    ledger.deliveries.later(claim(ledger)[0], clock(), "HTTP 503", "look_up_failed")
    accept(ledger, document("1", "2", requirements=lacking))
    assert [one.oldest for one in ledger.activity.held()] == [START]


def test_what_was_replaced_before_an_update_stands_since_the_first_version_in_that_state(
    ledger: Ledger, clock: Clock
) -> None:
    """Earlier versions wrote no code beside the state: each replacement seemed to begin anew."""
    lacking = (Requirement("product", "MUG"),)
    accept(ledger, document("1", held=TAX), document("2", requirements=lacking), document("3"))
    clock.advance(60)
    could_go_until = clock()
    for version in ("2", "3"):
        accept(
            ledger,
            document("1", version, held=TAX),
            document("2", version, requirements=lacking),
            document("3", version, held=TAX),
        )
        clock.advance(60)
    with ledger.database.write() as write:
        details = delivery_events.c.details
        for code in (f'"{TAX[0]}"', '"requirement_missing"', "null"):
            write.execute(
                sa.update(delivery_events).values(details=sa.func.replace(details, f'"was_code":{code},', ""))
            )
        assert not write.execute(sa.select(details).where(details.contains("was_code"))).all()
    with ledger.database.read() as read:
        found = held_since.documents()
        since = dict(read.execute(sa.select(found.c.number, found.c.since)).tuples().all())
    assert since == {"N1": START, "N2": START, "N3": could_go_until}


def test_what_stands_still_is_found_without_a_pass_over_all_that_is_due(ledger: Ledger) -> None:
    """On any version of PostgreSQL: an index of states and codes was read whole for its codes alone."""
    with ledger.database.read() as read:
        query = str(sa.select(held_since.documents().c.id).compile(read, compile_kwargs={"literal_binds": True}))
        if ledger.database.sqlite:
            plan = "\n".join(row.detail for row in read.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}"))
            assert "SEARCH deliveries USING INTEGER PRIMARY KEY" in plan
            assert "SCAN deliveries" not in plan
            assert "SCAN other" not in plan
        else:
            read.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = "\n".join(row[0] for row in read.exec_driver_sql("EXPLAIN " + query.replace("%", "%%")))
            conditions = [line for line in plan.splitlines() if "Index Cond" in line]
            assert not [line for line in conditions if "code" in line and "state" not in line], plan


def test_what_somebody_else_has_taken_over_keeps_what_it_lacks(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, document("1"), document("2"))
    for one in claim(ledger):
        ledger.deliveries.wait_for(one, [Requirement("product", "MUG")])
    clock.advance(700)
    mine, late = claim(ledger, lease_seconds=30.0)
    (mine,) = ledger.deliveries.heartbeat([mine], lease_seconds=300.0)
    clock.advance(40)
    assert [one.id for one in claim(ledger, owner="run-2:1")] == [late.id]
    for _ in range(2):
        ledger.deliveries.lack_nothing([mine, late])
        assert ledger.deliveries.requirements(mine.id) == []
        assert ledger.deliveries.requirements(late.id) == [Requirement("product", "MUG")]
