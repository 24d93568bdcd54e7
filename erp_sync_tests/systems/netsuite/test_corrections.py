"""What is put back in NetSuite and refused there: whether it is tried again."""

from __future__ import annotations

import pytest

from erp_sync.model.correction import OrderCorrection
from erp_sync.model.order import SalesOrder
from erp_sync.ports.documents import StepRequest
from erp_sync.ports.outcomes import Again, Receipt, Refused
from erp_sync_tests.systems.netsuite.samples import order
from erp_sync_tests.systems.netsuite.scripted import Answer, refused
from erp_sync_tests.systems.netsuite.test_orders import REFERENCES

OPEN = Answer(200, {"id": "900", "tranId": "SO9", "orderStatus": {"id": "B"}, "item": {"items": []}})


@pytest.mark.parametrize(
    ("detail", "code", "again"),
    [
        ("This record is locked by a workflow.", "locked_record", Again.LATER),
        ("The accounting period is closed.", "closed_period", Again.LATER),
        ("Please enter value(s) for: Class", "edit_stays", Again.NEVER),
    ],
)
def test_a_refusal_that_passes_is_tried_later_and_another_leaves_the_edit(
    connector, server, detail: str, code: str, again: Again
) -> None:
    """A locked order made a dead letter of every correction, though an order's own steps wait for it."""
    sold = {name: getattr(order(), name) for name in SalesOrder.__struct_fields__}
    document = OrderCorrection(**sold, put_back=("shipping_address",), token="t1")
    server.on("GET", "/salesOrder/", OPEN)
    server.on("PATCH", "/salesOrder/900", refused(detail))
    port = connector().port("order_correction", "target")
    (step,) = port.steps(document)
    request = StepRequest(
        delivery="1",
        step=step,
        document=document,
        receipts={"customer": Receipt(target_id="300")},
        references=REFERENCES,
        attempt=1,
    )
    (outcome,) = port.submit([request])
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.again) == (code, again)
