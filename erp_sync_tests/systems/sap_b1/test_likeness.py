"""After a lost answer an order may be there without our key: an add-on emptied the field of it."""

from __future__ import annotations

import pytest

from erp_sync.ports.outcomes import Absent, Accepted, Again, Ambiguous, Applied, Found
from erp_sync_tests.systems.sap_b1.requests import KEY, draft, request, saved
from erp_sync_tests.systems.sap_b1.samples import order

UNMARKED = saved(U_ErpSyncKey=None)
ROWS = UNMARKED["DocumentLines"]


def target(connector):
    return connector().port("sales_order", "target")


def there(server, orders=(), drafts=()):
    """What has the number and the card, and no key of ours."""
    for name, rows in (("Orders", orders), ("Drafts", drafts)):
        server.rows(name)
        server.rows(name, *rows, where="NumAtCard eq '10045'\\) and \\(CardCode eq 'C20000'")


def found(connector, server, orders=(), drafts=()):
    there(server, orders, drafts)
    port = target(connector)
    (finding,) = port.find([request(port, order())])
    return finding


def test_the_order_without_our_key_is_found_by_number_card_and_contents(connector, server):
    finding = found(connector, server, [UNMARKED])
    assert isinstance(finding, Found)
    assert (finding.receipt.target_id, finding.receipt.existed) == ("91", True)
    assert finding.receipt.values["key"].startswith("U_ErpSyncKey is empty in SAP, recognised by NumAtCard")


def test_a_draft_without_our_key_is_followed(connector, server):
    waiting = draft(U_ErpSyncKey="", DocumentLines=ROWS)
    assert found(connector, server, [], [waiting]) == Accepted(handle=f"draft:77:{KEY}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"DocTotal": 120.5}, "its total is 120.5, not 119.00"),
        ({"DocumentLines": ROWS[:1]}, "its rows are others"),
        ({"DocumentLines": [ROWS[0], {**ROWS[1], "Quantity": 4.0}]}, "its rows are others"),
        ({"Cancelled": "tYES"}, "it was cancelled there"),
        ({"DocTotalFc": 0.0, "DocRate": 1.08}, "its total is not told, not 119.00"),
    ],
    ids=["total", "a row less", "quantity", "cancelled", "another currency"],
)
def test_one_that_holds_something_else_is_a_case_for_a_person(connector, server, changes, words):
    finding = found(connector, server, [{**UNMARKED, **changes}])
    assert isinstance(finding, Ambiguous)
    assert finding.target_ids == ("order 91",)
    assert words in finding.why
    assert f"Write {KEY} into U_ErpSyncKey" in finding.why


@pytest.mark.parametrize(
    ("orders", "drafts", "ids"),
    [
        ([UNMARKED, {**UNMARKED, "DocEntry": 92}], [], ("order 91", "order 92")),
        ([UNMARKED], [draft(U_ErpSyncKey=None, DocumentLines=ROWS)], ("order 91", "draft 77")),
    ],
)
def test_several_are_a_case_for_a_person(connector, server, orders, drafts, ids):
    finding = found(connector, server, orders, drafts)
    assert isinstance(finding, Ambiguous)
    assert finding.target_ids == ids


@pytest.mark.parametrize(
    ("orders", "drafts"),
    [
        ([saved(U_ErpSyncKey="shopware_at_77")], []),
        ([{**UNMARKED, "NumAtCard": "10045 "}], []),
        ([], [draft(U_ErpSyncKey=None, AuthorizationStatus="dasRejected")]),
        ([], [draft(U_ErpSyncKey=None, DocumentStatus="bost_Close")]),
        ([], []),
    ],
    ids=["another store's", "another number", "rejected draft", "closed draft", "nothing"],
)
def test_what_is_not_this_order_says_nothing_against_sending_it(connector, server, orders, drafts):
    assert found(connector, server, orders, drafts) == Absent()


def test_components_that_sap_adds_do_not_make_it_another_order(connector, server):
    part = {"LineNum": 2, "ItemCode": "SEAL", "Quantity": 10.0, "TreeType": "iIngredient"}
    assert isinstance(found(connector, server, [{**UNMARKED, "DocumentLines": [*ROWS, part]}]), Found)


@pytest.mark.parametrize(
    ("total", "said"), [(119.0, "applied"), (150.0, "ambiguous")], ids=["the same", "another total"]
)
def test_it_is_looked_for_before_it_is_sent_again_too(connector, server, total, said):
    there(server, [{**UNMARKED, "DocTotal": total}])
    port = target(connector)
    (outcome,) = port.submit([request(port, order(), attempt=2)])
    if said == "applied":
        assert isinstance(outcome, Applied)
    else:
        assert (outcome.code, outcome.again) == ("ambiguous", Again.NEVER)
    assert server.writes() == []
