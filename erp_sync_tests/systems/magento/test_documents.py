"""Orders as a source; order status and shipments as targets."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from erp_sync.model.order import OrderStatus
from erp_sync.model.order_status import CancelledUnits, OrderStatusUpdate
from erp_sync.model.shipment import Parcel, Shipment, ShipmentLine, ShipmentStatus
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import (
    AboveOpen,
    Absent,
    Again,
    Ambiguous,
    Applied,
    Found,
    NotSent,
    Receipt,
    Refused,
    Unknown,
    Untraceable,
    above_open_in,
)
from erp_sync.ports.raw import MappingProblem, Window
from erp_sync.transport.errors import NotSentError, OutcomeUnknown, Rejected
from erp_sync_tests.systems.magento.store_fake import FakeSender, connector, filters, order, parameter, row, search
from erp_sync_tests.systems.magento.test_order_mapping import Table

WINDOW = Window(start=datetime(2026, 1, 2, tzinfo=UTC), end=datetime(2026, 1, 3, tzinfo=UTC))


def request(step: Step, document: Any, **receipts: Receipt) -> StepRequest:
    return StepRequest(delivery="1", step=step, document=document, receipts=receipts, references={})


# Orders as a source ---------------------------------------------------------------------------


def test_changed_orders_come_as_raw_records_with_key_version_and_times():
    sender = FakeSender()
    sender.answer("GET", "orders", search([order()]))
    source = connector(sender).port("sales_order", "source")
    ((raw,),) = source.changed(WINDOW)
    assert (raw.native_id, raw.scope) == ("5", "base")
    assert raw.version.startswith("2026-01-02T03:05:05Z-")
    assert raw.source_time == datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC)
    assert raw.created_time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_two_changes_within_one_second_have_two_versions():
    sender = FakeSender()
    record = order()
    sender.answer("GET", "orders", search([record]))
    source = connector(sender).port("sales_order", "source")
    ((first,),) = source.changed(WINDOW)
    ((same,),) = source.changed(WINDOW)
    record["state"] = "holded"
    ((second,),) = source.changed(WINDOW)
    assert first.version == same.version != second.version


def test_a_whole_gift_card_code_never_leaves_the_reader():
    sender = FakeSender()
    sender.answer(
        "GET", "orders", search([order(extensions={"gift_cards": [{"id": 1, "code": "GIFT-ABCD1234", "amount": 1}]})])
    )
    ((raw,),) = connector(sender).port("sales_order", "source").changed(WINDOW)
    assert raw.payload["extension_attributes"]["gift_cards"][0]["code"] == "****1234"


def test_a_customers_note_arrives_as_it_was_written_and_payments_are_searched_through():
    sender = FakeSender()
    note = "gate pin: 1234, token = red"
    payment = {"method": "braintree", "cc_last4": "1111", "cc_cid_enc": "987", "additional_information": ["cvv: 123"]}
    sender.answer("GET", "orders", search([order(customer_note=note, payment=payment)]))
    ((record,),) = connector(sender).port("sales_order", "source").changed(WINDOW)
    assert record.payload["customer_note"] == note
    assert record.payload["payment"]["cc_last4"] == "1111"
    assert "987" not in str(record.payload["payment"])
    assert "123" not in str(record.payload["payment"]["additional_information"])


def test_a_record_with_a_malformed_time_is_handed_on_and_refused_when_mapped():
    sender = FakeSender()
    sender.answer(
        "GET", "orders", {"items": [order(), {**order(), "entity_id": 6, "updated_at": None}], "total_count": 2}
    )
    ((_, bad),) = connector(sender).port("sales_order", "source").changed(WINDOW)
    assert (bad.native_id, bad.source_time) == ("6", None)


def test_created_orders_are_listed_with_the_beginning_of_their_version():
    sender = FakeSender()
    sender.answer("GET", "orders", search([order()]))
    assert connector(sender).port("sales_order", "source").created(WINDOW) == {"5": "2026-01-02T03:05:05Z"}
    assert parameter(sender.calls[0], "fields") == "items[entity_id,created_at,updated_at],total_count"


def test_a_peek_gives_the_versions_that_a_read_would_give():
    sender = FakeSender()
    sender.answer("GET", "orders", search([order()]))
    source = connector(sender).port("sales_order", "source")
    ((raw,),) = source.changed(WINDOW)
    assert source.peek(WINDOW) == {"5": raw.version}
    assert sender.calls[-1].found_nothing is not None
    sender.answer("GET", "orders", search([]))
    assert source.peek(WINDOW) == {}


def test_a_peek_at_more_than_a_page_cannot_tell():
    sender = FakeSender()
    sender.answer("GET", "orders", {"items": [order()], "total_count": 2})
    assert connector(sender).port("sales_order", "source").peek(WINDOW) is None


def test_a_store_that_does_not_answer_a_search_is_asked_later():
    sender = FakeSender()
    target = status_target(sender, order())
    (step,) = target.steps(update())
    sender.answer("GET", "orders", lambda call: NotSentError("breaker open", retry_after_seconds=7))
    (later,) = target.find([request(step, update())])
    assert later.seconds == 7


def test_fetched_ids_are_asked_for_together_and_impossible_ones_not_at_all():
    sender = FakeSender()
    sender.answer("GET", "orders", search([order()]))
    pages = list(connector(sender).port("sales_order", "source").fetch(["5", "7", "x"]))
    assert [raw.native_id for page in pages for raw in page] == ["5"]
    assert filters(sender.calls[0])[0]["value"] == "5,7"


def test_an_event_of_another_store_view_brings_no_order():
    """Events come for all of them: with a connection for each view an order would be delivered by both."""
    sender = FakeSender()
    sender.answer("GET", "orders", search([]))
    assert list(connector(sender, order_stores=[3, 4]).port("sales_order", "source").fetch(["5"])) in ([], [[]])
    asked = {(one["field"], one["value"]) for one in filters(sender.calls[0])}
    assert asked == {("entity_id", "5"), ("store_id", "3,4")}


def test_the_website_of_a_store_view_is_asked_for_once():
    sender = FakeSender()
    sender.answer("GET", "orders", search([order()]))
    sender.answer("GET", "store/websites", [{"id": 1, "code": "base", "name": "", "default_group_id": 1}])
    sender.answer("GET", "store/storeViews", [{"id": 1, "code": "default", "website_id": 1, "name": ""}])
    source = connector(sender, website=None).port("sales_order", "source")
    for _ in range(3):
        ((raw,),) = source.changed(WINDOW)
        assert raw.scope == "base"
    assert len(sender.made("store.read_views")) == 1


# Order status as a target ---------------------------------------------------------------------


def update(status: OrderStatus = OrderStatus.OPEN, **changes: Any) -> OrderStatusUpdate:
    values: dict[str, Any] = {
        "connection": "netsuite_us", "scope": "1", "native_id": "77", "number": "SO77", "version": "3",
        "order_key": "5", "status": status, **changes,
    }  # fmt: skip
    return OrderStatusUpdate(**values)


def status_target(sender: FakeSender, record: dict[str, Any] | None = None, **changes: Any) -> Any:
    sender.answer("GET", "orders", search([record] if record else []))
    sender.answer("POST", "orders/5/comments", True)
    return connector(sender, **changes).port("order_status", "target")


def test_the_erps_number_stands_in_a_comment_with_our_mark_and_the_status_stays():
    sender = FakeSender()
    target = status_target(sender, order())
    (step,) = target.steps(update())
    (done,) = target.submit([request(step, update())])
    assert isinstance(done, Applied)
    body = sender.made("order_status.comment")[0].json["statusHistory"]
    assert body["comment"] == "ERP order SO77 is open. [erp_sync:netsuite_us/77/3]"
    assert (body["status"], body["parent_id"], body["is_customer_notified"]) == ("processing", 5, 0)


def test_what_the_erp_does_not_send_of_an_open_order_stands_in_the_comment():
    sender = FakeSender()
    target = status_target(sender, order())
    parts = tuple(
        CancelledUnits(sku=sku, quantity=Decimal(units)) for sku, units in (("MUG", "20.000"), ("TEA", "1.50"))
    )
    document = update(reason="Out of stock", cancelled=parts)
    (step,) = target.steps(document)
    (done,) = target.submit([request(step, document)])
    assert isinstance(done, Applied)
    words = "ERP order SO77 is open. Not to be sent: 20 of MUG, 1.5 of TEA. Out of stock [erp_sync:netsuite_us/77/3]"
    assert sender.made("order_status.comment")[0].json["statusHistory"]["comment"] == words


@pytest.mark.parametrize(
    ("codes", "code", "again"), [({}, "order_moved", Again.LATER), ({"open": "in_erp"}, "bad_request", Again.NEVER)]
)
def test_an_order_that_moved_on_meanwhile_is_commented_later_and_a_status_of_another_state_never(codes, code, again):
    """The store takes a status only while the order is in that status's state."""
    sender = FakeSender()
    target = status_target(sender, order(), order_status_codes=codes)
    words = 'Unable to add comment: The status "%1" is not part of the order status history.'
    sender.answer("POST", "orders/5/comments", lambda call: Rejected(400, "bad_request", words))
    (step,) = target.steps(update())
    (done,) = target.submit([request(step, update())])
    assert (done.code, done.again) == (code, again)


