from __future__ import annotations

import pytest
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.ledger import State
from erp_sync.operations import dead_letters, letters
from erp_sync.operations.choosing import CannotDo
from erp_sync.ports.documents import Step
from erp_sync_tests.operations.house import ERP, ROUTE, STORE, House


def test_dead_letters_and_quarantine_are_grouped_by_code(house: House) -> None:
    for native_id in ("1", "2"):
        house.dead(native_id)
    house.refused("3")
    groups = dead_letters.groups(house.here)
    assert [(one.where, one.code, one.count, one.sample) for one in groups] == [
        ("delivery", "unmapped_payment_method", 2, "no answer for 2"),
        ("quarantine", "malformed_address", 1, "no postcode"),
    ]


def went_without_its_email(house: House, native_id: str) -> int:
    """A delivered document whose e-mail the target refused; gives the delivery's id."""
    delivery, claim = house.order(native_id), house.claim()
    house.ledger.steps.plan(claim, [Step(name="mail", operation="mail.send", key=f"mail-{native_id}", optional=True)])
    house.ledger.steps.begin(claim, "mail")
    house.ledger.steps.refuse(claim, "mail", "not_notified", f"no e-mail for {native_id}")
    house.ledger.deliveries.complete(claim)
    return delivery


def test_what_delivered_documents_went_without_is_listed_shown_and_dismissed_by_id_number_or_code(house: House) -> None:
    first, second, third, fourth = (went_without_its_email(house, one) for one in "1234")
    (group,) = dead_letters.groups(house.here)
    assert (group.where, group.code, group.count, group.sample) == ("left_out", "not_notified", 4, "no e-mail for 4")
    assert [one.number for one in dead_letters.letters(house.here, code="not_notified")][-1] == "000000001"
    told = letters.told(house.here, f"d{first}")
    assert (told.state, told.code, told.reason) == ("delivered", "not_notified", "no e-mail for 1")
    assert told.can_do[1:] == [f"erp-sync deadletters dismiss d{first} --why TEXT"]
    assert letters.told(house.here, "000000002").id == f"d{second}"
    for word in (f"d{first}", "000000002"):
        with pytest.raises(CannotDo, match="is no dead letter"):
            dead_letters.retry(house.here, [word], who="ann")
        dead_letters.dismiss(house.here, [word], who="ann", why="sent by hand")
        with pytest.raises(CannotDo, match="is no"):
            dead_letters.dismiss(house.here, [word], who="ann", why="once more")
    dead = house.dead("5")
    with pytest.raises(CannotDo, match="dead letters are dismissed by id"):
        dead_letters.dismiss(house.here, [], without="unmapped_payment_method", who="ann", why="all")
    done = CliRunner().invoke(
        app, ["deadletters", "dismiss", "--code", "not_notified", "--why", "sent", "--who", "ann"]
    )
    assert done.stdout == f"dismissed: d{third}, d{fourth}\n"
    assert [(one.where, one.count) for one in dead_letters.groups(house.here)] == [("delivery", 1)]
    states = [house.ledger.deliveries.get(one).state for one in (first, third, dead)]
    assert states == [State.DELIVERED, State.DELIVERED, State.DEAD]


def test_what_documents_went_without_is_dismissed_of_one_flow_only(house: House) -> None:
    delivery = went_without_its_email(house, "1")
    flow = house.ledger.deliveries.get(delivery).flow
    for route, other in (("elsewhere", None), (ROUTE, "refunds")):
        with pytest.raises(CannotDo, match=r"nothing delivered o[nf] .* went without a step"):
            dead_letters.dismiss(
                house.here, [], without="not_notified", route=route, flow=other, who="ann", why="sent by hand"
            )
    with pytest.raises(CannotDo, match="step of code not_notifed"):
        dead_letters.dismiss(house.here, [f"d{delivery}"], without="not_notifed", who="ann", why="misspelt: none is")
    asked = ["deadletters", "dismiss", "--why", "sent", "--who", "ann", "--route", ROUTE, "--flow", flow]
    assert CliRunner().invoke(app, [*asked, f"d{delivery}"]).exit_code != 0, "they narrow a code"
    done = CliRunner().invoke(app, [*asked, "--code", "not_notified"])
    assert done.stdout == f"dismissed: d{delivery}\n"


def test_a_code_that_is_misspelt_is_refused_with_the_one_that_is_meant(house: House) -> None:
    house.dead("1", code="unknown_sku")
    for ask in (dead_letters.letters, dead_letters.select):
        with pytest.raises(CannotDo, match="no letter has the code unknow_sku, and none is called so; is unknown_sku"):
            ask(house.here, code="unknow_sku")
        with pytest.raises(CannotDo, match="there are now: unknown_sku"):
            ask(house.here, code="zzz")
        ask(house.here, code="tax_difference")  # it exists; nothing has it now
        ask(house.here, code="unmapped_carriers")


