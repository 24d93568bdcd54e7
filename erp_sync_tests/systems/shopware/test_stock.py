from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.stock import StockOffer
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Again, Applied, NotSent, Outcome, Refused, Unknown
from erp_sync.systems.shopware.client import LIVE
from erp_sync.systems.shopware.written import WRITTEN
from erp_sync.transport.calls import Call
from erp_sync.transport.errors import OutcomeUnknown, Rejected
from erp_sync_tests.systems.shopware.samples import identity
from erp_sync_tests.systems.shopware.shop import Shop
from erp_sync_tests.systems.shopware.test_contract import answered, problems_of

D = Decimal


def product(number: str, at: int, stock: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "id": identity(f"product {number}"),
        "versionId": LIVE,
        "autoIncrement": at,
        "productNumber": number,
        "stock": stock,
        "childCount": 0,
        **changes,
    }


def shop(*numbers: str) -> Shop:
    """A shop whose sync is one transaction: one row that refers to nothing rolls back all."""
    found = Shop(product=[product(number, at) for at, number in enumerate(numbers, start=1)])

    def sync(call: Call) -> Any:
        (one,) = call.json
        rows = {row["id"]: row for row in found.records["product"]}
        if any(row["id"] not in rows or row["stock"] == 13 for row in one["payload"]):
            return Rejected(400, "invalid_value", "/0/0/name: This value should not be blank.", whole_batch=True)
        for row in one["payload"]:
            rows[row["id"]]["stock"] = row["stock"]
        return {"data": {"product": [row["id"] for row in one["payload"]]}, "notFound": {}, "deleted": {}}

    found.answer("POST", "_action/sync", sync)
    return found


def target(shop: Shop, **settings: Any) -> Any:
    return shop.connector(**settings).port("stock_level", "target")


def offer(sku: str, quantity: str = "5", source: str = "default") -> StockOffer:
    return StockOffer(connection="shopware_de", sku=sku, source=source, quantity=D(quantity))


def stocks(shop: Shop) -> dict[str, int]:
    return {row["productNumber"]: row["stock"] for row in shop.records["product"]}


def test_quantities_are_written_in_one_call_by_the_products_ids():
    there = shop("MUG", "CUP", "POT")
    outcomes = target(there).submit([offer("MUG"), offer("POT", "7.9")])
    assert outcomes == [Applied(receipt=one.receipt) for one in outcomes]
    assert stocks(there) == {"MUG": 5, "CUP": 0, "POT": 7}  # never more than there is
    (call,) = there.made("_action/sync")
    assert problems_of("/_action/sync", "post", call.json) == []
    declared = WRITTEN[call.operation]
    assert set(call.json[0]["payload"][0]) == {name for _, name, _ in declared.fields}
    assert (declared.path, declared.entity) == ("/_action/sync", "Product")
    row = call.json[0]["payload"][0]
    assert [one for one in answered(row, "Product") if "required" not in one] == []


def test_nothing_is_sent_for_rows_that_cannot_be_right():
    there = shop("MUG")
    outcomes = target(there).submit(
        [offer("GONE"), offer("MUG", "-1"), offer("MUG", source="berlin"), offer("MUG"), offer("MUG", "6")]
    )
    assert [getattr(one, "code", "") for one in outcomes] == [
        "unknown_sku",
        "negative_quantity",
        "unknown_source",
        "",
        "twice_in_batch",
    ]
    assert outcomes[0].again is Again.AFTER_DEPENDENCY
    assert outcomes[0].requirement == ("product", "GONE")
    assert stocks(there) == {"MUG": 5}


def test_one_bad_row_is_told_as_the_whole_batchs_so_that_the_flow_parts_it():
    there = shop("MUG", "CUP", "POT")
    stock = target(there)
    rows = [offer("MUG"), offer("CUP", "13"), offer("POT")]
    outcomes = stock.submit(rows)
    assert {type(one) for one in outcomes} == {Refused}
    assert {one.whole_batch for one in outcomes} == {True}
    assert stocks(there) == {"MUG": 0, "CUP": 0, "POT": 0}
    (alone,) = stock.submit([rows[1]])
    assert (alone.code, alone.whole_batch) == ("invalid_value", False)


def parted(stock: Any, rows: list[StockOffer]) -> dict[str, Outcome]:
    """As a flow does it: halves, until the bad rows stand alone."""
    outcomes = stock.submit(rows)
    if isinstance(outcomes[0], Refused) and outcomes[0].whole_batch:
        half = len(rows) // 2
        return {**parted(stock, rows[:half]), **parted(stock, rows[half:])}
    return {row.sku: outcome for row, outcome in zip(rows, outcomes, strict=True)}


