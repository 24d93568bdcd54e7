"""SAP's own calculation of an order, before it is posted: a difference is a case, never a silently changed order."""

from __future__ import annotations

from typing import Any

import pytest

from erp_sync.model.order import LineKind, OrderTotals, ShippingCharge
from erp_sync.ports.differences import allowing, undecided
from erp_sync.ports.outcomes import Again, Applied, NotSent, Refused
from erp_sync_tests.systems.sap_b1.conftest import PREVIEW
from erp_sync_tests.systems.sap_b1.requests import KEY, REFERENCES, request, saved
from erp_sync_tests.systems.sap_b1.samples import D, line, order
from erp_sync_tests.systems.sap_b1.scripted import NO_MATCH, Answer, Scripted, Sent, created, refused


def target(connector, **settings):
    return connector(**settings).port("sales_order", "target")


@pytest.fixture(autouse=True)
def posting(server: Scripted) -> None:
    server.on("POST", r"^Orders\?", created(saved()))
    server.on("GET", r"^Orders\(91\)", Answer(body=saved()))
    server.rows("Orders")
    server.rows("Drafts")


def previewed(server: Scripted, **changes: Any) -> None:
    server.on("POST", "^OrdersService_Preview", Answer(body=PREVIEW | changes))


def rows(*totals: float) -> list[dict[str, Any]]:
    return [{**row, "LineTotal": total} for row, total in zip(PREVIEW["DocumentLines"], totals, strict=True)]


def test_sap_is_asked_with_the_order_as_it_is_sent(connector, server):
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    assert isinstance(outcome, Applied)
    (asked,), (sent,) = server.previews(), server.writes()
    assert asked.body == {"Document": sent.body}
    assert asked.body["Document"]["U_ErpSyncKey"] == KEY


def test_a_difference_is_held_with_both_calculations_and_nothing_is_posted(connector, server):
    previewed(server, DocTotal=123.76, VatSum=19.76, DocumentLines=rows(45.0, 44.0))
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.again) == ("total_difference", Again.AFTER_DECISION)
    assert "total: 119.00 stated, 123.76 by SAP Business One (+4.76, beyond 0.05)" in outcome.message
    assert [(one.part, one.stated, one.found) for one in outcome.differences] == [
        ("total", D("119.00"), D("123.76")),
        ("tax", D("19.00"), D("19.76")),
        ("amount of line 1 (BEARING-6204)", D("45.00"), D("45")),
        ("amount of line 2 (SHAFT-20)", D("40.00"), D("44")),
    ]
    assert server.writes() == []


def test_tax_alone_is_named_so(connector, server):
    previewed(server, DocTotal=119.04, VatSum=19.10)
    port = target(connector)
    assert port.submit([request(port, order())])[0].code == "tax_difference"


def test_what_a_person_let_pass_is_posted_and_what_is_beyond_that_is_not(connector, server):
    previewed(server, DocTotal=120.00)
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    allowed = allowing((), outcome.differences)
    assert isinstance(port.submit([request(port, order(), attempt=2, allowed=allowed)])[0], Applied)
    previewed(server, DocTotal=121.00)
    assert isinstance(port.submit([request(port, order(), attempt=2, allowed=allowed)])[0], Refused)
    assert len(server.writes()) == 1


def test_a_difference_within_the_tolerance_is_posted_and_recorded(connector, server):
    previewed(server, DocTotal=119.03)
    made = saved(DocTotal=119.03)
    server.on("GET", r"^Orders\(91\)", Answer(body=made))
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    assert D(outcome.receipt.values["grand_total_difference"]) == D("0.03")
    assert "tax_difference" not in outcome.receipt.values
    assert target(connector, total_tolerance="0.01").submit([request(port, order())])[0].code == "total_difference"


