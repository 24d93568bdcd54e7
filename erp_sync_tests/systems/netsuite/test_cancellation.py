"""Cancellation of orders and of parts: which lines are closed, which are cut, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from erp_sync.model.order import OrderStatus, SalesOrder
from erp_sync.ports.documents import StepRequest
from erp_sync.ports.outcomes import Absent, Again, Applied, Found, Refused
from erp_sync.systems.netsuite.closing import Closing, closing
from erp_sync.systems.netsuite.mapping.order_lines import Discounts
from erp_sync_tests.systems.netsuite.samples import line, order, tax
from erp_sync_tests.systems.netsuite.scripted import Answer, created, refused

D = Decimal
NAMES = {"11": "SKU-1", "12": "SKU-2"}
CANCELLED = order(status=OrderStatus.CANCELLED)


def cancel(connector, document: SalesOrder = CANCELLED):
    port = connector().port("order_cancellation", "target")
    step = port.steps(document)[0]
    return port, StepRequest(delivery="1", step=step, document=document, receipts={}, references={}, attempt=1)


def netsuite_order(*lines: dict[str, Any], **more: Any) -> Answer:
    return Answer(200, {"id": "900", "tranId": "SO9", "item": {"items": list(lines)}, **more})


def sold(number: int, item: str, quantity: str, amount: str, **more: Any) -> dict[str, Any]:
    there = {"line": number, "item": {"id": item}, "quantity": D(quantity), "amount": D(amount), **more}
    return {"quantityFulfilled": D(0), "quantityBilled": D(0), "isClosed": False, **there}


def lose(document: SalesOrder, **units: dict[str, Any]) -> SalesOrder:
    """The order with fields of its lines changed, by line id."""
    changed = tuple(msgspec.structs.replace(one, **units.get(f"line_{one.line_id}", {})) for one in document.lines)
    return msgspec.structs.replace(document, lines=changed)


def test_a_cancelled_order_has_its_open_lines_closed(connector, server):
    before = netsuite_order({"line": 1, "isClosed": True}, {"line": 4})
    after = netsuite_order({"line": 1, "isClosed": True}, {"line": 4, "isClosed": True})
    server.on("GET", "/salesOrder/eid:magento_us_10045$", before, after)
    server.on("PATCH", "/salesOrder/900$", created("salesOrder", "900"))
    port, request = cancel(connector)
    outcome = port.submit([request])[0]
    assert isinstance(outcome, Applied)
    assert not outcome.receipt.existed
    assert [one.body for one in server.writes()] == [{"item": {"items": [{"line": 4, "isClosed": True}]}}]


def test_an_order_that_is_closed_already_is_left_alone(connector, server):
    server.on("GET", "/salesOrder/", netsuite_order({"line": 1, "isClosed": True}))
    port, request = cancel(connector)
    outcome = port.submit([request])[0]
    assert isinstance(outcome, Applied)
    assert outcome.receipt.existed
    assert isinstance(port.find([request])[0], Found)
    assert server.writes() == []


def test_what_is_not_closed_yet_is_not_found(connector, server):
    server.on("GET", "/salesOrder/", netsuite_order({"line": 1, "isClosed": True}, {"line": 4}))
    port, request = cancel(connector)
    assert port.find([request]) == [Absent()]


def test_of_an_order_of_which_something_left_the_house_the_rest_is_closed_and_a_person_is_told(connector, server):
    gone, still = {"line": 1, "quantityFulfilled": 1, "quantity": 1}, {"line": 4, "quantity": 2}
    server.on(
        "GET", "/salesOrder/", netsuite_order(gone, still), netsuite_order(gone, {**still, "isClosed": True})
    )  # fmt: skip
    server.on("PATCH", "/salesOrder/900$", created("salesOrder", "900"))
    port, request = cancel(connector)
    outcome = port.submit([request])[0]
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.again) == ("already_fulfilled", Again.NEVER)
    assert "1 of 2 lines of order SO9" in outcome.message
    assert [one.body for one in server.writes()] == [{"item": {"items": [{"line": 4, "isClosed": True}]}}]


def test_a_cut_that_netsuite_refuses_is_worked_out_anew_and_told_where_nothing_changed(connector, server):
    document = lose(order(), line_1={"quantity_cancelled": D(1)})
    there = [
        {"line": number, "item": {"id": item}, "quantity": units, "amount": amount}
        for number, item, units, amount in ((1, "11", 2, 20), (4, "12", 3, 40))
    ]
    server.on("SUITEQL", "FROM item", Answer(200, {"items": [{"id": "11", "itemid": "SKU-1"}]}))
    server.on("GET", "/salesOrder/", netsuite_order(*there))
    server.on("PATCH", "/salesOrder/900$", refused("The quantity cannot be less than what has been fulfilled."))
    port, request = cancel(connector, document)
    outcome = port.submit([request])[0]
    assert isinstance(outcome, Refused)
    assert "cannot be less" in outcome.message
    assert len(server.writes()) == 1, "it is not tried again with the same"


def test_each_further_cancellation_is_a_step_of_its_own(connector, server):
    port = connector().port("order_cancellation", "target")
    first, more = (lose(order(), line_2={"quantity_cancelled": D(units)}) for units in (1, 2))
    keys = {port.steps(one)[0].key for one in (first, more, CANCELLED)}
    assert len(keys) == 3
    assert port.steps(first)[0].key == port.steps(msgspec.structs.replace(first, version="9"))[0].key


# Which lines, and how --------------------------------------------------------------------------------------


def changes(document: SalesOrder, *lines: dict[str, Any], discounts: Discounts = Discounts.NET_RATE, **record: Any):
    return closing(document, {"item": {"items": list(lines)}, **record}, NAMES, discounts)


WHOLE = (sold(1, "11", "2", "20.00", taxDetailsReference="L1"), sold(4, "12", "3", "40.00", taxDetailsReference="L2"))


def test_exactly_the_cancelled_lines_are_closed():
    found = changes(lose(order(), line_2={"quantity_cancelled": D(3)}), *WHOLE)
    assert found.body == {"item": {"items": [{"line": 4, "isClosed": True}]}}
    assert (found.closes, found.beyond) == (("4",), ())


def test_a_line_that_is_lost_in_part_is_cut_with_its_share_of_amount_and_tax():
    document = lose(order(), line_2={"quantity_cancelled": D(1)})
    details = [
        {"taxDetailsReference": reference, "taxCode": {"id": "31"}, "taxBasis": basis, "taxAmount": amount}
        for reference, basis, amount in (("L1", 20, 1.65), ("L2", 40, 3.30), ("SHIPPING", 8.65, 0.71))
    ]
    found = changes(document, *WHOLE, taxDetailsOverride=True, taxDetails={"items": details})
    # Three for 45.00 less 5.00; two for 30.00 less 3.33.
    assert found.body["item"]["items"] == [{"line": 4, "quantity": 2, "amount": D("26.67")}]
    sent = {one["taxDetailsReference"]["id"]: one for one in found.body["taxDetails"]["items"]}
    assert (sent["L2"]["taxBasis"], sent["L2"]["taxAmount"]) == (D("26.67"), D("2.2"))
    assert (sent["L1"]["taxAmount"], sent["SHIPPING"]["taxAmount"]) == (1.65, 0.71)
    assert "taxDetails" not in changes(document, *WHOLE, taxDetails={"items": details}).body, "NetSuite taxes it anew"


def test_discount_lines_go_with_the_line_above():
    lines = (
        sold(1, "11", "2", "20.00"),
        sold(4, "12", "3", "45.00"),
        {"line": 7, "item": {"id": "99"}, "itemType": {"id": "Discount"}, "amount": D("-5.00")},
    )
    cut = changes(lose(order(), line_2={"quantity_cancelled": D(1)}), *lines, discounts=Discounts.DISCOUNT_LINES)
    assert cut.body["item"]["items"] == [
        {"line": 4, "quantity": 2, "amount": 30},
        {"line": 7, "amount": D("-3.33")},
    ]
    whole = changes(lose(order(), line_2={"quantity_cancelled": D(3)}), *lines, discounts=Discounts.DISCOUNT_LINES)
    assert [one["line"] for one in whole.body["item"]["items"]] == [4, 7]


@pytest.mark.parametrize(
    ("cancelled", "fulfilled", "billed", "cut_to", "beyond"),
    [
        (1, 0, 0, 2, ()),
        (1, 2, 0, 2, ()),
        (2, 2, 1, 2, ((D(2), D(1)),)),
        (3, 2, 0, 2, ((D(2), D(0)),)),
        (3, 0, 1, 1, ((D(1), D(0)),)),
        (1, 3, 0, None, ((D(3), D(2)),)),
    ],
)
def test_nothing_that_has_left_or_is_billed_is_touched(cancelled, fulfilled, billed, cut_to, beyond):
    document = lose(order(), line_2={"quantity_cancelled": D(cancelled)})
    done = {"quantityFulfilled": D(fulfilled), "quantityBilled": D(billed)}
    found = changes(document, WHOLE[0], {**WHOLE[1], **done})
    items = found.body.get("item", {}).get("items", [])
    assert [one["quantity"] for one in items] == ([cut_to] if cut_to else [])
    assert all("isClosed" not in one for one in items)
    assert found.beyond == beyond


def test_what_is_being_packed_is_closed_and_told_where_the_store_keeps_less():
    document = lose(order(), line_2={"quantity_cancelled": D(2)})
    packed = {**WHOLE[1], "quantityPicked": D(2)}
    assert changes(document, WHOLE[0], packed).beyond == ((D(2), D(1)),)
    assert changes(document, WHOLE[0], {**packed, "quantityPicked": D(1)}).beyond == ()
    closed = {**packed, "isClosed": True}
    assert changes(CANCELLED, {**WHOLE[0], "isClosed": True}, closed) == Closing(beyond=((D(2), D(0)),))


def test_a_cancellation_of_which_a_person_is_still_to_be_told_is_not_found(connector, server):
    server.on("GET", "/salesOrder/", netsuite_order({"line": 1, "isClosed": True, "quantityPicked": 1}))
    port, request = cancel(connector)
    assert port.find([request]) == [Absent()]


def test_what_is_cut_already_or_closed_by_somebody_is_left_alone():
    document = lose(order(), line_1={"quantity_cancelled": D(2)}, line_2={"quantity_cancelled": D(1)})
    closed, cut = {**WHOLE[0], "isClosed": True}, {**WHOLE[1], "quantity": D(2)}
    assert changes(document, closed, cut).body == {}


def test_what_somebody_added_in_netsuite_ends_with_a_cancelled_order_only():
    added = sold(7, "13", "1", "9.00")
    part = lose(order(), line_1={"quantity_cancelled": D(2)})
    assert [one["line"] for one in changes(part, *WHOLE, added).body["item"]["items"]] == [1]
    rest = lose(CANCELLED, line_1={"quantity_shipped": D(2)})
    shipped = {**WHOLE[0], "quantityFulfilled": D(2)}
    assert [one["line"] for one in changes(rest, shipped, WHOLE[1], added).body["item"]["items"]] == [4, 7]


def test_an_article_in_another_number_of_lines_keeps_what_the_store_keeps():
    lines = (line("1", "SKU-1", "2", "10.00"), line("2", "SKU-1", "3", "10.00"))
    document = lose(order(lines=lines), line_2={"quantity_cancelled": D(2)})
    found = changes(document, sold(1, "11", "5", "50.00"))
    assert found.body["item"]["items"] == [{"line": 1, "quantity": 3, "amount": 30}]


@pytest.mark.parametrize(
    ("left", "changed", "beyond"),
    [
        # The store has shipped both rows in part, NetSuite its second line alone.
        ((0, 4), [{"line": 1, "isClosed": True}], ()),
        ((1, 2), [{"line": 1, "quantity": 2, "amount": 20}, {"line": 4, "quantity": 2, "amount": 20}], ()),
        ((3, 1), [{"line": 4, "quantity": 1, "amount": 10}], ()),
        # One more than the store keeps at all.
        ((1, 4), [{"line": 1, "quantity": 1, "amount": 10}], ((D(4), D(3)),)),
    ],
)
@pytest.mark.parametrize("how", ["quantityFulfilled", "quantityBilled"])
def test_of_an_article_in_two_lines_it_makes_no_difference_which_one_left(left, changed, beyond, how):
    lines = (line("1", "SKU-1", "3", "10.00"), line("2", "SKU-1", "4", "10.00"))
    document = lose(order(lines=lines), line_2={"quantity_cancelled": D(3)})
    there = [
        sold(number, "11", units, amount, **{how: D(gone)})
        for number, units, amount, gone in ((1, "3", "30.00", left[0]), (4, "4", "40.00", left[1]))
    ]
    found = changes(document, *there)
    assert found.beyond == beyond
    assert found.body.get("item", {}).get("items", []) == changed


def test_a_line_of_which_something_left_while_it_was_closed_is_opened_for_what_has_left():
    closed = {**WHOLE[1], "isClosed": True, "quantityFulfilled": D(1)}
    document = lose(order(), line_2={"quantity_cancelled": D(3)})
    record = {"item": {"items": [WHOLE[0], closed]}}
    found = closing(document, record, NAMES, Discounts.NET_RATE, reopen={"4"})
    assert found.body["item"]["items"] == [{"line": 4, "quantity": 1, "amount": D("13.33"), "isClosed": False}]
    assert found.beyond == ((D(1), D(0)),)


# Legacy tax ------------------------------------------------------------------------------------------------


def taxed(line_id: str, sku: str, quantity: str, price: str, amount: str, **more: Any):
    basis = str(D(quantity) * D(price))
    return line(line_id, sku, quantity, price, taxes=(tax("10", basis, amount),), tax_amount=D(amount), **more)


def legacy_tax(document: SalesOrder, *lines: dict[str, Any]) -> Closing:
    return closing(document, {"item": {"items": list(lines)}}, NAMES, Discounts.NET_RATE, legacy=True)


def test_with_legacy_tax_lines_of_one_article_at_two_prices_keep_each_its_own():
    """20.00 of two that are closed and keep their amount, 3.00 of three out of five."""
    ours = (taxed("1", "SKU-1", "2", "100.00", "20.00"), taxed("2", "SKU-1", "5", "10.00", "5.00"))
    document = lose(order(lines=ours), line_1={"quantity_cancelled": D(2)}, line_2={"quantity_cancelled": D(2)})
    found = legacy_tax(document, sold(1, "11", "2", "200.00"), sold(4, "11", "5", "50.00"))
    assert found.closes == ("1",)
    assert found.legacy_tax == {
        "total": D("23.71"),
        "details": [
            {"line": 1, "amount": D(20)},
            {"line": 4, "amount": D(3)},
            {"line": None, "amount": D("0.71")},
        ],
    }


def test_with_legacy_tax_a_line_that_was_cut_before_keeps_its_tax_to_the_cent_when_another_is_cut():
    """Two taxes of 0.04 on five are 0.02 each on three, and 0.05 together: the order was a cent off, twice written."""
    taxes = (tax("10", "1.00", "0.04"), tax("10", "1.00", "0.04"))
    ours = (
        line("1", "SKU-1", "5", "0.20", taxes=taxes, tax_amount=D("0.08")),
        taxed("2", "SKU-2", "5", "10.00", "5.00"),
    )
    first = lose(order(lines=ours), line_1={"quantity_cancelled": D(2)})
    cut = legacy_tax(first, sold(1, "11", "5", "1.00"), sold(4, "12", "5", "50.00"))
    # What was left of it is cancelled, too: it is closed with the amount of three.
    more = lose(order(lines=ours), line_1={"quantity_cancelled": D(5)}, line_2={"quantity_cancelled": D(2)})
    again = legacy_tax(more, sold(1, "11", "3", "0.60"), sold(4, "12", "5", "50.00"))
    for found in (cut, again):
        assert found.legacy_tax is not None
        assert found.legacy_tax["details"][0] == {"line": 1, "amount": D("0.04")}
    assert again.closes == ("1",)


def test_with_legacy_tax_an_article_in_another_number_of_lines_is_taxed_by_its_units():
    ours = (taxed("1", "SKU-1", "2", "100.00", "20.00"), taxed("2", "SKU-1", "5", "10.00", "5.00"))
    document = lose(order(lines=ours), line_2={"quantity_cancelled": D(2)})
    found = legacy_tax(document, sold(1, "11", "7", "250.00"))
    assert found.body["item"]["items"][0]["quantity"] == 5
    assert found.legacy_tax is not None
    assert found.legacy_tax["details"][0] == {"line": 1, "amount": D(23)}


def test_with_legacy_tax_a_line_that_the_store_never_sold_keeps_its_tax():
    document = lose(order(), line_2={"quantity_cancelled": D(1)})
    found = legacy_tax(document, *WHOLE, sold(7, "13", "1", "9.00"))
    assert found.legacy_tax is not None
    assert [one["line"] for one in found.legacy_tax["details"]] == [1, 4, None]
    assert found.legacy_tax["addedLines"] == [7]
    assert found.tax_problem is None


def test_with_legacy_tax_no_total_is_written_where_an_article_of_the_store_has_no_line():
    """Somebody gave the item another name: a total without it would take its tax off."""
    ours = (line("1", "SKU-1", "2", "10.00"), line("2", "SKU-2", "3", "15.00"), line("3", "SKU-3", "1", "5.00"))
    document = lose(order(lines=ours), line_1={"quantity_cancelled": D(2)}, line_2={"quantity_cancelled": D(1)})
    found = legacy_tax(document, *WHOLE, sold(7, "13", "1", "5.00"))
    assert found.legacy_tax is None
    assert found.tax_problem is not None
    assert (found.tax_problem.code, "SKU-3" in found.tax_problem.message) == ("article_without_line", True)
    assert found.without_tax() == {"item": {"items": [{"line": 1, "isClosed": True}]}}


def both_lines(server) -> None:
    lines = [
        {"line": number, "item": {"id": item}, "quantity": units, "amount": amount}
        for number, item, units, amount in ((1, "11", 2, 20), (4, "12", 3, 40))
    ]
    after = [{**lines[0], "isClosed": True}, lines[1]]
    server.on("GET", "/salesOrder/", netsuite_order(*lines), netsuite_order(*after))
    rows = [{"id": item, "itemid": sku} for item, sku in NAMES.items()]
    server.on("SUITEQL", "FROM item", Answer(200, {"items": rows}))


REFUSALS = {
    "ERP_SYNC_BAD_REQUEST": (
        "record salesOrder, body and body.externalId are required",
        "order_restlet_too_old",
        "order RESTlet version 3 is needed",
    ),
    # The total that was written lacked the tax of what somebody had added, and nobody was told.
    "ERP_SYNC_ADDED_LINES": (
        "it is taxed as a whole, and the store has not sold what is on line 7",
        "tax_of_added_lines",
        "the store has not sold what is on line 7",
    ),
}


@pytest.mark.parametrize("said", REFUSALS)
def test_where_the_order_restlet_changes_no_tax_whole_lines_are_closed_and_the_rest_is_refused(connector, server, said):
    """The whole change was refused: what was cancelled stayed open, and its parcel could leave."""
    words, code, told = REFUSALS[said]
    document = lose(
        order(tax_from_store=True), line_1={"quantity_cancelled": D(2)}, line_2={"quantity_cancelled": D(1)}
    )
    both_lines(server)
    server.on("PATCH", "/salesOrder/900$", created("salesOrder", "900"))
    error = {"error": {"code": said, "message": words}}
    server.on("POST", "restlet.nl", Answer(400, error, {"Content-Type": "application/json"}))
    port, request = cancel(lambda: connector(tax_engine="legacy"), document)
    outcome = port.submit([request])[0]
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.again) == (code, Again.NEVER)
    assert told in outcome.message
    assert "those of which a part was cancelled are open as they were" in outcome.message
    asked, closed, rest = server.writes()
    assert [one["line"] for one in asked.body["body"]["item"]["items"]] == [1, 4]
    assert closed.body == {"item": {"items": [{"line": 1, "isClosed": True}]}}
    assert [one["line"] for one in rest.body["body"]["item"]["items"]] == [4]


def test_where_the_tax_cannot_be_told_whole_lines_are_closed_and_the_rest_is_refused(connector, server):
    ours = (line("1", "SKU-1", "2", "10.00"), line("2", "SKU-2", "3", "15.00"), line("3", "SKU-3", "1", "5.00"))
    document = lose(
        order(tax_from_store=True, lines=ours), line_1={"quantity_cancelled": D(2)}, line_2={"quantity_cancelled": D(1)}
    )
    both_lines(server)
    server.on("PATCH", "/salesOrder/900$", created("salesOrder", "900"))
    port, request = cancel(lambda: connector(tax_engine="legacy"), document)
    outcome = port.submit([request])[0]
    assert isinstance(outcome, Refused)
    assert outcome.code == "article_without_line"
    assert [one.body for one in server.writes()] == [{"item": {"items": [{"line": 1, "isClosed": True}]}}]