def test_a_comment_is_found_again_by_its_mark():
    sender = FakeSender()
    record = {**order(), "status_histories": [{"entity_id": 1, "comment": "hello"}, {"entity_id": 2, "comment": None}]}
    target = status_target(sender, record)
    (step,) = target.steps(update())
    assert target.find([request(step, update())]) == [Absent()]
    record["status_histories"].append({"entity_id": 3, "comment": "ERP order [erp_sync:netsuite_us/77/3]"})
    (found,) = target.find([request(step, update())])
    assert isinstance(found, Found)


def test_a_cancelled_order_is_cancelled_and_then_commented():
    sender = FakeSender()
    sender.answer("POST", "orders/5/cancel", True)
    target = status_target(sender, order(state="new"))
    document = update(OrderStatus.CANCELLED)
    steps = target.steps(document)
    assert [step.name for step in steps] == ["cancel", "comment"]
    outcomes = [target.submit([request(step, document)])[0] for step in steps]
    assert all(isinstance(one, Applied) for one in outcomes)
    assert len(sender.made("sales_order.cancel")) == 1


def test_an_order_cancelled_already_is_not_cancelled_again():
    sender = FakeSender()
    target = status_target(sender, order(state="canceled"))
    document = update(OrderStatus.CANCELLED)
    (done,) = target.submit([request(target.steps(document)[0], document)])
    assert done == Applied(receipt=Receipt(target_id="5", existed=True))
    assert sender.made("sales_order.cancel") == []


