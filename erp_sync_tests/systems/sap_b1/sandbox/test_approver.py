"""Somebody decides about orders that wait, over real HTTP."""

from __future__ import annotations

import threading

import pytest

from erp_sync.sandbox.checker.sources import PEOPLE
from erp_sync.systems.sap_b1.sandbox.approver import AGENT, Approver, Judged, at_random
from erp_sync_tests.systems.sap_b1.sandbox.conftest import order_body
from erp_sync_tests.systems.sap_b1.sandbox.office import office
from erp_sync_tests.systems.sap_b1.sandbox.test_approvals import BIG, LARGE


@pytest.fixture
def company():
    with office(approval_templates=[BIG]) as found:
        yield found


@pytest.fixture
def make_approver(company):
    made = []

    def make(why_not=None):
        status = {"base_url": company.sandbox.base_url, **company.sandbox.status()}
        made.append(Approver.at(status, why_not))
        return made[-1]

    yield make
    for approver in made:
        approver.close()


def held(company, number, *lines):
    """An order that becomes a draft."""
    body = order_body(*(lines or [LARGE]), NumAtCard=number, U_ErpSyncKey=f"shop_{number}")
    assert company.http.post("Orders", json=body).status_code == 404


def request_of(company, code):
    return company.call("GET", f"ApprovalRequests({code})")


def test_what_is_approved_becomes_an_order_and_what_is_refused_stays_a_draft(company, make_approver):
    held(company, "A-1")
    held(company, "A-2")
    company.order(NumAtCard="A-3")  # needs no approval, and takes the first DocEntry

    def why_not(draft):
        return "Too much for this customer" if draft["NumAtCard"] == "A-2" else None

    approver = make_approver(why_not)
    assert approver.round() == 2
    assert approver.judged == [
        Judged(1, 1, True, "Checked", 2),
        Judged(2, 2, False, "Too much for this customer", None),
    ]
    assert approver.refused == []
    assert {order.key: order.reference for order in company.evidence.orders()} == {"": "A-3", "shop_A-1": "A-1"}
    refused = request_of(company, 2)
    assert (refused["Status"], refused["Remarks"]) == ("arsNotApproved", "Too much for this customer")
    assert company.call("GET", "Drafts(2)")["AuthorizationStatus"] == "dasRejected"
    assert company.call("GET", "Drafts(1)")["DocumentStatus"] == "bost_Close"
    assert approver.round() == 0
    assert len(company.evidence.orders()) == 2


def test_a_draft_that_was_approved_and_not_saved_is_saved_in_the_next_round(company, make_approver):
    held(company, "A-1")
    decision = {"Status": "ardApproved", "Remarks": "by phone"}
    company.call("PATCH", "ApprovalRequests(1)", {"ApprovalRequestDecisions": [decision]})
    approver = make_approver(lambda draft: pytest.fail("it was decided before"))
    approver.round()
    assert approver.judged == [Judged(1, 1, True, "by phone", 1)]
    assert [order.reference for order in company.evidence.orders()] == ["A-1"]


def test_what_the_company_refuses_waits_for_another_round(company, make_approver):
    held(company, "A-1")
    company.sandbox.control("POST", "seed", {"raw_items": [{"ItemCode": "BOLT", "Valid": "tNO", "Frozen": "tYES"}]})
    approver = make_approver(lambda draft: None)
    approver.round()
    assert (approver.judged, approver.refused) == ([], ["approval request 1: 10001069 - Item BOLT is inactive"])
    company.sandbox.control("POST", "seed", {"raw_items": [{"ItemCode": "BOLT", "Valid": "tYES", "Frozen": "tNO"}]})
    approver.round()
    assert [one.order for one in approver.judged] == [1]


def test_remarks_are_cut_at_what_the_company_takes(company, make_approver):
    held(company, "A-1")
    make_approver(lambda draft: "x" * 300).round()
    assert request_of(company, 1)["Remarks"] == "x" * 200


def test_a_share_is_refused_and_always_the_same_ones():
    drafts = [{"NumAtCard": f"A-{number}", "DocEntry": number} for number in range(400)]
    once = [draft["NumAtCard"] for draft in drafts if at_random(0.25)(draft)]
    again = [draft["NumAtCard"] for draft in drafts if at_random(0.25)({**draft, "DocEntry": 7})]
    assert once == again
    assert 60 < len(once) < 140
    assert [draft for draft in drafts if at_random(0)(draft)] == []
    assert once != [draft["NumAtCard"] for draft in drafts if at_random(0.25, seed=1)(draft)]


def test_the_approver_works_until_told_to_stop_and_looks_once_more(company, make_approver):
    approver, stop = make_approver(lambda draft: None), threading.Event()
    stop.set()
    held(company, "A-1")
    approver.work(stop, pause=60)
    assert [one.order for one in approver.judged] == [1]
    assert AGENT in PEOPLE
    calls = company.sandbox.journal(agent=AGENT)
    assert {call["endpoint"] for call in calls} >= {"ApprovalRequests.update", "DraftsService_SaveDraftToDocument"}
