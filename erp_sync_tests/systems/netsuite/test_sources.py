"""Order status, shipments, stock, products and prices out of NetSuite."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from erp_sync.model.order import OrderStatus
from erp_sync.model.order_status import CancelledUnits
from erp_sync.model.price import PriceKind
from erp_sync.model.product import BundleComponent, ProductKind
from erp_sync.model.shipment import Parcel, ShipmentLine, ShipmentStatus
from erp_sync.model.stock import ChannelDemand
from erp_sync.ports.documents import TellsTime
from erp_sync.ports.lookups import Passthrough
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord, Window
from erp_sync.ports.state import StoreOrder
from erp_sync.systems.netsuite import suiteql
from erp_sync.transport.errors import TransportError
from erp_sync_tests.systems.netsuite.samples import D
from erp_sync_tests.systems.netsuite.scripted import Answer, Sent, suiteql_answer

WINDOW = Window(start=datetime(2026, 1, 15, 1, 0, tzinfo=UTC), end=datetime(2026, 1, 15, 2, 0, tzinfo=UTC))
PACIFIC = ZoneInfo("America/Los_Angeles")


def all_of(pages) -> list[RawRecord]:
    return [record for page in pages for record in page]


@pytest.mark.parametrize("entity", ["order_status", "shipment", "stock_level", "product", "price"])
def test_every_source_tells_how_the_accounts_clock_stands_to_ours(connector, entity: str):
    """A clock that is behind gives a change a time below the cursor: it would be missed until the daily comparison."""
    assert isinstance(connector().port(entity, "source"), TellsTime)


# Windows ---------------------------------------------------------------------------------------


def test_a_window_is_asked_for_in_the_accounts_time():
    assert suiteql.within("t.lastmodifieddate", WINDOW, PACIFIC) == (
        "t.lastmodifieddate >= TO_TIMESTAMP('2026-01-14 17:00:00', 'YYYY-MM-DD HH24:MI:SS') AND "
        "t.lastmodifieddate < TO_TIMESTAMP('2026-01-14 18:00:00', 'YYYY-MM-DD HH24:MI:SS')"
    )


# In Los Angeles 01:00 to 02:00 of 1 November 2026 comes twice: 08:00 to 09:00 and 09:00 to 10:00 UTC.
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((8, 30), (9, 10)),
        ((8, 50), (9, 5)),
        ((9, 10), (9, 20)),
        ((7, 30), (9, 30)),
        ((9, 30), (11, 0)),
        ((8, 0), (8, 5)),
    ],
)
def test_no_moment_of_the_repeated_hour_falls_out_of_its_window(start, end):
    window = Window(start=datetime(2026, 11, 1, *start, tzinfo=UTC), end=datetime(2026, 11, 1, *end, tzinfo=UTC))
    low, high = re.findall(r"'(\d{4}-[\d :-]+)'", suiteql.within("c", window, PACIFIC))
    for minute in range(0, 6 * 60, 5):
        moment = datetime(2026, 11, 1, 6 + minute // 60, minute % 60, tzinfo=UTC)
        if window.start <= moment < window.end:
            assert low <= moment.astimezone(PACIFIC).strftime("%Y-%m-%d %H:%M:%S") < high


def test_a_key_of_several_columns_is_read_on_in_its_order():
    assert suiteql.after(("a", "b"), ("7", "2")) == "((a > 7) OR (a = 7 AND b > 2))"
    with pytest.raises(ValueError, match="no number"):
        suiteql.after(("a",), ("1 OR 1=1",))


# Order status ----------------------------------------------------------------------------------


def status_row(identity: int, status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": str(identity), "tranid": f"SO{identity}", "externalid": f"magento_us_{identity}", "status": status,
        "otherrefnum": f"{identity:09d}", "modified": "2026-01-14 17:30:00", "created": "2026-01-14 16:00:00", **more,
    }  # fmt: skip


def test_changed_orders_are_read_by_key_until_a_page_is_not_full(connector, server):
    """2,500 orders: three pages, each from the last id on, so that rows that move shift no others."""

    def answer(sent: Sent) -> Answer:
        last = re.search(r"t\.id > (\d+)", sent.body["q"])
        start = int(last.group(1)) if last else 0
        return suiteql_answer([status_row(number, "B") for number in range(start + 1, min(start + 1000, 2500) + 1)])

    server.on("SUITEQL", "FROM transaction t", answer)
    records = all_of(connector().port("order_status", "source").changed(WINDOW))
    assert [record.native_id for record in records] == [str(number) for number in range(1, 2501)]
    assert len(server.queries()) == 3
    assert all(query.endswith("ORDER BY t.id") for query in server.queries())
    assert records[0].source_time == datetime(2026, 1, 15, 1, 30, tzinfo=UTC)
    assert records[0].created_time == datetime(2026, 1, 15, 0, 0, tzinfo=UTC)


def status_of(connector, server, row: dict[str, Any], shipped: str = "0", **settings: Any):
    server.rows("FROM transaction t", row)
    server.rows("SUM", {"id": row["id"], "shipped": shipped})
    port = connector(**settings).port("order_status", "source")
    return port.to_canonical(all_of(port.changed(WINDOW))[0], Passthrough())


REASON = {"cancel_reason_field": "custbody_why", "source_connections": ["magento_us"]}


@pytest.mark.parametrize(
    ("status", "value", "reason"),
    [
        ("C", "Out of stock", "Out of stock"),
        ("H", "3", "no stock left"),
        ("H", "4", "4"),
        ("C", "", ""),
        ("B", "3", ""),
    ],
)
def test_the_reason_of_a_cancellation_is_what_the_named_field_says(connector, server, status, value, reason):
    """A field of a list says an id; what it means is a setting. Of an open order it says nothing yet."""
    row = status_row(7, status, **({"cancel_reason": value} if value else {}))
    update = status_of(connector, server, row, **REASON, cancel_reasons={3: "no stock left"})
    assert update.reason == reason
    asked = [query for query in server.queries() if "FROM transaction t" in query]
    assert all("t.custbody_why AS cancel_reason" in query for query in asked)


@pytest.mark.parametrize(
    ("status", "shipped", "expected"),
    [("B", "0", OrderStatus.OPEN), ("E", "0", OrderStatus.PARTIALLY_FULFILLED), ("H", "3", OrderStatus.CLOSED)],
)
def test_lines_that_were_closed_for_a_reason_are_told_with_the_units_that_have_not_left(
    connector, server, status, shipped, expected
):
    closed = [{"id": "7", "sku": "MUG", "units": "2"}, {"id": "7", "sku": "TEA", "units": "0"}]
    server.rows("FROM transaction t", status_row(7, status, cancel_reason="3"), status_row(8, "B"))
    server.rows("AS shipped", {"id": "7", "shipped": shipped})
    server.rows("AS units", *closed)
    port = connector(**REASON, cancel_reasons={3: "no stock left"}).port("order_status", "source")
    first, second = (port.to_canonical(one, Passthrough()) for one in all_of(port.changed(WINDOW)))
    assert (first.status, first.reason) == (expected, "no stock left")
    assert first.cancelled == (CancelledUnits(sku="MUG", quantity=Decimal(2)),)
    assert (second.reason, second.cancelled) == ("", ())
    (asked,) = [query for query in server.queries() if "AS units" in query]
    assert "tl.transaction IN (7)" in asked


def test_all_closed_lines_of_a_page_of_orders_are_read(connector, server):
    """600 orders with two closed articles each are more rows than a page of SuiteQL holds."""

    def answer(sent: Sent) -> Answer:
        query = sent.body["q"]
        behind = re.search(r"tl\.transaction = (\d+) AND tl\.item > (\d+)", query)
        last = (int(behind.group(1)), int(behind.group(2))) if behind else (0, 0)
        rows = [
            {"id": str(order), "item": str(item), "sku": f"SKU-{item}", "units": "1"}
            for order in range(1, 601)
            for item in (20, 30)
            if (order, item) > last
        ]
        return suiteql_answer(rows[:1000])

    server.rows("FROM transaction t", *(status_row(number, "B", cancel_reason="3") for number in range(1, 601)))
    server.on("SUITEQL", "AS units", answer)
    port = connector(**REASON).port("order_status", "source")
    records = [port.to_canonical(one, Passthrough()) for one in all_of(port.changed(WINDOW))]
    assert {len(one.cancelled) for one in records} == {2}
    assert sum("AS units" in query for query in server.queries()) == 2


@pytest.mark.parametrize("more", [{}, {"cancel_reason": "3"}])
def test_closed_lines_are_not_asked_for_where_no_reason_is_told_or_all_is_cancelled(connector, server, more):
    server.rows("FROM transaction t", status_row(7, "C" if more else "B", **more))
    assert len(all_of(connector(**REASON).port("order_status", "source").changed(WINDOW))) == 1
    assert len(server.queries()) == 1


def test_a_reason_given_in_the_second_of_the_cancellation_is_a_new_version(connector, server):
    versions = set()
    for value in ("", "Out of stock", "customer asked"):
        server.rows("FROM transaction t", status_row(7, "C", **({"cancel_reason": value} if value else {})))
        (record,) = all_of(connector(**REASON).port("order_status", "source").changed(WINDOW))
        versions.add(record.version)
    assert len(versions) == 3


@pytest.mark.parametrize(
    ("status", "shipped", "expected"),
    [
        ("A", "0", OrderStatus.OPEN),
        ("SalesOrd:B", "0", OrderStatus.OPEN),
        ("C", "0", OrderStatus.CANCELLED),
        ("D", "0", OrderStatus.PARTIALLY_FULFILLED),
        ("E", "0", OrderStatus.PARTIALLY_FULFILLED),
        ("F", "0", OrderStatus.FULFILLED),
        ("G", "0", OrderStatus.FULFILLED),
        ("H", "0", OrderStatus.CANCELLED),
        ("H", "2", OrderStatus.CLOSED),
    ],
)
def test_statuses(connector, server, status, shipped, expected):
    update = status_of(connector, server, status_row(7, status), shipped, source_connections=["magento_us"])
    assert (update.status, update.order_key, update.number) == (expected, "7", "SO7")
    assert update.updated_at == datetime(2026, 1, 15, 1, 30, tzinfo=UTC)


def test_an_order_of_somebody_else_has_no_order_key(connector, server):
    row = status_row(7, "B", externalid="other_7")
    assert status_of(connector, server, row, source_connections=["magento_us"]).order_key == ""


def test_an_unknown_status_is_named(connector, server):
    with pytest.raises(MappingProblem) as caught:
        status_of(connector, server, status_row(7, "Z"))
    assert caught.value.code == "unknown_order_status"


def test_a_look_gives_a_page_or_nothing(connector, server):
    server.rows("FROM transaction t", status_row(1, "B"))
    port = connector().port("order_status", "source")
    assert port.peek(WINDOW) == {"1": "2026-01-14 17:30:00 B"}
    server.rows("FROM transaction t", *(status_row(number, "B") for number in range(1000)))
    assert port.peek(WINDOW) is None


def test_a_source_that_refuses_stops_the_reading(connector, server):
    server.on("SUITEQL", "FROM transaction t", Answer(400, {"o:errorDetails": [{"detail": "Unknown identifier"}]}))
    with pytest.raises(TransportError, match="Unknown identifier"):
        all_of(connector().port("order_status", "source").changed(WINDOW))


# Shipments -------------------------------------------------------------------------------------

FULFILLMENT = {
    "id": "700", "tranId": "IF700", "createdFrom": {"id": "900", "refName": "Sales Order #SO9"},
    "shipStatus": {"id": "C", "refName": "Shipped"}, "shipMethod": {"id": "11", "refName": "UPS Ground"},
    "shippedDate": "2026-01-14", "subsidiary": {"id": "1"},
    "item": {"items": [
        {"orderLine": 1, "item": {"id": "1001"}, "quantity": 2.0, "location": {"id": "7"}},
        {"orderLine": 4, "item": {"id": "1002"}, "quantity": 1, "location": {"id": "7"}, "itemReceive": False},
    ]},
    "package": {"items": [
        {"packageTrackingNumber": "1Z1", "packageWeight": 2.5, "packageDescr": "Box 1"}, {"packageDescr": "no number"},
    ]},
    "packageUps": {"items": [{"packageTrackingNumberUps": "1Z2", "packageWeightUps": 1}]},
}  # fmt: skip


def script_shipment(server, record: dict[str, Any]) -> None:
    server.rows("type = 'ItemShip'", {"id": "700", "tranid": "IF700", "status": "C", "modified": "2026-01-14 17:30:00",
                                      "created": "2026-01-14 17:00:00"})  # fmt: skip
    server.on("GET", "/itemFulfillment/700$", Answer(200, record))
    server.rows(
        "SELECT t.id, t.externalid, t.otherrefnum",
        {"id": "900", "externalid": "magento_us_10045", "otherrefnum": "000010045"},
    )
    server.rows("SELECT i.id, i.itemid", {"id": "1001", "itemid": "SKU-1"}, {"id": "1002", "itemid": "SKU-2"})


def test_a_shipment_with_all_its_parcels(connector, server):
    script_shipment(server, FULFILLMENT)
    port = connector(source_connections=["magento_us"]).port("shipment", "source")
    shipment = port.to_canonical(all_of(port.changed(WINDOW))[0], Passthrough())
    assert (shipment.native_id, shipment.number, shipment.status) == ("700", "IF700", ShipmentStatus.SHIPPED)
    assert (shipment.order_native_id, shipment.order_key, shipment.location) == ("900", "10045", "7")
    assert shipment.custom == {"order_number": "000010045"}
    assert shipment.shipped_at == datetime(2026, 1, 14, 8, tzinfo=UTC)
    assert shipment.lines == (ShipmentLine(order_line="1", sku="SKU-1", quantity=D("2.0000"), location="7"),)
    assert shipment.parcels == (
        Parcel(tracking_number="1Z1", carrier="11", description="Box 1", weight=D("2.5000")),
        Parcel(tracking_number="1Z2", carrier="11", weight=D("1.0000")),
    )
    assert [sent.query for sent in server.sent if sent.method == "GET"] == [{"expandSubResources": "true"}]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"item": {"items": []}}, "record.item: is empty"),
        ({"createdFrom": None}, "record.createdFrom: is empty"),
        ({"item": {"items": [{"orderLine": 1, "item": {"id": "5"}, "quantity": 1}]}}, "lines[0].item: is empty"),
        ({"shipStatus": {"id": "Q"}}, "unknown_ship_status"),
    ],
)
def test_a_broken_shipment_is_named(connector, server, change, problem):
    script_shipment(server, FULFILLMENT | change)
    port = connector().port("shipment", "source")
    with pytest.raises((BadRecord, MappingProblem)) as caught:
        port.to_canonical(all_of(port.changed(WINDOW))[0], Passthrough())
    assert problem in str(caught.value) or problem == getattr(caught.value, "code", "")


def fulfillment_row(identity: int, status: str) -> dict[str, Any]:
    return {"id": str(identity), "tranid": f"IF{identity}", "status": status, "modified": "2026-01-14 17:30:00",
            "created": "2026-01-14 17:00:00"}  # fmt: skip


def test_only_shipped_fulfillments_that_are_news_cost_a_call(connector, server):
    """Windows overlap: what was read in the same version is not read again, and what has not left is not yet."""
    script_shipment(server, FULFILLMENT)
    rows = [fulfillment_row(700, "ItemShip:C"), fulfillment_row(701, "C"), fulfillment_row(702, "ItemShip:B")]
    server.rows("type = 'ItemShip'", *rows)
    port = connector(source_connections=["magento_us"]).port("shipment", "source")
    asked: list[dict[str, str]] = []

    def only_700(versions):
        asked.append(dict(versions))
        return {"700"}

    records = all_of(port.changed(WINDOW, only_700))
    assert [record.native_id for record in records] == ["700"]
    assert asked == [{"700": "2026-01-14 17:30:00 C", "701": "2026-01-14 17:30:00 C"}]
    assert [sent.path.rpartition("/")[2] for sent in server.sent if sent.method == "GET"] == ["700"]
    assert set(port.peek(WINDOW)) == set(port.created(WINDOW)) == {"700", "701"}


@pytest.mark.parametrize("named", [False, True], ids=["polled", "named"])
def test_what_another_run_receives_meanwhile_is_not_read_a_second_time(connector, server, named: bool):
    """Runs of events and of the poll meet on a busy day: each read all fulfillments that were new when it began."""
    script_shipment(server, FULFILLMENT)
    server.on("GET", r"/itemFulfillment/\d+$", Answer(200, FULFILLMENT))
    everything = [str(number) for number in range(701, 761)]
    server.rows("type = 'ItemShip'", *(fulfillment_row(int(one), "ItemShip:C") for one in everything))
    source = connector(source_connections=["magento_us"]).port("shipment", "source")
    theirs: set[str] = set()

    def news(versions):
        return set(versions) - theirs

    pages = source.fetch_new(everything, news) if named else source.changed(WINDOW, news)
    first = next(iter(pages))
    theirs |= {record.native_id for record in first} | set(everything[25:58])
    all_of(pages)
    asked = [sent.path.rpartition("/")[2] for sent in server.sent if sent.method == "GET"]
    assert sorted(asked) == [*everything[:25], "759", "760"]


def test_events_of_fulfillments_that_have_not_left_or_are_known_cost_no_call_of_their_own(connector, server):
    """One is saved, and told of, when it is picked, packed and shipped: three events, one record that counts."""
    script_shipment(server, FULFILLMENT)
    rows = [fulfillment_row(700, "ItemShip:C"), fulfillment_row(701, "C"), fulfillment_row(702, "ItemShip:B")]
    server.rows("type = 'ItemShip'", *rows)
    port = connector(source_connections=["magento_us"]).port("shipment", "source")
    existing: dict[str, str] = {}

    def known_is_701(versions):
        existing.update(versions)
        return set(versions) - {"701"}

    records = all_of(port.fetch_new(["700", "701", "702", "703"], known_is_701))
    assert [record.native_id for record in records] == ["700"]
    assert set(existing) == {"700", "701", "702"}
    assert [sent.path.rpartition("/")[2] for sent in server.sent if sent.method == "GET"] == ["700"]


def test_a_fulfillment_read_in_the_second_of_its_change_is_read_once_more(connector, server):
    """Two changes of one second carry the same time: read between them, the later one would be missed."""
    script_shipment(server, FULFILLMENT)
    port = connector(source_connections=["magento_us"]).port("shipment", "source")
    changed = datetime(2026, 1, 15, 1, 30, tzinfo=UTC)
    within = Window(start=WINDOW.start, end=changed.replace(microsecond=400_000))
    after = Window(start=WINDOW.start, end=changed.replace(second=1))
    (early,), (later,) = all_of(port.changed(within)), all_of(port.changed(after))
    assert (early.version, later.version) == ("2026-01-14 17:30:00 C early", "2026-01-14 17:30:00 C")
    assert port.peek(after) == {"700": later.version}


@pytest.mark.parametrize(
    ("older", "version", "changed"),
    [
        ({"lastModifiedDate": "2026-01-15T01:10:00Z"}, "record 2026-01-14 17:10:00 C", WINDOW.start.replace(minute=10)),
        ({"shipStatus": {"id": "B"}}, "record 2026-01-14 17:30:00 B", WINDOW.start.replace(minute=30)),
    ],
    ids=["changed since", "shipped in the same second"],
)
def test_a_record_older_than_the_list_that_named_it_is_read_once_more(connector, server, older, version, changed):
    """Under the list's version it would pass for received: a parcel that was added would never reach the store."""
    current = FULFILLMENT | {"lastModifiedDate": "2026-01-15T01:30:00Z"}
    script_shipment(server, current)
    server.on("GET", "/itemFulfillment/700$", Answer(200, current | {"package": {}} | older), Answer(200, current))
    port = connector(source_connections=["magento_us"]).port("shipment", "source")
    received: set[tuple[str, str]] = set()

    def look() -> list[RawRecord]:
        found = all_of(port.changed(WINDOW, lambda versions: {one for one, _ in versions.items() - received}))
        received.update((record.native_id, record.version) for record in found)
        return found

    (first,), (second,) = look(), look()
    assert (first.version, first.source_time) == (f"2026-01-14 17:30:00 C {version}", changed)
    assert port.to_canonical(first, Passthrough()).updated_at == changed
    assert second.version == "2026-01-14 17:30:00 C"
    assert [parcel.tracking_number for parcel in port.to_canonical(second, Passthrough()).parcels] == ["1Z1", "1Z2"]
    assert look() == []