@pytest.mark.parametrize("state", ["complete", "processing"])
def test_an_order_that_the_store_does_not_cancel_is_a_refusal(state):
    sender = FakeSender()
    sender.answer("POST", "orders/5/cancel", False)
    target = status_target(sender, order(state=state))
    document = update(OrderStatus.CANCELLED)
    (done,) = target.submit([request(target.steps(document)[0], document)])
    assert isinstance(done, Refused)
    assert done.code == "order_not_cancellable"


def test_a_lost_answer_is_unknown_and_a_failed_read_before_it_is_not_sent():
    sender = FakeSender()
    target = status_target(sender, order())
    (step,) = target.steps(update())
    sender.answer("POST", "orders/5/comments", lambda call: OutcomeUnknown("read timeout"))
    assert isinstance(target.submit([request(step, update())])[0], Unknown)
    sender.answer("GET", "orders", lambda call: OutcomeUnknown("read timeout"))
    assert isinstance(target.submit([request(step, update())])[0], NotSent)


def test_an_unknown_order_waits_for_it():
    sender = FakeSender()
    target = status_target(sender)
    (step,) = target.steps(update())
    (done,) = target.submit([request(step, update())])
    assert (done.code, done.again) == ("unknown_order", Again.AFTER_DEPENDENCY)
    assert target.resolve(target.requirements(update())) == {}


# Shipments as a target ------------------------------------------------------------------------

TABLES = {
    "locations": {"EAST": "east", "WEST": "west"},
    "carriers": {"UPS": "ups:United Parcel Service", "FedEx": "fedex"},
    "sku_map": {name: f"ERP-{name}" for name in ("MUG", "SHIRT-S", "A", "B")},
}


