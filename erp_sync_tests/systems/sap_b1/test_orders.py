"""Sales orders into SAP Business One: what is sent, and what each answer means."""

from __future__ import annotations

import msgspec
import pytest

from erp_sync.model.order import LineKind
from erp_sync.ports.differences import undecided
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import (
    Absent,
    Accepted,
    Again,
    Ambiguous,
    Applied,
    Found,
    Later,
    NotSent,
    Receipt,
    Refused,
    Unknown,
)
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.sap_b1.mapping.identity import card_code
from erp_sync_tests.systems.sap_b1.requests import KEY, RECEIPT, card, draft, request, saved
from erp_sync_tests.systems.sap_b1.samples import BUYER, GUEST, D, line, order
from erp_sync_tests.systems.sap_b1.scripted import NO_MATCH, Answer, created, refused

OURS = card_code(order(), {})
FOUND = msgspec.structs.replace(RECEIPT, existed=True)


def target(connector, **settings):
    return connector(**settings).port("sales_order", "target")


# What it needs ----------------------------------------------------------------------------


def test_an_order_needs_its_items_and_its_currency(connector):
    lines = (
        line("1", "SET", "1", "30.00", kind=LineKind.BUNDLE),
        line("2", "PART", "1", "0.00", parent_line_id="1", kind=LineKind.COMPONENT),
    )
    assert target(connector).requirements(order(lines=lines)) == [
        Requirement("currency", "EUR"),
        Requirement("product", "PART"),
    ]


def test_items_are_resolved_by_sku_and_inactive_ones_are_left_out(connector, server):
    items = [
        {"ItemCode": "A", "Frozen": "tNO", "FrozenFrom": None, "FrozenTo": None},
        {"ItemCode": "O'Ring", "Frozen": "tYES", "FrozenFrom": "2026-12-01T00:00:00Z", "FrozenTo": None},
        {"ItemCode": "OLD", "Frozen": "tYES", "FrozenFrom": None, "FrozenTo": None},
        {"ItemCode": "b", "Frozen": "tNO", "FrozenFrom": None, "FrozenTo": None},
    ]
    server.rows("Items", *items)
    wanted = [Requirement("product", one) for one in ("A", "O'Ring", "OLD", "B", "GONE")]
    assert target(connector).resolve(wanted) == {wanted[0]: "A", wanted[1]: "O'Ring"}
    (sent,) = server.sent
    assert sent.where.startswith("ItemCode eq 'A' or ItemCode eq 'O''Ring' or ")


def test_many_items_are_asked_for_in_short_filters(connector, server):
    server.rows("Items")
    target(connector).resolve([Requirement("product", f"SKU-{number}") for number in range(60)])
    assert [sent.where.count(" eq ") for sent in server.sent] == [25, 25, 10]


def test_a_currency_is_known_by_its_code_or_by_the_iso_code_beside_it(connector, server):
    rows = [
        {"Code": "$", "DocumentsCode": "USD"},
        {"Code": "CHF", "DocumentsCode": ""},
        {"Code": "KR1", "DocumentsCode": "SEK"},
        {"Code": "KR2", "DocumentsCode": "SEK"},
    ]
    server.rows("Currencies", *rows)
    port = target(connector, currencies={})
    wanted = [Requirement("currency", one) for one in ("USD", "CHF", "SEK", "GBP")]
    assert port.resolve(wanted) == {wanted[0]: "$", wanted[1]: "CHF"}
    assert target(connector, currencies={"SEK": "KR2"}).resolve(wanted[2:3]) == {wanted[2]: "KR2"}
    assert len(server.sent) == 1


# The customer -----------------------------------------------------------------------------


def test_an_order_is_a_card_and_an_order(connector):
    steps = target(connector).steps(order())
    assert [(step.name, step.operation, step.key, step.after) for step in steps] == [
        ("customer", "customer.create", f"{OURS}:C20000", ()),
        ("sales_order", "sales_order.create", KEY, ("customer",)),
    ]


def test_an_account_that_sap_has_gets_no_new_card(connector, server):
    server.rows("BusinessPartners", card())
    port = target(connector)
    assert port.submit([request(port, order(), "customer")]) == [
        Applied(receipt=Receipt(target_id="C20000", existed=True))
    ]
    assert server.writes() == []


def test_a_customer_without_an_account_gets_a_card_with_a_code_of_ours(connector, server):
    server.rows("BusinessPartners")
    server.on("POST", "^BusinessPartners", lambda sent: created(card(sent.body["CardCode"])))
    port = target(connector)
    assert port.submit([request(port, order(), "customer")]) == [Applied(receipt=Receipt(target_id=OURS))]
    (sent,) = server.writes()
    assert sent.body["CardCode"] == OURS
    assert sent.body["CardType"] == "cCustomer"