def test_a_parcel_added_in_the_same_unit_of_a_coarser_record_time_is_received(connector, server):
    """The grain of `lastModifiedDate` is unconfirmed. By whole minutes two changes may share a record time."""
    minute = FULFILLMENT | {"lastModifiedDate": "2026-01-15T01:30:00Z"}
    script_shipment(server, minute)
    listed = [fulfillment_row(700, "ItemShip:C") | {"modified": f"2026-01-14 17:30:{second}"} for second in (10, 40)]
    port = connector(source_connections=["magento_us"]).port("shipment", "source")
    received: set[tuple[str, str]] = set()

    def look(row: dict[str, Any], record: dict[str, Any]) -> list[RawRecord]:
        server.rows("type = 'ItemShip'", row)
        server.on("GET", "/itemFulfillment/700$", Answer(200, record))
        found = all_of(port.changed(WINDOW, lambda versions: {one for one, _ in versions.items() - received}))
        fresh = [record for record in found if (record.native_id, record.version) not in received]
        received.update((record.native_id, record.version) for record in fresh)
        return fresh

    (first,) = look(listed[0], minute | {"package": {}})
    assert look(listed[0], minute | {"package": {}}) == []
    (second,) = look(listed[1], minute)
    assert first.version == "2026-01-14 17:30:10 C record 2026-01-14 17:30:00 C"
    assert second.version == "2026-01-14 17:30:40 C record 2026-01-14 17:30:00 C"
    assert first.source_time == second.source_time
    assert [parcel.tracking_number for parcel in port.to_canonical(second, Passthrough()).parcels] == ["1Z1", "1Z2"]
    assert look(listed[1], minute) == []


