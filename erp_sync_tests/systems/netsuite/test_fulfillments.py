"""Shipments by hand into NetSuite: what becomes of one that it calls existing."""

from __future__ import annotations

from typing import Any

import pytest

from erp_sync.model.keys import Entity
from erp_sync.model.shipment import Parcel, Shipment, ShipmentLine, ShipmentStatus
from erp_sync.ports.documents import Requirement, StepRequest
from erp_sync.ports.outcomes import Again, Applied, Refused
from erp_sync_tests.systems.netsuite.samples import D
from erp_sync_tests.systems.netsuite.scripted import Answer, refused

SHIPMENT = Shipment(
    connection="magento_us", scope="", native_id="by_hand_1", number="H-1", status=ShipmentStatus.SHIPPED,
    order_native_id="10045", order_connection="magento_us", order_key="10045",
    lines=(ShipmentLine(order_line="", sku="SKU-1", quantity=D("2")),),
    parcels=(Parcel(tracking_number="1Z1", carrier="ups"),),
)  # fmt: skip
ORDER = Requirement(Entity.SALES_ORDER, "10045")


@pytest.fixture
def port(connector, server):
    """One line of the order is open, nothing of it is fulfilled, and NetSuite calls our fulfillment existing."""
    server.rows("nexttransactionlink")
    server.rows("fulfillable", {"line": "1", "sku": "SKU-1", "ordered": "-2", "picked": "0"})
    server.on("POST", "!transform/itemFulfillment$", refused("This record already exists."))
    return connector().port("shipment", "target")


def submitted(port, **values: Any):
    (step,) = port.steps(SHIPMENT)
    request = StepRequest(delivery="1", step=step, document=SHIPMENT, receipts={}, references={ORDER: "900"}, **values)
    return port.submit([request])[0]


def test_one_that_shows_is_ours(port, server):
    server.on("GET", "/itemFulfillment/eid:", Answer(200, {"id": "700", "tranId": "IF7"}))
    outcome = submitted(port)
    assert isinstance(outcome, Applied)
    assert (outcome.receipt.target_id, outcome.receipt.existed) == ("700", True)


def test_one_that_does_not_show_is_looked_for_until_no_send_can_be_committing(port, server):
    server.on("GET", "/itemFulfillment/eid:", Answer(404, {}))
    settle = port.capabilities.operation("shipment.book").settle_seconds
    waited, looks = 0.0, 0
    while (outcome := submitted(port, refusals={"already_exists": looks})).again is Again.LATER:
        waited, looks = waited + outcome.retry_after_seconds, looks + 1
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.again) == ("already_exists", Again.NEVER)
    assert settle < waited
    still = submitted(port, refusals={"already_exists": looks}, unsettled=True)
    assert (still.code, still.again) == ("already_exists", Again.LATER)


def test_one_that_cannot_be_looked_for_is_looked_for_later(port, server):
    server.on("GET", "/itemFulfillment/eid:", Answer(503, {}))
    outcome = submitted(port, refusals={"already_exists": 20})
    assert (outcome.code, outcome.again) == ("already_exists", Again.LATER)
