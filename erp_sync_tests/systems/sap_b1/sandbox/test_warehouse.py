"""A warehouse and a buyer at work in a company, over real HTTP."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from erp_sync.sandbox.caller import Refused
from erp_sync.sandbox.warehouse import Habits, Warehouse, software, work
from erp_sync_tests.systems.sap_b1.sandbox.office import office

PLAIN = Habits(partial=0, stepwise=0, two_parcels=0, late_parcel=0)


@pytest.fixture
def company():
    with office() as found:
        yield found


@pytest.fixture
def desk(company):
    found = opened(company)
    yield found
    found.close()


def opened(company):
    return software({"base_url": company.sandbox.base_url, **company.sandbox.status()})()


def line(item, quantity, warehouse="01", **fields):
    return {"ItemCode": item, "Quantity": quantity, "UnitPrice": 2, "WarehouseCode": warehouse, **fields}


def test_an_order_leaves_with_its_parcels_and_lowers_what_is_on_hand(company, desk):
    order = company.order(line("BOLT", 5), line("MANUAL", 1), line("BOLT", 3, "02"))
    house = Warehouse(desk, "East Warehouse", habits=PLAIN)
    assert house.ship() == 1
    assert house.worked.refused == []
    (shipped,) = house.worked.shipped
    (left,) = company.left(order)
    assert (left.id, left.tracks) == (shipped.fulfillment, {parcel.tracking_number for parcel in shipped.parcels})
    assert left.units == [("BOLT", Decimal(5)), ("MANUAL", Decimal(1))]
    assert (company.stock("BOLT"), company.stock("BOLT", "02")) == (45, 20)
    assert house.open_lines() == {}
    assert Warehouse(desk, "02").open_lines() == {order: {2: 3}}


def test_a_partial_shipment_leaves_the_rest_for_a_later_round(company, desk):
    order = company.order(line("BOLT", 4), line("NUT", 1))
    house = Warehouse(desk, "01", habits=Habits(partial=1, stepwise=0, two_parcels=0, late_parcel=0))
    house.round()
    assert len(company.left(order)) == 1
    assert company.told(order).state == "open"
    house.round()
    assert len(company.left(order)) == 2
    assert company.told(order).state == "closed"
    assert house.worked.refused == []


def test_two_parcels_and_one_more_later_are_on_one_delivery(company, desk):
    order = company.order(line("BOLT", 2))
    house = Warehouse(desk, "01", habits=Habits(partial=0, stepwise=1, two_parcels=1, late_parcel=1))
    house.ship()
    (left,) = company.left(order)
    (shipped,) = house.worked.shipped
    assert len(left.tracks) == 3
    assert left.tracks == {parcel.tracking_number for parcel in shipped.parcels}


def test_stepwise_work_is_on_a_pick_list_before_it_leaves(company, desk):
    order = company.order(line("BOLT", 2), line("NUT", 3))
    Warehouse(desk, "01", shift="a", habits=Habits(partial=0, stepwise=1, two_parcels=0, late_parcel=0)).ship()
    pick_list = company.call("GET", "PickLists(1)")
    assert (pick_list["Status"], pick_list["Remarks"]) == ("ps_Closed", f"wh-01-a-{order}-0")
    assert [row["PickedQuantity"] for row in pick_list["PickListsLines"]] == [2, 3]
    assert [line.picked for line in company.told(order).lines] == [2, 3]
    endpoints = [call["endpoint"] for call in company.sandbox.journal(agent="warehouse", method="POST")]
    assert endpoints[-2:] == ["PickLists.create", "DeliveryNotes.create"]


def test_what_cannot_leave_is_put_back(company, desk):
    rules = [{"object_type": "15", "field": "DocTotal", "above": 5, "message": "Ask the credit desk"}]
    company.sandbox.control("POST", "seed", {"add_on": rules})
    order = company.order(line("BOLT", 5))
    stepwise = Habits(partial=0, stepwise=1, two_parcels=0, late_parcel=0)
    house = Warehouse(desk, "01", habits=stepwise)
    house.ship()
    assert house.worked.refused == [f"order {order}: Ask the credit desk"]
    assert [row.picked for row in company.told(order).lines] == [0]
    company.sandbox.control("POST", "seed", {"add_on": []})
    house.ship()
    assert company.told(order).state == "closed"


def test_only_what_is_on_hand_is_shipped_and_older_orders_come_first(company, desk):
    first, second, third = (company.order(line("BOLT", quantity)) for quantity in (30, 30, 5))
    assert desk.open_orders("01") == {first: {0: 30}, second: {0: 20}}
    Warehouse(desk, "01", habits=PLAIN).ship()
    assert company.stock("BOLT") == 0
    assert desk.open_orders("01") == {}
    desk.adjust({"BOLT": Decimal(12)}, place="01", key="k", why="receipt")
    assert desk.open_orders("01") == {second: {0: 10}, third: {0: 2}}


def test_a_box_leaves_whole(company, desk):
    company.sandbox.control(
        "POST",
        "seed",
        {
            "units": [{"AbsEntry": 1, "Code": "EA"}, {"AbsEntry": 2, "Code": "BOX"}],
            "unit_groups": [
                {"AbsEntry": 1, "Code": "BOXES", "BaseUoM": 1, "UoMGroupDefinitionCollection": [
                    {"AlternateUoM": 2, "AlternateQuantity": 1, "BaseQuantity": 12}]}
            ],
            "raw_items": [{"ItemCode": "SCREW", "UoMGroupEntry": 1}],
            "stock": [{"sku": "SCREW", "location": "01", "quantity": 30}],
        },
    )  # fmt: skip
    order = company.order(line("SCREW", 3, UoMEntry=2))
    assert desk.open_orders("01") == {order: {0: 2}}
    Warehouse(desk, "01", habits=PLAIN).ship()
    assert company.stock("SCREW") == 6


def test_a_bundle_leaves_whole_with_its_components(company, desk):
    parts = [{"sku": "BOLT", "quantity": 4}, {"sku": "NUT", "quantity": 1}]
    kit = {"sku": "KIT", "price": "30", "kind": "bundle", "components": parts}
    company.sandbox.control("POST", "seed", {"items": [kit]})
    order = company.order(line("KIT", 15))
    assert desk.open_orders("01") == {order: {0: 12}}
    Warehouse(desk, "01", habits=Habits(partial=1, stepwise=0, two_parcels=0, late_parcel=0)).ship()
    assert (company.stock("BOLT"), company.stock("NUT")) == (26, 994)
    (told,) = company.left(order)
    assert told.units == [("KIT", Decimal(6))]
    company.call("PATCH", f"Orders({order})", {"DocumentLines": [{"LineNum": 0, "Quantity": 7}]})
    Warehouse(desk, "01", habits=PLAIN).ship()
    assert company.told(order).state == "closed"
    assert company.stock("BOLT") == 22


def test_receipts_and_counts_are_goods_receipts_and_issues(company, desk):
    order = company.order(line("BOLT", 60))
    assert desk.running_out("01") == {"BOLT": 10}
    assert desk.running_out("02") == {"NUT": 0}
    assert desk.shelves("01", above=5) == ["NUT"]
    house = Warehouse(desk, "01", shift="a", habits=Habits(receive=8, count=1))
    house.begin_round()
    house.receive()
    (received,) = company.evidence.adjustments()
    assert (received.sku, received.place) == ("BOLT", "01")
    assert 64 <= company.stock("BOLT") <= 100
    assert desk.open_orders("01") == {order: {0: 60}}
    house.count()
    assert house.worked.adjustments == ["wh-01-a-receipt-1", "wh-01-a-count-1"]
    assert house.worked.refused == []
    assert len(company.evidence.adjustments()) == 2
    assert company.call("GET", "InventoryGenEntries(1)")["Comments"] == "receipt: wh-01-a-receipt-1"


def test_a_count_that_finds_less_and_more_is_two_documents(company, desk):
    desk.adjust({"BOLT": Decimal(-2), "NUT": Decimal(3)}, place="01", key="k", why="count")
    assert (company.stock("BOLT"), company.stock("NUT")) == (48, 1003)
    with pytest.raises(Refused, match=r"Quantity falls into negative inventory  \[IGE1.ItemCode\]\[line: 1\]"):
        desk.adjust({"BOLT": Decimal(-49), "NUT": Decimal(3)}, place="01", key="l", why="count")
    assert (company.stock("BOLT"), company.stock("NUT")) == (48, 1003)


def test_what_the_company_refuses_is_written_down(company, desk):
    company.sandbox.control(
        "POST",
        "seed",
        {"add_on": [{"object_type": "15", "field": "DocTotal", "above": 5, "message": "Ask the credit desk"}]},
    )
    refused, left = company.order(line("BOLT", 5)), company.order(line("BOLT", 1))
    house = Warehouse(desk, "01", habits=PLAIN)
    house.ship()
    assert house.worked.refused == [f"order {refused}: Ask the credit desk"]
    assert [one.order for one in house.worked.shipped] == [left]


def test_a_buyer_enters_reprices_renames_and_ends_articles(company, desk):
    desk.enter("O'RING", "Ring", Decimal("2.49"))
    desk.rename("O'RING", "Ring, black")
    desk.reprice("O'RING", Decimal("2.75"))
    assert desk.articles() == ["BOLT", "NUT", "O'RING"]
    assert company.evidence.prices(1)["O'RING"] == Decimal("2.75")
    assert len(company.evidence.price_changes()["O'RING"]) == 2
    desk.end("O'RING")
    assert desk.articles() == ["BOLT", "NUT"]
    assert company.evidence.stocked()["O'RING"] is False
    item = company.call("GET", "Items('O''RING')")
    assert (item["ItemName"], item["ItemPrices"][0]["Price"]) == ("Ring, black", Decimal("2.75"))


def test_two_warehouses_work_until_they_are_stopped(company):
    orders = [company.order(line("BOLT", 1)), company.order(line("BOLT", 1, "02"))]
    stop = threading.Event()
    rounds: set[str] = set()

    def progress(location, worked):
        rounds.add(location)
        if rounds == {"01", "02"}:
            stop.set()

    worked = work(lambda: opened(company), ["01", "02"], stop=stop, pause=0.01, habits=PLAIN, progress=progress)
    assert sorted(one.order for house in worked.values() for one in house.shipped) == orders
    assert [refused for house in worked.values() for refused in house.refused] == []


def test_an_unknown_warehouse_is_named(desk):
    with pytest.raises(LookupError, match="no warehouse 'north'; known are 01, 02"):
        Warehouse(desk, "north")


def test_a_session_that_ended_is_followed_by_another(company, desk):
    order = company.order(line("BOLT", 1))
    assert desk.open_orders("01") == {order: {0: 1}}
    company.sandbox.control("POST", "seed", {"restart": True})
    Warehouse(desk, "01", habits=PLAIN).ship()
    assert len(company.left(order)) == 1
    agents = {call["agent"] for call in company.sandbox.journal(endpoint="Login") if call["agent"] == "warehouse"}
    assert agents == {"warehouse"}
    assert len(company.sandbox.journal(endpoint="Login", agent="warehouse")) == 2


def test_a_broken_node_is_left_for_another(company, desk):
    desk.articles()
    company.sandbox.control("POST", "seed", {"sick_node": ".node2"})  # the second log-in's: the desk's
    assert desk.articles() == ["BOLT", "NUT"]


def test_a_full_system_is_waited_out(company, desk):
    order = company.order(line("BOLT", 1))
    company.sandbox.fault("too_many_requests", "*", times=3)
    Warehouse(desk, "01", habits=PLAIN).ship()
    assert len(company.left(order)) == 1


def test_wrong_credentials_are_no_reason_to_try_for_ever(company):
    status = company.sandbox.status()
    keys = {**status["credentials"], "password": "guess"}
    desk = software({**status, "base_url": company.sandbox.base_url, "credentials": keys})()
    with pytest.raises(Refused, match="Fail to get DB Credentials from SLD"):
        desk.articles()
    desk.close()


def test_more_than_a_page_is_read_to_its_end(company, desk, monkeypatch):
    monkeypatch.setattr("erp_sync.systems.sap_b1.sandbox.service_layer._PAGE", 2)
    monkeypatch.setattr("erp_sync.systems.sap_b1.sandbox.service_layer._QUERY_PAGE", 1)
    assert desk.shelves("01", above=0) == ["BOLT", "NUT"]
    assert len(company.sandbox.journal(endpoint="SQLQueries.List")) == 2
    orders = [company.order(line("BOLT", 1)) for _ in range(5)]
    assert list(desk.open_orders("01")) == orders


def test_a_stored_query_that_somebody_deleted_is_stored_again(company, desk):
    assert desk.shelves("01", above=0) == ["BOLT", "NUT"]
    (query,) = desk.service_layer.rows("SQLQueries?$select=SqlCode&$orderby=SqlCode")
    desk.service_layer._send("DELETE", f"SQLQueries('{query['SqlCode']}')")
    assert desk.shelves("01", above=0) == ["BOLT", "NUT"]
