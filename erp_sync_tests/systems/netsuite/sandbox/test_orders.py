"""Sales orders: lines and their keys, amounts, tax, commitment, refusals."""

from __future__ import annotations

from decimal import Decimal

import pytest


def lines_of(account, order):
    return account.full(f"salesOrder/{order}")["item"]["items"]


def test_lines_are_numbered_1_4_7(account):
    order = account.order([("MUG", 1), ("TEA", 3), ("EBOOK", 1)])
    assert [line["line"] for line in lines_of(account, order)] == [1, 4, 7]


def test_amounts_are_rate_times_quantity_rounded_per_line(account):
    order = account.order([("TEA", 3), ("MUG", 2)])
    body = account.full(f"salesOrder/{order}")
    assert [line["amount"] for line in body["item"]["items"]] == [Decimal("10.0"), Decimal("21.0")]
    assert body["subtotal"] == 31


def test_a_custom_rate_and_an_amount_that_is_sent_stand(account):
    item = {"id": account.item("TEA")}
    items = [
        {"item": item, "quantity": 3, "price": {"id": "-1"}, "rate": "2.995"},
        {"item": item, "quantity": 3, "amount": 10},
    ]
    order = account.order([], item={"items": items})
    first, second = lines_of(account, order)
    assert (first["amount"], first["price"]["id"]) == (Decimal("8.99"), "-1")
    assert (second["amount"], second["rate"]) == (10, Decimal("3.33333333"))


def test_a_new_order_waits_for_approval_unless_told_otherwise(account):
    customer = account.customer()
    body = {"entity": {"id": customer}, "item": {"items": [{"item": {"id": account.item("MUG")}, "quantity": 1}]}}
    order = account.made("salesOrder", {**body, "location": {"id": account.location("east")}})
    assert account.status(order) == "A"
    assert account.stock("MUG")["committed"] == 0
    account.changed(f"salesOrder/{order}", {"orderStatus": {"id": "B"}})
    assert account.stock("MUG")["committed"] == 1


def test_what_is_not_there_is_backordered(account):
    order = account.order([("MUG", 7)])
    (line,) = lines_of(account, order)
    assert (line["quantityCommitted"], line["quantityBackOrdered"]) == (5, 2)
    assert account.stock("MUG") == {"onhand": 5, "committed": 5, "available": 0, "backordered": 2}


def test_a_location_per_line(account):
    east, west = account.location("east"), account.location("west")
    mug = {"id": account.item("MUG")}
    items = [
        {"item": mug, "quantity": 1, "location": {"id": west}},
        {"item": mug, "quantity": 1},
    ]
    account.order([], location={"id": east}, item={"items": items})
    assert (account.stock("MUG", "east")["committed"], account.stock("MUG", "west")["committed"]) == (1, 1)


def test_patched_lines_with_a_key_change_and_lines_without_are_added(account):
    order = account.order([("MUG", 1), ("TEA", 1)])
    tea = {"item": {"id": account.item("TEA")}, "quantity": 2}
    account.changed(f"salesOrder/{order}", {"item": {"items": [{"line": 1, "quantity": 3}, tea]}})
    assert [(line["line"], line["quantity"]) for line in lines_of(account, order)] == [(1, 3), (4, 1), (7, 2)]
    account.changed(f"salesOrder/{order}?replace=item", {"item": {"items": [tea]}})
    (line,) = lines_of(account, order)
    assert line["quantity"] == 2
    assert account.stock("MUG")["committed"] == 0


def test_closing_every_line_closes_the_order_and_frees_its_stock(account):
    waiting = account.order([("MUG", 4)], external_id="o-1")
    later = account.order([("MUG", 3)], external_id="o-2")
    assert lines_of(account, later)[0]["quantityBackOrdered"] == 2
    account.changed(f"salesOrder/{waiting}", {"item": {"items": [{"line": 1, "isClosed": True}]}})
    assert account.status(waiting) == "H"
    assert lines_of(account, later)[0]["quantityCommitted"] == 3


def test_the_same_order_number_cannot_be_created_twice(account):
    account.order([("MUG", 1)])
    answer = account.post(
        "salesOrder",
        {
            "externalId": "o-1",
            "entity": {"id": account.core.store.value("SELECT id FROM customer")},
            "item": {"items": [{"item": {"id": account.item("MUG")}, "quantity": 1}]},
        },
    )
    assert (answer.status, answer.error["o:errorCode"]) == (400, "USER_ERROR")
    assert answer.error["detail"].endswith("This record already exists.")
    assert account.rows("SELECT COUNT(*) AS n FROM transaction WHERE type = 'SalesOrd'") == [{"n": "1"}]


