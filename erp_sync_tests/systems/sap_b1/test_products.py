"""Products out of SAP Business One."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from erp_sync.model.product import BundleComponent, ProductKind
from erp_sync.ports.lookups import Passthrough
from erp_sync.ports.raw import BadRecord, Window
from erp_sync.systems.sap_b1.catalogue import ProductSource
from erp_sync_tests.systems.sap_b1.samples import D
from erp_sync_tests.systems.sap_b1.scripted import Answer, Scripted

# Half past midnight on the 15th in Berlin
NOW = datetime(2026, 1, 14, 23, 30, tzinfo=UTC)
WINDOW = Window(start=NOW, end=datetime(2026, 1, 14, 23, 31, tzinfo=UTC))


@pytest.fixture(autouse=True)
def names(server: Scripted) -> None:
    server.rows("ItemGroups", {"Number": 103, "GroupName": "Bearings"})
    server.rows("Manufacturers", {"Code": 7, "ManufacturerName": "SKF"})


def source(connector, **settings: Any) -> ProductSource:
    made = connector(**settings)
    return ProductSource(made.client, made.mappings["product"], clock=lambda: NOW)


def item(code: str = "BEARING-6204", **changes: Any) -> dict[str, Any]:
    values = {
        "ItemCode": code, "ItemName": "Deep groove ball bearing", "TreeType": "iNotATree", "InventoryItem": "tYES",
        "SalesItem": "tYES", "BarCode": "4046356123457", "ItemsGroupCode": 103, "Manufacturer": 7, "SalesUnit": "pcs",
        "SalesUnitWeight": 0.106, "Valid": "tYES", "ValidFrom": None, "ValidTo": None, "Frozen": "tNO",
        "FrozenFrom": None, "FrozenTo": None, "CreateDate": "2025-01-02T00:00:00Z", "CreateTime": "08:00:00",
        "UpdateDate": "2026-01-15T00:00:00Z", "UpdateTime": "00:30:10", "DataVersion": 3,
        "User_Text": "20x47x14 mm",
    }  # fmt: skip
    return values | changes


def products(found: ProductSource, pages) -> dict[str, Any]:
    return {record.native_id: found.to_canonical(record, Passthrough()) for page in pages for record in page}


def one(connector, server, **changes: Any):
    server.rows("Items", item(**changes))
    found = source(connector)
    return products(found, found.snapshot())["BEARING-6204"]


def test_an_item_as_a_product(connector, server):
    product = one(connector, server)
    assert (product.connection, product.sku, product.name) == ("sap_de", "BEARING-6204", "Deep groove ball bearing")
    assert (product.kind, product.active, product.description) == (ProductKind.SIMPLE, True, "20x47x14 mm")
    assert (product.weight, product.weight_unit, product.unit) == (D("0.106"), "kg", "pcs")
    assert (product.gtin, product.manufacturer, product.categories) == ("4046356123457", "SKF", ("Bearings",))
    assert product.updated_at == datetime(2026, 1, 14, 23, 30, 10, tzinfo=UTC)
    assert product.created_at == datetime(2025, 1, 2, 7, 0, tzinfo=UTC)
    assert product.version == "2026-01-15 00:30:10 3"


def test_nobody_is_no_manufacturer(connector, server):
    server.rows("Manufacturers", {"Code": -1, "ManufacturerName": "- No Manufacturer -"})
    assert one(connector, server, Manufacturer=-1).manufacturer == ""


def test_many_are_mapped_as_one_is(connector, server):
    server.rows("Items", item(), item("SHAFT-20"))
    found = source(connector)
    records = [record for page in found.snapshot() for record in page]
    assert list(map(found.mapper(Passthrough()), records)) == list(products(found, [records]).values())


@pytest.mark.parametrize(
    ("changes", "active"),
    [
        ({"SalesItem": "tNO"}, False),
        ({"Frozen": "tYES"}, False),
        ({"Frozen": "tYES", "FrozenFrom": "2026-01-16T00:00:00Z"}, True),
        ({"Frozen": "tYES", "FrozenFrom": "2026-01-15T00:00:00Z"}, False),
        ({"Frozen": "tYES", "FrozenTo": "2026-01-14T00:00:00Z"}, True),
        ({"ValidFrom": "2026-01-16T00:00:00Z"}, False),
        ({"ValidFrom": "2026-01-15T00:00:00Z", "ValidTo": "2026-01-15T00:00:00Z"}, True),
        ({"ValidTo": "2026-01-14T00:00:00Z"}, False),
    ],
)
def test_an_item_is_active_by_the_server_s_date(connector, server, changes, active):
    assert one(connector, server, **changes).active is active


def test_what_is_not_kept_in_stock_is_virtual(connector, server):
    assert one(connector, server, InventoryItem="tNO").kind is ProductKind.VIRTUAL


def test_a_sales_bill_of_materials_is_a_bundle_of_its_parts(connector, server):
    lines = [{"ItemCode": "PIN", "Quantity": 4.0}, {"ItemCode": "RING", "Quantity": 1.0}, {"ItemCode": None}]
    server.rows("ProductTrees", {"TreeCode": "BEARING-6204", "Quantity": 2.0, "ProductTreeLines": lines})
    product = one(connector, server, TreeType="iSalesTree", InventoryItem="tNO")
    assert product.kind is ProductKind.BUNDLE
    assert product.components == (
        BundleComponent(sku="PIN", quantity=D("2")),
        BundleComponent(sku="RING", quantity=D("0.5")),
    )


def test_a_bundle_without_parts_is_named_and_sells_nothing(connector, server):
    server.rows("ProductTrees")
    with pytest.raises(BadRecord, match="no bill of materials"):
        one(connector, server, TreeType="iSalesTree")


def test_what_is_produced_is_sold_as_it_is(connector, server):
    assert one(connector, server, TreeType="iProductionTree").kind is ProductKind.SIMPLE


def test_variants_are_told_by_user_defined_fields(connector, server):
    family = item("SHAFT", U_Parent=None, U_Length=None, InventoryItem="tNO")
    short = item("SHAFT-20", U_Parent="SHAFT", U_Length="20 mm")
    server.rows("Items", family, short)
    server.rows("Items", short, where="U_Parent eq 'SHAFT'")
    found = source(connector, parent_field="U_Parent", option_fields={"Length": "U_Length", "Colour": "U_Colour"})
    got = products(found, found.snapshot())
    assert (got["SHAFT"].kind, got["SHAFT"].variant_attributes) == (ProductKind.CONFIGURABLE, ("Length",))
    assert (got["SHAFT-20"].variant_of, got["SHAFT-20"].variant_options) == ("SHAFT", (("Length", "20 mm"),))
    assert {"U_Parent", "U_Length", "U_Colour"} < set(server.sent[0].query["$select"].split(","))


def test_changes_are_found_by_stamp_and_only_news_is_worked_out(connector, server):
    server.rows("Items", item(), item("SHAFT-20", DataVersion=9))
    found = source(connector)
    asked: dict[str, str] = {}

    def news(versions):
        asked.update(versions)
        return {"SHAFT-20"}

    got = [record.native_id for page in found.changed(WINDOW, news) for record in page]
    assert got == ["SHAFT-20"]
    assert asked == {"BEARING-6204": "2026-01-15 00:30:10 3", "SHAFT-20": "2026-01-15 00:30:10 9"}
    assert server.sent[0].where == (
        "UpdateDate gt '2026-01-15' or (UpdateDate eq '2026-01-15' and UpdateTime ge '00:30:00')"
    )
    server.rows("Items", item())
    assert found.peek(WINDOW) == {"BEARING-6204": "2026-01-15 00:30:10 3"}


def test_more_than_a_page_is_not_looked_at(connector, server):
    more = Answer(body={"value": [item()], "@odata.nextLink": "Items?$skip=1"})
    server.on("GET", r"^Items\?", more, Answer(body={"value": [item("SHAFT-20")]}))
    assert source(connector).peek(WINDOW) is None


def test_an_item_with_a_time_that_is_none_is_named_alone(connector, server):
    server.rows("Items", item(UpdateTime="24:61"), item("SHAFT-20"))
    found = source(connector)
    bad, good = (record for page in found.snapshot() for record in page)
    assert found.to_canonical(good, Passthrough()).sku == "SHAFT-20"
    with pytest.raises(BadRecord, match="record BEARING-6204, field updated_at"):
        found.to_canonical(bad, Passthrough())


def test_single_items_are_read(connector, server):
    server.rows("Items", item())
    found = source(connector)
    assert set(products(found, found.read(["BEARING-6204", "GONE"]))) == {"BEARING-6204"}
    assert server.sent[0].where == "ItemCode eq 'BEARING-6204' or ItemCode eq 'GONE'"
