"""The mapping document lists every write of both systems, and what is sent is what it says."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from erp_sync.components.installation import Installation
from erp_sync.operations.mapping_document import mapping_document
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync.systems.magento.contract import body
from erp_sync.systems.magento.written import WRITTEN
from erp_sync_tests.components.two_systems import two_systems
from erp_sync_tests.e2e.business import business
from erp_sync_tests.operations.house import House, write_defs

FLOWS = ("orders", "order_status", "shipments", "inventory", "prices", "products")


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """Leaves of a body, list elements as []."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{prefix}[]")
    else:
        yield prefix


def sent(here: Installation) -> dict[str, set[str]]:
    """Fields of the bodies that the store was really sent, by operation."""
    here.exchanges.flush()
    found: dict[str, set[str]] = {}
    for exchange in here.exchanges.search(connection="magento_us", limit=10_000):
        if exchange.operation in WRITTEN and exchange.method == "POST":
            decoded = msgspec.json.decode(here.exchanges.request_body(exchange))
            found.setdefault(exchange.operation, set()).update(paths(decoded))
    return found


def declared(operation: str) -> set[str]:
    return {target for _, target, _ in WRITTEN[operation].fields}


@pytest.mark.parametrize("vendor", ["magento", "netsuite"])
def test_every_write_of_both_systems_is_listed_with_its_class(house: House, home: Path, vendor: str) -> None:
    flow = {"mode": "on", "start": "2026-01-01T00:00:00Z"}
    write_defs(home.parent / "defs", route={"flows": dict.fromkeys(FLOWS, flow)})
    here = Installation(house.here.settings)
    try:
        document = mapping_document(here, here.configuration.routes["us"])
    finally:
        here.close()
    told = {one.name: one for flow_told in document.flows for one in flow_told.operations}
    capabilities = importlib.import_module(f"erp_sync.systems.{vendor}.capabilities").CAPABILITIES
    assert [one.name for one in capabilities.operations if one.name not in told] == []
    for one in capabilities.operations:
        assert told[one.name].guarantee in "ABCD"
        assert told[one.name].source
    assert [side for flow_told in document.flows for side in flow_told.undeclared] == []


@pytest.mark.parametrize("operation", WRITTEN)
def test_what_a_write_is_said_to_send_is_in_the_published_schema(operation: str) -> None:
    record = body(operation)
    assert record is not None
    assert declared(operation) <= {field.path for field in record.fields}


def test_stock_and_prices_are_sent_as_the_document_says(tmp_path: Path) -> None:
    with two_systems(tmp_path, "{inventory: {mode: on}, prices: {mode: on}, products: {mode: on}}") as both:
        for flow in ("products", "inventory", "prices"):
            both.run(flow, full=True)
        both.erp_set("TEA", "west", 77)
        both.run("inventory", full=True)
        found = sent(both.here)
    assert "stock_level.write" in found
    assert {name: fields for name, fields in found.items() if fields != declared(name)} == {}


def test_status_and_shipments_are_sent_as_the_document_says(tmp_path: Path) -> None:
    with business(tmp_path, payment_methods={"braintree": "5"}, erp_settings={"us": {"location": "1"}}) as shop:
        shop.store.buy("ann", {"MUG": 1})
        shop.settle()
        shop.settle("order_status")
        erp = shop.hands_in_erp()
        for place in ("east", "west"):
            Warehouse(erp, place, habits=Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)).ship()
        erp.close()
        shop.settle("shipments")
        with shop.installation() as here:
            found = sent(here)
    assert found == {name: declared(name) for name in ("order_status.comment", "shipment.create")}