def test_external_ids_are_shared_by_all_transactions(account):
    order = account.order([("MUG", 1)])
    deposit = {"externalId": "o-1", "customer": {"id": account.customer("c-2")}, "payment": 5}
    assert account.post("customerDeposit", deposit).status == 400
    assert account.get(f"salesOrder/{order}")["externalId"] == "o-1"


def refusal(account, **changes):
    customer = account.customer()
    body = {
        "entity": {"id": customer},
        "item": {"items": [{"item": {"id": account.item("MUG")}, "quantity": 1}]},
        **changes,
    }
    answer = account.post("salesOrder", body)
    assert answer.status == 400, answer.body
    assert account.rows("SELECT id FROM transaction") == []
    return answer.error


def test_an_unknown_item_is_named_with_its_path(account):
    error = refusal(account, item={"items": [{"item": {"id": "9999"}, "quantity": 1}]})
    assert error["detail"].endswith("Invalid Field Value 9999 for the following field: item")
    assert error["o:errorPath"] == "item.items[0].item"


def test_an_inactive_item_is_as_good_as_unknown(account):
    error = refusal(account, item={"items": [{"item": {"id": account.item("OLD")}, "quantity": 1}]})
    assert error["o:errorPath"] == "item.items[0].item"


def test_an_inactive_customer_is_refused(account):
    customer = account.customer("c-2")
    account.changed(f"customer/{customer}", {"isInactive": True})
    assert refusal(account, entity={"id": customer})["o:errorPath"] == "entity"


def test_a_closed_period_is_refused(account):
    account.core.seed({"closed_periods": ["2026-10"]})
    error = refusal(account, tranDate="2026-10-31")
    assert error["o:errorPath"] == "tranDate"


def test_what_was_posted_stays_when_its_period_is_closed(account):
    """An order posts nothing: it can still be changed."""
    order = account.order([("MUG", 1)])
    body = {"account": {"id": account.core.store.value("SELECT id FROM account WHERE accttype = 'COGS'")}}
    body["inventory"] = {"items": [{"item": {"id": account.item("MUG")}, "location": {"id": "1"}, "adjustQtyBy": 2}]}
    adjustment = account.made("inventoryAdjustment", {**body, "externalId": "a-1"})
    account.core.seed({"closed_periods": ["2026-11"]})
    for answer in (
        account.post("inventoryAdjustment", body),
        account.patch(f"inventoryAdjustment/{adjustment}", {"memo": "late"}),
        account.call("PUT", "/services/rest/record/v1/inventoryAdjustment/eid:a-1", {"memo": "late"}),
        account.call("DELETE", f"/services/rest/record/v1/inventoryAdjustment/{adjustment}"),
    ):
        assert (answer.status, answer.error["o:errorCode"]) == (400, "USER_ERROR")
    assert account.stock("MUG")["onhand"] == 7
    account.changed(f"salesOrder/{order}", {"memo": "still open"})


def test_an_adjustment_is_not_moved_into_a_closed_period(account):
    body = {"account": {"id": account.core.store.value("SELECT id FROM account WHERE accttype = 'COGS'")}}
    body["inventory"] = {"items": [{"item": {"id": account.item("MUG")}, "location": {"id": "1"}, "adjustQtyBy": 2}]}
    adjustment = account.made("inventoryAdjustment", body)
    account.core.seed({"closed_periods": ["2026-10"]})
    answer = account.patch(f"inventoryAdjustment/{adjustment}", {"tranDate": "2026-10-31"})
    assert (answer.status, answer.error["o:errorPath"]) == (400, "tranDate")


