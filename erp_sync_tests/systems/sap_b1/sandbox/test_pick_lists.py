"""Pick lists: what of an order is released, picked and taken off again by deliveries."""

from __future__ import annotations

import pytest

from erp_sync_tests.systems.sap_b1.sandbox.test_deliveries import body, copied


@pytest.fixture
def ordered(company):
    """Order 1: 5 BOLT and 3 NUT."""
    company.order({"ItemCode": "BOLT", "Quantity": 5}, {"ItemCode": "NUT", "Quantity": 3})
    return company


def released(quantity=None, row=0, order=1, **fields):
    line = {"BaseObjectType": 17, "OrderEntry": order, "OrderRowID": row, **fields}
    return line if quantity is None else {**line, "ReleasedQuantity": quantity}


def listed(company, *lines):
    return company.made("PickLists", {"PickListsLines": list(lines)})


def picked(company, *quantities, entry=1):
    rows = [{"LineNumber": place, "PickedQuantity": quantity} for place, quantity in enumerate(quantities)]
    company.changed(f"PickLists({entry})", {"PickListsLines": rows})


def states(company, entry=1):
    found = company.get(f"PickLists({entry})")
    return found["Status"], [(row["PickedQuantity"], row["PickStatus"]) for row in found["PickListsLines"]]


def test_rows_are_released_picked_and_closed_by_their_delivery(ordered):
    made = listed(ordered, released(), released(2, row=1))
    assert (made["Absoluteentry"], made["Status"], made["ObjectType"]) == (1, "ps_Released", "156")
    assert [(row["LineNumber"], row["ReleasedQuantity"], row["AbsoluteEntry"]) for row in made["PickListsLines"]] == [
        (0, 5, 1), (1, 2, 1),
    ]  # fmt: skip
    picked(ordered, 5)
    assert states(ordered) == ("ps_PartiallyPicked", [(5, "ps_Picked"), (0, "ps_Released")])
    picked(ordered, 5, 2)
    assert states(ordered)[0] == "ps_Picked"
    assert ordered.stock("BOLT") == (50, 5)
    ordered.made("DeliveryNotes", body(copied(3)))
    assert states(ordered) == ("ps_PartiallyDelivered", [(5, "ps_PartiallyDelivered"), (2, "ps_Picked")])
    ordered.made("DeliveryNotes", body(copied(2), copied(2, 1)))
    assert states(ordered) == ("ps_Closed", [(5, "ps_Closed"), (2, "ps_Closed")])
    assert ordered.call("PATCH", "PickLists(1)", {"Remarks": "late"}).code == "-10"


def test_no_more_is_released_than_remains_open(ordered):
    listed(ordered, released(3))
    assert ordered.call("POST", "PickLists", {"PickListsLines": [released(3)]}).code == "-10"
    listed(ordered, released(2))
    assert ordered.call("POST", "PickLists", {"PickListsLines": [released(1)]}).code == "-10"
    ordered.done("PickListsService_Close", {"PickList": {"Absoluteentry": 1}})
    assert states(ordered) == ("ps_Closed", [(0, "ps_Closed")])
    listed(ordered, released(3))
    assert ordered.call("POST", "PickListsService_Close", {"PickList": {"Absoluteentry": 1}}).code == "-10"
    assert ordered.call("POST", "PickListsService_Close", {"PickList": {"Absoluteentry": 9}}).code == "-2028"


def test_a_delivery_is_taken_off_the_oldest_list_first(ordered):
    listed(ordered, released(2))
    listed(ordered, released(3))
    picked(ordered, 2, entry=1)
    picked(ordered, 3, entry=2)
    ordered.made("DeliveryNotes", body(copied(4)))
    assert (states(ordered, 1)[0], states(ordered, 2)[0]) == ("ps_Closed", "ps_PartiallyDelivered")


def test_what_left_without_being_picked_stays_on_the_list(ordered):
    listed(ordered, released(5))
    picked(ordered, 1)
    ordered.made("DeliveryNotes", body(copied(2)))
    assert states(ordered) == ("ps_PartiallyDelivered", [(1, "ps_PartiallyDelivered")])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (released(1, order=9), "-2028"),
        (released(1, row=9), "-2028"),
        (released(0), "-10"),
        (released(6), "-10"),
        (released(1, PickedQuantity=2), "-10"),
        (released(1, BaseObjectType=13), "-5002"),
    ],
)
def test_what_a_list_is_refused_for(ordered, line, code):
    assert ordered.call("POST", "PickLists", {"PickListsLines": [line]}).code == code
    assert ordered.get("PickLists/$count") == "0"


def test_a_list_needs_rows_of_open_orders_and_picks_within_them(ordered):
    assert ordered.call("POST", "PickLists", {"PickListsLines": []}).code == "-10"
    listed(ordered, released(5))
    change = {"PickListsLines": [{"LineNumber": 0, "PickedQuantity": 6}]}
    assert ordered.call("PATCH", "PickLists(1)", change).code == "-10"
    assert ordered.call("DELETE", "PickLists(1)").code == "-5006"
    ordered.done("Orders(1)/Close")
    assert ordered.call("POST", "PickLists", {"PickListsLines": [released(1, row=1)]}).code == "-10"


def test_a_put_replaces_the_rows_as_warehouse_software_sends_them(ordered):
    listed(ordered, released(5), released(3, row=1))
    row = {**released(4), "LineNumber": 0, "PickedQuantity": 4, "PickStatus": "ps_Closed"}
    answer = ordered.call("PUT", "PickLists(1)", {"PickListsLines": [row]})
    assert answer.status == 204
    assert states(ordered) == ("ps_Picked", [(4, "ps_Picked")])
