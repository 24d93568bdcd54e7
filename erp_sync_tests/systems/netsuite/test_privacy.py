"""What is overwritten of a person's transactions, and what stays since it is the books'."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from erp_sync.model.personal import ERASED, PersonalTexts
from erp_sync.ports.privacy import Holding, Treatment
from erp_sync.systems.netsuite.mapping.identity import external_id
from erp_sync.systems.netsuite.privacy import AccountPersons, anonymous_transaction
from erp_sync.transport.errors import Rejected

ANN = PersonalTexts(email="ann@example.org", names=frozenset({("Ann", "Miller")}), mark="m")
ADDRESS = {
    "addressee": "Ann Miller", "addr1": "7 Ring", "city": "Denver", "zip": "80202", "state": "CO",
    "country": {"id": "US"}, "addrPhone": "555-0100",
}  # fmt: skip


@pytest.mark.parametrize("entity", ["salesOrder", "invoice", "cashSale", "returnAuthorization", "creditMemo"])
def test_names_addresses_and_what_the_customer_wrote_go_and_amounts_stay(entity: str) -> None:
    record = {
        "billingAddress": ADDRESS, "email": "ann@example.org", "memo": "ring twice", "custbody_note": "ring twice",
        "total": 12.5, "otherRefNum": "000000001",
    }  # fmt: skip
    body = anonymous_transaction(entity, record, ANN, "custbody_note")
    assert body == {
        "billingAddress": {
            **dict.fromkeys(("addressee", "addr1", "city", "zip"), ERASED),
            "addrPhone": "0000000", "country": {"id": "US"}, "state": "CO",
        },
        "email": ANN.pseudonym,
        "memo": ERASED,
        "custbody_note": ERASED,
    }  # fmt: skip


@pytest.mark.parametrize("entity", ["customerDeposit", "customerRefund"])
def test_references_of_a_payment_are_the_books_unless_they_name_the_person(entity: str) -> None:
    assert anonymous_transaction(entity, {"memo": "000000001 card captured ch_1", "payment": 5}, ANN) == {}
    assert anonymous_transaction(entity, {"memo": "ch_1 of A. Miller"}, ANN) == {"memo": f"ch_1 of A. {ERASED}"}
    assert anonymous_transaction(entity, {"payeeAddress": ADDRESS}, ANN)["payeeAddress"]["addressee"] == ERASED


GUEST = f"magento_us_guest_{hashlib.sha256(ANN.email.encode()).hexdigest()[:24]}"


class Account:
    """Takes what is written to it, and refuses bodies that have one of these fields."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.connection = refused, SimpleNamespace(settings={})
        self.written: list[dict[str, Any]] = []

    def update(self, record: str, identity: str, body: dict[str, Any], **_: Any) -> None:
        if set(body) & set(self.refused):
            raise Rejected(400, "invalid_field", "Invalid field")
        self.written.append({"record": record, "id": identity, **body})


def erased(account: Account, key: str) -> list[Any]:
    person = ANN.joined(PersonalTexts(email=ANN.email, orders=frozenset({("magento_us", "7")})))
    holding = Holding(entity="customer", native_id="5", data={"id": "5", "email": ANN.email, "externalId": key})
    return AccountPersons(cast(Any, account)).erase(person, holding)


@pytest.mark.parametrize("key", [GUEST, f"{GUEST}_s2", "magento_us_customer_17"])
def test_a_customers_key_of_ours_goes_after_all_else(key: str) -> None:
    account = Account()
    done = erased(account, key)
    assert account.written == [
        {"record": "customer", "id": "5", "email": ANN.pseudonym},
        {"record": "customer", "id": "5", "externalId": "erased-m-5"},
    ]
    assert [one.how for one in done] == [Treatment.ANONYMISED, Treatment.KEPT]


def test_a_key_that_cannot_be_changed_keeps_nothing_else_from_being_anonymised() -> None:
    account = Account("externalId")
    anonymised, key, history = erased(account, GUEST)
    assert account.written == [{"record": "customer", "id": "5", "email": ANN.pseudonym}]
    assert (anonymised.how, key.how, history.how) == (Treatment.ANONYMISED, Treatment.KEPT, Treatment.KEPT)
    assert "external id, which NetSuite did not let change (invalid_field)" in key.why


@pytest.mark.parametrize("key", ["", "CRM-77", "other_shop_customer_17", external_id("magento_us", "guest", "0" * 24)])
def test_a_key_of_somebody_else_stays(key: str) -> None:
    account = Account()
    erased(account, key)
    assert account.written == [{"record": "customer", "id": "5", "email": ANN.pseudonym}]
