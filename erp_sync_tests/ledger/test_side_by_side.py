"""What runs that work at the same time do between each other's statements."""

from erp_sync.ledger import Change, Ledger, State
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.interleaving import meanwhile
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, accept, claim, document, key, step


def begin(ledger: Ledger) -> int:
    """Claim what is due and begin to send it; gives how many were begun."""
    claims = claim(ledger, owner="run-2:7")
    for one in claims:
        ledger.steps.plan(one, [step("sales_order")])
        ledger.steps.begin(one, "sales_order")
    return len(claims)


def test_what_is_about_to_be_withdrawn_is_not_sent(ledger: Ledger):
    accept(ledger, document("1"))
    with (
        meanwhile(ledger, "UPDATE deliveries SET", lambda: begin(ledger)) as begun,
        ledger.handling(ROUTE, FLOW) as work,
    ):
        gone = work.withdraw(ERP, [key("1")], "cancelled_in_store", "cancelled in the store")
    assert gone == {key("1"): True}
    assert begun == [0]


def test_what_is_about_to_be_replaced_is_not_sent(ledger: Ledger):
    (first,) = accept(ledger, document("1"))
    with meanwhile(ledger, "DELETE FROM steps", lambda: begin(ledger)) as begun:
        (second,) = accept(ledger, document("1", "2"))
    assert (second.id, second.change) == (first.id, Change.REPLACED)
    # On SQLite the other one waits for its turn and then sends the new version.
    assert begun == ([1] if ledger.database.sqlite else [0])
    assert ledger.deliveries.get(first.id).version == "2"


def test_what_is_decided_about_a_delivery_is_still_so_when_it_is_written(ledger: Ledger):
    accept(ledger, document("1"))
    with (
        meanwhile(ledger, "INSERT INTO notes", lambda: begin(ledger)) as begun,
        ledger.handling(ROUTE, FLOW) as work,
    ):
        latest = work.latest(ERP, [key("1")])
        assert work.begun(latest.values()) == set()
        work.note(key("1"), "looked_at", "something that takes its time")
        (accepted,) = work.accept([document("1", "2")])
    assert accepted.change is Change.REPLACED
    assert begun == ([1] if ledger.database.sqlite else [0])


def test_a_follow_up_of_a_delivery_that_ends_at_that_moment_goes(ledger: Ledger):
    accept(ledger, document("1"))
    (one,) = claim(ledger)
    ledger.steps.plan(one, [step("sales_order")])
    ledger.steps.begin(one, "sales_order")
    ledger.steps.confirm(one, "sales_order", Receipt(target_id="7"))
    with meanwhile(ledger, "INSERT INTO deliveries", lambda: ledger.deliveries.complete(one)):
        (second,) = accept(ledger, document("1", "2"))
    assert ledger.deliveries.get(one.id).state is State.DELIVERED
    assert ledger.deliveries.get(second.id).state is State.DUE
    assert [again.id for again in claim(ledger)] == [second.id]


def test_two_that_claim_at_once_do_not_take_two_of_one_concern(ledger: Ledger):
    accept(ledger, document("1", concerns="customer a@b.c"), document("2", concerns="customer a@b.c"))
    with meanwhile(ledger, "UPDATE deliveries SET state", lambda: claim(ledger, limit=2, owner="run-2:7")) as other:
        mine = claim(ledger, limit=1)
    assert len(mine) == 1
    assert other == [[]]