@given(st.lists(st.integers(0, 20), min_size=1, max_size=9))
def test_in_the_end_the_good_rows_are_there_and_the_bad_ones_are_named(quantities):
    there = shop(*(f"SKU-{at}" for at in range(len(quantities))))
    rows = [offer(f"SKU-{at}", str(quantity)) for at, quantity in enumerate(quantities)]
    outcomes = parted(target(there, batch_size={"stock_level.write": 4}), rows[:4])
    for at, quantity in enumerate(quantities[:4]):
        assert isinstance(outcomes[f"SKU-{at}"], Refused if quantity == 13 else Applied)
        assert stocks(there)[f"SKU-{at}"] == (0 if quantity == 13 else quantity)


def test_batches_are_as_large_as_the_connection_says():
    there = shop("A", "B", "C")
    target(there, batch_size={"stock_level.write": 2}).submit([offer("A"), offer("B"), offer("C")])
    assert [len(call.json[0]["payload"]) for call in there.made("_action/sync")] == [2, 1]


def test_an_answer_that_does_not_name_all_rows_is_no_proof():
    there = shop("MUG", "CUP")
    answer = {"data": {"product": [identity("product MUG")]}, "notFound": {}, "deleted": {}}
    there.answer("POST", "_action/sync", answer)
    assert {type(one) for one in target(there).submit([offer("MUG"), offer("CUP")])} == {Unknown}


def test_what_the_shop_forgot_is_asked_for_anew():
    """Its id would be a new product, which has no name: the shop refuses it."""
    there = shop("MUG")
    stock = target(there)
    assert isinstance(stock.submit([offer("MUG")])[0], Applied)
    there.records["product"] = [product("MUG", 2, id="d" * 32)]
    assert isinstance(stock.submit([offer("MUG")])[0], Refused)
    assert isinstance(stock.submit([offer("MUG")])[0], Applied)


@pytest.mark.parametrize(
    ("pattern", "kind"), [("search/product", NotSent), ("_action/sync", Unknown)], ids=["before", "while"]
)
def test_a_lost_answer_before_the_write_is_not_one_of_it(pattern, kind):
    there = shop("MUG")
    there.answer("POST", pattern, OutcomeUnknown("no answer in time"))
    assert [type(one) for one in target(there).submit([offer("MUG")])] == [kind]


def test_numbers_are_compared_letter_by_letter():
    """The shop's database takes mug for MUG."""
    there = shop("mug")
    there.answer("POST", "search/product", {"total": 1, "data": [product("mug", 1)]})
    (outcome,) = target(there).submit([offer("MUG")])
    assert outcome.code == "unknown_sku"


def test_the_snapshot_is_all_products_but_parents_of_variants():
    there = shop("MUG", "SHIRT", "SHIRT-B")
    there.records["product"][1]["childCount"] = 1
    there.records["product"][0]["stock"] = 3
    stock = target(there, page_size=2, stock_source="berlin")
    rows = [row for page in stock.snapshot() for row in page]
    assert [(row.sku, row.quantity, row.source) for row in rows] == [("MUG", 3, "berlin"), ("SHIRT-B", 0, "berlin")]
    assert all(row.read_at is not None for row in rows)
    assert [call.json["limit"] for call in there.calls] == [2, 2]
    (read,) = [row for page in stock.read(["MUG", "GONE", ""]) for row in page]
    assert read.sku == "MUG"
    assert list(stock.read([""])) == []
    for call in there.calls:
        assert problems_of("/search/product", "post", call.json) == []


@given(st.text("AB/-.", min_size=1, max_size=8), st.integers(0, 10_000).map(lambda number: D(number) / 100))
def test_keys_and_values_say_the_row(sku, quantity):
    stock = target(Shop())
    row = offer(sku, str(quantity))
    key, values = stock.key(row), stock.values(row)
    again = stock.row(key, values)
    assert (again.sku, again.source) == (sku, "default")
    assert stock.values(again) == values
    assert values["quantity"] == quantity.to_integral_value(ROUND_FLOOR)  # as the shop gives it back
    assert stock.sku(key) == sku
    assert stock.values(stock.gone(key, values)) == {"quantity": 0}


def test_what_must_be_there_first_and_who_subtracts_open_orders():
    there = shop("MUG")
    stock = target(there)
    wanted = stock.requirements(offer("MUG"))
    assert wanted == [Requirement("product", "MUG")]
    assert stock.resolve([*wanted, Requirement("product", "GONE")]) == {wanted[0]: identity("product MUG")}
    assert stock.nets_own_orders is False
