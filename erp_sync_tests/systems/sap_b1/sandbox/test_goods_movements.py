"""Goods receipts and issues: they move stock, and nothing else does what they do."""

from __future__ import annotations

from decimal import Decimal

import pytest


def body(*lines, **fields):
    return {"DocumentLines": list(lines), **fields}


def line(code="BOLT", quantity=5, warehouse="01", **fields):
    return {"ItemCode": code, "Quantity": quantity, "WarehouseCode": warehouse, **fields}


def test_a_receipt_adds_to_stock_and_leaves_the_items_stamp(company):
    before = company.get("Items('BOLT')")
    company.clock.advance(60 * 60 * 24)
    made = company.made("InventoryGenEntries", body(line(), line("NUT", 2, UnitPrice=1.5), Comments="arrived"))
    assert (company.stock("BOLT"), company.stock("NUT")) == ((55, 0), (1002, 0))
    assert [(row["LineNum"], row["Price"], row["LineTotal"]) for row in made["DocumentLines"]] == [
        (0, 4, 20),
        (1, Decimal("1.5"), 3),
    ]
    assert (made["DocTotal"], made["Comments"], made["Cancelled"]) == (23, "arrived", "tNO")
    after = company.get("Items('BOLT')")
    assert (after["UpdateDate"], after["UpdateTime"]) == (before["UpdateDate"], before["UpdateTime"])
    assert company.rows("InventoryGenEntries?$select=DocEntry") == [{"DocEntry": made["DocEntry"]}]


def test_an_issue_takes_and_is_refused_below_zero_as_a_whole(company):
    company.made("InventoryGenExits", body(line(quantity=3)))
    assert company.stock("BOLT") == (47, 0)
    answer = company.call("POST", "InventoryGenExits", body(line("NUT", 1), line("BOLT", 48)))
    assert (answer.code, answer.message) == (
        "-10",
        "Quantity falls into negative inventory  [IGE1.ItemCode][line: 2]",
    )
    assert (company.stock("BOLT"), company.stock("NUT")) == ((47, 0), (1000, 0))
    assert company.get("InventoryGenExits/$count") == "1"


def test_a_company_may_issue_what_is_not_there(make_company):
    company = make_company(negative_stock=True)
    company.made("InventoryGenExits", body(line(quantity=60)))
    assert company.stock("BOLT") == (-10, 0)


@pytest.mark.parametrize("entity_set", ["InventoryGenEntries", "InventoryGenExits"])
@pytest.mark.parametrize(
    ("lines", "fields", "code"),
    [
        ([], {}, "-10"),
        ([line("NONE")], {}, "-2028"),
        ([line("MANUAL")], {}, "-10"),
        ([line(quantity=0)], {}, "-10"),
        ([line(warehouse="99")], {}, "-2028"),
        ([line(BaseType=202, BaseEntry=1, BaseLine=0)], {}, "-5002"),
        ([line(UoMEntry=7)], {}, "-10"),
        ([line()], {"CardCode": "C1"}, "-5002"),
    ],
)
def test_what_is_refused(company, entity_set, lines, fields, code):
    assert company.call("POST", entity_set, body(*lines, **fields)).code == code
    assert company.stock("BOLT") == (50, 0)


def test_a_posted_movement_keeps_its_rows(company):
    company.made("InventoryGenEntries", body(line()))
    company.changed("InventoryGenEntries(1)", {"Comments": "counted twice"})
    assert company.call("PATCH", "InventoryGenEntries(1)", {"DocumentLines": [{"LineNum": 0, "Quantity": 9}]}).code == (
        "-10"
    )
    assert company.call("DELETE", "InventoryGenEntries(1)").code == "-5006"
    assert company.get("InventoryGenEntries(1)")["Comments"] == "counted twice"
    assert company.stock("BOLT") == (55, 0)


def test_quantities_of_another_unit_are_counted_in_the_stocks_own(company):
    company.core.seed(
        {
            "units": [{"AbsEntry": 1, "Code": "EA"}, {"AbsEntry": 2, "Code": "BOX"}],
            "unit_groups": [
                {"AbsEntry": 1, "Code": "BOXES", "BaseUoM": 1, "UoMGroupDefinitionCollection": [
                    {"AlternateUoM": 2, "AlternateQuantity": 1, "BaseQuantity": 12}]}
            ],
            "raw_items": [{"ItemCode": "SCREW", "ItemName": "Screw", "UoMGroupEntry": 1}],
        }
    )  # fmt: skip
    company.made("InventoryGenEntries", body(line("SCREW", 2, UoMEntry=2), line("SCREW", 1)))
    assert company.stock("SCREW") == (25, 0)


def test_an_add_on_looks_at_movements_too(make_company):
    rule = {"object_type": "59", "field": "Comments", "missing": True, "message": "Say why"}
    company = make_company(add_on=[rule])
    assert company.call("POST", "InventoryGenEntries", body(line())).message == "Say why"
    assert company.stock("BOLT") == (50, 0)
    company.made("InventoryGenExits", body(line(quantity=1)))