@pytest.mark.parametrize("changed", ["2026-01-15T01:10:00", "2026-01-15", "1/15/2026 1:10 am", "0001-01-01T00:00:00Z"])
def test_a_record_time_that_cannot_be_read_leaves_the_lists(connector, server, changed: str):
    script_shipment(server, FULFILLMENT | {"lastModifiedDate": changed})
    port = connector(source_connections=["magento_us"]).port("shipment", "source")
    (record,) = all_of(port.changed(WINDOW))
    assert (record.version, record.payload["modified"]) == ("2026-01-14 17:30:00 C", "2026-01-14 17:30:00")
    assert record.source_time == WINDOW.start.replace(minute=30)


@pytest.mark.parametrize("changed", ["2026-01-15T01:30:00Z", "2026-01-15T01:30:20Z"], ids=["same", "newer"])
def test_a_record_no_older_than_the_list_has_the_lists_version(connector, server, changed):
    script_shipment(server, FULFILLMENT | {"lastModifiedDate": changed})
    port = connector(source_connections=["magento_us"]).port("shipment", "source")
    (record,) = all_of(port.changed(WINDOW))
    assert (record.version, record.payload["modified"]) == ("2026-01-14 17:30:00 C", "2026-01-14 17:30:00")


# Stock -----------------------------------------------------------------------------------------


