"""A company's terms go from SAP Business One to the shop, and a lock there closes ordering here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from erp_sync.ledger.plans import PlanState
from erp_sync_tests.e2e.parts_dealer import COMPANY, PASSWORD, ROUTE, BackOffice, Dealer, Shopper, User, parts_dealer

CARD = COMPANY["number"]
TERMS = "erp_sync_account"
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def dealer(tmp_path: Path) -> Iterator[Dealer]:
    with parts_dealer(tmp_path) as found:
        with User(found.erp) as user:
            change(
                user,
                CreditLimit=25000,
                FederalTaxID="DE123456789",
                VatLiable="vExempted",
                ExemptNum="K-17",
                ExemptionValidityDateTo="2027-06-30",
            )
        enter(found, "C20000", "C20001")
        yield found


def enter(dealer: Dealer, *cards: str) -> None:
    """More companies, in both systems."""
    first = customer(dealer)
    with User(dealer.erp) as user, BackOffice(dealer.shop) as office:
        for card in cards:
            user.call("POST", "BusinessPartners", {"CardCode": card, "CardName": card, "CardType": "cCustomer"})
            office.call("customer", another_buyer(first, customerNumber=card, email=f"{card}@example.com"))


def another_buyer(first: dict[str, Any], **fields: Any) -> dict[str, Any]:
    same = ("groupId", "salesChannelId", "languageId", "customerNumber", "salutationId", "defaultPaymentMethodId")
    named = {"firstName": "Olga", "lastName": "Taussky", "email": "taussky@noether.example", "id": uuid4().hex}
    addresses = {name: first[name] for name in ("defaultBillingAddressId", "defaultShippingAddressId")}
    return {**{name: first[name] for name in same if first.get(name)}, **named, **addresses, **fields}


def change(user: User, card: str = CARD, **fields: Any) -> None:
    user.call("PATCH", f"BusinessPartners('{card}')", fields)


def synchronise(dealer: Dealer, *, full: bool = False) -> Any:
    (loaded,) = dealer.books.converge(ROUTE, flow="customers", full=full)
    return loaded


def customer(dealer: Dealer) -> dict[str, Any]:
    return dealer.look("customer", customerNumber=CARD)


def logs_in(dealer: Dealer) -> bool:
    with Shopper(dealer.shop) as shopper:
        try:
            shopper.call("account/login", {"username": COMPANY["email"], "password": PASSWORD})
        except (AssertionError, httpx.HTTPStatusError):
            return False
        return True


def test_terms_of_the_erp_stand_at_the_customer_and_running_again_writes_nothing(dealer: Dealer) -> None:
    assert synchronise(dealer, full=True).applied == 3
    found = customer(dealer)
    assert (found["company"], found["vatIds"], found["active"]) == (COMPANY["company"], ["DE123456789"], True)
    assert found["customFields"][TERMS] == {
        "lock_reason": "",
        "payment_terms": "- Cash Basic -",
        "currency": "EUR",
        "credit_limit": "25000",
        "open_balance": "0",
        "tax_exempt": True,
        "exemption_certificate": "K-17",
        "exempt_until": "2027-06-30",
    }
    assert synchronise(dealer, full=True).batches == 0


def test_who_the_erp_locks_cannot_order_and_can_again_once_it_is_unlocked(dealer: Dealer) -> None:
    synchronise(dealer, full=True)
    assert logs_in(dealer)
    for locked in (True, False):
        with User(dealer.erp) as user:
            change(user, Frozen="tYES" if locked else "tNO", FrozenRemarks="three invoices overdue" if locked else "")
        assert synchronise(dealer).applied == 1
        assert logs_in(dealer) is not locked
        assert customer(dealer)["customFields"][TERMS]["lock_reason"] == ("three invoices overdue" if locked else "")


def test_all_buyers_of_an_account_are_locked(dealer: Dealer) -> None:
    with BackOffice(dealer.shop) as office:
        office.call("customer", another_buyer(customer(dealer)))
    synchronise(dealer, full=True)
    with User(dealer.erp) as user:
        change(user, Frozen="tYES")
    synchronise(dealer)
    with BackOffice(dealer.shop) as office:
        wanted = [{"type": "equals", "field": "customerNumber", "value": CARD}]
        buyers = office.call("search/customer", {"filter": wanted})["data"]
    assert [one["active"] for one in buyers] == [False, False]


def test_many_locks_at_once_wait_for_a_person(dealer: Dealer) -> None:
    cards = [f"C3{number:04d}" for number in range(8)]
    enter(dealer, *cards)
    synchronise(dealer, full=True)
    with User(dealer.erp) as user:
        for card in cards:
            change(user, card, Frozen="tYES")
    assert synchronise(dealer).applied == 0
    with dealer.books.installation() as here:
        (plan,) = here.ledger.plans.find(route=ROUTE, flow="customers", states=[PlanState.HELD])
        assert "accounts are locked" in plan.reason


def test_an_account_without_a_customer_waits_and_goes_when_there_is_one(dealer: Dealer) -> None:
    with User(dealer.erp) as user:
        user.call("POST", "BusinessPartners", {"CardCode": "C30001", "CardName": "Late", "CardType": "cCustomer"})
    assert synchronise(dealer, full=True).applied == 3
    with BackOffice(dealer.shop) as office:
        office.call("customer", another_buyer(customer(dealer), customerNumber="C30001", email="late@example.com"))
    synchronise(dealer, full=True)
    assert dealer.look("customer", customerNumber="C30001")["company"] == "Late"


def test_an_account_is_in_the_group_that_the_table_names_and_one_that_the_shop_lacks_stops_its_account_only(
    dealer: Dealer,
) -> None:
    (dealer.books.lookups / "account_groups.csv").write_text("key,value,rule,note\nDealers,Trade,exact,\n")
    dealer.books.map("account_groups", "Customers", "Standard customer group", ROUTE)
    with User(dealer.erp) as user:
        group = user.call("POST", "BusinessPartnerGroups", {"Name": "Dealers", "Type": "bbpgt_CustomerGroup"})["Code"]
        change(user, GroupCode=group)
    assert synchronise(dealer, full=True).applied == 2
    with dealer.books.installation() as here:
        (row,) = here.ledger.plans.refusals("shopware_de", "business_account", BEGINNING).values()
    assert (row.key, row.code) == (CARD, "unknown_account_group")
    assert row.message == "C10010: the shop has no customer group Trade; it has: Standard customer group"
    with BackOffice(dealer.shop) as office:
        trade = uuid4().hex
        office.call("customer-group", {"id": trade, "name": "Trade", "displayGross": False})
    synchronise(dealer, full=True)
    assert customer(dealer)["groupId"] == trade
