"""What is overwritten of a person's transactions, and what stays since it is the books'."""

from __future__ import annotations

import pytest

from erp_sync.model.personal import ERASED, PersonalTexts
from erp_sync.systems.netsuite.privacy import anonymous_transaction

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
