"""Business accounts as the shop keeps them: every customer with the account's number."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.business_account import BusinessAccount
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Applied, Refused, Unknown
from erp_sync.systems.shopware.ports.accounts import TERMS
from erp_sync.systems.shopware.written import WRITTEN
from erp_sync.transport.calls import Call
from erp_sync.transport.errors import OutcomeUnknown
from erp_sync_tests.systems.shopware.samples import identity
from erp_sync_tests.systems.shopware.shop import Shop
from erp_sync_tests.systems.shopware.test_contract import answered, problems_of

#: Fields of the core's CustomerDefinition that the OpenAPI leaves out.
CORE_ONLY = ("company", "vatIds")
GROUP = {"id": identity("group"), "name": "Dealers", "translated": {"name": "Dealers"}}


def buyer(number: str, at: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": identity(f"buyer {number} {at}"),
        "autoIncrement": at,
        "customerNumber": number,
        "active": True,
        "guest": False,
        "company": "Noether",
        "group": GROUP,
        "vatIds": None,
        "customFields": None,
        **changes,
    }


def shop(*buyers: dict[str, Any]) -> Shop:
    found = Shop(customer=list(buyers), customer_group=[GROUP])

    def sync(call: Call) -> Any:
        (one,) = call.json
        rows = {row["id"]: row for row in found.records["customer"]}
        for row in one["payload"]:
            kept = rows[row["id"]].get("customFields") or {}
            group = {"group": GROUP} if "groupId" in row else {}
            rows[row["id"]] |= {**row, **group, "customFields": {**kept, **row["customFields"]}}
        return {"data": {"customer": [row["id"] for row in one["payload"]]}, "notFound": {}, "deleted": {}}

    found.answer("POST", "_action/sync", sync)
    return found


def target(shop: Shop, **settings: Any) -> Any:
    return shop.connector(**settings).port("business_account", "target")


def account(number: str = "C1", **changes: Any) -> BusinessAccount:
    given: dict[str, Any] = {"connection": "shopware_de", "native_id": number, "number": number, "name": "Noether"}
    return BusinessAccount(**{**given, "group": "Dealers", **changes})


ACCOUNTS = st.builds(
    account,
    active=st.booleans(),
    lock_reason=st.sampled_from(["", "overdue"]),
    payment_terms=st.sampled_from(["", "30 days net"]),
    currency=st.sampled_from(["", "EUR"]),
    credit_limit=st.none() | st.decimals(0, 10**9, places=4),
    open_balance=st.none() | st.decimals(-(10**6), 10**9, places=4),
    tax_number=st.sampled_from(["", "DE123456789"]),
    tax_exempt=st.booleans(),
    exemption_certificate=st.sampled_from(["", "K-17"]),
    exempt_until=st.none() | st.dates(date(2020, 1, 1), date(2040, 1, 1)),
)


@given(ACCOUNTS)
def test_what_is_written_is_read_back_the_same_and_a_plan_s_row_makes_the_same_values(wanted: BusinessAccount) -> None:
    at = target(shop(buyer("C1", 1), buyer("C1", 2, company="Else")))
    values = at.values(wanted)
    assert at.values(at.row("C1", values)) == values
    assert [type(one) for one in at.submit([wanted])] == [Applied]
    ((read,),) = at.read(["C1"])
    assert at.values(read) == values


@given(ACCOUNTS, st.sampled_from(["company", "active", "vatIds"]))
def test_an_account_of_which_one_buyer_differs_is_never_as_the_erp_has_it(wanted: BusinessAccount, what: str) -> None:
    there = shop(buyer("C1", 1), buyer("C1", 2))
    at = target(there)
    at.submit([wanted])
    other = {"company": "Else", "active": not wanted.active, "vatIds": ["FR1"]}[what]
    there.records["customer"][1][what] = other
    ((read,),) = at.read(["C1"])
    assert at.values(read) != at.values(wanted)


def test_the_whole_shop_is_told_by_account_without_guests_and_customers_without_a_number() -> None:
    there = shop(buyer("C1", 1), buyer("C2", 2), buyer("C1", 3), buyer("", 4), buyer("C9", 5, guest=True))
    (page,) = target(there, page_size=2).snapshot()
    assert [one.number for one in page] == ["C1", "C2"]


def test_what_anybody_else_wrote_into_the_field_is_no_reason_to_stop() -> None:
    odd = {TERMS: {"credit_limit": "much", "exempt_until": "soon", "tax_exempt": "yes", "payment_terms": 5}}
    ((read,),) = target(shop(buyer("C1", 1, customFields=odd))).read(["C1"])
    assert (read.credit_limit, read.exempt_until, read.tax_exempt, read.payment_terms) == (None, None, False, "5")


def test_other_custom_fields_of_a_customer_stay() -> None:
    there = shop(buyer("C1", 1, customFields={"loyalty": "gold"}))
    target(there).submit([account(credit_limit=Decimal("100.50"))])
    fields = there.records["customer"][0]["customFields"]
    assert (fields["loyalty"], fields[TERMS]["credit_limit"]) == ("gold", "100.5")


def test_an_account_that_nobody_has_here_waits_for_a_customer_and_the_others_go() -> None:
    lacks, goes = target(shop(buyer("C1", 1))).submit([account("C2"), account("C1")])
    assert isinstance(lacks, Refused)
    assert (lacks.code, lacks.requirement) == ("unknown_account", ("customer", "C2"))
    assert isinstance(goes, Applied)


def test_a_group_that_the_shop_lacks_is_named() -> None:
    (refused,) = target(shop(buyer("C1", 1))).submit([account(group="Resellers")])
    assert isinstance(refused, Refused)
    assert (refused.code, refused.message) == (
        "unknown_account_group",
        "C1: the shop has no customer group Resellers; it has: Dealers",
    )


def test_a_lock_holds_though_the_group_is_unknown() -> None:
    there = shop(buyer("C1", 1))
    (refused,) = target(there).submit([account(group="Resellers", active=False)])
    assert isinstance(refused, Refused)
    assert there.records["customer"][0]["active"] is False
    assert there.records["customer"][0]["group"] == GROUP


def test_a_group_that_nobody_named_is_the_shop_s() -> None:
    there = shop(buyer("C1", 1))
    at = target(there)
    (done,) = at.submit([account(group="")])
    assert isinstance(done, Applied)
    assert "group" not in at.values(account(group=""))
    assert there.records["customer"][0]["group"] == GROUP


def test_customers_that_are_required_are_found() -> None:
    at, needed = target(shop(buyer("C1", 1))), Requirement("customer", "C1")
    assert at.requirements(account()) == [needed]
    assert at.resolve([needed, Requirement("customer", "C2"), Requirement("product", "C1")]) == {
        needed: identity("buyer C1 1")
    }


def test_a_write_without_an_answer_is_unknown_for_all_of_its_rows() -> None:
    there = shop(buyer("C1", 1), buyer("C2", 2))
    there.answer("POST", "_action/sync", OutcomeUnknown("no answer"))
    assert [type(one) for one in target(there).submit([account("C1"), account("C2")])] == [Unknown, Unknown]


def test_the_body_has_the_fields_that_the_mapping_document_tells_and_the_contract_has() -> None:
    there = shop(buyer("C1", 1))
    target(there).submit([account(tax_number="DE1")])
    (call,) = [one for one in there.calls if one.path.endswith("_action/sync")]
    assert problems_of("/_action/sync", "post", call.json) == []
    (row,) = call.json[0]["payload"]
    published = {name: value for name, value in row.items() if name not in CORE_ONLY}
    assert answered(published, "Customer") == []
    told = {field.removesuffix("[]") for _, field, _ in WRITTEN["business_account.write"].fields}
    assert set(row) == told
