"""What the sandbox tells a judge of itself: a world made by calls, then what is said of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from erp_sync.sandbox.evidence import ErpLine, ErpTax, Units
from erp_sync.sandbox.price_evidence import NoPrice, PricePaid, PriceQuestion
from erp_sync_tests.systems.sap_b1.sandbox.office import office
from erp_sync_tests.systems.sap_b1.sandbox.test_approvals import BIG, LARGE

BOLTS = {"ItemCode": "BOLT", "Quantity": 5, "UnitPrice": 10, "VatGroup": "S19"}
BOOK = {"ItemCode": "MANUAL", "Quantity": 2, "UnitPrice": 9.99}


@pytest.fixture
def world():
    with office() as found:
        yield found


def test_an_order_is_told_with_its_rows_taxes_and_freight(world):
    before = time.time()
    freight = [{"ExpenseCode": 1, "LineTotal": 5, "VatGroup": "S19"}]
    order = world.order(
        BOLTS, BOOK, NumAtCard="100000001", U_ErpSyncKey="shop_1", DocumentAdditionalExpenses=freight
    )  # fmt: skip
    told = world.told(order)
    assert (told.key, told.reference, told.state, told.currency) == ("shop_1", "100000001", "open", "USD")
    assert told.name == str(world.call("GET", f"Orders({order})")["DocNum"])
    assert (told.total, told.tax, told.shipping) == (Decimal("85.43"), Decimal("10.45"), 5)
    assert told.lines == [
        ErpLine("BOLT", False, Decimal(5), Decimal(50), Decimal(0), Decimal(0), False, True),
        ErpLine("MANUAL", False, Decimal(2), Decimal("19.98"), Decimal(0), Decimal(0), False, True),
    ]
    assert told.taxes == [ErpTax(Decimal(0), Decimal(0)), ErpTax(Decimal(19), Decimal("10.45"))]
    assert before <= told.created_at <= time.time()
    assert (told.changed, told.deposits) == (False, [])


def test_a_delivery_is_a_shipment_and_no_change_of_its_order(world):
    order = world.order(BOLTS, BOOK)
    before = time.time()
    note = world.delivered((order, 0, 2), (order, 1, 2), TrackingNumber="1Z1, 1Z2")
    (told,) = world.left(order)
    assert (told.id, told.tracks) == (note, {"1Z1", "1Z2"})
    assert told.name == str(world.call("GET", f"DeliveryNotes({note})")["DocNum"])
    assert told.units == [("BOLT", Decimal(2)), ("MANUAL", Decimal(2))]
    assert told.taken == [Units("BOLT", "01", Decimal(2))]
    assert before <= told.left_at <= time.time()
    booked = world.told(order)
    assert [(line.shipped, line.picked, line.closed) for line in booked.lines] == [(2, 2, False), (2, 2, True)]
    assert (booked.state, booked.changed) == ("open", False)
    assert world.evidence.committed() == [(order, Units("BOLT", "01", Decimal(3)))]
    (moved,) = world.evidence.withdrawals()
    assert (moved.sku, moved.place, moved.moments) == ("BOLT", "01", [told.left_at])
    world.delivered((order, 0, 3))
    assert (world.told(order).state, world.evidence.committed()) == ("closed", [])


def test_what_is_being_packed_is_picked_and_has_not_left(world):
    order = world.order(BOLTS)
    row = {"BaseObjectType": 17, "OrderEntry": order, "OrderRowID": 0, "ReleasedQuantity": 4, "PickedQuantity": 3}
    world.call("POST", "PickLists", {"PickListsLines": [row]})
    assert [(line.shipped, line.picked) for line in world.told(order).lines] == [(0, 3)]
    world.delivered((order, 0, 2))
    assert [(line.shipped, line.picked) for line in world.told(order).lines] == [(2, 3)]
    world.call("POST", "PickListsService_Close", {"PickList": {"Absoluteentry": 1}})
    assert [(line.shipped, line.picked) for line in world.told(order).lines] == [(2, 2)]


def test_a_cancelled_delivery_is_no_shipment_though_stock_moved_twice(world):
    order = world.order(BOLTS)
    note = world.delivered((order, 0, 5), TrackingNumber="1Z1")
    world.call("POST", f"DeliveryNotes({note})/CreateCancellationDocument")
    assert world.left(order) == []
    first, second = world.evidence.withdrawals()
    assert first.moments < second.moments
    assert world.told(order).state == "open"
    assert world.stock("BOLT") == 50


def test_one_delivery_of_two_orders_is_a_shipment_of_each(world):
    orders = [world.order(BOLTS, NumAtCard=number) for number in ("1", "2")]
    note = world.delivered((orders[0], 0, 1), (orders[1], 0, 4), TrackingNumber="1Z1")
    assert [(one.id, one.order, one.units) for one in world.evidence.shipments()] == [
        ((note, orders[0]), orders[0], [("BOLT", Decimal(1))]),
        ((note, orders[1]), orders[1], [("BOLT", Decimal(4))]),
    ]
    alone = {"CardCode": "C1", "DocumentLines": [{"ItemCode": "NUT", "Quantity": 1}]}
    assert world.call("POST", "DeliveryNotes", alone)["DocEntry"] == world.evidence.shipments()[-1].id
    assert world.evidence.shipments()[-1].order is None


def test_who_cancels_closes_or_changes_an_order_is_told_apart(world):
    cancelled, closed, cut = (world.order(BOLTS, NumAtCard=name) for name in ("a", "b", "c"))
    world.call("POST", f"Orders({cancelled})/Cancel")
    world.call("POST", f"Orders({closed})/Close")
    world.call("PATCH", f"Orders({cut})", {"DocumentLines": [{"LineNum": 0, "Quantity": 3}]})
    assert [world.told(order).state for order in (cancelled, closed, cut)] == ["cancelled", "closed", "open"]
    assert [line.closed for line in world.told(closed).lines] == [True]
    told = world.told(cut)
    assert (told.changed, told.lines[0].quantity, told.lines[0].amount) == (True, 3, 30)


def test_a_draft_becomes_an_order_when_it_is_saved():
    with office(approval_templates=[BIG]) as world:
        body = {"CardCode": "C1", "DocDueDate": "2026-12-01", "DocumentLines": [LARGE], "U_ErpSyncKey": "shop_1"}
        assert world.http.post("Orders", json=body).status_code == 404
        assert world.evidence.orders() == []
        world.call("PATCH", "ApprovalRequests(1)", {"ApprovalRequestDecisions": [{"Status": "ardApproved"}]})
        assert world.evidence.orders() == []
        saved = time.time()
        world.call("POST", "DraftsService_SaveDraftToDocument", {"Document": {"DocEntry": 1}})
        (told,) = world.evidence.orders()
        assert (told.key, told.created_at >= saved) == ("shop_1", True)


def test_times_are_found_whichever_value_names_the_document():
    with office(document_field="U_ErpSyncKey") as world:
        first = world.order(BOLTS, NumAtCard="A-1", U_ErpSyncKey="shop_1")
        second = world.order(BOLTS, NumAtCard="A-2")
        assert world.told(first).created_at < world.told(second).created_at


def test_a_discount_of_the_whole_document_lowers_its_rows(world):
    told = world.told(world.order(BOLTS, DiscountPercent=10))
    assert told.lines[0].amount == 45
    assert (told.total, told.tax, told.taxes) == (
        Decimal("53.55"), Decimal("8.55"), [ErpTax(Decimal(19), Decimal("8.55"))],
    )  # fmt: skip


def test_amounts_of_a_foreign_order_are_in_its_own_currency(world):
    world.sandbox.control(
        "POST",
        "seed",
        {
            "exchange_rates": [{"currency": "EUR", "rate": "1.1"}],
            "business_partners": [{"CardCode": "C9", "CardName": "Werk", "Currency": "EUR"}],
        },
    )
    freight = [{"ExpenseCode": 1, "LineTotal": 5, "VatGroup": "S19"}]
    told = world.told(world.order(BOLTS, CardCode="C9", DocumentAdditionalExpenses=freight))
    assert (told.currency, told.total, told.tax, told.shipping) == ("EUR", Decimal("65.45"), Decimal("10.45"), 5)
    assert (told.lines[0].amount, told.taxes) == (50, [ErpTax(Decimal(19), Decimal("10.45"))])
    assert world.told(world.order(BOLTS, BOOK, CardCode="C9")).taxes == []


def test_a_bundle_is_its_own_row_and_its_parts_leave_the_shelves(world):
    parts = [{"sku": "BOLT", "quantity": 2}]
    kit = {"sku": "KIT", "price": "30", "kind": "bundle", "components": parts}
    world.sandbox.control("POST", "seed", {"items": [kit]})
    order = world.order({"ItemCode": "KIT", "Quantity": 3}, {"ItemCode": "NUT", "Quantity": 1, "UnitPrice": 1})
    assert [(line.sku, line.quantity, line.amount) for line in world.told(order).lines] == [
        ("KIT", 3, 90), ("NUT", 1, 1),
    ]  # fmt: skip
    assert (order, Units("BOLT", "01", Decimal(6))) in world.evidence.committed()
    world.delivered((order, 0, 1), (order, 2, 2))
    (told,) = world.left(order)
    assert told.units == [("KIT", Decimal(1))]
    assert told.taken == [Units("BOLT", "01", Decimal(2))]
    assert [line.shipped for line in world.told(order).lines] == [1, 0]


def test_a_service_is_not_for_a_warehouse(world):
    world.call("POST", "Items", {"ItemCode": "FIT", "ItemType": "itLabor", "InventoryItem": "tNO"})
    told = world.told(world.order({"ItemCode": "FIT", "Quantity": 1, "UnitPrice": 80}, BOOK))
    assert [line.deliverable for line in told.lines] == [False, True]


def test_two_active_customers_of_one_address_are_told(world):
    def partner(code, email, **fields):
        world.call("POST", "BusinessPartners", {"CardCode": code, "EmailAddress": email, **fields})

    partner("C2", "ada@example.org")
    partner("C3", "bob@example.org")
    partner("C4", "Bob@example.org", Frozen="tYES")
    partner("C5", "bob@example.org", CardType="cLid")
    partner("C6", None)
    partner("C7", None)
    assert world.evidence.customers_twice() == []
    partner("C8", "ADA@Example.org")
    assert world.evidence.customers_twice() == ["ada@example.org"]


def test_stock_places_and_what_is_still_sold(world):
    assert world.evidence.places() == {"01": "01", "02": "02"}
    assert world.evidence.stocked() == {"BOLT": True, "NUT": True, "OLD": False}
    assert world.evidence.on_hand() == [
        Units("BOLT", "01", Decimal(50)),
        Units("BOLT", "02", Decimal(20)),
        Units("NUT", "01", Decimal(1000)),
    ]


def test_movements_are_told_with_their_moments(world):
    before = time.time()
    world.call(
        "POST", "InventoryGenEntries",
        {"DocumentLines": [{"ItemCode": "BOLT", "Quantity": 4, "WarehouseCode": "02"},
                           {"ItemCode": "NUT", "Quantity": 1, "WarehouseCode": "01"}]},
    )  # fmt: skip
    world.call("POST", "InventoryGenExits", {"DocumentLines": [{"ItemCode": "NUT", "WarehouseCode": "01"}]})
    changes = world.evidence.adjustments()
    assert [(one.sku, one.place) for one in changes] == [("BOLT", "02"), ("NUT", "01"), ("NUT", "01")]
    received, also_received, issued = (one.moments for one in changes)
    assert before <= received[0] < issued[0] <= time.time()
    assert received == also_received
    assert world.stock("BOLT", "02") == 24


def test_prices_are_those_of_the_list_in_the_companys_currency(world):
    world.sandbox.control(
        "POST",
        "seed",
        {
            "exchange_rates": [{"currency": "EUR", "rate": "1.1"}],
            "price_lists": [{"PriceListNo": 2, "PriceListName": "Trade", "BasePriceList": 1, "Factor": 0.5}],
            "items": [{"sku": "FREE"}],
        },
    )
    assert world.evidence.prices(1) == {
        "BOLT": Decimal("10.5"), "NUT": Decimal("3.333"), "MANUAL": Decimal("9.99"),
    }  # fmt: skip
    assert world.evidence.prices(2)["BOLT"] == Decimal("5.25")
    assert world.evidence.price_changes() == {"BOLT": [], "NUT": [], "MANUAL": [], "OLD": [], "FREE": []}
    before = time.time()
    world.call("PATCH", "Items('BOLT')", {"ItemPrices": [{"PriceList": 1, "Price": 11.25}]})
    world.call("PATCH", "Items('NUT')", {"ItemPrices": [{"PriceList": 1, "Price": 3, "Currency": "EUR"}]})
    assert (world.evidence.prices(1)["BOLT"], "NUT" in world.evidence.prices(1)) == (Decimal("11.25"), False)
    (moment,) = world.evidence.price_changes()["BOLT"]
    assert before <= moment <= time.time()


def test_what_accounts_pay_by_the_companys_own_rules():
    """Each question is answered as CompanyService_GetItemPrice answers it; what no order could hold has no price."""
    with office() as here:
        special = {"CardCode": "C1", "ItemCode": "BOLT", "Price": 9.5, "Currency": "USD"}
        here.call("POST", "SpecialPrices", special)
        at = datetime(2026, 11, 30, tzinfo=UTC)
        asked = [
            PriceQuestion(*one, at) for one in (
                ("C1", "BOLT", Decimal(1), "USD"), ("C1", "NUT", Decimal(5), "USD"), ("C1", "OLD", Decimal(1), "USD"),
                ("C9", "BOLT", Decimal(1), "USD"), ("C1", "BOLT", Decimal(1), "XXX"),
            )
        ]  # fmt: skip
        paid = here.evidence.prices_paid(asked)
        assert paid[:2] == [
            PricePaid(Decimal("9.5"), False, "special price of C1"),
            PricePaid(Decimal("3.333"), False, "price list 1"),
        ]
        assert all(isinstance(one, NoPrice) for one in paid[2:])
        here.call("PATCH", "BusinessPartners('C1')", {"Valid": "tNO", "Frozen": "tYES"})
        assert here.evidence.prices_paid(asked[:1]) == [NoPrice("10001071 - Customer C1 is inactive")]
