"""Single rows of an order that are closed by a PATCH."""

from __future__ import annotations

import pytest

from erp_sync_tests.systems.sap_b1.sandbox.test_deliveries import body, copied


def closing(*numbers, **fields):
    return {"DocumentLines": [{"LineNum": number, "LineStatus": "bost_Close"} for number in numbers], **fields}


def rows_of(company):
    return [
        (line["LineStatus"], line["Quantity"], line["RemainingOpenQuantity"])
        for line in company.get("Orders(1)")["DocumentLines"]
    ]


@pytest.fixture
def ordered(company):
    """An order of 5 BOLT, 8 NUT and 2 BOLT of another warehouse."""
    company.order(
        {"ItemCode": "BOLT", "Quantity": 5, "UnitPrice": 10},
        {"ItemCode": "NUT", "Quantity": 8, "UnitPrice": 3},
        {"ItemCode": "BOLT", "Quantity": 2, "UnitPrice": 10, "WarehouseCode": "02"},
    )
    return company


def test_closed_rows_free_what_they_committed_and_stay_on_the_order(ordered):
    before = ordered.get("Orders(1)")
    ordered.clock.advance(600)
    ordered.changed("Orders(1)", closing(0, 2))
    assert rows_of(ordered) == [("bost_Close", 5, 0), ("bost_Open", 8, 8), ("bost_Close", 2, 0)]
    assert (ordered.stock("BOLT"), ordered.stock("BOLT", "02"), ordered.stock("NUT")) == ((50, 0), (20, 0), (1000, 8))
    after = ordered.get("Orders(1)")
    assert (after["DocumentStatus"], after["DocTotal"]) == ("bost_Open", before["DocTotal"])
    assert (before["UpdateTime"], after["UpdateTime"]) == ("08:00:00", "08:10:00")
    assert after["DataVersion"] == before["DataVersion"] + 1
    assert ordered.get("BusinessPartners('C1')")["OpenOrdersBalance"] == 24


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(
    "change",
    [
        closing(0, Comments="enough"),
        closing(0, DocDueDate="2026-12-24"),
        {"DocumentLines": [{"LineNum": 0, "LineStatus": "bost_Close", "Quantity": 5}]},
        {"DocumentLines": [*closing(0)["DocumentLines"], {"LineNum": 1, "Quantity": 7}]},
        {"DocumentLines": [*closing(0)["DocumentLines"], {"ItemCode": "MANUAL"}]},
    ],
    ids=["header", "due date", "same row", "other row", "new row"],
)
def test_closing_rows_and_changing_anything_else_is_refused_as_a_whole(ordered, change, version):
    before = ordered.get("Orders(1)")
    answer = ordered.call("PATCH", "Orders(1)", change, version=version)
    assert (answer.status, answer.code) == (400, "-5002")
    assert not answer.handled.committed
    assert ordered.get("Orders(1)") == before
    assert ordered.stock("BOLT") == (50, 5)


def test_closing_rows_and_removing_others_is_refused(ordered):
    before = ordered.get("Orders(1)")
    answer = ordered.call("PATCH", "Orders(1)", closing(0), B1S_ReplaceCollectionsOnPatch="true")
    assert answer.code == "-5002"
    assert ordered.get("Orders(1)") == before


def test_closing_rows_and_resetting_the_header_is_refused(ordered):
    ordered.changed("Orders(1)", {"Comments": "keep"})
    before = ordered.get("Orders(1)")
    header = {"CardCode": "C1", "DocDueDate": "2026-12-01"}
    assert ordered.call("PUT", "Orders(1)", closing(0, 1, 2, **header)).code == "-5002"
    assert ordered.call("PUT", "Orders(1)", closing(0, 1, 2)).code == "-5002"
    assert ordered.get("Orders(1)") == before


def test_placeholders_and_ignored_values_may_stand_beside_a_row_that_is_closed(ordered):
    rows = [{"LineNum": 0}, {"LineNum": 1, "LineStatus": "bost_Close", "OpenAmount": 3}, {"LineNum": 2}]
    ordered.changed("Orders(1)", {"DocumentLines": rows, "DocTotal": 1})
    assert rows_of(ordered) == [("bost_Open", 5, 5), ("bost_Close", 8, 0), ("bost_Open", 2, 2)]


def test_a_placeholder_leaves_a_row_as_it_is_whatever_became_of_it(ordered):
    ordered.changed("Orders(1)", closing(0))
    ordered.changed("Items('NUT')", {"Valid": "tNO", "Frozen": "tYES"})
    rows = [{"LineNum": 0}, {"LineNum": 1}, {"LineNum": 2, "Quantity": 3}]
    ordered.changed("Orders(1)", {"DocumentLines": rows})
    assert rows_of(ordered) == [("bost_Close", 5, 0), ("bost_Open", 8, 8), ("bost_Open", 3, 3)]


def test_with_its_last_open_row_the_order_is_closed(ordered):
    ordered.changed("Orders(1)", closing(0, 1))
    ordered.changed("Orders(1)", closing(2))
    after = ordered.get("Orders(1)")
    assert (after["DocumentStatus"], after["Cancelled"], str(after["ClosingDate"])[:10]) == (
        "bost_Close", "tNO", "2026-11-02",
    )  # fmt: skip
    assert (ordered.stock("BOLT", "02"), ordered.stock("NUT")) == ((20, 0), (1000, 0))
    assert ordered.call("PATCH", "Orders(1)", closing(2)).code == "-10"
    assert ordered.call("POST", "DeliveryNotes", body(copied(1))).code == "-10"
    ordered.done("Orders(1)/Reopen")
    assert ordered.stock("NUT") == (1000, 8)


def test_of_a_partly_delivered_row_the_rest_is_closed(ordered):
    ordered.made("DeliveryNotes", body(copied(2)))
    ordered.changed("Orders(1)", closing(0))
    assert rows_of(ordered)[0] == ("bost_Close", 5, 0)
    assert ordered.stock("BOLT") == (48, 0)
    assert ordered.call("POST", "DeliveryNotes", body(copied(1))).code == "-10"
    # What is left of the order goes its way, and ends it.
    ordered.made("DeliveryNotes", body(copied(8, 1), copied(2, 2)))
    assert ordered.get("Orders(1)")["DocumentStatus"] == "bost_Close"
    assert (ordered.stock("BOLT"), ordered.stock("BOLT", "02"), ordered.stock("NUT")) == ((48, 0), (18, 0), (992, 0))


def test_no_row_is_opened_again_nor_closed_twice(ordered):
    ordered.changed("Orders(1)", closing(0))
    ordered.changed("Orders(1)", {"DocumentLines": [{"LineNum": 0, "LineStatus": "bost_Open"}]})
    ordered.changed("Orders(1)", closing(0, Comments="it was closed before"))
    assert rows_of(ordered)[0] == ("bost_Close", 5, 0)
    assert ordered.get("Orders(1)")["Comments"] == "it was closed before"
    assert ordered.call("PATCH", "Orders(1)", {"DocumentLines": [{"LineNum": 0, "Quantity": 1}]}).code == "-10"
    assert ordered.stock("BOLT") == (50, 0)


def test_a_new_order_has_open_rows_whatever_was_sent(company):
    company.order({"ItemCode": "BOLT", "Quantity": 5, "LineStatus": "bost_Close"})
    assert rows_of(company) == [("bost_Open", 5, 5)]