def stock_row(item: int, location: int, on_hand: str = "5", committed: str = "2") -> dict[str, Any]:
    return {
        "item": str(item), "location": str(location), "itemid": f"SKU-{item}", "quantityonhand": on_hand,
        "quantitycommitted": committed, "quantityavailable": "3", "changed": "2026-01-14 17:30:00",
    }  # fmt: skip


def test_a_stock_snapshot_pages_by_item_and_location(connector, server):
    rows = [stock_row(item, location) for item in range(1, 701) for location in (1, 2)]

    def answer(sent: Sent) -> Answer:
        last = re.search(r"ail.item > (\d+)\) OR \(ail.item = \d+ AND ail.location > (\d+)", sent.body["q"])
        after = (int(last.group(1)), int(last.group(2))) if last else (0, 0)
        found = [row for row in rows if (int(row["item"]), int(row["location"])) > after]
        return suiteql_answer(found[:1000])

    server.on("SUITEQL", "FROM aggregateitemlocation", answer)
    records = all_of(connector().port("stock_level", "source").snapshot())
    assert len({record.native_id for record in records}) == len(records) == 1400
    assert len(server.queries()) == 2


def test_a_stock_level_carries_when_its_reading_began(connector, server):
    server.rows("FROM aggregateitemlocation", stock_row(1, 7) | {"quantityonorder": "4"})
    before = datetime.now(UTC)
    port = connector().port("stock_level", "source")
    record = all_of(port.read(["SKU-1"]))[0]
    level = port.to_canonical(record, Passthrough())
    assert (level.sku, level.location, level.on_hand, level.allocated, level.on_order) == ("SKU-1", "7", 5, 2, 4)
    assert before <= level.read_at <= datetime.now(UTC)
    assert level.version == record.version
    assert "i.itemid IN ('SKU-1')" in server.queries()[0]


