"""Approval procedures, drafts, and an add-on that refuses."""

from __future__ import annotations

import pytest

from erp_sync_tests.systems.sap_b1.sandbox.conftest import order_body

BIG = {"name": "Above 1000", "object_type": "17", "total_above": "1000"}
LARGE = {"ItemCode": "BOLT", "Quantity": 200, "UnitPrice": 10}


@pytest.fixture
def strict(make_company):
    return make_company(approval_templates=[BIG])


def hold(company, **fields):
    """An order that becomes a draft; the answer of its POST."""
    return company.call("POST", "Orders", order_body(LARGE, U_ErpSyncKey="k-1", **fields))


def decide(company, decision, code=1, **fields):
    return company.call(
        "PATCH", f"ApprovalRequests({code})", {"ApprovalRequestDecisions": [{"Status": decision, **fields}]}
    )


def test_an_order_that_needs_approval_answers_no_record_yet_a_draft_exists(strict):
    answer = hold(strict)
    assert (answer.status, answer.code) == (404, "-2028")
    assert answer.message == "No matching records found (ODBC -2028)"
    assert answer.handled.committed
    assert strict.get("Orders/$count") == "0"
    (draft,) = strict.rows("Drafts?$filter=U_ErpSyncKey eq 'k-1' and DocObjectCode eq 'oOrders'")
    assert (draft["AuthorizationStatus"], draft["DocTotal"]) == ("dasPending", 2000)
    (request,) = strict.rows("ApprovalRequests")
    assert (request["ObjectType"], request["DraftEntry"], request["Status"]) == ("17", draft["DocEntry"], "arsPending")
    assert strict.stock("BOLT") == (50, 0)


def test_another_installation_answers_a_number_under_which_nothing_is(make_company):
    company = make_company(approval_templates=[BIG], approval_answer="created")
    answer = hold(company)
    assert answer.status == 201
    assert company.call("GET", f"Orders({answer.body['DocEntry']})").status == 404
    assert company.get("Drafts/$count") == "1"


def test_templates_reach_service_layer_only_when_switched_on(make_company):
    company = make_company(approval_templates=[BIG], approvals_in_di=False)
    assert hold(company).status == 201


def test_a_small_order_goes_through(strict):
    assert strict.call("POST", "Orders", order_body()).status == 201


def test_an_approved_draft_becomes_an_order_under_a_new_number(strict):
    hold(strict, NumAtCard="A-1")
    strict.call("POST", "Orders", order_body())  # takes DocEntry 1
    save = {"Document": {"DocEntry": 1}}
    assert strict.call("POST", "DraftsService_SaveDraftToDocument", save).code == "-10"
    assert decide(strict, "ardApproved", Remarks="fine").status == 204
    assert strict.get("Drafts(1)")["AuthorizationStatus"] == "dasApproved"
    strict.done("DraftsService_SaveDraftToDocument", save)
    (order,) = strict.rows("Orders?$filter=U_ErpSyncKey eq 'k-1'")
    assert (order["DocEntry"], order["NumAtCard"], order["DocTotal"]) == (2, "A-1", 2000)
    draft = strict.get("Drafts(1)")
    assert (draft["DocumentStatus"], draft["AuthorizationStatus"]) == ("bost_Close", "dasWithout")
    assert strict.call("GET", "ApprovalRequests(1)").status == 404
    assert strict.stock("BOLT")[1] == 202
    assert strict.call("POST", "DraftsService_SaveDraftToDocument", save).code == "-10"
    assert strict.get("Orders/$count") == "2"


def test_by_the_sdk_help_request_and_draft_tell_what_became_of_them(make_company):
    company = make_company(approval_templates=[BIG], after_adding_draft="sdk")
    hold(company)
    decide(company, "ardApproved", Remarks="fine")
    company.done("DraftsService_SaveDraftToDocument", {"Document": {"DocEntry": 1}})
    assert company.get("Drafts(1)")["AuthorizationStatus"] == "dasGenerated"
    request = company.get("ApprovalRequests(1)")
    assert (request["Status"], request["ObjectEntry"], request["Remarks"]) == ("arsGenerated", 1, "fine")
    assert decide(company, "ardNotApproved").code == "-10"