@pytest.mark.parametrize("document", [order(customer=GUEST), order(custom={})], ids=["guest", "no number"])
def test_nobody_is_asked_for_an_account_that_cannot_be_told(connector, server, document):
    server.on("POST", "^BusinessPartners", lambda sent: created(card(sent.body["CardCode"])))
    port = target(connector)
    code = card_code(document, {})
    assert port.submit([request(port, document, "customer")]) == [Applied(receipt=Receipt(target_id=code))]
    assert [sent.method for sent in server.sent] == ["POST"]


def test_a_supplier_of_the_store_s_number_is_no_account(connector, server):
    server.rows("BusinessPartners", card(CardType="cSupplier"))
    server.on("POST", "^BusinessPartners", lambda sent: created(card(sent.body["CardCode"])))
    port = target(connector)
    assert port.submit([request(port, order(), "customer")]) == [Applied(receipt=Receipt(target_id=OURS))]


def test_already_assigned_is_success_to_verify(connector, server):
    server.rows("BusinessPartners", card(OURS), where=OURS)
    server.on("POST", "^BusinessPartners", refused(-10, f"Business partner code '{OURS}' already assigned"))
    port = target(connector)
    ours = request(port, order(custom={}), "customer")
    assert port.submit([ours]) == [Applied(receipt=Receipt(target_id=OURS, existed=True))]


def test_already_assigned_and_not_to_be_seen_is_unknown(connector, server):
    server.rows("BusinessPartners")
    server.on("POST", "^BusinessPartners", refused(-10, f"Business partner code '{OURS}' already assigned"))
    port = target(connector)
    (outcome,) = port.submit([request(port, order(custom={}), "customer")])
    assert isinstance(outcome, Unknown)


def test_a_card_of_ours_that_is_no_customer_is_named(connector, server):
    server.rows("BusinessPartners", card(OURS, CardType="cLid"))
    server.on("POST", "^BusinessPartners", refused(-10, f"Business partner code '{OURS}' already assigned"))
    port = target(connector)
    (outcome,) = port.submit([request(port, order(custom={}), "customer")])
    assert (outcome.code, outcome.again) == ("card_code_taken", Again.NEVER)


def test_an_inactive_account_is_refused_before_the_order_is_sent(connector, server):
    server.rows("BusinessPartners", card(Frozen="tYES"))
    port = target(connector)
    (outcome,) = port.submit([request(port, order(), "customer")])
    assert outcome.code == "inactive_customer"
    assert "C20000 (Noether Maschinenbau GmbH)" in outcome.message


def test_a_lost_answer_to_a_card_is_sent_again_at_once(connector, server):
    """Guarantee class A: the second is refused, and that is the first."""
    server.rows("BusinessPartners", card(OURS), where=OURS)
    taken = refused(-10, f"Business partner code '{OURS}' already assigned")
    server.on("POST", "^BusinessPartners", Answer(drop=True), taken)
    port = target(connector)
    assert port.submit([request(port, order(custom={}), "customer")]) == [
        Applied(receipt=Receipt(target_id=OURS, existed=True))
    ]


def test_where_accounts_are_required_the_order_waits_for_its_account(connector, server):
    port = target(connector, accounts="required")
    account = Requirement("customer", "C20000")
    assert account in port.requirements(order())
    assert [step.name for step in port.steps(order())] == ["sales_order"]
    server.rows("BusinessPartners", card())
    assert port.resolve([account]) == {account: "C20000"}
    server.rows("BusinessPartners", card(CardType="cLid"))
    assert port.resolve([account]) == {}
    with pytest.raises(MappingProblem) as raised:
        port.steps(order(custom={}))
    assert raised.value.code == "account_missing"


def test_all_guests_may_be_one_card(connector, server):
    server.on("POST", r"^Orders\?", lambda sent: created(saved(CardCode=sent.body["CardCode"])))
    server.on("GET", r"^Orders\(91\)", Answer(body=saved()))
    port = target(connector, guest_customer="C99999")
    assert [step.name for step in port.steps(order(customer=GUEST))] == ["sales_order"]
    port.submit([request(port, order(customer=GUEST), receipts={})])
    assert server.writes()[0].body["CardCode"] == "C99999"
    assert [step.name for step in port.steps(order(customer=BUYER))] == ["customer", "sales_order"]


# The order --------------------------------------------------------------------------------


def test_an_order_is_sent_once_and_read_back_as_sap_keeps_it(connector, server):
    server.on("POST", r"^Orders\?", created(saved()))
    server.on("GET", r"^Orders\(91\)", Answer(body=saved()))
    port = target(connector)
    assert port.submit([request(port, order())]) == [Applied(receipt=RECEIPT)]
    (sent,) = server.writes()
    assert sent.body["CardCode"] == "C20000"
    assert sent.body["U_ErpSyncKey"] == KEY
    assert [one["ItemCode"] for one in sent.body["DocumentLines"]] == ["BEARING-6204", "SHAFT-20"]