def shipment(*lines: tuple[str, int], parcels: tuple[str, ...] = ("1Z",), **changes: Any) -> Shipment:
    shipped = lines or (("ERP-MUG", 1),)
    values: dict[str, Any] = {
        "connection": "netsuite_us", "scope": "1", "native_id": "900", "number": "IF900", "version": "1",
        "status": ShipmentStatus.SHIPPED, "order_native_id": "77", "order_key": "5", "location": "EAST",
        "lines": tuple(ShipmentLine(order_line="1", sku=sku, quantity=quantity) for sku, quantity in shipped),
        "parcels": tuple(Parcel(tracking_number=number, carrier="UPS") for number in parcels), **changes,
    }  # fmt: skip
    return Shipment(**values)


def shipment_target(sender: FakeSender, *rows: dict[str, Any], **changes: Any) -> Any:
    sender.answer("GET", "orders", search([order(*rows)]))
    sender.answer("POST", "order/5/ship", 31)
    sender.answer("POST", "shipment/track", lambda call: {**call.json["entity"], "entity_id": 8})
    sender.answer("POST", "shipment/31/emails", True)
    sender.answer("GET", "shipments", search([booked()]))
    return connector(sender, Table(**TABLES), **changes).port("shipment", "target")


def booked(entity_id: int = 31, key: str = "netsuite_us/900", tracks: tuple[str, ...] = ()) -> dict[str, Any]:
    """A shipment of the order as the store lists it."""
    return {
        "entity_id": entity_id, "order_id": 5, "increment_id": f"00{entity_id}",
        "tracks": [{"track_number": number} for number in tracks],
        "comments": [{"comment": f"Fulfillment IF900 [erp_sync:{key}]"}],
    }  # fmt: skip


def deliver(target: Any, document: Shipment, known: dict[str, Receipt] | None = None) -> dict[str, Receipt]:
    """All steps of a document, as the ledger would: a confirmed step's key is not sent again."""
    known = {} if known is None else known
    receipts: dict[str, Receipt] = {}
    for step in target.steps(document):
        if step.key not in known:
            (done,) = target.submit([request(step, document, **receipts)])
            assert isinstance(done, Applied), done
            known[step.key] = done.receipt
        receipts[step.name] = known[step.key]
    return known


def test_a_fulfillment_becomes_one_shipment_with_all_parcels_and_one_email():
    sender = FakeSender()
    target = shipment_target(sender, row(11, "MUG", qty_ordered=3))
    deliver(target, shipment(("ERP-MUG", 2), parcels=("1Z1", "1Z2")))
    (call,) = sender.made("shipment.create")
    assert call.json == {
        "items": [{"order_item_id": 11, "qty": 2}],
        "notify": True,
        "appendComment": False,
        "comment": {"comment": "Fulfillment IF900 [erp_sync:netsuite_us/900]", "is_visible_on_front": 0},
        "tracks": [
            {"track_number": "1Z1", "title": "United Parcel Service", "carrier_code": "ups"},
            {"track_number": "1Z2", "title": "United Parcel Service", "carrier_code": "ups"},
        ],
        "arguments": {"extension_attributes": {"source_code": "east"}},
    }
    assert not call.repeatable
    assert sender.made("shipment.add_parcel") == sender.made("shipment.notify") == []


def test_a_parcel_added_later_is_added_and_announced_once():
    sender = FakeSender()
    target = shipment_target(sender)
    known = deliver(target, shipment(parcels=("1Z1",)))
    deliver(target, shipment(parcels=("1Z1", "1Z2"), version="2"), known)
    deliver(target, shipment(parcels=("1Z1", "1Z2"), version="3"), known)
    assert len(sender.made("shipment.create")) == 1
    (parcel,) = sender.made("shipment.add_parcel")
    assert (parcel.json["entity"]["track_number"], parcel.json["entity"]["parent_id"]) == ("1Z2", 31)
    assert len(sender.made("shipment.notify")) == 1


