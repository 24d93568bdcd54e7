"""Somebody edits in the ERP what the store owns: the next daily reconciliation names it, and the policy is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml

from erp_sync.ledger import State
from erp_sync.operations import repairing
from erp_sync.operations.decisions import approve, reject
from erp_sync.operations.putting_back import correct
from erp_sync.operations.repairing import FlowReconciled, reconcile_route
from erp_sync_tests.e2e.business import Business, business

PAYMENTS = {"braintree": "5"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    folder = tmp_path_factory.mktemp("edits")
    settings = {"us": {"location": "1"}}
    with business(folder, payment_methods=PAYMENTS, erp_settings=settings, flows=("orders",)) as running:
        yield running


def policy(shop: Business, edits: str | Mapping[str, Any]) -> None:
    """What the route's YAML says of orders."""
    file = shop.settings.defs / "us" / "defs.yaml"
    documents = list(yaml.safe_load_all(file.read_text()))
    said = edits if isinstance(edits, Mapping) else {"foreign_edits": edits}
    documents[2]["attributes"]["flows"]["orders"]["system_of_record"] = {"entity": "store", **said}
    file.write_text(yaml.safe_dump_all(documents))


def sold(shop: Business, who: str) -> tuple[str, str]:
    """Number of an order that is in the ERP, and its id there."""
    number = shop.store.buy(who, {"MUG": 2, "TEA": 1})
    shop.settle()
    shop.clock.skipped += timedelta(seconds=5)
    return number, str(shop.in_erp(number)[0]["id"])


def edit(shop: Business, record: str, **values: Any) -> None:
    erp = shop.hands_in_erp()
    erp.change(record, values)
    erp.close()


def remove(shop: Business, record: str) -> None:
    erp = shop.hands_in_erp()
    erp.remove(record)
    erp.close()


def line(shop: Business, order: str, sku: str) -> dict[str, Any]:
    (row,) = shop.erp_rows(
        'SELECT id, quantity, foreignamount FROM transactionline WHERE "transaction" = ? AND quantity IS NOT NULL '
        "AND item = (SELECT id FROM item WHERE itemid = ?)",
        order,
        sku,
    )
    return row


def daily(shop: Business) -> FlowReconciled:
    shop.runs += 1
    with shop.installation() as here:
        (done,) = reconcile_route(here, here.configuration.routes["us"], f"reconcile-{shop.runs}")
    assert done.why == ""
    return done


def elsewhere(street: str) -> dict[str, Any]:
    return {"addressee": "A", "addr1": street, "city": "Springfield", "zip": "62701", "country": {"id": "US"}}


def named(done: FlowReconciled, number: str) -> dict[str, tuple[str, str]]:
    assert done.found is not None
    return {
        one.words.partition(" was ")[0]: (one.store, one.erp)
        for one in done.found.differences
        if (one.kind, one.key) == ("edited", number)
    }


def left(done: FlowReconciled, number: str) -> list[str]:
    return [one.words for one in done.rest if (one.kind, one.key) == ("edited", number)]


def address(shop: Business, order: str) -> dict[str, Any]:
    (row,) = shop.erp_rows(
        'SELECT a.* FROM transactionshippingaddress a JOIN "transaction" t ON t.shippingaddress = a.nkey '
        "WHERE t.id = ?",
        order,
    )
    return row


def test_an_edit_is_reported_and_stays_where_the_route_says_nothing_else(shop: Business) -> None:
    number, order = sold(shop, "ann")
    edit(shop, f"salesOrder/{order}", shippingCost=1)
    for _ in range(2):
        done = daily(shop)
        assert named(done, number)["shipping cost"][1] == "1"
        assert len(left(done, number)) >= 1
    shop.settle()
    assert shop.delivery(number).state is State.DELIVERED
    edit(shop, f"salesOrder/{order}", shippingCost=float(named(done, number)["shipping cost"][0]))
    assert named(daily(shop), number) == {}


