"""A draft whose order the store cancelled is taken back, whatever becomes of it in the same moment."""

from __future__ import annotations

import pytest

from erp_sync.ports.outcomes import Accepted, Again, Applied, NotSent, Refused, Unknown
from erp_sync_tests.systems.sap_b1.requests import KEY, draft, request, saved
from erp_sync_tests.systems.sap_b1.samples import order
from erp_sync_tests.systems.sap_b1.scripted import NO_MATCH, Answer, refused

HANDLE = f"draft:77:{KEY}"
REMOVED = Accepted(handle=HANDLE, ask_after_seconds=180.0)
ADDED = draft(status="dasWithout", DocumentStatus="bost_Close")
CHANGED = refused(-2039, "Another user or another operation modified data", status=412)


def take_back(connector, handle=HANDLE):
    port = connector().port("sales_order", "target")
    assert port.take_back_operation == "sales_order.withdraw_draft"
    return port.take_back(request(port, order()), handle)


@pytest.fixture
def company(server):
    """Nothing but the draft."""
    server.rows("Orders")
    server.rows("Drafts")
    server.rows("ApprovalRequests")
    return server


def stands(server, *bodies):
    server.on("GET", r"^Drafts\(77\)", *(NO_MATCH if body is None else Answer(body=body) for body in bodies))


@pytest.mark.parametrize("status", ["dasPending", "dasApproved", "dasRejected"])
def test_a_draft_is_removed_and_looked_for_once_more(connector, company, status):
    """A read may be behind, and an order have been made of it in the same moment."""
    stands(company, draft(status=status), None)
    company.on("DELETE", r"^Drafts\(77\)", Answer(204))
    assert take_back(connector) == REMOVED
    outcome = take_back(connector)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.again) == ("taken_back", Again.NEVER)
    (sent,) = company.writes()
    assert sent.headers["if-match"] == 'W/"d3"'


def test_one_that_is_gone_already_needs_nothing(connector, company):
    stands(company, None)
    assert take_back(connector).code == "taken_back"
    assert company.writes() == []


def test_where_it_cannot_be_removed_its_approval_is_cancelled(connector, company):
    stands(company, draft(), draft(status="dasCancelled"))
    company.on("DELETE", r"^Drafts", refused(-5006, "The action is not supported"))
    company.on("POST", r"^Drafts\(77\)/Cancel", Answer(204))
    assert take_back(connector) == REMOVED
    assert take_back(connector).code == "taken_back"


def test_where_neither_is_allowed_a_person_is_told_to(connector, company):
    stands(company, draft())
    company.on("DELETE", r"^Drafts", refused(-5002, "No authorization"))
    company.on("POST", r"^Drafts\(77\)/Cancel", refused(-5002, "No authorization"))
    outcome = take_back(connector)
    assert (outcome.code, outcome.again) == ("not_taken_back", Again.NEVER)
    assert "Reject it there, or delete it, before somebody adds it" in outcome.message


def test_an_order_that_was_made_of_it_is_told_so_that_it_is_cancelled(connector, company):
    stands(company, ADDED)
    company.rows("Orders", saved())
    assert isinstance(take_back(connector), Applied)
    assert company.writes() == []


def test_an_order_that_is_made_of_it_in_the_same_moment_is_told(connector, company):
    """It was read as pending; then somebody approved and added it, and SAP let us remove what was left."""
    stands(company, draft(), None)
    company.on("DELETE", r"^Drafts", Answer(204))
    company.rows("Orders", saved())
    assert isinstance(take_back(connector), Applied)


def test_an_order_of_an_emptied_key_that_is_made_in_the_same_moment_is_told(connector, company):
    stands(company, draft(), None)
    company.on("DELETE", r"^Drafts", Answer(204))
    company.rows("Orders", saved(U_ErpSyncKey=None), where="NumAtCard")
    assert isinstance(take_back(connector), Applied)


def test_one_that_somebody_changes_in_the_same_moment_is_read_again(connector, company):
    stands(company, draft(), draft(status="dasApproved", **{"@odata.etag": 'W/"d4"'}), None)
    company.on("DELETE", r"^Drafts", CHANGED, Answer(204))
    assert take_back(connector) == REMOVED
    assert [sent.headers["if-match"] for sent in company.writes()] == ['W/"d3"', 'W/"d4"']


def test_one_that_goes_on_changing_is_tried_later(connector, company):
    stands(company, draft())
    company.on("DELETE", r"^Drafts", CHANGED)
    assert take_back(connector) == Accepted(handle=HANDLE, ask_after_seconds=60.0)


def test_a_closed_one_whose_order_is_not_to_be_seen_is_not_called_taken_back(connector, company):
    stands(company, ADDED)
    assert take_back(connector) == Accepted(handle=HANDLE, ask_after_seconds=60.0)


def test_a_lost_answer_is_unknown(connector, company):
    stands(company, draft())
    company.on("DELETE", r"^Drafts", Answer(drop=True))
    assert isinstance(take_back(connector), Unknown | NotSent)


def test_what_was_made_and_could_not_be_read_is_told_or_taken_back(connector, company):
    company.on("GET", r"^Orders\(91\)", NO_MATCH)
    company.rows("Drafts", draft())
    stands(company, draft(), draft(), None)
    company.on("DELETE", r"^Drafts", Answer(204))
    assert take_back(connector, f"made:91:10045:{KEY}") == REMOVED