def test_of_chosen_items_only_their_own_late_fulfillments_are_read(connector, server):
    """A day's fulfillments are thousands of lines: a look at one item does not go through all of them."""
    server.rows("FROM aggregateitemlocation", stock_row(1, 7))
    server.rows("AS order_key")
    port = connector(source_connections=["magento_us"]).port("stock_level", "source")
    all_of(port.read(["SKU-1"]))
    all_of(port.snapshot())
    chosen, everything = (query for query in server.queries() if "AS order_key" in query)
    assert "tl.item IN (SELECT i.id FROM item i WHERE i.itemid IN ('SKU-1'))" in chosen
    assert "tl.item IN" not in everything


@pytest.mark.parametrize(("moved", "pages"), [(2, 2), (0, 1), (1000, 4)], ids=["few", "none", "most"])
def test_more_than_a_page_of_late_fulfillments_is_read_for_what_moved_alone(connector, server, moved: int, pages: int):
    """2,500 lines left lately. What moves while it is read must not be offered without what left of it."""
    left = [{"id": str(n), "line": "1", "item": str(n), "location": "7", "quantity": "-3",
             "order_id": "1", "order_key": "magento_us_1"} for n in range(1, 2501)]  # fmt: skip
    order = []

    def shipped(sent: Sent) -> Answer:
        order.append("shipped")
        among = re.search(r"tl\.item IN \(([\d, ]+)\)", sent.body["q"])
        last = re.search(r"t\.id > (\d+)", sent.body["q"])
        chosen = among.group(1).split(", ") if among else [row["item"] for row in left]
        rows = [row for row in left if row["item"] in chosen and int(row["id"]) > int(last.group(1) if last else 0)]
        return suiteql_answer(rows[:1000])

    def items(sent: Sent) -> Answer:
        order.append("items")
        return suiteql_answer([{"item": str(item)} for item in range(5, 5 + moved)])

    def quantities(sent: Sent) -> Answer:
        order.append("quantities")
        assert (" AND ail.item IN (5, 6) ORDER BY" in sent.body["q"]) == (moved == 2)
        return suiteql_answer([stock_row(5, 7), stock_row(6, 7)])

    server.on("SUITEQL", "FROM aggregateitemlocation ail JOIN item i ON i.id = ail.item WHERE", quantities)
    server.on("SUITEQL", "^SELECT ail.item FROM .*GROUP BY ail.item", items)
    server.on("SUITEQL", "AS order_key", shipped)
    port = connector(source_connections=["magento_us"]).port("stock_level", "source")
    levels = [port.to_canonical(record, Passthrough()) for record in all_of(port.changed(WINDOW))]
    assert order == ["shipped", "items"] + ["shipped"] * (pages - 1) + ["quantities"] * bool(moved)
    assert [level.demands[0].shipped for level in levels] == [((item, D(3)),) for item in ("5", "6") if moved]