def test_sap_s_own_prices_are_asked_for_without_ours(connector, server):
    def answer(sent: Sent) -> Answer:
        priced = "UnitPrice" in sent.body["Document"]["DocumentLines"][0]
        return Answer(body=PREVIEW | ({} if priced else {"DocTotal": 1.0, "DocumentLines": rows(45.0, 42.5)}))

    server.on("POST", "^OrdersService_Preview", answer)
    port = target(connector, price_check="prices")
    (outcome,) = port.submit([request(port, order())])
    assert (outcome.code, outcome.again) == ("price_difference", Again.AFTER_DECISION)
    (beyond,) = undecided(outcome.differences, ())
    assert (beyond.part, beyond.stated, beyond.found) == ("price of line 2 (SHAFT-20)", D("40.00"), D("42.5"))
    lines = server.previews()[1].body["Document"]["DocumentLines"]
    assert [set(one) & {"UnitPrice", "DiscountPercent", "Price"} for one in lines] == [set(), set()]
    assert isinstance(target(connector).submit([request(port, order())])[0], Applied)


def test_nothing_is_asked_where_the_setting_says_so(connector, server):
    port = target(connector, price_check="off")
    assert isinstance(port.submit([request(port, order())])[0], Applied)
    assert server.previews() == []


def test_an_amount_that_sap_does_not_tell_in_the_order_s_currency_is_not_compared(connector, server):
    previewed(server, DocTotal=107.1, DocTotalFc=0.0, DocRate=0.9)
    port = target(connector)
    assert isinstance(port.submit([request(port, order())])[0], Applied)


def test_a_foreign_currency_is_compared_in_that_currency(connector, server):
    foreign = [{**row, "LineTotal": 1.0, "RowTotalFC": total} for row, total in zip(rows(0, 0), (45, 40), strict=True)]
    previewed(server, DocTotal=107.1, DocTotalFc=119.0, VatSum=17.1, VatSumFc=19.0, DocRate=0.9, DocumentLines=foreign)
    port = target(connector)
    assert isinstance(port.submit([request(port, order())])[0], Applied)
    previewed(server, DocTotal=107.1, DocTotalFc=118.0, VatSum=17.1, VatSumFc=19.0, DocRate=0.9, DocumentLines=foreign)
    (outcome,) = port.submit([request(port, order())])
    assert [D(one.found) for one in outcome.differences] == [D("118"), D("19"), D("45"), D("40")]


def test_components_that_sap_adds_itself_are_no_lines_of_ours(connector, server):
    lines = (line("1", "SHAFT-20", "1", "30.00", kind=LineKind.BUNDLE),)
    one = order(lines=lines, shipping=ShippingCharge(), totals=OrderTotals(subtotal=D("30"), grand_total=D("30")))
    component = {"ItemCode": "PIN", "LineTotal": 9.0, "TreeType": "iIngredient"}
    document = [{"ItemCode": "SHAFT-20", "LineTotal": 31.0, "TreeType": "iSalesTree"}, component]
    previewed(server, DocTotal=31.0, VatSum=0.0, DocumentLines=document)
    port = target(connector)
    (outcome,) = port.submit([request(port, one, references=REFERENCES)])
    assert [(each.part, each.found) for each in outcome.differences][2:] == [("amount of line 1 (SHAFT-20)", D("31"))]


@pytest.mark.parametrize("answer", [Answer(502, text="<html>"), Answer(drop=True), Answer(200, text="<html>")])
def test_a_preview_that_does_not_come_keeps_the_order_and_nothing_was_sent(connector, server, answer):
    server.on("POST", "^OrdersService_Preview", answer)
    port = target(connector)
    assert isinstance(port.submit([request(port, order())])[0], NotSent)
    assert server.writes() == []


def test_what_sap_refuses_of_the_preview_it_refuses_of_the_order(connector, server):
    server.on("POST", "^OrdersService_Preview", refused(-1116, "(15) Hazardous goods need a permit"))
    port = target(connector)
    assert port.submit([request(port, order())])[0].code == "refused_by_add_on"
    assert server.writes() == []


def test_a_service_layer_without_the_call_says_how_to_go_without_it(connector, server):
    server.on("POST", "^OrdersService_Preview", refused(200, "Unrecognized resource path.", 404))
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    assert outcome.code == "not_supported"
    assert outcome.message.endswith("Setting price_check: off posts orders without asking for SAP's own calculation.")
    assert server.writes() == []


def test_no_match_of_a_preview_may_be_an_approval_procedure_and_the_order_tells(connector, server):
    server.on("POST", "^OrdersService_Preview", NO_MATCH)
    port = target(connector)
    assert isinstance(port.submit([request(port, order())])[0], Applied)