def test_a_rejected_draft_stays_a_draft(strict):
    hold(strict)
    assert decide(strict, "ardNotApproved", Remarks="too much").status == 204
    assert strict.get("Drafts(1)")["AuthorizationStatus"] == "dasRejected"
    assert strict.get("ApprovalRequests(1)")["ApprovalRequestLines"][0]["Remarks"] == "too much"
    assert strict.call("POST", "DraftsService_SaveDraftToDocument", {"Document": {"DocEntry": 1}}).code == "-10"
    assert strict.get("Orders/$count") == "0"


def test_remarks_have_two_hundred_characters(strict):
    hold(strict)
    assert decide(strict, "ardApproved", Remarks="x" * 201).code == "-10"
    assert strict.get("Drafts(1)")["AuthorizationStatus"] == "dasPending"
    assert decide(strict, "ardApproved", Remarks="x" * 200).status == 204


def test_requests_are_neither_made_nor_deleted_by_hand(strict):
    hold(strict)
    assert strict.call("POST", "ApprovalRequests", {}).code == "-5006"
    assert strict.call("DELETE", "ApprovalRequests(1)").code == "-5006"


def test_deleting_a_draft_cancels_its_request(strict):
    hold(strict)
    assert strict.call("DELETE", "Drafts(1)").status == 204
    assert strict.get("ApprovalRequests(1)")["Status"] == "arsCancelled"


def test_a_draft_made_as_such_moves_no_stock_and_becomes_an_order(company):
    draft = company.made("Drafts", order_body(DocObjectCode="17"))
    assert (draft["DocObjectCode"], draft["AuthorizationStatus"]) == ("oOrders", "dasWithout")
    company.changed("Drafts(1)", {"DocumentLines": [{"LineNum": 0, "Quantity": 3}]})
    assert company.stock("BOLT") == (50, 0)
    company.done("DraftsService_SaveDraftToDocument", {"Document": {"DocEntry": 1}})
    assert company.get("Orders(1)")["DocTotal"] == 30
    assert company.stock("BOLT") == (50, 3)


def test_a_draft_meets_the_templates_when_it_is_to_become_an_order(strict):
    strict.made("Drafts", order_body(LARGE, DocObjectCode="oOrders"))
    save = {"Document": {"DocEntry": 1}}
    assert strict.call("POST", "DraftsService_SaveDraftToDocument", save).code == "-2028"
    assert strict.get("Drafts(1)")["AuthorizationStatus"] == "dasPending"
    assert decide(strict, "ardApproved").status == 204
    strict.done("DraftsService_SaveDraftToDocument", save)
    assert strict.get("Orders(1)")["DocTotal"] == 2000


def test_an_order_over_the_credit_limit_waits(company):
    company.core.seed({"approval_templates": [{"name": "Credit", "over_credit_limit": True}]})
    company.order(LARGE)  # no limit, no question
    company.done("Orders(1)/Close")
    company.changed("BusinessPartners('C1')", {"CreditLimit": 50})
    company.order({"ItemCode": "BOLT", "Quantity": 3, "UnitPrice": 10})
    note = {"BaseType": 17, "BaseEntry": 2, "BaseLine": 0, "Quantity": 1}
    company.made("DeliveryNotes", {"CardCode": "C1", "DocumentLines": [note]})
    partner = company.get("BusinessPartners('C1')")
    assert (partner["OpenOrdersBalance"], partner["OpenDeliveryNotesBalance"]) == (20, 10)
    assert company.call("POST", "Orders", order_body({**LARGE, "Quantity": 2})).status == 201
    assert company.call("POST", "Orders", order_body({**LARGE, "Quantity": 1})).code == "-2028"
    company.core.seed({"business_partners": [{"CardCode": "C1", "CreditLimit": 90, "CurrentAccountBalance": 35}]})
    assert company.call("POST", "Orders", order_body({**LARGE, "Quantity": 1})).code == "-2028"


