"""What became of an order that SAP answered with 201: it is never sent again by itself."""

from __future__ import annotations

import msgspec
import pytest

from erp_sync.ports.outcomes import Accepted, Again, Applied, NotSent, Refused
from erp_sync.systems.sap_b1.made import Made
from erp_sync_tests.systems.sap_b1.requests import KEY, RECEIPT, draft, request, saved
from erp_sync_tests.systems.sap_b1.samples import order
from erp_sync_tests.systems.sap_b1.scripted import NO_MATCH, Answer, created

MADE = f"made:91:10045:{KEY}"
UNMARKED = msgspec.structs.replace(
    RECEIPT,
    values={**RECEIPT.values, "key": "U_ErpSyncKey is empty in SAP, recognised by DocEntry and NumAtCard"},
)


def target(connector):
    return connector().port("sales_order", "target")


def test_an_order_that_was_made_and_cannot_be_read_is_asked_for_later_and_never_sent_again(connector, server):
    """Were it unknown, an order whose key an add-on emptied would be looked for in vain, and sent again."""
    server.on("POST", r"^Orders\?", created(saved()))
    server.on("GET", "^Orders", Answer(502, text="<html>"))
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    assert outcome == Accepted(handle=outcome.handle, ask_after_seconds=60.0)
    one = Made.read(outcome.handle)
    assert (one.entry, one.number, one.key) == (91, "10045", KEY)
    assert isinstance(port.settle([outcome.handle])[0], NotSent)
    port = target(connector)  # another process
    server.rows("Orders")
    server.rows("Drafts")
    server.on("GET", r"^Orders\(91\)", Answer(body=saved(U_ErpSyncKey="")))
    assert port.settle([MADE]) == [Applied(receipt=UNMARKED)]
    assert len(server.writes()) == 1


def made(connector, server, later: bool = False, **found):
    """What is said of an order that was made (201) and stands in SAP like that; no search finds it."""
    server.on("POST", r"^Orders\?", created(saved()))
    server.rows("Orders")
    server.rows("Drafts")
    server.on("GET", r"^Orders\(91\)", Answer(body=saved(**found)))
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    if later:
        one = Made.read(outcome.handle)
        (outcome,) = port.settle([str(msgspec.structs.replace(one, at=one.at - 181))])
    return outcome


@pytest.mark.parametrize("emptied", [None, ""])
def test_an_order_whose_key_an_add_on_empties_is_recognised_by_its_numbers(connector, server, emptied):
    assert made(connector, server, U_ErpSyncKey=emptied) == Applied(receipt=UNMARKED)


@pytest.mark.parametrize(
    "found", [{"U_ErpSyncKey": "WEB"}, {"U_ErpSyncKey": KEY.upper()}, {"U_ErpSyncKey": None, "NumAtCard": "77"}]
)
def test_an_order_that_was_made_and_is_not_recognised_is_never_sent_again_by_itself(connector, server, found):
    """Not yet, at first: a read may be behind what SAP has answered."""
    outcome = made(connector, server, **found)
    assert isinstance(outcome, Accepted)
    assert Made.is_one(outcome.handle)
    outcome = made(connector, server, later=True, **found)
    assert (outcome.code, outcome.again) == ("created_unrecognised", Again.NEVER)
    assert f"made document 91 of {KEY} (NumAtCard 10045)" in outcome.message


def test_an_order_that_was_made_without_a_number_is_never_sent_again_by_itself(connector, server):
    server.on("POST", r"^Orders\?", created({"DocNum": 1}))
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    assert (outcome.code, outcome.again) == ("created_unrecognised", Again.NEVER)


@pytest.mark.parametrize(("status", "said"), [("dasPending", Accepted), ("dasRejected", Refused)])
def test_what_was_made_and_is_a_draft_is_settled_as_one(connector, server, status, said):
    server.on("GET", r"^Orders\(91\)", NO_MATCH)
    server.rows("Orders")
    server.rows("Drafts", draft(91, status))
    server.rows("ApprovalRequests")
    server.on("GET", r"^Drafts\(91\)", Answer(body=draft(91, status)))
    (outcome,) = target(connector).settle([MADE])
    assert isinstance(outcome, said)
    assert isinstance(outcome, Accepted) or outcome.code == "approval_rejected"


@pytest.mark.parametrize("number", ["10045", "a:b/c %", ""])
def test_a_handle_of_what_was_made_is_read_back(number):
    for at in (0, 1_768_430_000):
        one = Made(91, number, "shopware_de_1:2", at)
        assert Made.read(str(one)) == one


def test_a_handle_of_nothing_made_is_refused(connector):
    for handle in ("made:", "made:x:1:key", "made:91:1:", "made:91@x:1:key"):
        with pytest.raises(ValueError, match="no order was made as"):
            target(connector).settle([handle])