@pytest.mark.parametrize("answered", [3131, 3])
def test_a_doubled_or_half_number_of_the_shipment_moves_no_parcel_and_no_email_to_another(answered):
    """An id is a bare number: half of one is one too, that of another customer's shipment."""
    sender = FakeSender()
    target = shipment_target(sender)
    sender.answer("POST", "order/5/ship", answered)
    known = deliver(target, shipment(parcels=("1Z1",)))
    deliver(target, shipment(parcels=("1Z1", "1Z2"), version="2"), known)
    (parcel,) = sender.made("shipment.add_parcel")
    assert parcel.json["entity"]["parent_id"] == 31
    (mail,) = sender.made("shipment.notify")
    assert mail.path.endswith("/shipment/31/emails")


def _later(target: Any) -> StepRequest:
    document = shipment(parcels=("1Z1", "1Z2"), version="2")
    step = next(one for one in target.steps(document) if one.name == "parcel:1Z2")
    return request(step, document, shipment=Receipt(target_id="31", values={"tracks": '["1Z1"]'}))


def test_a_parcel_that_somebody_added_by_hand_is_not_added_again():
    sender = FakeSender()
    target = shipment_target(sender)
    sender.answer("GET", "shipments", search([booked(tracks=("1Z1", "1Z2"))]))
    (done,) = target.submit([_later(target)])
    assert (done.receipt.target_id, done.receipt.existed) == ("31", True)
    assert sender.made("shipment.add_parcel") == []


def test_a_parcel_goes_to_the_id_that_is_known_where_somebody_took_our_key_out():
    sender = FakeSender()
    target = shipment_target(sender)
    sender.answer("GET", "shipments", search([{**booked(), "comments": []}, booked(32, "netsuite_us/901")]))
    (done,) = target.submit([_later(target)])
    assert done.receipt.target_id == "31"


def test_a_parcel_of_a_shipment_that_the_order_has_no_more_is_refused_by_name():
    sender = FakeSender()
    target = shipment_target(sender)
    sender.answer("GET", "shipments", search([booked(32, "netsuite_us/901")]))
    (done,) = target.submit([_later(target)])
    assert (done.code, done.again) == ("shipment_unknown", Again.NEVER)
    assert "parcel 1Z2" in done.message
    sender.answer("GET", "shipments", lambda call: NotSentError("no slot"))
    assert isinstance(target.submit([_later(target)])[0], NotSent)
    assert sender.made("shipment.add_parcel") == []


def test_a_configurable_product_is_shipped_by_its_parent_row():
    sender = FakeSender()
    target = shipment_target(
        sender, row(11, "SHIRT", product_type="configurable", qty_ordered=2), row(12, "SHIRT-S", parent_item_id=11)
    )
    deliver(target, shipment(("ERP-SHIRT-S", 2)))
    assert sender.made("shipment.create")[0].json["items"] == [{"order_item_id": 11, "qty": 2}]


def bundle() -> list[dict[str, Any]]:
    return [
        row(11, "SET", product_type="bundle", qty_ordered=2, product_id=70),
        row(12, "A", parent_item_id=11, qty_ordered=2),
        row(13, "B", parent_item_id=11, qty_ordered=4),
    ]


def test_a_bundle_that_ships_as_one_is_shipped_by_its_row_when_all_components_left():
    sender = FakeSender()
    target = shipment_target(sender, *bundle(), bundle_shipment="together")
    deliver(target, shipment(("ERP-A", 1), ("ERP-B", 2)))
    assert sender.made("shipment.create")[0].json["items"] == [{"order_item_id": 11, "qty": 1}]


def test_a_bundle_that_ships_as_one_cannot_ship_in_parts():
    sender = FakeSender()
    target = shipment_target(sender, *bundle(), bundle_shipment="together")
    document = shipment(("ERP-A", 1))
    (done,) = target.submit([request(target.steps(document)[0], document)])
    assert done.code == "bundle_incomplete"
    assert sender.made("shipment.create") == []


def test_how_a_bundle_ships_is_the_products_to_say():
    sender = FakeSender()
    product = {"id": 70, "custom_attributes": [{"attribute_code": "shipment_type", "value": "1"}]}
    sender.answer("GET", "products", {"items": [product], "total_count": 1})
    target = shipment_target(sender, *bundle())
    deliver(target, shipment(("ERP-A", 1)))
    assert sender.made("shipment.create")[0].json["items"] == [{"order_item_id": 12, "qty": 1}]


