"""Bad input, one test for each kind: it is named with its reason, and nothing else stops or is lost.

Over both sandboxes and HTTP, in this process. Where a flow's own tests look closer, they lie with the flow.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.flows.orders import checks
from erp_sync.flows.state_extraction import snapshot_entity
from erp_sync.lake.errors import DamagedFile
from erp_sync.ledger import SchemaTooNew, State
from erp_sync.ledger.errors import BadLookupFile
from erp_sync.ledger.lookups import LookupRow
from erp_sync.ledger.schema import VERSION
from erp_sync.operations.dead_letters import retry
from erp_sync.quality.gate import CannotJudge
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync.systems.magento.ports.orders import OrderSource
from erp_sync.transport.errors import TransportError
from erp_sync_tests.components.test_prices import LEVELS, erp_price, store_prices
from erp_sync_tests.components.two_systems import TwoSystems, two_systems
from erp_sync_tests.e2e.business import Business, business


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    """Orders and shipments."""
    with business(tmp_path_factory.mktemp("shop"), erp_settings={"us": {"location": "1"}}) as running:
        yield running


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoSystems]:
    """Stock and prices, compared as a whole once."""
    flows = "{inventory: {mode: on}, prices: {mode: on}}"
    with two_systems(tmp_path_factory.mktemp("both") / "world", flows, erp_settings=LEVELS) as running:
        for flow in ("inventory", "prices"):
            running.run(flow, full=True)
        yield running


# -- documents -----------------------------------------------------------------------------------------


def test_a_malformed_record_of_a_vendor(shop: Business):
    bad, good = shop.store.buy("una"), shop.store.buy("val")
    shop.store.sql("UPDATE sales_order SET state = 'eaten' WHERE entity_id = ?", shop.store.id_of(bad))
    shop.settle()
    row = quarantined(shop, bad)
    assert (row.rule, row.field) == ("unknown_order_state", "state")
    assert "eaten" in row.problem
    assert (shop.in_erp(bad), len(shop.in_erp(good))) == ([], 1)
    shop.store.sql(
        "UPDATE sales_order SET state = 'processing', updated_at = datetime('now') WHERE entity_id = ?",
        shop.store.id_of(bad),
    )
    shop.settle()
    assert (len(shop.in_erp(bad)), quarantined(shop, bad)) == (1, None)


def test_a_defect_of_ours_that_shows_with_one_record(shop: Business, monkeypatch: pytest.MonkeyPatch):
    """It stops that record only; the run fails once, so that somebody sees it, and a person brings the record back."""
    bad, good = shop.store.buy("zoe"), shop.store.buy("yan")
    identity, as_it_is = str(shop.store.id_of(bad)), OrderSource.to_canonical

    def broken(self: OrderSource, record: Any, lookups: Any) -> Any:
        return 1 / 0 if record.native_id == identity else as_it_is(self, record, lookups)

    with monkeypatch.context() as patch:
        patch.setattr(OrderSource, "to_canonical", broken)
        with pytest.raises(ZeroDivisionError) as seen:
            shop.run()
        assert seen.value.__notes__ == [f"with sales_order {identity}"]
        shop.settle()
    row = quarantined(shop, bad)
    assert row.rule == "defect"
    assert row.problem.startswith("ZeroDivisionError: division by zero (raised in erp_sync")
    assert (shop.in_erp(bad), len(shop.in_erp(good))) == ([], 1)
    with shop.installation() as here:
        retry(here, code="defect", who="ann", why="mended")
    shop.settle()
    assert len(shop.in_erp(bad)) == 1


def test_a_value_that_a_rule_cannot_be_applied_to(shop: Business, monkeypatch: pytest.MonkeyPatch):
    bad, good = shop.store.buy("zac"), shop.store.buy("yve")
    as_it_is = checks.facts

    def odd(order: Any) -> dict[str, Any]:
        facts = as_it_is(order)
        return dict.fromkeys(facts, "many") if order.number == bad else facts

    with monkeypatch.context() as patch:
        patch.setattr(checks, "facts", odd)
        with pytest.raises(CannotJudge):
            shop.run()
        shop.settle()
    assert quarantined(shop, bad).rule == "defect"
    assert (shop.in_erp(bad), len(shop.in_erp(good))) == ([], 1)


def test_an_unknown_currency(shop: Business):
    bad, good = shop.store.buy("wim"), shop.store.buy("xia")
    shop.store.sql(
        "UPDATE sales_order SET order_currency_code = 'XQZ', base_currency_code = 'XQZ' WHERE entity_id = ?",
        shop.store.id_of(bad),
    )
    shop.settle()
    assert "XQZ" in told(shop, bad)
    assert (shop.in_erp(bad), len(shop.in_erp(good))) == ([], 1)


def test_a_negative_quantity_of_an_order(shop: Business):
    bad, good = shop.store.buy("yan", {"MUG": 2}), shop.store.buy("zed")
    shop.store.sql("UPDATE sales_order_item SET qty_ordered = '-2.0000' WHERE order_id = ?", shop.store.id_of(bad))
    shop.settle()
    assert "-2" in told(shop, bad)
    assert (shop.in_erp(bad), len(shop.in_erp(good))) == ([], 1)


def test_an_unknown_carrier(shop: Business):
    """The parcel's order waits with the carrier's name, other flows go on; a row of the table and a retry send it."""
    number = shop.store.buy("abe")
    shop.settle()
    erp = shop.hands_in_erp()
    try:
        habits = Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)
        assert sum(Warehouse(erp, place, habits=habits).ship() for place in ("east", "west")) >= 1
    finally:
        erp.close()
    with shop.installation() as here:
        shipped = here.ledger.lookups.of("us").tables
        assert "carriers" in shipped
        here.ledger.lookups.replace("us", "carriers", [LookupRow(key="nobody", value="custom")], who="test")
    shop.settle("shipments")
    dead = [one for one in shop.deliveries("shipments") if one.state is State.DEAD]
    assert dead
    assert {one.code for one in dead} == {"unmapped_carriers"}
    assert all("carriers" in one.reason for one in dead)
    another = shop.store.buy("abe")
    shop.settle()
    assert len(shop.in_erp(another)) == 1
    with shop.installation() as here:
        here.ledger.lookups.import_csv("us", "carriers", shop.lookups / "carriers.csv", who="test")
        here.ledger.dead_letters.retry(flow="shipments", who="ann", why="carrier mapped")
    shop.settle("shipments")
    entity = shop.store.id_of(number)
    assert len(shop.store.rows("SELECT * FROM sales_shipment WHERE order_id = ?", entity)) == 1


def test_a_broken_row_of_a_mapping_table(shop: Business):
    """File, line and column are named, and what was in force stays so."""
    file = shop.lookups / "payment_methods.csv"
    text = file.read_text()
    with shop.installation() as here:
        before = here.ledger.lookups.of("us").get("payment_methods", "checkmo")
    lines = text.rstrip("\n").count("\n") + 1
    file.write_text(text.rstrip("\n") + "\n(broken,1,pattern,\n")
    try:
        with shop.installation() as here, pytest.raises(BadLookupFile) as refused:
            here.import_lookups()
        assert f"payment_methods.csv, line {lines + 1}, column key" in str(refused.value)
        with shop.installation() as here:
            assert here.ledger.lookups.of("us").get("payment_methods", "checkmo") == before
        number = shop.store.buy("ben")
        shop.settle()
        assert len(shop.in_erp(number)) == 1
    finally:
        file.write_text(text)


SECRETS = {"erp": "token_secret", "store": "access_token_secret"}
WHAT_TO_DO = {"erp": "netsuite_us .*Access Tokens.* put a new one", "store": "magento_us .*Integrations.* put new keys"}
SHIPS_WHOLE = Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)
DOCUMENTS = ("orders", "order_status", "shipments")


@pytest.fixture
def sellers(tmp_path: Path) -> Iterator[Business]:
    """Two stores, each with a route and a token of its own, and the ERP of both. The first has an order whose parcel
    has left, which it does not know yet; both were compared."""
    settings = {route: {"location": "1"} for route in ("us", "eu")}
    flows = (*DOCUMENTS, "inventory")
    with business(tmp_path, ("magento_us", "magento_eu"), erp_settings=settings, flows=flows) as running:
        running.store.buy("abe", {"MUG": 2})
        running.settle()
        running.converge("us", full=True)
        running.converge("eu", full=True)
        erp = running.hands_in_erp()
        assert Warehouse(erp, "east", habits=SHIPS_WHOLE).ship() == 1
        erp.close()
        yield running


def count_tea(shop: Business, quantity: int) -> None:
    shop.erp_sql(
        "UPDATE aggregateitemlocation SET quantityonhand = ?, quantityavailable = ?, lastquantityavailablechange = "
        "strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE location = 1 "
        "AND item = (SELECT id FROM item WHERE itemid = 'TEA')",
        f"{quantity}.00000",
        f"{quantity}.00000",
    )


def tea(shop: Business, store: str) -> int:
    rows = shop.stores[store].rows(
        "SELECT quantity FROM inventory_source_item WHERE sku = 'TEA' AND source_code = 'east'"
    )
    return int(float(rows[0]["quantity"]))


def attempt(shop: Business, flow: str) -> str:
    """One run of a flow of the first route: what it raised, in words."""
    try:
        shop.converge("us") if flow == "inventory" else shop.run(flow)
    except TransportError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("side", ["erp", "store"])
def test_an_expired_token(sellers: Business, side: str):
    """One connection's. What is read elsewhere goes on being read and waits, the other route goes on as if nothing
    were; with a new token all of it arrives, once."""
    shop = sellers
    sandbox = shop.erp if side == "erp" else shop.store.sandbox
    secret = str(sandbox.status()["credentials"][SECRETS[side]])
    (defs,) = (shop.settings.defs / "us").rglob("defs.yaml")
    text = defs.read_text()
    defs.write_text(text.replace(secret, "expired"))
    number, other = shop.store.buy("cas"), shop.stores["magento_eu"].buy("dov")
    count_tea(shop, 90)
    said = {flow: attempt(shop, flow) for flow in (*DOCUMENTS, "inventory")}
    waiting = [one for flow in DOCUMENTS for one in shop.deliveries(flow, State.DUE, State.WAITING)]
    told = [*filter(None, said.values()), *(one.reason for one in waiting)]
    assert told
    assert all(re.search(WHAT_TO_DO[side], words) for words in told), told
    if side == "erp":
        assert not said["orders"], "the store is read all the same"
        assert [(one.number, one.code) for one in waiting] == [(number, "look_up_failed")]
    else:
        assert not said["shipments"], "the ERP is read all the same"
        assert [(one.key.connection, one.code) for one in waiting if one.flow == "shipments"] == [
            ("netsuite_us", "look_up_failed")
        ]
    assert [one for flow in DOCUMENTS for one in shop.deliveries(flow, State.DEAD, State.HELD)] == []
    with shop.installation() as here:
        assert here.ledger.quarantine.find() == []

    for flow in DOCUMENTS:
        shop.settle(flow, "eu")
    shop.converge("eu")
    assert [one["externalid"].partition("_eu")[0] for one in shop.in_erp(other) if "_eu_" in one["externalid"]] == [
        "magento"
    ]
    assert tea(shop, "magento_eu") == 90
    assert tea(shop, "magento_us") == 10_000

    defs.write_text(text)
    for flow in DOCUMENTS:
        due = [one.due_at for one in shop.deliveries(flow, State.DUE, State.WAITING) if one.due_at]
        shop.clock.skip_to(max(due, default=shop.clock()))
        shop.settle(flow)
    shop.converge("us")
    mine = [one for one in shop.in_erp(number) if one["externalid"].startswith("magento_us_")]
    assert len(mine) == 1
    assert tea(shop, "magento_us") == 90
    assert len(shop.store.rows("SELECT * FROM sales_shipment")) == 1
    for store in shop.stores:
        orders = shop.report(store, reference="nobody's").orders  # both stores number theirs alike
        assert (orders.lost, orders.duplicated, orders.differences) == ([], [], [])


# -- state ---------------------------------------------------------------------------------------------


def test_a_price_of_zero(both: TwoSystems):
    erp_price(both, "MUG", "0")
    erp_price(both, "TEA", "3.30")
    both.run("prices", full=True)
    assert (store_prices(both)["MUG"], store_prices(both)["TEA"]) == (Decimal("10.5"), Decimal("3.3"))
    (row,) = both.here.ledger.quarantine.find(flow="prices")
    assert row.rule == "price_is_zero"
    assert "MUG" in row.problem


def test_a_negative_quantity_on_hand(both: TwoSystems):
    both.erp_set("MUG", "east", -2)
    both.erp_set("TEA", "east", 90)
    both.run("inventory")
    (row,) = both.here.ledger.quarantine.find(flow="inventory")
    assert row.rule == "negative_quantity"
    assert "MUG" in row.problem
    assert (both.store_quantities()["east/MUG"], both.store_quantities()["east/TEA"]) == ("0", "90")
    both.erp_set("MUG", "east", 5)
    both.run("inventory")
    assert both.here.ledger.quarantine.find(flow="inventory") == []


def test_a_half_written_file_of_the_lake(both: TwoSystems, monkeypatch):
    """The comparison stops with the file's name and changes nothing, other flows go on; the next reading mends it."""
    before = both.store_quantities()
    both.erp_set("CUP", "east", 3)
    transform = both.transform

    def after_a_crash(*arguments: Any, **how: Any) -> Any:
        file = both.here.lake.root / both.here.lake.files("netsuite_us", snapshot_entity("stock_level"))[-1].file
        file.write_bytes(file.read_bytes()[:-30])
        with pytest.raises(DamagedFile, match=file.name):
            transform(*arguments, **how)
        return None

    with monkeypatch.context() as patched:
        patched.setattr(both, "transform", after_a_crash)
        both.run("inventory", full=True)
    assert both.store_quantities() == before
    erp_price(both, "TEA", "3.70")
    both.run("prices", full=True)
    assert store_prices(both)["TEA"] == Decimal("3.7")
    both.run("inventory", full=True)
    assert both.store_quantities()["east/CUP"] == "3"


