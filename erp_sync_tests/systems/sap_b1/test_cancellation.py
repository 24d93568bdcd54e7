"""What becomes of an order in SAP Business One that the store cancelled, wholly or in part."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from erp_sync.model.order import OrderStatus
from erp_sync.model.remaining import kept
from erp_sync.ports.documents import Step, StepRequest
from erp_sync.ports.outcomes import Absent, Again, Ambiguous, Applied, Found, Receipt, Refused
from erp_sync.systems.sap_b1.cancellation import CLOSE, OPERATION
from erp_sync.systems.sap_b1.closing import closing, may_have_left
from erp_sync_tests.systems.sap_b1.samples import D, line, order
from erp_sync_tests.systems.sap_b1.scripted import Answer, refused

CANCELLED = order(status=OrderStatus.CANCELLED)


def row(number: int, item: str, quantity: str, remaining: str | None = None, **more: Any) -> dict[str, Any]:
    left = quantity if remaining is None else remaining
    status = "bost_Open" if D(left) else "bost_Close"
    values = {
        "LineNum": number, "ItemCode": item, "Quantity": float(quantity), "RemainingOpenQuantity": float(left),
        "UnitPrice": 4.5, "DiscountPercent": 10.0, "WarehouseCode": "01", "VatGroup": "A1", "TaxCode": None,
    }  # fmt: skip
    return {**values, "LineStatus": status, "TreeType": "iNotATree", **more}


def record(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The order as SAP has it; of the sample's two rows where nothing is said."""
    header = {"DocEntry": 7, "DocNum": 1007, "CardCode": "C1", "CreationDate": "2026-01-15T00:00:00Z"}
    lines = list(rows) or [row(0, "BEARING-6204", "10"), row(1, "SHAFT-20", "3")]
    return {**header, "DocumentStatus": "bost_Open", "Cancelled": "tNO", "DocumentLines": lines, **more}


def note(*taken: tuple[int, float], base: int = 7, **more: Any) -> dict[str, Any]:
    lines = [{"BaseType": 17, "BaseEntry": base, "BaseLine": number, "Quantity": units} for number, units in taken]
    return {"DocEntry": 90, "Cancelled": "tNO", "CancelStatus": "csNo", "DocumentLines": lines, **more}


# What is to be done ---------------------------------------------------------------------------------------------


def test_an_order_of_which_nothing_has_left_is_cancelled_as_a_whole():
    assert closing(CANCELLED, record(), {}).cancels


def test_of_one_that_has_left_in_part_the_rest_is_closed():
    todo = closing(CANCELLED, record(row(0, "BEARING-6204", "10", "6"), row(1, "SHAFT-20", "3")), {0: D(4)})
    assert (todo.cancels, todo.ends, todo.removes, todo.cuts) == (False, True, (), ())
    assert todo.beyond == ((D(4), D(0)),)


def test_a_line_that_was_cancelled_is_removed_and_one_that_lost_units_is_cut():
    lines = (
        line("1", "BEARING-6204", "10", "4.50", quantity_cancelled=D(10)),
        line("2", "SHAFT-20", "3", "15.00", quantity_cancelled=D(1)),
    )
    todo = closing(order(lines=lines), record(), {})
    assert (todo.cancels, todo.removes, todo.cuts) == (False, (0,), ((1, D(2)),))
    staying = {
        "LineNum": 1, "ItemCode": "SHAFT-20", "Quantity": 3.0, "UnitPrice": 4.5, "DiscountPercent": 10.0,
        "WarehouseCode": "01", "VatGroup": "A1",
    }  # fmt: skip
    assert todo.body(record()) == {"DocumentLines": [staying]}


def test_a_row_of_which_a_part_has_left_is_cut_to_that_so_that_nothing_of_it_is_open():
    lines = (line("1", "BEARING-6204", "10", "4.50", quantity_cancelled=D(6)), line("2", "SHAFT-20", "3", "15.00"))
    there = record(row(0, "BEARING-6204", "10", "6"), row(1, "SHAFT-20", "3"))
    todo = closing(order(lines=lines), there, {0: D(4)})
    assert (todo.removes, todo.cuts, todo.beyond) == ((), ((0, D(4)),), ())
    assert todo.body(there) == {
        "DocumentLines": [{"LineNum": 0, "UnitPrice": 4.5, "DiscountPercent": 10.0, "Quantity": D(4)}]
    }