def test_late_fulfillments_that_fit_a_page_cost_no_further_call(connector, server):
    server.rows("FROM aggregateitemlocation", stock_row(1, 7))
    server.rows("AS order_key")
    all_of(connector(source_connections=["magento_us"]).port("stock_level", "source").changed(WINDOW))
    assert len(server.queries()) == 2


def test_what_a_fulfillment_moves_is_read_though_available_stays(connector, server):
    """On hand and committed fall by the same number: lastquantityavailablechange does not move."""
    server.rows("FROM aggregateitemlocation")
    all_of(connector().port("stock_level", "source").changed(WINDOW))
    assert "t.type IN ('ItemShip'" in server.queries()[0]


def test_quantities_that_are_set_aside_come_from_inventory_status(connector, server):
    server.rows("FROM aggregateitemlocation", stock_row(1, 7))
    server.rows("FROM inventorybalance", {"item": "1", "location": "7", "quantity": "2"})
    port = connector(damaged_statuses=["3"]).port("stock_level", "source")
    level = port.to_canonical(all_of(port.snapshot())[0], Passthrough())
    assert (level.damaged, level.quarantined) == (2, 0)


def test_an_empty_quantity_is_nothing_and_a_broken_one_is_named(connector, server):
    row = stock_row(1, 7)
    del row["quantityonhand"], row["quantitycommitted"]
    server.rows("FROM aggregateitemlocation", row, stock_row(2, 7, on_hand="many"))
    port = connector().port("stock_level", "source")
    empty, broken = all_of(port.snapshot())
    assert port.to_canonical(empty, Passthrough()).on_hand == 0
    with pytest.raises(BadRecord, match="record 2/7, field quantityonhand"):
        port.to_canonical(broken, Passthrough())