def test_a_sku_that_two_items_of_the_erp_have(both: TwoSystems):
    both.erp_sql("UPDATE item SET itemid = 'CUP' WHERE itemid = 'POT'")
    try:
        both.erp_set("TEA", "east", 80)
        before = both.store_quantities()
        both.run("inventory", full=True)
        rows = both.here.ledger.quarantine.find(flow="inventory")
        assert {row.rule for row in rows} == {"duplicate_sku"}
        assert all("CUP" in row.problem for row in rows)
        after = both.store_quantities()
        assert (after["east/CUP"], after["west/CUP"]) == (before["east/CUP"], before["west/CUP"])
        assert after["east/TEA"] == "80"
    finally:
        both.erp_sql("UPDATE item SET itemid = 'POT' WHERE itemid = 'CUP' AND id = (SELECT MAX(id) FROM item "
                     "WHERE itemid = 'CUP')")  # fmt: skip


# -- the installation ------------------------------------------------------------------------------------


def test_a_ledger_of_a_newer_version(shop: Business, monkeypatch):
    """It is named with both versions, by the command line too, and nothing in it changes."""
    file = shop.settings.home / "ledger.db"
    set_version(file, "9999")
    try:
        with shop.installation() as here, pytest.raises(SchemaTooNew, match=f"9999, which is newer than {VERSION}"):
            assert here.ledger
        monkeypatch.setenv("ERP_SYNC_HOME", str(shop.settings.home))
        monkeypatch.setenv("ERP_SYNC_DEFS", str(shop.settings.defs))
        said = CliRunner().invoke(app, ["status"])
        assert said.exit_code != 0
        assert "9999" in said.output
    finally:
        set_version(file, VERSION)
    number = shop.store.buy("dot")
    shop.settle()
    assert len(shop.in_erp(number)) == 1


def set_version(file: Path, version: str) -> None:
    with sqlite3.connect(file, timeout=10) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (version,))
    database.close()


def quarantined(shop: Business, number: str) -> Any:
    with shop.installation() as here:
        rows = here.ledger.quarantine.find(flow="orders")
    return next((row for row in rows if row.native_id == str(shop.store.id_of(number))), None)


def told(shop: Business, number: str) -> str:
    """What is said of an order that does not go: in quarantine, or as a dead letter."""
    row = quarantined(shop, number)
    if row is not None:
        return str(row.problem)
    found = shop.delivery(number)
    assert found.state in (State.DEAD, State.WAITING, State.HELD)
    return str(found.reason)
