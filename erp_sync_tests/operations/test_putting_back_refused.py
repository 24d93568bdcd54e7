"""What was to go back and cannot any more: a dead letter `edit_stays` with its reason, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from erp_sync.ledger import State
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync.transport.errors import Rejected
from erp_sync_tests.e2e.business import Business, business
from erp_sync_tests.operations.test_putting_back import (
    PAYMENTS,
    address,
    daily,
    edit,
    elsewhere,
    left,
    named,
    policy,
    remove,
    sold,
)

FULFILLED = "UPDATE \"transaction\" SET status = 'D' WHERE id = ?"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    folder = tmp_path_factory.mktemp("refused")
    settings = {"us": {"location": "1"}}
    with business(folder, payment_methods=PAYMENTS, erp_settings=settings, flows=("orders",)) as running:
        policy(running, "put_back")
        yield running


def moved_on(shop: Business, who: str) -> tuple[str, str]:
    """An order that was edited, and fulfilled after the comparison and before its values went back."""
    number, order = sold(shop, who)
    edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("2 Other Street"))
    assert left(daily(shop), number) == []
    shop.erp_sql(FULFILLED, order)
    shop.settle()
    return number, order


def test_an_order_that_was_fulfilled_meanwhile_is_left_alone_and_told(shop: Business) -> None:
    number, order = moved_on(shop, "ann")
    dead = shop.delivery(number, sequence=2)
    assert (dead.state, dead.code) == (State.DEAD, "edit_stays")
    assert "is fulfilled, billed or closed, or a part of it is: what was edited there stays" in dead.reason
    assert address(shop, order)["addr1"] == "2 Other Street"
    # The next comparison names it as one that stays; nothing of it waits for anybody any more.
    (words,) = left(daily(shop), number)
    assert "it stays" in words
    assert shop.delivery(number, sequence=2).state is State.SUPERSEDED


def test_dismissed_its_values_stand_until_somebody_changes_them_again(shop: Business) -> None:
    number, order = moved_on(shop, "bob")
    with shop.installation() as here:
        here.ledger.dead_letters.dismiss([shop.delivery(number, sequence=2).id], who="jo", why="it has left")
    assert named(daily(shop), number) == {}
    shop.erp_sql("UPDATE \"transaction\" SET status = 'B' WHERE id = ?", order)
    assert named(daily(shop), number) == {}
    edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("3 Third Street"))
    assert set(named(daily(shop), number)) == {"shipping address, addr1"}
    shop.settle()
    assert address(shop, order)["addr1"] == "1 Main St"


def test_retried_once_the_order_is_open_again_it_goes_back(shop: Business) -> None:
    number, order = moved_on(shop, "cid")
    shop.erp_sql("UPDATE \"transaction\" SET status = 'B' WHERE id = ?", order)
    with shop.installation() as here:
        here.ledger.dead_letters.retry(code="edit_stays", who="jo")
    shop.settle()
    assert shop.delivery(number, sequence=2).state is State.DELIVERED
    assert address(shop, order)["addr1"] == "1 Main St"


def test_a_deposit_that_goes_meanwhile_stays_and_the_next_comparison_makes_it_again(shop: Business) -> None:
    number, _ = sold(shop, "dee")
    (deposit,) = shop.deposits(number)
    edit(shop, f"customerDeposit/{deposit['id']}", payment=2)
    daily(shop)
    remove(shop, f"customerDeposit/{deposit['id']}")
    shop.settle()
    dead = shop.delivery(number, sequence=2)
    assert (dead.code, dead.reason) == ("edit_stays", "The deposit is gone: the next comparison names it.")
    daily(shop)
    shop.settle()
    assert [one["foreigntotal"] for one in shop.deposits(number)] == [deposit["foreigntotal"]]


def test_an_order_that_is_deleted_meanwhile_is_told_as_gone(shop: Business) -> None:
    number, order = sold(shop, "eve")
    edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("2 Other Street"))
    daily(shop)
    for deposit in shop.deposits(number):
        remove(shop, f"customerDeposit/{deposit['id']}")
    remove(shop, f"salesOrder/{order}")
    shop.settle()
    assert shop.delivery(number, sequence=2).code == "order_not_found"


@pytest.mark.parametrize("record", ["salesOrder", "customer"])
def test_what_the_erp_refuses_stays_with_its_words(
    shop: Business, monkeypatch: pytest.MonkeyPatch, record: str
) -> None:
    number, order = sold(shop, f"fay{record}")
    customer = shop.in_erp(number)[0]["entity"]
    if record == "customer":
        edit(shop, f"customer/{customer}", lastName="Other")
    else:
        edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("2 Other Street"))
    daily(shop)

    def refuse(*_: object, **__: object) -> None:
        raise Rejected(400, "locked", "This record is locked by a workflow.")

    monkeypatch.setattr(NetSuiteClient, "update", refuse)
    shop.settle()
    (dead,) = (one for one in shop.deliveries("orders", State.DEAD) if one.code == "edit_stays")
    assert (dead.code, dead.reason) == (
        "edit_stays",
        "NetSuite refused it (locked): This record is locked by a workflow.",
    )
    with shop.installation() as here:
        here.ledger.dead_letters.dismiss([dead.id], who="jo", why="so be it")
    assert [words for words in left(daily(shop), number) if "addr1" in words] == []