def test_rows_that_a_person_added_in_the_erp_stay_open():
    rows = (row(0, "BEARING-6204", "10"), row(1, "SHAFT-20", "3"), row(2, "GREASE", "1"))
    todo = closing(CANCELLED, record(*rows), {})
    assert (todo.cancels, todo.ends, todo.removes) == (False, False, (0, 1))
    assert [one["ItemCode"] for one in todo.body(record(*rows))["DocumentLines"]] == ["GREASE"]


def test_components_of_a_bill_of_materials_go_and_stay_with_their_row():
    lines = (
        line("1", "BEARING-6204", "10", "4.50", quantity_cancelled=D(10)), line("2", "SHAFT-20", "3", "15.00"),
    )  # fmt: skip
    rows = (
        row(0, "BEARING-6204", "10"), row(1, "PART", "20", TreeType="iIngredient"), row(2, "SHAFT-20", "3"),
        row(3, "PIN", "6", TreeType="iIngredient"),
    )  # fmt: skip
    todo = closing(order(lines=lines), record(*rows), {})
    assert [one["LineNum"] for one in todo.body(record(*rows))["DocumentLines"]] == [2, 3]


def test_components_of_a_bill_of_materials_are_saps_own():
    rows = (row(0, "BEARING-6204", "10"), row(1, "PART", "20", TreeType="iIngredient"), row(2, "SHAFT-20", "3"))
    assert closing(CANCELLED, record(*rows), {}).cancels


def test_of_an_item_in_more_rows_than_lines_the_first_ones_keep_what_is_kept():
    lines = (line("1", "SHAFT-20", "5", "15.00", quantity_cancelled=D(3)),)
    rows = (row(0, "SHAFT-20", "1"), row(1, "shaft-20", "3"), row(2, "SHAFT-20", "1"))
    todo = closing(order(lines=lines), record(*rows), {})
    assert (todo.removes, todo.cuts) == ((2,), ((1, D(1)),))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4))
def test_nothing_that_was_cancelled_can_leave_and_what_is_kept_can(entries: list[tuple[int, int, int]]):
    """Whatever is done row by row, what a warehouse could still ship is what the store keeps less what has left."""
    lines, rows, left = [], [], {}
    for number, (units, gone, shipped) in enumerate(entries):
        shipped = min(shipped, units)
        lines.append(line(str(number), f"SKU-{number}", str(units), "1.00", quantity_cancelled=D(min(gone, units))))
        rows.append(row(number, f"SKU-{number}", str(units), str(units - shipped)))
        left[number] = D(shipped)
    document = order(lines=tuple(lines))
    before = record(
        *rows, DocumentStatus="bost_Open" if any(one["RemainingOpenQuantity"] for one in rows) else "bost_Close"
    )
    todo = closing(document, before, left)
    keeps = kept(document)
    cuts = dict(todo.cuts)
    for number, one in enumerate(rows):
        quantity = cuts.get(number, D(int(one["Quantity"])))
        still = D(0) if todo.cancels or todo.ends or number in todo.removes else quantity - left[number]
        assert max(still, D(0)) == max(keeps[str(number)] - left[number], D(0))
    assert len(todo.beyond) == sum(left[number] > keeps[str(number)] for number in left)


def test_only_an_order_that_is_not_whole_any_more_needs_a_look_at_deliveries():
    assert not may_have_left(record())
    assert not may_have_left(record(row(0, "A", "1", "0"), Cancelled="tYES"))
    assert may_have_left(record(row(0, "A", "2", "1")))
    assert may_have_left(record(row(0, "A", "2", "0")))


# What is sent ---------------------------------------------------------------------------------------------------


def target(connector):
    return connector().port("order_cancellation", "target")