def test_retry_of_a_code_leaves_other_codes_alone(house: House) -> None:
    first, second = house.dead("1"), house.dead("2", code="closed_period")
    retried = dead_letters.retry(house.here, code="closed_period", who="ann")
    assert retried.deliveries == [f"d{second}"]
    assert house.ledger.deliveries.get(first).state is State.DEAD
    assert house.ledger.deliveries.any_due("orders", ERP)


def test_a_retried_record_of_the_quarantine_is_transformed_by_the_next_run(house: House) -> None:
    received = house.refused("3")
    assert not house.ledger.any_unhandled(ROUTE, "orders", STORE, "sales_order")
    retried = dead_letters.retry(house.here, ["000000003"], who="ann")
    assert len(retried.quarantine) == 1
    unhandled = house.ledger.unhandled(ROUTE, "orders", STORE, "sales_order")
    assert [row.id for row in unhandled] == [received]


def test_retry_of_all_takes_both_kinds(house: House) -> None:
    house.dead("1")
    house.refused("3")
    assert dead_letters.retry(house.here, everything=True, who="ann").count == 2


def test_one_wrong_word_and_nothing_is_retried(house: House) -> None:
    delivery = house.dead("1")
    with pytest.raises(CannotDo, match="d99 is no dead letter"):
        dead_letters.retry(house.here, [f"d{delivery}", "d99"], who="ann")
    assert house.ledger.deliveries.get(delivery).state is State.DEAD


def test_retry_without_a_word_must_be_meant(house: House) -> None:
    with pytest.raises(CannotDo, match="say which"):
        dead_letters.retry(house.here, who="ann")


def test_dismissing_needs_a_reason_and_closes_both_kinds(house: House) -> None:
    delivery = house.dead("1")
    house.refused("3")
    with pytest.raises(CannotDo, match="needs a reason"):
        dead_letters.dismiss(house.here, [f"d{delivery}"], who="ann", why=" ")
    dead_letters.dismiss(house.here, [f"d{delivery}", "q1"], who="ann", why="entered by hand")
    assert house.ledger.deliveries.get(delivery).state is State.DISMISSED
    assert dead_letters.groups(house.here) == []


def test_a_value_that_stands_in_records_names_none_of_them(house: House) -> None:
    delivery = house.dead("1")
    for native_id in ("3", "4"):
        house.refused(native_id, payload={"increment_id": f"{int(native_id):09d}", "sku": "MUG"})
    house.receive("1", {"increment_id": "000000001", "sku": "TEE"}, version="2")
    for word in ("MUG", "TEE"):
        with pytest.raises(CannotDo, match=f"{word} is no dead letter"):
            dead_letters.dismiss(house.here, [word], who="ann", why="not wanted")
        with pytest.raises(CannotDo, match=f"{word} is no open letter"):
            letters.told(house.here, word)
    assert house.ledger.deliveries.get(delivery).state is State.DEAD
    assert dead_letters.dismiss(house.here, ["000000004"], who="ann", why="not wanted") == ["q2"]
    assert letters.told(house.here, "000000003").id == "q1"


def test_a_number_of_several_documents_is_refused_with_their_ids(house: House) -> None:
    first = house.dead("1")
    second = house.dead("2", number="000000001")
    for act in (
        lambda: dead_letters.dismiss(house.here, ["000000001"], who="ann", why="by hand"),
        lambda: dead_letters.retry(house.here, ["000000001"], who="ann"),
    ):
        with pytest.raises(CannotDo, match=f"000000001 names several documents; say which: d{first}, d{second}"):
            act()
    assert dead_letters.dismiss(house.here, [f"d{second}"], who="ann", why="by hand") == [f"d{second}"]
    assert house.ledger.deliveries.get(first).state is State.DEAD


def test_an_id_names_that_delivery_alone_and_no_later_version_of_its_document(house: House) -> None:
    first = house.dead("1")
    dead_letters.dismiss(house.here, [f"d{first}"], who="ann", why="by hand")
    second = house.order("1", version="2")
    house.ledger.deliveries.dead(house.claim(), "closed_period", "the period is closed")
    for act in (
        lambda: dead_letters.dismiss(house.here, [f"d{first}"], who="ann", why="once more"),
        lambda: dead_letters.retry(house.here, [f"d{first}"], who="ann"),
    ):
        with pytest.raises(CannotDo, match=f"d{first} is no dead letter"):
            act()
    assert house.ledger.deliveries.get(second).state is State.DEAD


def test_a_wrong_flow_is_refused_with_those_that_exist(house: House) -> None:
    with pytest.raises(CannotDo, match="no flow is called order; there are: orders, "):
        dead_letters.groups(house.here, flow="order")
