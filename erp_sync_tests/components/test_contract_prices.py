"""Price terms of an ERP as prices of a store: the flow over sources and targets in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync.model.price_terms import Account, AccountGroup, Item, ListPrice, PriceList, SpecialPrice
from erp_sync_tests.components.price_systems import PriceSystems, price_systems

D = Decimal


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(flow: dict[str, Any] | None = None) -> PriceSystems:
            return dealer(stack.enter_context(price_systems(tmp_path / "world", flow)))

        yield make


def dealer(systems: PriceSystems) -> PriceSystems:
    """Two accounts buy from one list: bolts at 10, nuts at 2, washers at 1; ACME has bolts for 9."""
    erp = systems.erp
    erp.put("Groups/1", AccountGroup(group="1"))
    erp.put("PriceLists/1", PriceList(price_list="1", currency="EUR"))
    for item, price in (("bolt", 10), ("nut", 2), ("washer", 1)):
        list_price(systems, item, price)
    for account in ("ACME", "BETA"):
        erp.put(f"BusinessPartners/{account}", Account(account=account, group="1", price_list="1", currency="EUR"))
    special(systems, "ACME", "bolt", 9)
    systems.run(full=True)
    return systems


def list_price(systems: PriceSystems, item: str, price: int | str) -> None:
    terms = (Item(item=item, unit="pc"), ListPrice(price_list="1", item=item, currency="EUR", price=D(price)))
    systems.erp.put(f"Items/{item}", *terms)


def special(systems: PriceSystems, account: str, item: str, price: int | str, **more: Any) -> None:
    row = SpecialPrice(account=account, item=item, price=D(price), currency="EUR", **more)
    systems.erp.put(f"SpecialPrices/{account},{item}", row)


def paid(systems: PriceSystems, account: str, *items: str) -> list[Decimal]:
    return [systems.shop.price(account, item) for item in items]


def test_accounts_pay_what_the_terms_say_and_running_again_writes_nothing(make):
    systems = make()
    assert paid(systems, "ACME", "bolt", "nut", "washer") == [D(9), D(2), D(1)]
    assert paid(systems, "BETA", "bolt", "nut", "washer") == [D(10), D(2), D(1)]
    calls = len(systems.shop.calls)
    assert systems.run(full=True).changed == 0
    assert len(systems.shop.calls) == calls


def test_a_change_is_folded_into_the_book_and_only_what_differs_is_written(make):
    systems = make()
    systems.shop.calls.clear()
    special(systems, "ACME", "bolt", "8.50")
    assert systems.run().changed == 1
    assert paid(systems, "ACME", "bolt", "nut") == [D("8.5"), D(2)]
    assert systems.shop.calls == [("put", ["row/account/ACME/bolt//EUR/1"])]
    assert systems.erp.reads.count("snapshot") == 1


def test_a_term_that_the_source_has_no_more_is_found_by_a_comparison_of_everything(make):
    systems = make()
    systems.erp.take("SpecialPrices/ACME,bolt")
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D(9)]
    systems.run(full=True)
    assert paid(systems, "ACME", "bolt") == [D(10)]
    assert not [key for key in systems.shop.rows if "ACME" in key and key.startswith("row/")]


def test_a_record_that_an_event_names_and_that_is_gone_takes_its_terms_along(make):
    systems = make()
    systems.erp.take("SpecialPrices/ACME,bolt")
    systems.run(keys=("SpecialPrices/ACME,bolt",))
    assert paid(systems, "ACME", "bolt") == [D(10)]


def test_a_record_that_cannot_be_understood_keeps_its_terms_and_is_named(make):
    systems = make()
    systems.erp.bad.add("SpecialPrices/ACME,bolt")
    list_price(systems, "nut", "2.10")
    systems.run(full=True)
    assert paid(systems, "ACME", "bolt", "nut") == [D(9), D("2.1")]
    assert systems.refused() == ["malformed_record"]
    systems.erp.bad.clear()
    systems.run(full=True)
    assert systems.refused() == []


def test_an_older_version_that_is_received_later_does_not_win(make):
    systems = make()
    old = systems.erp.records["SpecialPrices/ACME,bolt"]
    special(systems, "ACME", "bolt", "8.90")
    systems.run()
    systems.erp.records["SpecialPrices/ACME,bolt"] = old
    systems.here.ledger.received.rewind("parts", "contract_prices", [])
    run_id, _ = systems.read(keys=("SpecialPrices/ACME,bolt",))
    systems.transform(run_id)
    systems.load()
    assert paid(systems, "ACME", "bolt") == [D("8.9")]