def test_totals_of_an_order_in_a_foreign_currency_are_in_that_currency(connector, server):
    foreign = saved(DocTotal=107.1, DocTotalFc=119.0, VatSum=17.1, VatSumFc=19.0, DocCurrency="$")
    server.on("POST", r"^Orders\?", created(foreign))
    server.on("GET", r"^Orders\(91\)", Answer(body=foreign))
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    assert {name: D(value) for name, value in outcome.receipt.totals.items()} == {
        "grand_total": D("119.00"),
        "tax": D("19.00"),
    }


@pytest.mark.parametrize(
    "answer", [Answer(drop=True), Answer(502, text="<html>Proxy Error</html>"), Answer(201, text="<html>")]
)
def test_a_lost_answer_to_an_order_is_unknown_and_nothing_is_sent_again(connector, server, answer):
    server.on("POST", r"^Orders\?", answer)
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    assert isinstance(outcome, Unknown)
    assert len(server.writes()) == 1


def test_an_ended_session_is_certainly_not_sent(connector, server):
    port = target(connector, price_check="off")
    server.rows("Items")
    port.resolve([Requirement("product", "A")])
    server.open.clear()
    (outcome,) = port.submit([request(port, order())])
    assert isinstance(outcome, NotSent)
    assert server.writes() == []


def test_what_an_add_on_refuses_carries_its_own_words(connector, server):
    server.on("POST", r"^Orders\?", refused(-1116, "(15) Hazardous goods need a permit"))
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    assert isinstance(outcome, Refused)
    assert outcome.code == "refused_by_add_on"
    assert "(15) Hazardous goods need a permit" in outcome.message


def test_an_order_that_says_it_was_made_and_is_another_s_is_not_taken_for_ours(connector, server):
    """An approval procedure was seen to answer with the number of a draft; an order of that number is another's."""
    server.on("POST", r"^Orders\?", created(saved(77)))
    server.rows("Orders")
    server.rows("Drafts", draft(77))
    server.on("GET", r"^Orders\(77\)", Answer(body=saved(77, U_ErpSyncKey=None)))
    port = target(connector)
    assert port.submit([request(port, order())]) == [Accepted(handle=f"draft:77:{KEY}")]


# Approval ---------------------------------------------------------------------------------


def test_no_match_with_a_draft_is_accepted(connector, server):
    server.on("POST", r"^Orders\?", NO_MATCH)
    server.rows("Orders")
    server.rows("Drafts", draft())
    port = target(connector)
    assert port.submit([request(port, order())]) == [Accepted(handle=f"draft:77:{KEY}")]
    drafts = next(sent for sent in server.sent if sent.path == "Drafts")
    assert drafts.where == f"(U_ErpSyncKey eq '{KEY}') and (DocObjectCode eq 'oOrders')"


def test_no_match_without_a_draft_is_unknown_at_first_and_a_reference_afterwards(connector, server):
    server.on("POST", r"^Orders\?", NO_MATCH)
    server.rows("Orders")
    server.rows("Drafts")
    port = target(connector)
    assert isinstance(port.submit([request(port, order())])[0], Unknown)
    # The ones before were refused, or did not leave: nobody has looked for a draft after a settle time.
    assert isinstance(port.submit([request(port, order(), attempt=3)])[0], Unknown)
    (outcome,) = port.submit([request(port, order(), attempt=4, unanswered=True)])
    assert (outcome.code, outcome.again) == ("reference_not_found", Again.NEVER)
    assert len(server.writes()) == 3


def test_no_match_and_a_look_up_that_fails_is_unknown(connector, server):
    server.on("POST", r"^Orders\?", NO_MATCH)
    server.on("GET", "^Orders", Answer(503, text="<html>"))
    port = target(connector)
    assert isinstance(port.submit([request(port, order(), attempt=1)])[0], Unknown)


def test_an_order_that_was_sent_before_is_looked_for_before_it_is_sent_again(connector, server):
    server.rows("Orders", saved())
    port = target(connector)
    assert port.submit([request(port, order(), attempt=2)]) == [Applied(receipt=FOUND)]
    server.rows("Orders")
    server.rows("Drafts", draft(status="dasApproved"))
    assert port.submit([request(port, order(), attempt=2)]) == [Accepted(handle=f"draft:77:{KEY}")]
    assert server.writes() == []


