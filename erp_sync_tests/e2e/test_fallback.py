"""A long outage of the ERP, over HTTP: the warehouse ships by hand, somebody types orders in, and when the ERP is back
nothing is lost, booked, shipped, mailed or sold twice."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.components.documents import drain_documents
from erp_sync.components.flow_table import FLOWS
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync_tests.e2e.business import Business, business

ON = ("orders", "order_status", "shipments", "inventory")
LIST = ("order", "sku", "quantity", "carrier", "tracking", "location")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Business]:
    monkeypatch.setattr("erp_sync.runtime.storage.initialise", lambda settings, *, anyway=False: False)
    with business(tmp_path, erp_settings={"us": {"location": "1"}}, flows=ON) as shop:
        command(shop, "adopt", "us", "--apply")  # from now on nobody but us enters orders, by all that is known
        shop.converge(full=True)
        yield shop


def command(shop: Business, *arguments: str, exit_code: int = 0) -> Any:
    environment = {"ERP_SYNC_HOME": str(shop.settings.home), "ERP_SYNC_DEFS": str(shop.settings.defs)}
    done = CliRunner(env=environment).invoke(app, [*arguments, "--json"])
    assert done.exit_code == exit_code, done.output
    return json.loads(done.stdout)


def typed_in(shop: Business, tmp_path: Path, name: str) -> None:
    """A person types every order of the store into the ERP that it does not have: without a key of ours."""
    ours = shop.settings
    shop.install(tmp_path / name)
    shop.settle()
    for table in ('"transaction"', "customer"):
        shop.erp_sql(f"UPDATE {table} SET externalid = NULL WHERE externalid LIKE 'magento_%'")
    shop.settings = ours


def shipped_list(folder: Path, *rows: tuple[str, ...]) -> Path:
    file = folder / "shipped.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([LIST, *rows])
    return file


def tell_the_store(shop: Business) -> None:
    """A run of the shipments flow while the ERP is away: nothing can be read there."""
    with shop.installation() as here:
        drain_documents(here, here.configuration.routes["us"], FLOWS["shipments"], owner="shipping:1", lane="normal")


def source(shop: Business, sku: str) -> int:
    (row,) = shop.store.rows("SELECT quantity FROM inventory_source_item WHERE sku = ? AND source_code = 'east'", sku)
    return int(float(row["quantity"]))


def on_hand(shop: Business, sku: str) -> int:
    (row,) = shop.erp_rows(
        "SELECT a.quantityonhand FROM aggregateitemlocation a JOIN item i ON i.id = a.item "
        "WHERE i.itemid = ? AND a.location = 1",
        sku,
    )
    return int(float(row["quantityonhand"]))


def shipments(shop: Business, number: str) -> list[dict[str, Any]]:
    return shop.store.rows("SELECT * FROM sales_shipment WHERE order_id = ?", shop.store.id_of(number))


def fulfillments(shop: Business, number: str) -> list[dict[str, Any]]:
    (order,) = shop.in_erp(number)
    return shop.erp_rows("SELECT * FROM \"transaction\" WHERE type = 'ItemShip' AND createdfrom = ?", order["id"])


def test_the_warehouse_goes_on_by_hand_and_nothing_is_twice_when_the_erp_is_back(shop: Business, tmp_path: Path):
    store = shop.store
    typed, booked = store.buy("typed", {"CUP": 2}), store.buy("booked", {"TEA": 4})
    typed_in(shop, tmp_path, "a person")
    # That person has booked one of the parcels, too, in the minutes before erp_sync came back.
    erp = shop.hands_in_erp()
    (entered,) = shop.in_erp(booked)
    erp.create(
        f"salesOrder/{entered['id']}/!transform/itemFulfillment",
        {"shipStatus": {"id": "C"}, "package": {"items": [{"packageTrackingNumber": "1Z BOOKED"}]}},
    )
    shop.erp.fault("maintenance", times=None)
    mugs, bundle, cups = store.buy("ann", {"MUG": 2}), store.buy("bob", {"SET": 1}), store.buy("cid", {"CUP": 3})
    late = store.buy("dee", {"TEA": 1})
    shop.run()

    handed = command(shop, "fallback", "export", "--to", str(tmp_path))
    assert handed["orders"] == 6, (handed, shop.states())
    with open(handed["files"]["orders"], encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {row["order"] for row in lines} == {typed, booked, mugs, bundle, cups, late}
    assert [(row["sku"], row["quantity"], row["kind"]) for row in lines if row["order"] == bundle] == [
        ("MUG", "1", "component"),
        ("TEA", "2", "component"),
    ]
    again = command(shop, "fallback", "export", "--to", str(tmp_path))
    assert (again["orders"], again["files"], set(again["already"])) == (0, {}, {row["order"] for row in lines})

    file = shipped_list(
        tmp_path,
        (typed, "CUP", "2", "UPS", "1Z TYPED", "east"),
        (booked, "TEA", "4", "UPS", "1Z BOOKED", "east"),
        (mugs, "MUG", "1", "fedex", "77 1", "east"),
        (mugs, "MUG", "1", "FedEx Ground", "77 2", "east"),
        (bundle, "MUG", "1", "ups", "1Z SET", "east"),
        (bundle, "TEA", "2", "ups", "1Z SET", "east"),
        (cups, "CUP", "1", "DHL", "33 1", "east"),
        (cups, "CUP", "9", "DHL", "33 2", "east"),
        ("000000777", "CUP", "1", "DHL", "33 3", "east"),
    )
    taken = command(shop, "fallback", "import", str(file), exit_code=1)
    assert (taken["rows"], len(taken["shipments"]), taken["already"]) == (7, 5, 0)
    assert [(one["line"], one["column"]) for one in taken["problems"]] == [(9, "quantity"), (10, "order")]
    twice = command(shop, "fallback", "import", str(file), exit_code=1)
    assert (twice["rows"], twice["shipments"], twice["already"]) == (0, {}, 7)

    tell_the_store(shop)
    parcels = {"typed": typed, "booked": booked, "mugs": mugs, "bundle": bundle, "cups": cups}
    assert {name: len(shipments(shop, number)) for name, number in parcels.items()} == dict.fromkeys(parcels, 1)
    assert len(store.rows("SELECT * FROM sandbox_mail WHERE kind = 'shipment'")) == 5
    assert (source(shop, "MUG"), on_hand(shop, "MUG")) == (9997, 10_000)
    standing = command(shop, "fallback", "status")[0]
    assert (standing["left_by_hand"], standing["told_the_store"], standing["known_to_the_erp"]) == (5, 5, 0)
    assert standing["not_back"] == [late]

    # The ERP is back, and its shelves are full by its own figures: what left is not sold again.
    shop.erp.clear_faults()
    shop.clock.skipped += timedelta(hours=2)
    shop.settle()
    shop.converge(full=True)
    assert (source(shop, "MUG"), on_hand(shop, "MUG")) == (9997, 10_000)
    assert (source(shop, "CUP"), on_hand(shop, "CUP")) == (9997, 10_000)
    shop.settle("shipments")
    assert {name: len(fulfillments(shop, number)) for name, number in parcels.items()} == dict.fromkeys(parcels, 1)
    shop.converge(full=True)
    assert (source(shop, "MUG"), on_hand(shop, "MUG")) == (9997, 9997)
    assert (source(shop, "CUP"), source(shop, "TEA")) == (on_hand(shop, "CUP"), on_hand(shop, "TEA")) == (9997, 9994)

    # The ERP tells of its fulfillments; the rest is shipped as ever.
    Warehouse(erp, "east", habits=Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)).ship()
    erp.close()
    shop.settle("shipments")
    shop.settle("order_status")
    shop.converge(full=True)
    assert [len(shipments(shop, number)) for number in (typed, booked, mugs, bundle, cups, late)] == [1, 1, 1, 1, 2, 1]
    assert len(store.rows("SELECT * FROM sandbox_mail WHERE kind = 'shipment'")) == 7
    report = shop.report()
    assert (report.orders.lost, report.orders.duplicated, report.orders.false_claims) == ([], [], {})
    found = report.shipments
    assert (found.missing, found.booked_twice, found.unexplained, found.differing) == ([], [], [], {})
    assert (found.mails_twice, found.mails_missing) == ([], [])
    assert report.stock.mismatches == {}
    assert report.stock.oversold == {}
    done = command(shop, "fallback", "status")[0]
    assert (done["waiting"], done["known_to_the_erp"], done["open"]) == (0, 5, [])
