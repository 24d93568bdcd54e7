"""What becomes of an order that an approval procedure keeps as a draft."""

from __future__ import annotations

import msgspec
import pytest

from erp_sync.ports.outcomes import Accepted, Again, Applied, NotSent, Refused, Unknown
from erp_sync_tests.systems.sap_b1.requests import KEY, RECEIPT, draft, request, saved
from erp_sync_tests.systems.sap_b1.samples import order
from erp_sync_tests.systems.sap_b1.scripted import NO_MATCH, Answer, refused

HANDLE = f"draft:77:{KEY}"
WAITING = Accepted(handle=HANDLE, ask_after_seconds=300.0)
FOUND = Applied(receipt=msgspec.structs.replace(RECEIPT, existed=True))


def settle(connector, **settings):
    return connector(**settings).port("sales_order", "target").settle([HANDLE])[0]


def stands(server, status: str) -> None:
    server.on("GET", r"^Drafts\(77\)", Answer(body=draft(status=status)))


def requested(**changes):
    line = {"StageCode": 1, "UserID": 5, "Status": "ardNotApproved", "Remarks": "Ask for the permit first"}
    values = {
        "Code": 9, "ObjectEntry": 0, "DraftEntry": 77, "Status": "arsNotApproved", "Remarks": None,
        "ApprovalRequestLines": [{**line, "UserID": 4, "Status": "ardApproved", "Remarks": ""}, line],
    }  # fmt: skip
    return values | changes


LATER = "2026-01-15T00:00:00Z"


def added(**changes):
    """As a draft was seen to be after it was added."""
    return draft(status="dasWithout", DocumentStatus="bost_Close", **changes)


@pytest.mark.parametrize("status", ["dasPending", "dasWithout", "dasApproved"])
def test_a_draft_waits_until_somebody_adds_it(connector, server, status):
    stands(server, status)
    assert settle(connector) == WAITING
    assert server.writes() == []


def test_how_often_is_asked_is_a_setting(connector, server):
    stands(server, "dasPending")
    assert settle(connector, approval_poll_seconds=60).ask_after_seconds == 60


@pytest.mark.parametrize("status", ["dasGenerated", "dasGeneratedbyAuthorizer"])
def test_a_generated_draft_is_the_order_with_its_new_number(connector, server, status):
    stands(server, status)
    server.rows("Orders", saved())
    assert settle(connector) == FOUND


def test_an_order_without_our_key_is_found_by_its_approval_request(connector, server):
    stands(server, "dasGenerated")
    server.rows("Orders")
    server.rows("Drafts")
    server.rows("ApprovalRequests", requested(Status="arsGenerated", ObjectEntry=91))
    server.on("GET", r"^Orders\(91\)", Answer(body=saved(U_ErpSyncKey=None)))
    assert settle(connector) == Applied(receipt=RECEIPT)
    asked = next(sent for sent in server.sent if sent.path == "ApprovalRequests")
    assert asked.where == "(DraftEntry eq 77) and (ObjectType eq '17')"


def test_a_generated_draft_whose_order_is_not_to_be_seen_yet_waits(connector, server):
    stands(server, "dasGenerated")
    server.rows("Orders")
    server.rows("Drafts")
    server.rows("ApprovalRequests", requested(Status="arsGenerated", ObjectEntry=91))
    server.on("GET", r"^Orders\(91\)", Answer(body=saved(U_ErpSyncKey="another")))
    assert settle(connector) == Accepted(handle=HANDLE, ask_after_seconds=60.0)


def test_a_draft_that_was_added_is_the_order_though_it_says_nothing_of_an_approval(connector, server):
    """Seen on a live system: closed, without a status, its approval request deleted."""
    server.on("GET", r"^Drafts\(77\)", Answer(body=added()))
    server.rows("Orders", saved())
    server.rows("ApprovalRequests")
    assert settle(connector) == FOUND


@pytest.mark.parametrize(
    ("total", "said"), [(119.0, Applied), (120.0, Refused)], ids=["the same total", "another total"]
)
def test_an_order_whose_key_was_emptied_is_told_by_number_card_and_total_of_its_draft(connector, server, total, said):
    server.on("GET", r"^Drafts\(77\)", Answer(body=added(UpdateDate=LATER, UpdateTime="09:00:00")))
    server.rows("ApprovalRequests")
    server.rows("Orders", saved(U_ErpSyncKey=None, DocTotal=total), where="NumAtCard")
    server.rows("Orders", where="U_ErpSyncKey")
    outcome = settle(connector)
    assert isinstance(outcome, said)
    if isinstance(outcome, Refused):
        assert (outcome.code, outcome.again) == ("created_unrecognised", Again.NEVER)
        assert "draft 77 was added as an order, or closed" in outcome.message
    else:
        assert outcome.receipt.values["key"].startswith("U_ErpSyncKey is empty in SAP")


def test_a_rejected_draft_names_who_and_why(connector, server):
    stands(server, "dasRejected")
    server.rows("ApprovalRequests", requested())
    server.on("GET", r"^Users\(5\)", Answer(body={"UserCode": "hilbert", "UserName": "David Hilbert"}))
    outcome = settle(connector)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.again) == ("approval_rejected", Again.NEVER)
    assert outcome.message.endswith(
        "draft 77 was rejected in the approval procedure. David Hilbert: Ask for the permit first"
    )