def test_lines_cost_address_and_deposit_are_put_back_as_they_were_sent(shop: Business) -> None:
    policy(shop, "put_back")
    number, order = sold(shop, "bob")
    before = shop.in_erp(number)[0]["foreigntotal"]
    home = address(shop, order)
    mug, (deposit,) = line(shop, order, "MUG"), shop.deposits(number)
    edit(shop, f"salesOrder/{order}", item={"items": [{"line": mug["id"], "quantity": 3, "amount": 31.5}]})
    edit(shop, f"salesOrder/{order}", shippingAddress={"addr1": "2 Other Street", "addr2": "Rear", "city": "Else"})
    edit(shop, f"salesOrder/{order}", shippingCost=1)
    edit(shop, f"customerDeposit/{deposit['id']}", payment=2)
    done = daily(shop)
    assert named(done, number)["quantity of MUG"] == ("2", "3")
    assert named(done, number)["deposit 1"][1] == "2"
    assert left(done, number) == []
    shop.settle()
    assert shop.delivery(number, sequence=2).state is State.DELIVERED
    assert line(shop, order, "MUG") == mug
    assert {name: address(shop, order)[name] for name in ("addr1", "addr2", "city")} == {
        name: home[name] for name in ("addr1", "addr2", "city")
    }
    assert shop.deposits(number)[0]["foreigntotal"] == deposit["foreigntotal"]
    assert shop.in_erp(number)[0]["foreigntotal"] == before
    assert named(daily(shop), number) == {}


def test_an_edit_that_is_made_once_more_is_put_back_once_more(shop: Business) -> None:
    policy(shop, "put_back")
    number, order = sold(shop, "cid")
    cost = shop.in_erp(number)[0]["foreigntotal"]
    for sequence in (2, 3):
        edit(shop, f"salesOrder/{order}", shippingCost=1)
        assert left(daily(shop), number) == []
        shop.settle()
        assert shop.delivery(number, sequence=sequence).state is State.DELIVERED
        assert shop.in_erp(number)[0]["foreigntotal"] == cost


def test_a_line_that_somebody_added_goes_and_the_taxes_are_those_of_the_store(shop: Business) -> None:
    policy(shop, "put_back")
    number, order = sold(shop, "dee")
    total = shop.in_erp(number)[0]["foreigntotal"]
    cup = shop.erp_rows("SELECT id FROM item WHERE itemid = 'CUP'")[0]["id"]
    edit(shop, f"salesOrder/{order}", item={"items": [{"item": {"id": str(cup)}, "quantity": 1, "rate": 7}]})
    assert named(daily(shop), number)["line CUP"][0] == ""
    shop.settle()
    assert shop.delivery(number, sequence=2).state is State.DELIVERED
    assert named(daily(shop), number) == {}
    assert shop.in_erp(number)[0]["foreigntotal"] == total


def test_a_deposit_that_is_gone_is_named_and_made_again_each_time(shop: Business) -> None:
    policy(shop, {"fields": {"payments": {"foreign_edits": "put_back"}}})
    number, _ = sold(shop, "eve")
    (first,) = shop.deposits(number)
    for _ in range(2):
        (deposit,) = shop.deposits(number)
        remove(shop, f"customerDeposit/{deposit['id']}")
        assert shop.deposits(number) == []
        paid = f"{Decimal(first['foreigntotal']).normalize():f}"
        done = daily(shop)
        assert named(done, number)["deposit 1"] == (paid, "")
        assert left(done, number) == []
        shop.settle()
        (again,) = shop.deposits(number)
        assert (again["foreigntotal"], again["entity"]) == (first["foreigntotal"], first["entity"])
        assert again["id"] != deposit["id"]
    assert named(daily(shop), number) == {}


def test_a_voided_deposit_counts_as_gone(shop: Business) -> None:
    policy(shop, "report")
    number, _ = sold(shop, "eva")
    (deposit,) = shop.deposits(number)
    shop.erp_sql("UPDATE \"transaction\" SET voided = 'T' WHERE id = ?", deposit["id"])
    assert left(daily(shop), number) == [words for words in left(daily(shop), number) if "taken away" in words] != []
    policy(shop, "put_back")
    daily(shop)
    shop.settle()
    assert [one["voided"] for one in shop.deposits(number)] == ["T", "F"]


def test_held_edits_wait_and_go_back_when_they_are_approved(shop: Business) -> None:
    policy(shop, {"fields": {"shipping_address": {"foreign_edits": "hold"}}})
    number, order = sold(shop, "fay")
    edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("2 Other Street"))
    edit(shop, f"salesOrder/{order}", shippingCost=1)
    done = daily(shop)
    assert [words.partition(" was ")[0] for words in left(done, number)] == ["shipping cost"]
    assert [one.erp for one in done.rest if (one.kind, one.key) == ("edited_and_held", number)] == ["2 Other Street"]
    held = shop.delivery(number, sequence=2)
    assert (held.state, held.code) == (State.HELD, "edited_at_target")
    assert "addr1: 1 Main St sent, 2 Other Street there" in held.reason
    daily(shop)
    assert [one.sequence for one in shop.deliveries() if one.number == number] == [2, 1]
    with shop.installation() as here:
        (notice,) = (one for one in here.ledger.notices.open() if one.key == "reconcile/us/orders/edited_and_held")
    assert number in notice.text
    with shop.installation() as here:
        approve(here, number, who="jo", why="a mistake")
    shop.settle()
    assert address(shop, order)["addr1"] == "1 Main St"
    assert set(named(daily(shop), number)) == {"shipping cost"}


