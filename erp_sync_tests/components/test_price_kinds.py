"""Base, special and tier prices from NetSuite to Magento, over HTTP: set, changed, ended and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from erp_sync_tests.components.two_systems import CATALOGUE, TwoSystems, two_systems

DATES = {"custitem_from": {"type": "date"}, "custitem_to": {"type": "date"}}
SETTINGS = {
    "price_levels": {"1": "base", "5": "special", "3": "group:Wholesale"},
    "special_price_dates": {"from": "custitem_from", "to": "custitem_to"},
}
FLOWS = """{prices: {mode: on, guards: {max_changed_share: 1, max_missing_share: 1},
 rules: {rounding: {USD: {digits: 1, mode: half_up}}}}}""".replace("\n", "")


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[TwoSystems]:
    catalogue = CATALOGUE | {"custom_fields": DATES}
    with two_systems(tmp_path / "world", FLOWS, catalogue=catalogue, erp_settings=SETTINGS) as world:
        yield world


def price(systems: TwoSystems, sku: str, level: int, amount: str, quantity: int = 0, currency: int = 1) -> None:
    systems.erp_sql(
        "INSERT OR REPLACE INTO itemprice (item, pricelevel, currency, quantity, price, isinactive, pricelevelname) "
        "SELECT id, ?, ?, ?, ?, 'F', 'x' FROM item WHERE itemid = ?",
        (level, currency, f"{quantity}.00000", f"{amount}000000", sku),
    )


def no_price(systems: TwoSystems, sku: str, level: int, quantity: int = 0) -> None:
    systems.erp_sql(
        "DELETE FROM itemprice WHERE item = (SELECT id FROM item WHERE itemid = ?) AND pricelevel = ? AND quantity = ?",
        (sku, level, f"{quantity}.00000"),
    )


def dates(systems: TwoSystems, sku: str, begin: str, end: str) -> None:
    custom = f'{{"custitem_from": "{begin}", "custitem_to": "{end}"}}'
    systems.erp_sql("UPDATE item SET custom = ? WHERE itemid = ?", (custom, sku))


def touch(systems: TwoSystems, sku: str) -> None:
    """Somebody saved the item a second ago."""
    moment = (datetime.now(UTC) - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    systems.erp_sql("UPDATE item SET lastmodifieddate = ? WHERE itemid = ?", (moment, sku))


def all_specials(systems: TwoSystems) -> list[tuple[str, str, str]]:
    """SKU, price and first day of every special price of the store."""
    rows = systems.store_rows(
        "SELECT sku, special.price, substr(price_from, 1, 10) FROM catalog_product_special_price special "
        "JOIN catalog_product_entity USING (entity_id) ORDER BY sku, price_from"
    )
    return [(sku, f"{float(amount):g}", begin) for sku, amount, begin in rows]


def specials(systems: TwoSystems) -> dict[str, tuple[Any, ...]]:
    rows = systems.store_rows(
        "SELECT sku, special.price, price_from, price_to FROM catalog_product_special_price special "
        "JOIN catalog_product_entity USING (entity_id)"
    )
    return {sku: (f"{float(amount):g}", begin, end) for sku, amount, begin, end in rows}


def tiers(systems: TwoSystems) -> set[tuple[str, str, str]]:
    """SKU, from how many, price."""
    rows = systems.store_rows(
        "SELECT sku, qty, value FROM catalog_product_entity_tier_price JOIN catalog_product_entity USING (entity_id)"
    )
    return {(sku, f"{float(quantity):g}", f"{float(value):g}") for sku, quantity, value in rows}


def local(days: int) -> datetime:
    """When that day begins in the ERP, in UTC."""
    return datetime.fromisoformat(day(days)).replace(tzinfo=ZoneInfo("America/Los_Angeles")).astimezone(UTC)


def day(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%d")


def test_every_kind_of_price_is_set_changed_and_taken_away_again(systems):
    price(systems, "MUG", 1, "11.26")
    price(systems, "MUG", 5, "9.00")
    dates(systems, "MUG", day(-1), day(10))
    price(systems, "TEA", 5, "2.00")
    dates(systems, "TEA", day(-9), day(-2))  # has ended before it was ever seen
    price(systems, "CUP", 1, "6.00", quantity=10)
    price(systems, "CUP", 1, "5.00", quantity=50)
    price(systems, "POT", 3, "20.00")
    price(systems, "POT", 1, "21.00", currency=2)  # another currency: none of this store's business
    ran = systems.run("prices", full=True)
    base = dict(systems.store_rows("SELECT sku, price FROM catalog_product_entity"))
    assert {sku: f"{float(amount):g}" for sku, amount in base.items()} == {
        "MUG": "11.3", "TEA": "3.2", "CUP": "7", "POT": "25"
    }  # fmt: skip
    # Days of the ERP are days there, and the store's clock is UTC; the last second belongs to the interval.
    begin, end = local(-1), local(10) - timedelta(seconds=1)
    assert specials(systems) == {"MUG": ("9", f"{begin:%Y-%m-%d %H:%M:%S}", f"{end:%Y-%m-%d %H:%M:%S}")}
    assert tiers(systems) == {("CUP", "10", "6"), ("CUP", "50", "5"), ("POT", "1", "20")}
    assert ran.transformed.left_out == {"ended": 1, "other_currency": 1}
    assert systems.run("prices", full=True).transformed.changed == 0

    # One of each is changed, one ends, one is gone; a price of zero is named and what was there stays.
    price(systems, "CUP", 1, "5.50", quantity=10)
    no_price(systems, "CUP", 1, quantity=50)
    no_price(systems, "POT", 3)
    dates(systems, "MUG", day(-5), day(-1))
    price(systems, "TEA", 1, "0.00")
    systems.run("prices", full=True)
    assert specials(systems) == {}
    assert tiers(systems) == {("CUP", "10", "5.5")}
    tea = systems.store_rows("SELECT price FROM catalog_product_entity WHERE sku = 'TEA'")
    assert f"{float(tea[0][0]):g}" == "3.2"
    assert [row.rule for row in systems.here.ledger.quarantine.find(flow="prices")] == ["price_is_zero"]
    (plan, *_) = systems.here.ledger.plans.find(flow="prices")
    rows = {row["key"]: row for row in systems.here.ledger.plans.table(plan.id).to_pylist()}
    assert rows["tier/0/ALL GROUPS/50/CUP"]["before"] == '{"amount":"5"}'
    assert rows["tier/0/ALL GROUPS/50/CUP"]["after"] is None
    assert rows["tier/0/ALL GROUPS/10/CUP"]["reason"] == "6 becomes 5.5"
    assert systems.run("prices", full=True).transformed.changed == 0


@pytest.mark.parametrize("edition", ["open_source", "commerce"])
@pytest.mark.parametrize("full", [False, True], ids=["changes", "everything"])
def test_a_special_price_that_begins_on_another_day_takes_the_place_of_the_old_one(tmp_path, edition, full):
    """Commerce keeps special prices by their first day, and refuses two whose days overlap."""
    catalogue = CATALOGUE | {"custom_fields": DATES}
    options = {"edition": edition}
    with two_systems(
        tmp_path / "world", FLOWS, catalogue=catalogue, erp_settings=SETTINGS, store_options=options,
        store_settings=options,
    ) as systems:  # fmt: skip
        for sku in ("MUG", "TEA"):
            price(systems, sku, 5, "2.00")
            dates(systems, sku, day(1), day(10))
        systems.run("prices", full=True)
        assert all_specials(systems) == [("MUG", "2", day(1)), ("TEA", "2", day(1))]

        # Twice between two comparisons of everything; the days overlap those of the price before.
        for begin, amount in ((3, "2.10"), (-2, "2.20")):
            price(systems, "MUG", 5, amount)
            dates(systems, "MUG", day(begin), day(12))
            touch(systems, "MUG")
            ran = systems.run("prices", full=full)
            assert ran.loaded.reasons == {}
            assert all_specials(systems) == [("MUG", amount.rstrip("0"), day(begin)), ("TEA", "2", day(1))]
        (plan, *_) = systems.here.ledger.plans.find(flow="prices")
        rows = systems.here.ledger.plans.table(plan.id).to_pylist()
        assert [(row["action"], row["key"][:20]) for row in rows] == [
            ("remove", f"special/0/{day(3)}"),
            ("create", f"special/0/{day(-2)}"),
        ]
        assert systems.run("prices", full=True).transformed.changed == 0

        # It ends under the day that it has now, though only the day before was ever compared as a whole.
        dates(systems, "MUG", day(-4), day(-1))
        touch(systems, "MUG")
        systems.run("prices", full=full)
        assert all_specials(systems) == [("TEA", "2", day(1))]


def test_a_special_price_is_not_written_while_the_one_it_replaces_may_still_be_there(systems):
    price(systems, "MUG", 5, "2.00")
    dates(systems, "MUG", day(1), day(10))
    systems.run("prices", full=True)
    systems.store.control("POST", "faults", {"kind": "maintenance", "endpoint": "*price-delete", "times": 99})
    dates(systems, "MUG", day(3), day(12))
    touch(systems, "MUG")
    assert systems.run("prices").loaded.applied == 0
    assert all_specials(systems) == [("MUG", "2", day(1))]

    systems.store.control("DELETE", "faults")
    systems.run("prices", full=True)
    assert all_specials(systems) == [("MUG", "2", day(3))]