def test_where_users_may_not_be_read_their_number_is_told(connector, server):
    stands(server, "dasRejected")
    server.rows("ApprovalRequests", requested())
    server.on("GET", r"^Users", refused(-5002, "No authorization", 403))
    assert "user 5: Ask for the permit first" in settle(connector).message


def test_a_cancelled_draft_is_refused(connector, server):
    stands(server, "dasCancelled")
    server.rows("ApprovalRequests", requested(Status="arsCancelled", ApprovalRequestLines=[], Remarks="twice"))
    outcome = settle(connector)
    assert outcome.code == "approval_cancelled"
    assert "Remarks: twice" in outcome.message


def gone(server, *requests) -> None:
    server.on("GET", r"^Drafts\(77\)", NO_MATCH)
    server.rows("ApprovalRequests", *requests)


def test_a_draft_that_is_gone_may_have_become_the_order(connector, server):
    gone(server)
    server.rows("Orders", saved())
    assert settle(connector) == FOUND


@pytest.mark.parametrize(
    ("requests", "code"), [([], "approval_cancelled"), ([requested()], "approval_rejected")], ids=["none", "rejected"]
)
def test_a_draft_that_is_gone_without_an_order_is_refused(connector, server, requests, code):
    gone(server, *requests)
    server.rows("Orders")
    server.rows("Drafts")
    server.on("GET", r"^Users", NO_MATCH)
    assert settle(connector).code == code


# Approved drafts --------------------------------------------------------------------------


OURS = msgspec.structs.replace(WAITING, next_operation="sales_order.save_approved_draft")
POST = {"approved_drafts": "post"}


def add(connector):
    port = connector(**POST).port("sales_order", "target")
    return port.proceed(request(port, order()), HANDLE)


def test_an_approved_draft_waits_for_us_where_the_setting_says_so_and_is_not_added_by_asking(connector, server):
    """Adding it is a write of its own, which the ledger knows before it leaves."""
    stands(server, "dasApproved")
    assert settle(connector, **POST) == OURS
    assert server.writes() == []


def test_an_approved_draft_is_added(connector, server):
    server.on("GET", r"^Drafts\(77\)", Answer(body=draft(status="dasApproved")), Answer(body=added()))
    server.on("POST", "^DraftsService_SaveDraftToDocument", Answer(204))
    server.rows("ApprovalRequests")
    server.on("GET", r"^Orders\?", Answer(body={"value": []}), Answer(body={"value": [saved()]}))
    assert add(connector) == FOUND
    (sent,) = server.writes()
    assert sent.body == {"Document": {"DocEntry": 77}}


@pytest.mark.parametrize("found", [draft(status="dasPending"), draft(status="dasRejected"), added()])
def test_a_draft_that_is_not_approved_any_more_is_not_added(connector, server, found):
    server.on("GET", r"^Drafts\(77\)", Answer(body=found))
    server.rows("Orders")
    server.rows("ApprovalRequests")
    assert not isinstance(add(connector), Applied)
    assert server.writes() == []


def test_a_draft_whose_order_is_there_is_not_added(connector, server):
    stands(server, "dasApproved")
    server.rows("Orders", saved())
    assert add(connector) == FOUND
    assert server.writes() == []


def test_a_lost_answer_to_adding_a_draft_is_unknown_and_not_sent_again(connector, server):
    """`find` comes after the settle time: an order, or the draft, which is approved still if nothing was applied."""
    stands(server, "dasApproved")
    server.rows("Orders")
    server.rows("ApprovalRequests")
    server.on("POST", "^DraftsService_SaveDraftToDocument", Answer(drop=True))
    assert isinstance(add(connector), Unknown)
    assert len(server.writes()) == 1


def test_a_draft_that_sap_refuses_to_add_is_told(connector, server):
    stands(server, "dasApproved")
    server.rows("Orders")
    server.rows("ApprovalRequests")
    server.on("POST", "^DraftsService_SaveDraftToDocument", refused(-1116, "(15) Hazardous goods need a permit"))
    assert add(connector).code == "refused_by_add_on"


def test_a_draft_that_a_person_adds_in_the_same_moment_is_the_order(connector, server):
    """SAP refuses ours then, and that is no case for anybody."""
    server.on("GET", r"^Drafts\(77\)", Answer(body=draft(status="dasApproved")), Answer(body=added()))
    server.on("POST", "^DraftsService_SaveDraftToDocument", refused(-10, "The draft has already been processed"))
    server.rows("ApprovalRequests")
    server.on("GET", r"^Orders\?", Answer(body={"value": []}), Answer(body={"value": [saved()]}))
    assert add(connector) == FOUND


def test_a_question_that_does_not_get_through_says_nothing_about_the_draft(connector, server):
    server.on("GET", "^Drafts", Answer(502, text="<html>"))
    assert isinstance(settle(connector), NotSent)


def test_a_handle_of_somebody_else_is_refused(connector):
    port = connector().port("sales_order", "target")
    for handle in ("77", "draft:x:key", "draft:77:"):
        with pytest.raises(ValueError, match="no order was accepted as"):
            port.settle([handle])