def test_rejected_the_values_of_the_erp_stand_until_they_change_again(shop: Business) -> None:
    policy(shop, {"fields": {"shipping_address": {"foreign_edits": "hold"}}})
    number, order = sold(shop, "gil")
    edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("2 Other Street"))
    daily(shop)
    with shop.installation() as here:
        reject(here, number, who="jo", why="the customer called")
    assert named(daily(shop), number) == {}
    shop.settle()
    assert address(shop, order)["addr1"] == "2 Other Street"
    edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("3 Third Street"))
    assert set(named(daily(shop), number)) == {"shipping address, addr1"}
    assert shop.delivery(number, sequence=3).state is State.HELD


def test_a_held_edit_that_somebody_took_back_himself_waits_no_more(shop: Business) -> None:
    policy(shop, "hold")
    number, order = sold(shop, "hal")
    edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("2 Other Street"))
    daily(shop)
    edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("1 Main St"))
    assert named(daily(shop), number) == {}
    assert shop.delivery(number, sequence=2).state is State.SUPERSEDED
    edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("2 Other Street"))
    daily(shop)
    assert shop.delivery(number, sequence=3).state is State.HELD


def test_an_order_that_was_shipped_is_reported_with_the_reason_whatever_the_policy(shop: Business) -> None:
    policy(shop, "put_back")
    number, order = sold(shop, "ike")
    edit(shop, f"salesOrder/{order}", shippingAddress=elsewhere("2 Other Street"))
    shop.erp_sql("UPDATE \"transaction\" SET status = 'D' WHERE id = ?", order)
    (words,) = left(daily(shop), number)
    assert "it stays: it is fulfilled, billed or closed, or a part of it is" in words
    assert [one.sequence for one in shop.deliveries() if one.number == number] == [1]


def test_a_field_that_belongs_to_the_erp_is_nobodys_edit(shop: Business) -> None:
    policy(shop, {"fields": {"shipping": "erp"}, "foreign_edits": "put_back"})
    number, order = sold(shop, "jan")
    edit(shop, f"salesOrder/{order}", shippingCost=1)
    assert named(daily(shop), number) == {}


@pytest.mark.parametrize(("part", "kind"), [("total", "total"), ("cancellation", "status")])
def test_a_total_and_a_cancellation_are_reported_or_the_erps_own(shop: Business, part: str, kind: str) -> None:
    policy(shop, "put_back")
    number, order = sold(shop, f"kay{part}")
    column = "foreigntotal = '1.00'" if part == "total" else "status = 'C'"
    shop.erp_sql(f'UPDATE "transaction" SET {column} WHERE id = ?', order)
    assert [one.kind for one in daily(shop).rest if number in (one.key, one.erp)] == [kind]
    assert [one.sequence for one in shop.deliveries() if one.number == number] == [1]
    policy(shop, {"fields": {part: "erp"}})
    assert [one.kind for one in daily(shop).rest if number in (one.key, one.erp)] == []


def test_a_cancellation_that_comes_while_both_sides_are_compared_is_not_overwritten(
    shop: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(shop, "put_back")
    number, order = sold(shop, "kim")
    edit(shop, f"salesOrder/{order}", shippingCost=1)

    def meanwhile(*arguments: Any) -> Any:
        shop.store.cancel(number)
        shop.extract_and_transform("orders")
        return correct(*arguments)

    monkeypatch.setattr(repairing, "correct", meanwhile)
    assert left(daily(shop), number) != []
    assert [one.operation for one in shop.deliveries() if one.number == number] == ["cancel", "create"]
    shop.settle()
    assert {
        row["isclosed"]
        for row in shop.erp_rows(
            'SELECT isclosed FROM transactionline WHERE "transaction" = ? AND quantity IS NOT NULL', order
        )
    } == {"T"}