def test_two_rows_with_one_sku_are_filled_in_order():
    sender = FakeSender()
    target = shipment_target(sender, row(11, "MUG", qty_ordered=2, qty_shipped=1), row(12, "MUG", qty_ordered=2))
    deliver(target, shipment(("ERP-MUG", 2)))
    items = sender.made("shipment.create")[0].json["items"]
    assert items == [{"order_item_id": 11, "qty": 1}, {"order_item_id": 12, "qty": 1}]


@pytest.mark.parametrize(
    ("line", "code"), [(("ERP-CUP", 1), "sku_not_ordered"), (("ERP-MUG", 2), "quantity_above_open")]
)
def test_goods_that_the_order_does_not_have_are_not_shipped(line, code):
    sender = FakeSender()
    target = shipment_target(sender)
    document = shipment(line)
    (done,) = target.submit([request(target.steps(document)[0], document)])
    assert (done.code, done.again) == (code, Again.NEVER)
    assert sender.made("shipment.create") == []


def test_everything_that_is_above_what_is_open_is_named():
    sender = FakeSender()
    target = shipment_target(sender, row(11, "MUG", qty_ordered=3, qty_canceled=1), row(12, "ERP-CUP", qty_ordered=1))
    document = shipment(("ERP-MUG", 2), ("ERP-MUG", 1), ("ERP-CUP", 3))
    (done,) = target.submit([request(target.steps(document)[0], document)])
    named = [AboveOpen("ERP-MUG", Decimal(3), Decimal(1)), AboveOpen("ERP-CUP", Decimal(3), Decimal(2))]
    assert above_open_in(done.message) == named
    assert "3 of ERP-MUG shipped, 1 more than open" in done.message


def test_two_locations_are_two_shipments_and_one_email():
    sender = FakeSender()
    target = shipment_target(sender, row(11, "MUG", qty_ordered=2))
    lines = (
        ShipmentLine(order_line="1", sku="ERP-MUG", quantity=1, location="EAST"),
        ShipmentLine(order_line="2", sku="ERP-MUG", quantity=1, location="WEST"),
    )
    document = shipment(lines=lines, location="")
    known = deliver(target, document)
    # The source gives its lines in another order: no source is shipped from once more.
    deliver(target, shipment(lines=lines[::-1], location="", version="2"), known)
    first, second = (call.json for call in sender.made("shipment.create"))
    assert [one["arguments"]["extension_attributes"]["source_code"] for one in (first, second)] == ["east", "west"]
    assert (first["notify"], second["notify"], second["tracks"]) == (True, False, [])
    assert target.moves(document) == ["east/ERP-MUG", "west/ERP-MUG"]


def test_a_shipment_is_found_again_by_our_key_in_its_comment():
    sender = FakeSender()
    target = shipment_target(sender)
    document = shipment()
    asked = request(target.steps(document)[0], document)
    other = {"entity_id": 30, "order_id": 5, "comments": [{"comment": "[erp_sync:netsuite_us/901]"}], "tracks": []}
    ours = {
        "entity_id": 31, "order_id": 5, "increment_id": "0031", "tracks": [{"track_number": "1Z"}],
        "comments": [{"comment": "Fulfillment IF900 [erp_sync:netsuite_us/900]"}],
    }  # fmt: skip
    sender.answer("GET", "shipments", {"items": [other], "total_count": 1})
    assert target.find([asked]) == [Absent()]
    sender.answer("GET", "shipments", {"items": [other, ours], "total_count": 2})
    (found,) = target.find([asked])
    assert (found.receipt.target_id, found.receipt.number, found.receipt.existed) == ("31", "0031", True)
    known = deliver(target, document, {asked.step.key: found.receipt})
    assert len(known) == 3
    assert sender.made("shipment.add_parcel") == sender.made("shipment.notify") == []
    sender.answer("GET", "shipments", {"items": [ours, {**ours, "entity_id": 32}], "total_count": 2})
    assert target.find([asked]) == [Ambiguous(target_ids=("31", "32"))]


