"""Stock out of SAP Business One: what moved is told by documents, what it is now by the items."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from erp_sync.ports.lookups import Passthrough
from erp_sync.ports.raw import Window
from erp_sync.systems.sap_b1.stock import MOVING, StockSource
from erp_sync_tests.systems.sap_b1.samples import D
from erp_sync_tests.systems.sap_b1.scripted import Answer, Scripted

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
# 00:30 to 00:31 on the 15th in Berlin
WINDOW = Window(start=datetime(2026, 1, 14, 23, 30, tzinfo=UTC), end=datetime(2026, 1, 14, 23, 31, tzinfo=UTC))


def source(connector, **settings: Any) -> StockSource:
    made = connector(**settings)
    return StockSource(made.client, made.mappings["stock_level"], clock=lambda: NOW)


def item(code: str, *stock: tuple[str, float, float], **changes: Any) -> dict[str, Any]:
    infos = [
        {"WarehouseCode": place, "InStock": there, "Committed": kept, "Ordered": 1.0} for place, there, kept in stock
    ]
    values = {
        "ItemCode": code, "InventoryItem": "tYES", "Frozen": "tNO", "FrozenFrom": None, "FrozenTo": None,
        "UpdateDate": "2025-12-01T00:00:00Z", "UpdateTime": "08:00:00", "ItemWarehouseInfoCollection": infos,
    }  # fmt: skip
    return values | changes


def moves(server: Scripted, **documents: list[dict[str, Any]]) -> None:
    """No document and no item changed, but these."""
    for name in MOVING:
        server.rows(name, *documents.get(name, []))
    server.on("GET", r"^Items\?.*UpdateDate", Answer(body={"value": documents.get("Items", [])}))


def document(entry: int, clock: str, *codes: str | None, lines: str = "DocumentLines") -> dict[str, Any]:
    stamps = {"UpdateDate": "2026-01-15T00:00:00Z"} | ({"UpdateTime": clock} if clock else {})
    return {"DocEntry": entry, **stamps, lines: [{"LineNum": at, "ItemCode": code} for at, code in enumerate(codes)]}


def records(pages) -> dict[str, Any]:
    return {record.native_id: record for page in pages for record in page}


def test_a_snapshot_is_of_active_items_kept_in_stock_in_every_warehouse(connector, server):
    old = item("OLD", ("01", 3.0, 0.0), Frozen="tYES")
    server.rows("Items", item("A", ("01", 10.5, 4.0), ("02", 0.0, 0.0)), old)
    found = source(connector)
    got = records(found.snapshot())
    assert set(got) == {"A/01", "A/02"}
    assert server.sent[0].where == "InventoryItem eq 'tYES'"
    level = found.to_canonical(got["A/01"], Passthrough())
    assert (level.connection, level.sku, level.location) == ("sap_de", "A", "01")
    assert (level.on_hand, level.allocated, level.on_order) == (D("10.5"), D("4"), D("1"))
    assert level.read_at == NOW
    assert level == found.mapper(Passthrough())(got["A/01"])


def test_only_the_warehouses_that_are_offered_are_given(connector, server):
    server.rows("Items", item("A", ("01", 1.0, 0.0), ("02", 2.0, 0.0)))
    assert set(records(source(connector, stock_warehouses=["02"]).snapshot())) == {"A/02"}


def test_what_moved_is_told_by_documents_and_by_the_items_themselves(connector, server):
    moves(
        server,
        Orders=[document(7, "00:30:10", "A", "B", None)],
        DeliveryNotes=[document(3, "00:30:40", "A")],
        StockTransfers=[document(9, "", "C", lines="StockTransferLines")],
        Items=[{"ItemCode": "D", "UpdateDate": "2026-01-15T00:00:00Z", "UpdateTime": "00:30:50"}],
    )
    server.rows("Items", *[item(code, ("01", 5.0, 1.0)) for code in "ABCD"], where="ItemCode eq 'A'")
    got = records(source(connector).changed(WINDOW))
    stamps = {name: record.version.rpartition(" ")[0] for name, record in got.items()}
    assert stamps == {
        "A/01": "2026-01-15 00:30:40",
        "B/01": "2026-01-15 00:30:10",
        "C/01": "2026-01-15",
        "D/01": "2026-01-15 00:30:50",
    }
    asked = {sent.path: sent.where for sent in server.sent}
    window = "UpdateDate gt '2026-01-15' or (UpdateDate eq '2026-01-15' and UpdateTime ge '00:30:00')"
    assert set(MOVING) < set(asked)
    assert asked["Orders"] == window
    assert asked["StockTransfers"] == "UpdateDate ge '2026-01-15'"


def test_nothing_moved_and_nothing_is_read(connector, server):
    moves(server)
    found = source(connector)
    assert records(found.changed(WINDOW)) == {}
    assert found.peek(WINDOW) == {}
    assert not any("ItemCode eq" in sent.where for sent in server.sent)


def test_a_look_gives_the_versions_that_a_read_will_give(connector, server):
    moves(server, Orders=[document(7, "00:30:10", "A")])
    server.rows("Items", item("A", ("01", 5.0, 1.0)), where="ItemCode eq 'A'")
    found = source(connector)
    versions = {name: record.version for name, record in records(found.changed(WINDOW)).items()}
    assert found.peek(WINDOW) == versions
    assert len(versions) == 1


def test_so_much_moved_that_a_run_should_look_itself(connector, server):
    moves(server, Orders=[document(7, "00:30:10", *[f"A{number}" for number in range(201)])])
    assert source(connector).peek(WINDOW) is None


def test_a_value_that_comes_back_is_another_version(connector, server):
    """Else it would pass for the first one, which was received already, and the value between would stand."""
    server.rows("Items", item("A", ("01", 5.0, 1.0)), where="ItemCode eq 'A'")
    found = source(connector)
    moves(server, Orders=[document(7, "00:30:10", "A")])
    server.rows("Items", item("A", ("01", 5.0, 1.0)), where="ItemCode eq 'A'")
    first = records(found.changed(WINDOW))["A/01"].version
    moves(server, Orders=[document(7, "00:30:10", "A")], DeliveryNotes=[document(8, "00:30:55", "A")])
    server.rows("Items", item("A", ("01", 5.0, 1.0)), where="ItemCode eq 'A'")
    assert records(found.changed(WINDOW))["A/01"].version > first


def test_single_items_are_read_as_they_are_now(connector, server):
    server.rows("Items", item("A", ("01", 5.0, 1.0)), item("a", ("01", 9.0, 0.0)))
    got = records(source(connector).read(["A", "GONE", "A"]))
    assert set(got) == {"A/01"}
    assert got["A/01"].version.startswith("2026-01-15T09:30 ")
    assert server.sent[0].where == "(ItemCode eq 'A' or ItemCode eq 'GONE') and (InventoryItem eq 'tYES')"


def test_a_document_that_moves_no_stock_is_refused_by_name(connector):
    with pytest.raises(ValueError, match=r"'Quotations' moves no stock; known are Orders, DeliveryNotes"):
        source(connector, moving_documents=["Quotations"])


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        ({"Frozen": "tYES"}, "0"),
        ({"Frozen": "tYES", "FrozenFrom": "2026-01-15", "FrozenTo": "2026-01-20"}, "0"),
        ({"Frozen": "tYES", "FrozenFrom": "2026-01-16"}, "5"),
        ({"Valid": "tYES", "ValidTo": "2026-01-14"}, "0"),
        ({"Valid": "tYES", "ValidFrom": "2026-01-16"}, "0"),
        ({"Valid": "tYES", "ValidFrom": "2026-01-15", "ValidTo": "2026-01-15"}, "5"),
    ],
    ids=["frozen", "frozen these days", "frozen from tomorrow", "ended yesterday", "from tomorrow", "today"],
)
def test_an_inactive_item_is_offered_by_nothing_that_is_read(connector, server, changes, there):
    """Its last delivery would bring its stock back into the store."""
    moves(server, DeliveryNotes=[document(3, "00:30:40", "A")])
    server.rows("Items", item("A", ("01", 5.0, 0.0), **changes), where="ItemCode eq 'A'")
    port = source(connector)
    for pages in (port.changed(WINDOW), port.read(["A"])):
        (record,) = records(pages).values()
        assert port.to_canonical(record, Passthrough()).on_hand == D(there)
    server.rows("Items", item("A", ("01", 5.0, 0.0), **changes))
    assert set(records(port.snapshot())) == (set() if there == "0" else {"A/01"})