def test_an_upsert_sent_again_appends_lines_without_a_key(account):
    """As in life: PUT is no safe repetition of an order; `replace` makes it one."""
    line = {"item": {"id": account.item("MUG")}, "quantity": 1}
    body = {
        "entity": {"id": account.customer()},
        "location": {"id": account.location("east")},
        "item": {"items": [line]},
    }
    path = "/services/rest/record/v1/salesOrder/eid:o-9"
    lines = []
    for suffix in ("", "", "?replace=item"):
        assert account.call("PUT", path + suffix, body).status == 204
        lines.append(len(account.full("salesOrder/eid:o-9")["item"]["items"]))
    assert lines == [1, 2, 1]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"tranDate": "11/2/2026"}, "tranDate"),
        ({"shippingCost": "free"}, "shippingCost"),
        ({"orderStatus": {"id": "G"}}, "orderStatus"),
        ({"currency": {"id": "99"}}, "currency"),
        ({"item": {"items": []}}, "item"),
        ({"externalId": "a|b"}, "externalId"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_values_say_where(account, changes, path):
    assert refusal(account, **changes)["o:errorPath"] == path


def test_header_and_line_discounts(account):
    coupon, shop = account.core.internal_ids()["special_items"]["Coupon"], "Shop Discount"
    items = [
        {"item": {"id": account.item("MUG")}, "quantity": 2},
        {"item": {"id": coupon}, "rate": "-10%"},
        {"item": {"id": account.item("TEA")}, "quantity": 3},
    ]
    order = account.order(
        [],
        item={"items": items},
        discountItem={"id": account.core.internal_ids()["special_items"][shop]},
        discountRate="-1.50",
        shippingCost=5,
    )
    body = account.full(f"salesOrder/{order}")
    assert [line["amount"] for line in body["item"]["items"]] == [21, Decimal("-2.1"), 10]
    assert (body["subtotal"], body["discountTotal"]) == (Decimal("28.9"), Decimal("-1.5"))


def tax_lines(*amounts):
    return {
        "taxDetailsOverride": True,
        "taxDetails": {
            "items": [
                {
                    "taxDetailsReference": reference,
                    "taxCode": {"id": "790"},
                    "taxBasis": 10,
                    "taxRate": 7,
                    "taxAmount": amount,
                }
                for reference, amount in amounts
            ]
        },
    }


def test_the_shops_tax_stands_to_the_cent_when_overridden(account):
    items = [{"item": {"id": account.item("MUG")}, "quantity": 1, "taxDetailsReference": "line-1"}]
    taxes = tax_lines(("line-1", "0.74"), ("SHIPPING", "0.35"))
    body = account.full(f"salesOrder/{account.order([], item={'items': items}, shippingCost=5, **taxes)}")
    assert (body["taxTotal"], body["total"]) == (Decimal("1.09"), Decimal("16.59"))
    assert body["item"]["items"][0]["taxAmount"] == Decimal("0.74")


def test_without_the_override_the_account_calculates_its_own_tax(account):
    """The customer lives in Ohio, where the account's rate is 5.75 %."""
    items = [{"item": {"id": account.item("MUG")}, "quantity": 1, "taxDetailsReference": "line-1"}]
    taxes = {**tax_lines(("line-1", "0.74")), "taxDetailsOverride": False}
    order = account.order([], item={"items": items}, **taxes)
    assert account.get(f"salesOrder/{order}")["taxTotal"] == Decimal("0.6")


def test_a_tax_detail_must_name_a_line(account):
    error = refusal(account, **tax_lines(("elsewhere", "0.74")))
    assert error["o:errorPath"] == "taxDetails.items[0].taxDetailsReference"


@pytest.mark.parametrize(
    ("changes", "path"),
    [({"taxItem": {"id": "790"}}, "taxItem"), (tax_lines(("line-1", "1")), "taxDetailsOverride")],
    ids=["taxItem", "taxDetails"],
)
def test_a_legacy_account_takes_no_tax_over_rest(make_account, changes, path):
    error = refusal(make_account(tax="legacy"), **changes)
    assert error["o:errorPath"] == path


def test_deposits_are_taken_for_an_order(account):
    order = account.order([("MUG", 1)])
    customer = account.get(f"salesOrder/{order}")["entity"]
    for number, amount in (("d-1", "4.25"), ("d-2", "6.25")):
        account.made(
            "customerDeposit",
            {"externalId": number, "customer": customer, "salesOrder": {"id": order}, "payment": amount,
             "paymentOption": {"id": "5"}},
        )  # fmt: skip
    assert account.get(f"salesOrder/{order}")["amountDeposited"] == Decimal("10.5")
    stranger = account.customer("c-2")
    answer = account.post("customerDeposit", {"customer": {"id": stranger}, "salesOrder": {"id": order}, "payment": 1})
    assert answer.error["o:errorPath"] == "salesOrder"


def test_properties_that_nothing_computes_with_come_back(account):
    order = account.order([("MUG", 1)], couponCode="SPRING", custbody_unknown="x")
    body = account.get(f"salesOrder/{order}")
    assert body["couponCode"] == "SPRING"
    assert "custbody_unknown" not in body


def test_a_redeemed_gift_certificate_is_kept_and_added_to(account):
    redeemed = {"items": [{"authCode": {"id": "17"}, "authCodeApplied": 4}]}
    order = account.order([("MUG", 1)], giftCertRedemption=redeemed)
    account.changed(f"salesOrder/{order}", {"giftCertRedemption": redeemed})
    body = account.full(f"salesOrder/{order}")
    assert (body["giftCertRedemption"]["totalResults"], body["giftCertApplied"]) == (2, -8)
    account.changed(f"salesOrder/{order}?replace=giftCertRedemption", {"giftCertRedemption": redeemed})
    assert account.full(f"salesOrder/{order}")["giftCertApplied"] == -4


def test_names_are_taken_in_any_case(account):
    order = account.order([("MUG", 1)], OTHERREFNUM="100000123")
    assert account.get(f"salesOrder/{order}?fields=otherRefNum") == {
        "links": account.get(f"salesOrder/{order}")["links"],
        "id": order,
        "otherRefNum": "100000123",
    }