def test_a_rejected_draft_is_removed_before_its_order_goes_once_more(connector, server):
    """It might be approved after all, and the order be there twice."""
    server.rows("Orders")
    server.rows("Drafts", draft(status="dasRejected"))
    server.on("DELETE", r"^Drafts\(77\)", Answer(204))
    server.on("POST", r"^Orders\?", created(saved()))
    server.on("GET", r"^Orders\(91\)", Answer(body=saved()))
    port = target(connector)
    assert port.submit([request(port, order(), attempt=2)]) == [Applied(receipt=RECEIPT)]
    assert [sent.method for sent in server.writes()] == ["DELETE", "POST"]


def test_with_a_rejected_draft_that_cannot_be_removed_the_order_is_not_sent_again(connector, server):
    server.rows("Orders")
    server.rows("Drafts", draft(status="dasRejected"))
    server.on("DELETE", r"^Drafts", refused(-5002, "No authorization"))
    server.on("POST", r"^Drafts\(77\)/Cancel", refused(-5006, "The action is not supported"))
    port = target(connector)
    (outcome,) = port.submit([request(port, order(), attempt=2)])
    assert (outcome.code, outcome.again) == ("not_taken_back", Again.NEVER)
    assert [sent.path for sent in server.writes()] == ["Drafts(77)", "Drafts(77)/Cancel"]


# What is there ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orders", "drafts", "finding"),
    [
        ([saved()], [], Found(receipt=FOUND)),
        ([saved(Cancelled="tYES")], [], Found(receipt=msgspec.structs.replace(FOUND, values={"status": "cancelled"}))),
        ([saved(), saved(92)], [], Ambiguous(target_ids=("order 91", "order 92"))),
        ([], [draft()], Accepted(handle=f"draft:77:{KEY}")),
        ([], [draft(70, "dasRejected"), draft()], Accepted(handle=f"draft:77:{KEY}")),
        ([], [draft(70, "dasRejected")], Accepted(handle=f"draft:70:{KEY}")),
        ([], [draft(), draft(78, "dasApproved")], Ambiguous(target_ids=("draft 77", "draft 78"))),
        ([], [], Absent()),
        ([saved(U_ErpSyncKey=KEY.upper())], [], Absent()),
    ],
    ids=[
        "order", "cancelled order", "two orders", "draft", "draft after a rejected one", "rejected draft", "two drafts",
        "nothing", "another's key of other case",
    ],
)  # fmt: skip
def test_an_order_is_found_by_our_key_among_orders_and_drafts(connector, server, orders, drafts, finding):
    server.rows("Orders", *orders)
    server.rows("Drafts", *drafts)
    port = target(connector)
    assert port.find([request(port, order())]) == [finding]


def test_many_orders_are_found_with_one_look(connector, server):
    documents = [order(native_id=str(number), number=str(number)) for number in range(3)]
    server.rows("Orders", saved(1, U_ErpSyncKey="shopware_de_0"), saved(2, U_ErpSyncKey="shopware_de_2"))
    server.rows("Drafts")
    port = target(connector)
    found = port.find([request(port, one) for one in documents])
    assert [type(one) for one in found] == [Found, Absent, Found]
    # The one that lacks is looked for by number and card, too.
    assert [sent.path for sent in server.sent] == ["Orders", "Drafts", "Orders", "Drafts"]
    assert set(port.read_back(["shopware_de_0", "shopware_de_1"])) == {"shopware_de_0"}


def test_orders_are_read_back_by_their_numbers_too(connector, server):
    server.rows("Orders", saved())
    assert target(connector).read_back_ids(["91", "92", "x"]) == {"91": FOUND}
    assert [sent.where for sent in server.sent] == ["DocEntry eq 91 or DocEntry eq 92"]


def test_a_look_that_fails_is_made_later(connector, server):
    server.on("GET", "^Orders", Answer(503, text="<html>"))
    port = target(connector)
    (finding,) = port.find([request(port, order())])
    assert isinstance(finding, Later)


def test_a_card_is_found_by_the_account_s_number_or_by_ours(connector, server):
    server.rows("BusinessPartners")
    port = target(connector)
    step = request(port, order(), "customer")
    assert port.find([step]) == [Absent()]
    server.rows("BusinessPartners", card(OURS), where=OURS)
    assert port.find([step]) == [Found(receipt=Receipt(target_id=OURS, existed=True))]
    server.rows("BusinessPartners", card(), where="C20000")
    assert port.find([step]) == [Found(receipt=Receipt(target_id="C20000", existed=True))]


# Amounts ----------------------------------------------------------------------------------


def test_an_order_that_agrees_with_itself_differs_in_nothing(connector):
    port = target(connector)
    assert undecided(port.differences(order()), ()) == []


def test_an_order_whose_total_is_not_that_of_its_parts_is_told(connector):
    port = target(connector)
    totals = msgspec.structs.replace(order().totals, grand_total=D("120.00"))
    (one,) = undecided(port.differences(order(totals=totals)), ())
    assert (one.part, one.stated, one.found) == ("total", D("120.00"), D("119.00"))
