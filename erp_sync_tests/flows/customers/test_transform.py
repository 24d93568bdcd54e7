"""What of the ERP's business accounts the store should hold, and when that waits for a person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from erp_sync.flows.customers import transform
from erp_sync.flows.guards import judge_shares
from erp_sync.flows.state_flow import Surroundings
from erp_sync.model.business_account import BusinessAccount
from erp_sync.ports.raw import BadRecord, RawRecord


class Tables:
    """Look-ups of a route."""

    def __init__(self, **tables: dict[str, str]) -> None:
        self._tables = tables

    def get(self, table: str, key: str) -> str | None:
        return self._tables.get(table, {}).get(key)

    def reverse(self, table: str, value: str) -> list[str]:
        found = [key for key, one in self._tables.get(table, {}).items() if one == value]
        return found if table in self._tables else [value]


def account(number: str, **changes: Any) -> BusinessAccount:
    return BusinessAccount(connection="erp", native_id=number, number=number, name=number, **changes)


def desired(*accounts: BusinessAccount, **tables: dict[str, str]) -> list[tuple[str, str]]:
    around = Surroundings(
        lookups=Tables(**tables),  # type: ignore[arg-type]
        rules=transform.Rules(),
        channel="shop",
        now=datetime(2026, 11, 30, tzinfo=UTC),
    )
    return [(row.number, row.group) for row, _ in transform.desired(accounts, around).rows]


def test_accounts_and_groups_have_the_names_that_the_store_gives_them() -> None:
    accounts = account("C1", group="Handel"), account("C2", group="Industrie")
    assert desired(*accounts) == [("C1", ""), ("C2", "")]
    told = desired(*accounts, customer_map={"10010": "C1", "10011": "C1"}, account_groups={"Handel": "Dealers"})
    assert told == [("10010", "Dealers"), ("10011", "Dealers")]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (True, False, "lock"),
        (False, True, "unlock"),
        (True, True, "update"),
    ],
)
def test_a_lock_is_told_as_one(before: bool, after: bool, expected: str) -> None:
    assert transform.action({"active": before}, {"active": after}) == expected
    assert transform.action(None, {"active": after}) == "update"


def test_the_reason_names_both_values_of_what_changes() -> None:
    before = {"active": True, "credit_limit": "100"}
    assert transform.reason(before, {"active": True, "credit_limit": "50"}) == "credit_limit: 100 becomes 50"


def test_an_account_that_the_erp_has_no_more_is_locked_once() -> None:
    assert transform.missing_row("C1", {"active": True, "company": "x"}) == ("lock", {"active": False, "company": "x"})
    assert transform.missing_row("C1", {"active": False}) is None


@pytest.mark.parametrize(("locked", "holds"), [(1, True), (4, True), (6, False)])
def test_many_locks_at_once_wait_few_do_not(locked: int, holds: bool) -> None:
    pairs = [({"active": True}, {"active": False})] * locked
    shares = transform.shares(pairs, whole=100, missing=0, base=100)
    assert all(one.passed for one in judge_shares(shares, {}, transform.GUARDS)) is holds


def test_an_account_without_a_time_of_change_has_no_place_among_the_others() -> None:
    record = RawRecord(native_id="C1", version="", source_time=None, payload={})
    with pytest.raises(BadRecord, match="updated_at"):
        transform.order(account("C1"), record)