def test_adopted_orders_are_asked_for_once_and_only_where_there_are_some(connector, server):
    """Those that still take stock are named in the statement that reads it; of the others nothing is committed."""
    server.rows("FROM aggregateitemlocation", stock_row(1, 7) | {"committed_0": "2", "picked_0": "-1"})
    server.rows("SELECT t.id FROM transaction t", {"id": "4711"}, {"id": "4720"})
    shipped = {"id": "800", "line": "1", "item": "1", "location": "7", "quantity": "-3", "order_id": "4700"}
    server.rows("AS order_key", shipped)
    port = connector(source_connections=["magento_us"]).port("stock_level", "source")
    all_of(port.changed(WINDOW))
    assert [query for query in server.queries() if "4711" in query or "SELECT t.id FROM" in query] == []

    linked = {"4700": WINDOW.start - timedelta(days=9), "4711": WINDOW.start, "4730": WINDOW.start}
    orders = {order: StoreOrder("magento_us", since) for order, since in linked.items()}
    port.recognise(lambda: {**orders, "4712": StoreOrder("magento_de", WINDOW.start)})
    before = len(server.queries())
    level = port.to_canonical(all_of(port.changed(WINDOW))[0], Passthrough())
    asked = server.queries()[before:]
    (open_ones,) = [query for query in asked if query.startswith("SELECT t.id FROM transaction t")]
    assert "t.id <= 4730" in open_ones
    assert "t.id >= 4700" in open_ones
    (read,) = [query for query in asked if "FROM aggregateitemlocation" in query]
    assert read.count("t.id IN (4711)") == read.count("o.id IN (4711)") == 1
    assert "tl.transaction IN (4711)" in read, "adopted in the window: its items changed"
    assert level.demands == (ChannelDemand(channel="magento_us", allocated=D(3), shipped=(("800", D(3)),)),)
    assert port.peek(WINDOW) == {"1/7": level.version}


# Products and prices ---------------------------------------------------------------------------


def test_products_with_variants_and_kits(connector, server):
    base = {"itemtype": "InvtPart", "isinactive": "F", "modified": "2026-01-14 17:30:00"}
    tee = {"id": "1", "itemid": "TEE", "displayname": "Tee", **base}
    red = {"id": "2", "itemid": "TEE-RED", "parent": "1", "parent_itemid": "TEE", "custitem_color": "Red", **base}
    kit_row = {**base, "id": "3", "itemid": "SET", "itemtype": "Kit", "isinactive": "T", "weight": "1.5"}
    server.rows("FROM item i LEFT JOIN", tee, red, kit_row)
    server.rows("c.parent IN", {"id": "1", "children": "1", "custitem_color": "1"})
    server.on(
        "GET", "/kitItem/3$", Answer(200, {"id": "3", "member": {"items": [{"item": {"id": "2"}, "quantity": 2}]}})
    )
    server.rows("SELECT i.id, i.itemid FROM item i WHERE", {"id": "2", "itemid": "TEE-RED"})
    port = connector(matrix_options={"color": "custitem_color"}).port("product", "source")
    parent, variant, kit = (port.to_canonical(one, Passthrough()) for one in all_of(port.snapshot()))
    assert (parent.kind, parent.name, parent.variant_attributes) == (ProductKind.CONFIGURABLE, "Tee", ("color",))
    assert (variant.variant_of, variant.variant_options, variant.name) == ("TEE", (("color", "Red"),), "TEE-RED")
    assert (kit.kind, kit.active, kit.weight) == (ProductKind.BUNDLE, False, D("1.5000"))
    assert kit.components == (BundleComponent(sku="TEE-RED", quantity=D("2.0000")),)


