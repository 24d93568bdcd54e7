"""Steps that documents went without: grouped by cause, until somebody settles them or a later delivery does them."""

from __future__ import annotations

import pytest

from erp_sync.ledger import Ledger, State
from erp_sync.ledger.errors import NotInLedger
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import FLOW, ROUTE, Clock, accept, claim, document, step

ORDER, MAIL = step("sales_order"), step("mail", optional=True)


def deliver(ledger: Ledger, number: str, version: str = "1", refused: bool = True, end: str = "delivered") -> int:
    """A document whose e-mail the target refuses, or sends; gives the delivery's id."""
    accept(ledger, document(number, version))
    (mine,) = claim(ledger)
    ledger.steps.plan(mine, [step("sales_order", key=f"{number}-{version}"), MAIL])
    ledger.steps.begin(mine, "sales_order")
    ledger.steps.confirm(mine, "sales_order", Receipt(target_id=number))
    ledger.steps.begin(mine, "mail")
    if refused:
        ledger.steps.refuse(mine, "mail", "not_notified", f"no e-mail for {number}")
    else:
        ledger.steps.confirm(mine, "mail", Receipt(target_id=number))
    if end == "delivered":
        ledger.deliveries.complete(mine)
    else:
        ledger.deliveries.dead(mine, end, "no")
    return mine.id


def counted(ledger: Ledger) -> list[tuple[str, int, str]]:
    return [(one.code, one.count, one.number) for one in ledger.left_out.groups()]


def test_what_was_left_out_is_one_group_a_cause_and_dead_letters_are_none(ledger: Ledger, clock: Clock):
    first = deliver(ledger, "1")
    clock.advance(60)
    second = deliver(ledger, "2")
    deliver(ledger, "3", end="rejected")
    deliver(ledger, "4", refused=False)
    (group,) = ledger.left_out.groups()
    assert (group.route, group.flow, group.code, group.count) == (ROUTE, FLOW, "not_notified", 2)
    assert (group.number, group.message, (group.latest - group.oldest).seconds) == ("N2", "no e-mail for 2", 60)
    assert [one.delivery_id for one in ledger.left_out.find(code="not_notified")] == [second, first]
    assert [one.step for one in ledger.left_out.of([first])] == ["mail"]
    assert ledger.left_out.find(code="else") == ledger.left_out.groups(route="de") == []


def test_a_person_settles_it_with_name_and_reason_and_the_document_stays_delivered(ledger: Ledger):
    first, second = deliver(ledger, "1"), deliver(ledger, "2")
    with pytest.raises(ValueError, match="reason"):
        ledger.left_out.settle([first], "ann", "")
    with pytest.raises(NotInLedger):
        ledger.left_out.settle([first, 999], "ann", "sent by hand")
    assert counted(ledger) == [("not_notified", 2, "N2")]
    ledger.left_out.settle([second], "ann", "sent by hand")
    assert counted(ledger) == [("not_notified", 1, "N1")]
    event = ledger.trace("2").events[-1]
    assert (event.kind, event.step, event.actor, event.details["why"]) == ("dismissed", "mail", "ann", "sent by hand")
    assert ledger.deliveries.get(second).state is State.DELIVERED


def test_what_is_settled_by_its_code_leaves_other_codes_open(ledger: Ledger):
    accept(ledger, document("1", "1"))
    (mine,) = claim(ledger)
    note = step("note", optional=True)
    ledger.steps.plan(mine, [MAIL, note])
    for one, code in ((MAIL, "not_notified"), (note, "no_note")):
        ledger.steps.begin(mine, one.name)
        ledger.steps.refuse(mine, one.name, code, "no")
    ledger.deliveries.complete(mine)
    ledger.left_out.settle([], "ann", "sent by hand", {mine.id: "not_notified"})
    assert counted(ledger) == [("no_note", 1, "N1")]
    with pytest.raises(NotInLedger):
        ledger.left_out.settle([], "ann", "once more", {mine.id: "not_notified"})
    ledger.left_out.settle([mine.id], "ann", "the rest", {mine.id: "gone"})
    assert counted(ledger) == []


def test_a_later_delivery_of_the_document_that_does_it_settles_it(ledger: Ledger):
    deliver(ledger, "1")
    deliver(ledger, "2")
    deliver(ledger, "1", version="2")
    assert counted(ledger) == [("not_notified", 3, "N1")]
    deliver(ledger, "1", version="3", refused=False)
    assert counted(ledger) == [("not_notified", 1, "N2")]