def request(document=CANCELLED, target_id: str = "7", **values: Any) -> StepRequest:
    step = Step(name=CLOSE, operation=OPERATION, key="shopware_de_018f5c_close", concerns="shopware_de_018f5c")
    return StepRequest(
        delivery="1", step=step, document=document, receipts={}, references={}, target_id=target_id, **values
    )


def ended(**more: Any) -> dict[str, Any]:
    rows = (row(0, "BEARING-6204", "10", "0"), row(1, "SHAFT-20", "3", "0"))
    return record(*rows, DocumentStatus="bost_Close", **more)


def test_it_is_read_cancelled_and_read_again(connector, server):
    server.on("GET", r"^Orders\(7\)", Answer(body=record()), Answer(body=ended(Cancelled="tYES")))
    server.on("POST", r"^Orders\(7\)/Cancel", Answer(status=204))
    assert target(connector).submit([request()]) == [Applied(receipt=Receipt(target_id="7", number="1007"))]
    assert [(one.method, one.path) for one in server.sent] == [
        ("GET", "Orders(7)"),
        ("POST", "Orders(7)/Cancel"),
        ("GET", "Orders(7)"),
    ]


def test_what_is_cancelled_already_is_left_alone(connector, server):
    server.on("GET", r"^Orders\(7\)", Answer(body=ended(Cancelled="tYES")))
    assert target(connector).submit([request()]) == [
        Applied(receipt=Receipt(target_id="7", number="1007", existed=True))
    ]
    assert [one.method for one in server.sent] == ["GET"]


def test_an_order_is_found_by_our_key_where_its_number_is_not_known(connector, server):
    server.rows("Orders", {**ended(Cancelled="tYES"), "U_ErpSyncKey": "shopware_de_018f5c"})
    (done,) = target(connector).submit([request(target_id="")])
    assert isinstance(done, Applied)
    assert "U_ErpSyncKey eq 'shopware_de_018f5c'" in server.sent[0].where


def test_several_orders_with_our_key_are_left_to_a_person(connector, server):
    ours = [{**record(DocEntry=entry), "U_ErpSyncKey": "shopware_de_018f5c"} for entry in (7, 8)]
    server.rows("Orders", *ours)
    server.on("POST", "^Orders", Answer(status=204))
    port = target(connector)
    (outcome,) = port.submit([request(target_id="")])
    assert (outcome.code, outcome.again) == ("ambiguous", Again.NEVER)
    assert "order 7, order 8" in outcome.message
    assert port.find([request(target_id="")]) == [Ambiguous(target_ids=("order 7", "order 8"))]
    assert server.writes() == []


def test_a_key_of_other_case_is_another_s(connector, server):
    server.rows("Orders", {**record(), "U_ErpSyncKey": "SHOPWARE_DE_018F5C"})
    (outcome,) = target(connector).submit([request(target_id="")])
    assert outcome.code == "order_not_found"
    assert server.writes() == []


def test_a_delivery_that_came_in_between_makes_it_close_the_rest_and_tell(connector, server):
    partly = record(row(0, "BEARING-6204", "10", "6"), row(1, "SHAFT-20", "3"))
    server.on("GET", r"^Orders\(7\)", Answer(body=record()), Answer(body=partly), Answer(body=ended()))
    server.on("POST", r"^Orders\(7\)/Cancel", refused(-10, "Document cannot be cancelled"))
    server.on("POST", r"^Orders\(7\)/Close", Answer(status=204))
    server.rows("DeliveryNotes", note((0, 3.0)), {**note((0, 9.0)), "Cancelled": "tYES"}, note((0, 5.0), base=8))
    server.rows("Invoices", note((0, 1.0)))
    (done,) = target(connector).submit([request()])
    assert isinstance(done, Refused)
    assert done.code == "already_fulfilled"
    assert "4 units, of which the store keeps 0" in done.message
    assert [one.path for one in server.writes()] == ["Orders(7)/Cancel", "Orders(7)/Close"]


