"""Price terms of an ERP as prices of a store: the flow over sources and targets in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from erp_sync.components import events
from erp_sync.ledger.inbox import InboxEvent
from erp_sync.ledger.lookups import LookupRow
from erp_sync.ledger.outlook import Reader
from erp_sync.model.native_prices import NativeRule
from erp_sync.model.price_terms import Account, AccountGroup, Item, ListPrice, PriceList, SpecialPrice
from erp_sync.ports.capabilities import Guarantee, Operation
from erp_sync.ports.outcomes import NotSent
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


def test_a_contract_ends_by_itself_at_its_date(make):
    """Nothing changes at the source: the sensor starts a run at midnight where the company is."""
    systems = make()
    now = systems.now()
    today = now.astimezone(ZoneInfo("Europe/Berlin")).date()
    special(systems, "ACME", "bolt", "9.20", level="period", valid_to=today)
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D("9.2")]
    midnight = datetime.combine(today + timedelta(days=1), time(), ZoneInfo("Europe/Berlin"))
    assert due(systems, midnight - timedelta(minutes=1)) == []
    assert due(systems, midnight) == [f"terms begin or end {midnight.astimezone(UTC):%Y-%m-%d %H:%M} UTC"]
    systems.skipped += midnight - now
    systems.run()
    assert paid(systems, "ACME", "bolt") == [D(10)]
    assert due(systems, systems.now()) == []


def due(systems: PriceSystems, now: datetime) -> list[str]:
    """Why a run would start by a date."""
    from erp_sync.components import state_due

    outlook = systems.here.ledger.outlook([Reader("parts", "contract_prices", "sap", "price_terms")])
    flow = systems.route.flows["contract_prices"]
    looks = state_due.polls(systems.here, systems.route, "contract_prices", flow, now, {}, (), outlook)
    found = [one.ask() for one in looks if one.name.endswith("/dated")]
    return [one.why for one in found if one.why]


def test_an_event_starts_a_run_that_reads_only_what_it_names(make):
    systems = make()
    special(systems, "ACME", "bolt", "8.80")
    list_price(systems, "nut", "2.10")
    named = {"entity": "price_terms", "native_id": "SpecialPrices/ACME,bolt"}
    systems.here.ledger.inbox.put(InboxEvent(connection="sap", event_id="1", topic="changed", **named))
    waiting = events.waiting(systems.here, systems.here.configuration, systems.now())
    flow = systems.route.flows["contract_prices"]
    (look,) = events.polls(systems.here, systems.route, "contract_prices", flow, systems.now(), waiting, {}, ())
    found = look.ask()
    assert (found.lane, found.keys) == ("now", ("SpecialPrices/ACME,bolt",))
    systems.run(keys=found.keys)
    assert paid(systems, "ACME", "bolt", "nut") == [D("8.8"), D(2)]
    assert not events.waiting(systems.here, systems.here.configuration, systems.now())


def test_names_are_the_stores_own(make):
    """An article that the store sells under two numbers has its prices at both; one that it does not sell has none."""
    systems = make()
    lookups = systems.here.ledger.lookups
    skus = {"BOLT-A": "bolt", "BOLT-B": "bolt", "NUT": "nut"}
    rows = [LookupRow(key=sku, value=item) for sku, item in skus.items()]
    lookups.replace("parts", "sku_map", rows, who="ada")
    lookups.replace("parts", "customer_map", [LookupRow(key="10001", value="ACME")], who="ada")
    systems.shop.rows.clear()
    systems.here.ledger.known.forget("shop", "contract_prices")
    systems.run(full=True)
    assert [systems.shop.price("10001", item) for item in ("BOLT-A", "BOLT-B", "NUT")] == [D(9), D(9), D(2)]
    assert {systems.shop.sku(key) for key in systems.shop.rows if key.startswith("row/")} == {"BOLT-A", "BOLT-B", "NUT"}


def test_what_cannot_be_written_keeps_what_comes_after_it_from_going(make):
    """The store does not take the rule now: its members and rows are not tried, and go after it later."""
    systems = make({"guards": {"max_changed_share": 1}})
    operation = Operation(name="contract_prices.write", guarantee=Guarantee.UNIQUE_KEY, batch_size=1)
    systems.shop.capabilities = msgspec.structs.replace(systems.shop.capabilities, operations=(operation,))
    for account in ("CARL", "DORA"):
        systems.erp.put(
            f"BusinessPartners/{account}", Account(account=account, group="1", price_list="2", currency="EUR")
        )
    systems.erp.put("PriceLists/2", PriceList(price_list="2", currency="EUR"))
    prices = {"bolt": D("9.5"), "nut": D("1.9"), "washer": D("0.95")}
    terms = [ListPrice(price_list="2", item=item, currency="EUR", price=price) for item, price in prices.items()]
    systems.erp.put("More/2", *terms)
    systems.shop.calls.clear()
    systems.shop.answers = lambda what, row: NotSent(why="away") if isinstance(row, NativeRule) else None
    systems.run(full=True)
    assert [key.partition("/")[0] for _, keys in systems.shop.calls for key in keys] == ["rule"]
    systems.shop.answers = lambda what, row: None
    assert systems.load().applied == 0
    systems.skipped += timedelta(minutes=1)
    systems.load()
    assert paid(systems, "CARL", *prices) == [*prices.values()]
    assert paid(systems, "BETA", *prices) == [D(10), D(2), D(1)]
