"""`erp-sync trace` of orders that went through all flows: everything, in order, with the payloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.components.configuration import read_configuration
from erp_sync.components.mapping_version import mapping_version
from erp_sync.systems.netsuite.sandbox.warehouse import NetSuite
from erp_sync_tests.e2e.business import Business, business


class Story:
    """`number` was sent, told of, shipped in two parts and closed; `cancelled` was sent and cancelled in the store."""

    def __init__(self, shop: Business) -> None:
        self.shop = shop
        self.number = shop.store.buy("ann", {"MUG": 2, "TEA": 1, "CUP": 1})
        self.cancelled = shop.store.buy("bob", {"TEA": 1})
        shop.settle()
        shop.settle("order_status")
        erp = shop.hands_in_erp()
        (order,) = shop.in_erp(self.number)
        self.order = str(order["id"])
        lines = shop.erp_rows(
            'SELECT id FROM transactionline WHERE "transaction" = ? AND item IS NOT NULL ORDER BY id', order["id"]
        )
        mugs, tea, cup = (line["id"] for line in lines)
        self.ship(erp, {mugs: 1, tea: 0, cup: 0}, "1Z-A")
        self.ship(erp, {mugs: 1, tea: 1, cup: 0}, "1Z-B")
        erp.change(f"salesOrder/{self.order}", {"item": {"items": [{"line": cup, "isClosed": True}]}})
        erp.close()
        shop.settle("order_status")
        shop.store.cancel(self.cancelled)
        shop.settle()
        shop.settle("order_status")

    def ship(self, erp: NetSuite, quantities: dict[int, int], parcel: str) -> None:
        lines = [
            {"orderLine": line, "quantity": quantity, "itemReceive": quantity > 0}
            for line, quantity in quantities.items()
        ]
        body = {
            "shipStatus": {"id": "C"},
            "item": {"items": lines},
            "package": {"items": [{"packageTrackingNumber": parcel, "packageWeight": 1}]},
        }
        erp.create(f"salesOrder/{self.order}/!transform/itemFulfillment", body)
        self.shop.settle("shipments")

    def ask(self, *words: str) -> str:
        environment = {"ERP_SYNC_HOME": str(self.shop.settings.home), "ERP_SYNC_DEFS": str(self.shop.settings.defs)}
        done = CliRunner(env=environment).invoke(app, ["trace", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    def told(self, number: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask(number, "--json"))
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder: Path = tmp_path_factory.mktemp("story")
    with business(folder, payment_methods={"braintree": "5"}, erp_settings={"us": {"location": "1"}}) as shop:
        yield Story(shop)


@pytest.fixture(autouse=True)
def storage_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erp_sync.runtime.storage.initialise", lambda settings, *, anyway=False: False)


def test_an_order_tells_of_every_document_it_became_and_their_ids_on_both_sides(story: Story) -> None:
    found = story.told(story.number)
    kinds = sorted(document.partition(" ")[0] for document in found["documents"])
    assert kinds == ["order_status", "sales_order", "shipment", "shipment"]
    ids = {document.partition(" ")[0]: partners for document, partners in found["partners"].items()}
    assert ids["sales_order"] == {"netsuite_us": story.order}
    assert ids["shipment"].keys() == {"magento_us"}


def test_every_write_is_told_once_in_order_with_what_was_sent(story: Story) -> None:
    entries = story.told(story.number)["entries"]
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    writes = [entry for entry in entries if entry["kind"] == "exchange" and entry["facts"]["method"] == "POST"]
    # A query is a POST, too.
    operations = [one for entry in writes if not (one := entry["facts"]["operation"]).endswith(("suiteql", ".list"))]
    assert [one for one in operations if one.partition(".")[0] != "order_status"] == [
        "customer.create",
        "sales_order.create",
        "customer_deposit.create",
        "shipment.create",
        "shipment.create",
    ]
    assert operations.count("order_status.comment") >= 2
    by_operation = {entry["facts"]["operation"]: entry for entry in writes}
    assert by_operation["sales_order.create"]["request"]["otherRefNum"] == story.number
    assert by_operation["customer_deposit.create"]["request"]["salesOrder"] == {"id": story.order}
    assert by_operation["shipment.create"]["request"]["tracks"][0]["track_number"] == "1Z-B"


def test_every_delivery_ends_delivered_and_every_event_has_its_place(story: Story) -> None:
    found = story.told(story.number)
    assert {delivery["state"] for delivery in found["deliveries"]} == {"delivered"}
    for delivery in found["deliveries"]:
        kinds = [entry["kind"] for entry in found["entries"] if entry["delivery"] == delivery["id"]]
        assert (kinds[0], kinds[-1]) == ("accepted", "delivered")
        assert kinds.index("sending") < kinds.index("confirmed")
    received = [entry for entry in found["entries"] if entry["kind"] == "received"]
    assert all(entry["payload"] for entry in received)


def test_a_document_tells_the_mapping_that_made_it_and_the_one_by_which_it_was_sent(story: Story) -> None:
    found = story.told(story.number)
    configuration = read_configuration(story.shop.settings.defs)
    for delivery in found["deliveries"]:
        version = mapping_version(configuration, configuration.routes["us"], delivery["flow"]).value
        assert delivery["mapping"] == version
        told = {e["kind"]: e["facts"].get("mapping") for e in found["entries"] if e["delivery"] == delivery["id"]}
        assert (told["accepted"], told["claimed"]) == (version, version)
    assert f"mapping {found['deliveries'][0]['mapping']}" in story.ask(story.number)


def test_a_cancellation_is_told_with_the_closing_of_the_order(story: Story) -> None:
    found = story.told(story.cancelled)
    operations = [step["operation"] for delivery in found["deliveries"] for step in delivery["steps"]]
    assert "sales_order.close" in operations
    close = [entry for entry in found["entries"] if entry["facts"].get("method") == "PATCH"]
    assert [line["isClosed"] for entry in close for line in entry["request"]["item"]["items"]] == [True]


def test_the_text_names_documents_ids_and_steps(story: Story) -> None:
    text = story.ask(story.number)
    assert f"sales_order {story.shop.store.id_of(story.number)} of magento_us" in text
    assert f"is {story.order} in netsuite_us" in text
    assert "lake_row" not in text
    whole = story.ask(story.number, "--payloads")
    assert len(whole) > len(text)
    assert "more lines, see --payloads" not in whole