def test_rows_are_removed_before_others_are_cut_each_of_the_order_as_it_was_read(connector, server):
    lines = (
        line("1", "BEARING-6204", "10", "4.50", quantity_cancelled=D(10)),
        line("2", "SHAFT-20", "3", "15.00", quantity_cancelled=D(1)),
    )
    first, second = ({"@odata.etag": f'W/"{version}"'} for version in "AB")
    server.on(
        "GET", r"^Orders\(7\)", Answer(body=record(**first)),
        Answer(body=record(row(1, "SHAFT-20", "3"), **second)), Answer(body=record(row(1, "SHAFT-20", "2"))),
    )  # fmt: skip
    server.on("PATCH", r"^Orders\(7\)", Answer(status=204))
    (done,) = target(connector).submit([request(order(lines=lines))])
    assert isinstance(done, Applied)
    removing, cutting = (one for one in server.sent if one.method == "PATCH")
    assert [one["LineNum"] for one in removing.body["DocumentLines"]] == [1]
    assert removing.headers["b1s-replacecollectionsonpatch"] == "true"
    assert removing.headers["if-match"] == 'W/"A"'
    assert cutting.body["DocumentLines"][0]["Quantity"] == 2
    assert "b1s-replacecollectionsonpatch" not in cutting.headers
    assert cutting.headers["if-match"] == 'W/"B"'


def test_an_order_that_changed_meanwhile_is_read_again(connector, server):
    lines = (line("1", "BEARING-6204", "10", "4.50", quantity_cancelled=D(6)), line("2", "SHAFT-20", "3", "15.00"))
    partly = record(row(0, "BEARING-6204", "10", "8"), row(1, "SHAFT-20", "3"))
    cut = record(row(0, "BEARING-6204", "4", "2"), row(1, "SHAFT-20", "3"))
    server.on("GET", r"^Orders\(7\)", Answer(body=record()), Answer(body=partly), Answer(body=cut))
    changed = refused(-2039, "Another user or another operation modified data", 412)
    server.on("PATCH", r"^Orders\(7\)", changed, Answer(status=204))
    server.rows("DeliveryNotes", note((0, 2.0)))
    server.rows("Invoices")
    (done,) = target(connector).submit([request(order(lines=lines))])
    assert isinstance(done, Applied)
    assert len(server.writes()) == 2


def test_a_refusal_that_stays_is_told(connector, server):
    server.on("GET", r"^Orders\(7\)", Answer(body=record()))
    server.on("POST", r"^Orders\(7\)/Cancel", refused(-1116, "Ask sales before"))
    (done,) = target(connector).submit([request()])
    assert isinstance(done, Refused)
    assert done.code == "refused_by_add_on"
    assert [one.method for one in server.sent] == ["GET", "POST", "GET"]


def test_an_order_that_is_not_there_is_waited_for(connector, server):
    server.rows("Orders")
    (done,) = target(connector).submit([request(target_id="")])
    assert isinstance(done, Refused)
    assert (done.code, done.again) == ("order_not_found", Again.AFTER_DEPENDENCY)


def test_an_answer_that_is_lost_is_unknown(connector, server):
    server.on("GET", r"^Orders\(7\)", Answer(drop=True))
    (done,) = target(connector).submit([request()])
    assert not isinstance(done, Applied | Refused)


@pytest.mark.parametrize(("there", "found"), [(ended(Cancelled="tYES"), Found), (record(), Absent)])
def test_it_is_found_where_nothing_is_left_to_do(connector, server, there, found):
    server.on("GET", r"^Orders\(7\)", Answer(body=there))
    (finding,) = target(connector).find([request()])
    assert isinstance(finding, found)


def test_what_is_lost_later_on_is_another_step(connector):
    first = order(lines=(line("1", "A", "5", "1.00", quantity_cancelled=D(1)),))
    second = msgspec.structs.replace(first, lines=(line("1", "A", "5", "1.00", quantity_cancelled=D(2)),))
    (one,), (other,) = (target(connector).steps(document) for document in (first, second))
    assert one.key != other.key
    assert one.concerns == other.concerns


def test_nothing_is_ever_accepted(connector):
    assert target(connector).settle([]) == []
    with pytest.raises(ValueError, match="job 5"):
        target(connector).settle(["job 5"])