def test_a_lost_answer_of_a_parcel_is_found_by_its_tracking_number():
    sender = FakeSender()
    target = shipment_target(sender)
    document = shipment(parcels=("1Z1", "1Z2"))
    step = next(one for one in target.steps(document) if one.name == "parcel:1Z2")
    asked = request(step, document, shipment=Receipt(target_id="31"))
    listed = {"entity_id": 31, "order_id": 5, "tracks": [{"track_number": "1Z1"}], "comments": []}
    sender.answer("GET", "shipments", {"items": [listed], "total_count": 1})
    assert target.find([asked]) == [Absent()]
    listed["tracks"].append({"track_number": "1Z2"})
    assert isinstance(target.find([asked])[0], Found)


def test_a_lost_answer_of_an_email_is_no_second_record_and_nothing_is_searched_for():
    sender = FakeSender()
    target = shipment_target(sender)
    document = shipment(parcels=("1Z1", "1Z2"))
    notice = target.steps(document)[-1]
    (found,) = target.find([request(notice, document, shipment=Receipt(target_id="31"))])
    assert isinstance(found, Untraceable)
    assert "shipment 31" in found.why
    assert "mail server" in found.why
    assert sender.calls == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": ShipmentStatus.PACKED}, "not_shipped"),
        ({"order_key": ""}, "order_unknown"),
        ({"location": "NORTH"}, "unmapped_locations"),
        ({"parcels": (Parcel(tracking_number="1", carrier="Owl Post"),)}, "unmapped_carriers"),
    ],
)
def test_what_cannot_be_shipped_yet_or_is_unknown_waits_with_its_reason(changes, code):
    with pytest.raises(MappingProblem) as caught:
        shipment_target(FakeSender()).steps(shipment(**changes) if "parcels" not in changes else _with(changes))
    assert caught.value.code == code


def _with(changes: dict[str, Any]) -> Shipment:
    import msgspec

    return msgspec.structs.replace(shipment(), **changes)


def test_the_stores_refusal_and_a_lost_answer_keep_their_meaning():
    sender = FakeSender()
    target = shipment_target(sender)
    document = shipment()
    asked = request(target.steps(document)[0], document)
    refusal = Rejected(
        400, "not_enough_stock", "Not all of your products...", again=Again.LATER, retry_after_seconds=60
    )
    sender.answer("POST", "order/5/ship", lambda call: refusal)
    assert target.submit([asked])[0].again is Again.LATER
    sender.answer("POST", "order/5/ship", lambda call: OutcomeUnknown("dropped"))
    assert isinstance(target.submit([asked])[0], Unknown)
    sender.answer("POST", "order/5/ship", {"message": "odd"})
    assert isinstance(target.submit([asked])[0], Unknown)
    sender.answer("GET", "orders", lambda call: NotSentError("no slot"))
    assert isinstance(target.submit([asked])[0], NotSent)


@pytest.mark.parametrize(
    ("since", "told"),
    [
        (search([order(row(11, "MUG", qty_ordered=1, qty_canceled=1))]), ("quantity_above_open", Again.NEVER)),
        (search([order()]), ("shipment_invalid", Again.NEVER)),
        (search([]), ("shipment_invalid", Again.NEVER)),
        (lambda call: NotSentError("no slot"), ("shipment_invalid", Again.LATER)),
    ],
    ids=["cancelled", "as it was", "gone", "not to be read"],
)
def test_why_the_store_does_not_take_a_shipment_is_looked_for_in_the_order_as_it_is_by_now(since, told):
    sender = FakeSender()
    target = shipment_target(sender)
    document = shipment()

    def refuses(call: Any) -> Rejected:
        sender.answer("GET", "orders", since)
        return Rejected(400, "shipment_invalid", "Shipment Document Validation Error(s)")

    sender.answer("POST", "order/5/ship", refuses)
    (done,) = target.submit([request(target.steps(document)[0], document)])
    assert (done.code, done.again) == told
    assert len(sender.made("shipment.create")) == 1


def test_the_order_of_a_shipment_is_required_by_its_own_id():
    sender = FakeSender()
    target = shipment_target(sender)
    needed = target.requirements(shipment())
    assert target.resolve(needed) == {Requirement("sales_order", "5"): "5"}
    assert target.resolve([Requirement("sales_order", "999")]) == {}