def test_an_administrator_changes_the_templates_while_it_runs(company):
    company.core.seed({"approval_templates": [{"name": "Discounts", "discount_above": 20}]})
    line = {"ItemCode": "BOLT", "UnitPrice": 10, "DiscountPercent": 21}
    assert company.call("POST", "Orders", order_body(line)).code == "-2028"
    assert company.call("POST", "Orders", order_body({**line, "DiscountPercent": 20})).status == 201


def test_an_order_over_the_credit_limit_is_refused_where_the_company_says_so(company):
    company.changed("BusinessPartners('C1')", {"CreditLimit": 50})
    assert company.call("POST", "Orders", order_body(LARGE)).status == 201  # a question that nobody is asked
    company.done("Orders(1)/Close")
    company.core.seed({"credit_restriction": "refused"})
    company.order({"ItemCode": "BOLT", "Quantity": 3, "UnitPrice": 10})
    refused = company.call("POST", "Orders", order_body({"ItemCode": "BOLT", "Quantity": 3, "UnitPrice": 10}))
    assert (refused.code, refused.message) == ("-10", "10000005 - Customer has exceeded credit limit")
    company.changed("Orders(2)", {"DocumentLines": [{"LineNum": 0, "Quantity": 5}]})
    assert company.call("PATCH", "Orders(2)", {"DocumentLines": [{"LineNum": 0, "Quantity": 6}]}).code == "-10"
    assert company.stock("BOLT")[1] == 5
    company.changed("BusinessPartners('C1')", {"CreditLimit": 0})
    company.order(LARGE)


def test_a_minimum_order_value_is_an_add_ons_rule(make_company):
    rule = {"object_type": "17", "field": "DocTotal", "below": 50, "message": "Minimum order value is 50"}
    company = make_company(add_on=[rule])
    refused = company.call("POST", "Orders", order_body())
    assert (refused.status, refused.code, refused.message) == (400, "-1116", "Minimum order value is 50")
    assert company.stock("BOLT") == (50, 0)
    company.order({"ItemCode": "BOLT", "Quantity": 5, "UnitPrice": 10})


def test_a_draft_that_was_cancelled_or_removed_becomes_no_order(strict):
    for _ in range(2):
        hold(strict)
    strict.done("Drafts(1)/Cancel")
    assert strict.get("ApprovalRequests(1)")["Status"] == "arsCancelled"
    assert strict.call("DELETE", "Drafts(2)").status == 204
    for entry, code in ((1, "-10"), (2, "-2028")):
        save = {"Document": {"DocEntry": entry}}
        assert strict.call("POST", "DraftsService_SaveDraftToDocument", save).code == code
        assert decide(strict, "ardApproved", entry).code == "-10"
    assert strict.get("Orders/$count") == "0"


RULES = [
    {"object_type": "17", "field": "NumAtCard", "missing": True, "message": "Reference number is required"},
    {"object_type": "17", "transaction": "C", "field": "DocTotal", "above": 15, "message": "Ask sales before"},
    {"object_type": "2", "transaction": "U", "field": "CardName", "equals": "X", "message": "Not X"},
]


def test_an_add_on_refuses_by_its_own_rules(make_company):
    company = make_company(add_on=RULES)
    refused = company.call("POST", "Orders", order_body())
    assert (refused.status, refused.code, refused.message) == (400, "-1116", "Reference number is required")
    assert company.get("Orders/$count") == "0"
    assert company.stock("BOLT") == (50, 0)
    company.order(NumAtCard="A-1")
    assert company.call("POST", "Orders(1)/Cancel").message == "Ask sales before"
    assert company.stock("BOLT") == (50, 2)
    company.done("Orders(1)/Close")
    assert company.call("PATCH", "BusinessPartners('C1')", {"CardName": "X"}).code == "-1116"