def test_prices_by_level_and_break(connector, server):
    row = {"item": "1", "itemid": "TEE", "level": "1", "currency_id": "1", "modified": "2026-01-14 17:30:00"}
    server.rows(
        "FROM itemprice",
        row | {"quantity": "0", "amount": "9.99"},
        row | {"quantity": "10", "amount": "8.5"},
        row | {"level": "5", "quantity": "0", "amount": "7", "valid_from": "2026-02-01"},
        row | {"level": "6", "quantity": "0", "amount": "6"},
    )
    port = connector(
        price_levels={"1": "base", "5": "special", "6": "group:Wholesale"},
        special_price_dates={"from": "custitem_from", "to": "custitem_to"},
    ).port("price", "source")
    base, tier, special, group = (port.to_canonical(one, Passthrough()) for one in all_of(port.snapshot()))
    assert (base.kind, base.amount, base.quantity, base.currency) == (PriceKind.BASE, D("9.9900"), 1, "USD")
    assert (tier.kind, tier.quantity) == (PriceKind.TIER, 10)
    assert (special.kind, special.valid_from) == (PriceKind.SPECIAL, datetime(2026, 2, 1, 8, tzinfo=UTC))
    assert (group.kind, group.group, group.price_list) == (PriceKind.TIER, "Wholesale", "6")


def test_a_kit_without_members_is_named(connector, server):
    server.rows("FROM item i LEFT JOIN", {"id": "3", "itemid": "SET", "itemtype": "Kit", "isinactive": "F"})
    server.rows("c.parent IN")
    server.on("GET", "/kitItem/3$", Answer(404, {}))
    port = connector().port("product", "source")
    with pytest.raises(BadRecord, match="no members that this role may read"):
        port.to_canonical(all_of(port.read(["SET"]))[0], Passthrough())


# Refunds ---------------------------------------------------------------------------------------


def chain_row(identity: int, kind: str, origin: int, **more: Any) -> dict[str, Any]:
    return {
        "id": str(identity), "type": kind, "tranid": f"T{identity}", "status": "A", "voided": "F",
        "foreigntotal": "-12.5", "currency": "USD", "origin": str(origin), "modified": "2026-01-14 17:30:00",
        "created": "2026-01-14 16:00:00", **more,
    }  # fmt: skip


# Order 1: invoice 2, return 3 of it, credit memo 4. Order 5: cash sale 6, cash refund 7.
CHAIN = [
    chain_row(2, "CustInvc", 1), chain_row(3, "RtnAuth", 2), chain_row(4, "CustCred", 3), chain_row(6, "CashSale", 5),
    chain_row(7, "CashRfnd", 6, voided="T"),
]  # fmt: skip


def refunds_port(connector, server):
    def answer(sent: Sent) -> Answer:
        query = sent.body["q"]
        rows = CHAIN
        if "t.createddate >=" in query:
            rows = [row for row in CHAIN if row["type"] in ("CustCred", "CashRfnd")]
        for column, name in (("t.id", "id"), ("tl.createdfrom", "origin")):
            if found := re.search(rf"{re.escape(column)} IN \(([\d, ]+)\)", query):
                rows = [row for row in CHAIN if row[name] in found.group(1).split(", ")]
        return suiteql_answer(rows)

    server.on("SUITEQL", "FROM transaction t JOIN transactionline", answer)
    return connector().port("refund", "target")


def test_credit_memos_and_cash_refunds_are_followed_to_their_orders_and_back(connector, server):
    port = refunds_port(connector, server)
    # The scripted server knows no type of what it is asked by id: both memos' heads lead to their orders.
    assert port.refunded(WINDOW) == ["1", "5"]
    found = port.refunds_of(["1", "5", "8"])
    told = {order: [port.to_canonical(one, Passthrough()) for one in some] for order, some in found.items()}
    assert {order: [one.number for one in some] for order, some in told.items()} == {"1": ["T4"], "5": ["T7"]}
    memo, voided = told["1"][0], told["5"][0]
    assert (memo.order_native_id, memo.grand_total, memo.currency) == ("1", D("12.5"), "USD")
    assert (memo.custom["state"], voided.custom["state"]) == ("refunded", "canceled")
