"""Orders of the store become canonical orders, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.order import LineKind, OrderStatus, PaymentKind, PaymentState, SalesOrder
from erp_sync.ports.lookups import Passthrough
from erp_sync.ports.mapping import Context
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord
from erp_sync.systems.magento.mapping.orders import ORDER, OrderMapper
from erp_sync_tests.systems.magento.store_fake import ADDRESS, D, applied, order, row, settings


def canonical(record: dict[str, Any], lookups: Any = None, **connection: Any) -> SalesOrder:
    own = settings(**connection)
    context = Context(own, lookups or Passthrough(), {"website": "base", "store_view": "default", "version": "v1"})
    raw = RawRecord(native_id=str(record.get("entity_id")), scope="base", version="v1", payload=record)
    return OrderMapper(own.settings.get("mapping", {})).map(raw, context)


def adds_up(mapped: SalesOrder) -> bool:
    """The canonical promise: parts make the total, lines make the parts."""
    totals = mapped.totals
    lines = sum((line.amount for line in mapped.lines), Decimal(0))
    taxes = sum((line.tax_amount for line in mapped.lines), mapped.shipping.tax_amount)
    assert totals.subtotal - totals.discount + totals.shipping + totals.tax == totals.grand_total
    assert lines + mapped.shipping.amount - mapped.shipping.discount + taxes == totals.grand_total
    for line in mapped.lines:
        assert sum((tax.amount for tax in line.taxes), Decimal(0)) == line.tax_amount
    return True


class Table:
    """Look-ups of one table in a dictionary."""

    def __init__(self, **tables: dict[str, str]) -> None:
        self.tables = tables

    def get(self, table: str, key: str) -> str | None:
        return self.tables.get(table, {}).get(key)

    def reverse(self, table: str, value: str) -> list[str]:
        return [value]

    def require(self, table: str, key: str) -> str:
        found = self.get(table, key)
        if found is None:
            raise MappingProblem(f"unmapped_{table}", table, key, "no row")
        return found


def test_a_guest_order_maps_every_header_field():
    mapped = canonical(order(customer_note="Ring twice", coupon_code="SPRING", ext_order_id="X-1"))
    assert (mapped.connection, mapped.scope, mapped.native_id, mapped.number) == (
        "magento_us",
        "base",
        "5",
        "000000005",
    )
    assert mapped.version == "v1"
    assert mapped.placed_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert mapped.customer.guest
    assert mapped.customer.native_id == ""
    assert (mapped.customer.first_name, mapped.customer.email) == ("Ada", "ada@example.com")
    assert mapped.shipping_address.street == ("1 Main Street", "Apt 2")
    assert mapped.shipping_address.region == "CA"
    assert (mapped.shipping.method, mapped.shipping.amount) == ("flatrate_flatrate", D("5.00"))
    assert mapped.coupon_codes == ("SPRING",)
    assert mapped.special_instructions == "Ring twice"
    assert mapped.custom == {"ext_order_id": "X-1"}
    assert adds_up(mapped)


def test_a_registered_customer_keeps_its_id_and_group():
    mapped = canonical(order(customer_is_guest=0, customer_id=77, customer_group_id=3, customer_firstname="Augusta"))
    assert not mapped.customer.guest
    assert (mapped.customer.native_id, mapped.customer.group, mapped.customer.first_name) == ("77", "3", "Augusta")


def test_float_noise_is_quantised_before_rounding():
    rows = row(11, "MUG", qty_ordered=2, price=D("10.994999999999999"), row_total=D("21.989999999999998"))
    line = canonical(order(rows, subtotal=D("21.99"), grand_total=D("26.99"))).lines[0]
    assert line.unit_price == D("10.9950")
    assert line.amount == D("21.99")


def test_a_configurable_product_is_one_line_with_the_childs_sku_and_the_parents_price():
    parent = row(
        11, "SHIRT-S", product_type="configurable", price=D("20"), row_total=D("40"), qty_ordered=2, name="Shirt"
    )
    child = row(12, "SHIRT-S", parent_item_id=11, price=0, row_total=0, qty_ordered=2)
    parent["product_option"] = {
        "extension_attributes": {"configurable_item_options": [{"option_id": "93", "option_value": 52}]}
    }
    record = order(parent, child, subtotal=D("40"), grand_total=D("45"))
    mapped = canonical(record, option_labels={"93": "size"})
    (line,) = mapped.lines
    assert (line.line_id, line.sku, line.kind) == ("11", "SHIRT-S", LineKind.ITEM)
    assert (line.unit_price, line.quantity, line.amount) == (D("20.0000"), 2, D("40.00"))
    assert line.options == (("size", "52"),)
    assert adds_up(mapped)


def test_a_bundle_with_fixed_price_spreads_price_discount_and_tax_over_its_components_to_the_cent():
    bundle = row(
        11, "SET", product_type="bundle", price=D("10"), row_total=D("10"), discount_amount=D("1"), tax_amount=D("0.75")
    )
    parts = [
        row(12 + i, f"PART{i}", parent_item_id=11, price=0, row_total=0, original_price=D("3"), qty_ordered=1)
        for i in range(3)
    ]
    record = order(
        bundle, *parts, discount_amount=D("-1"), tax_amount=D("0.75"), grand_total=D("14.75"),
        extensions={"item_applied_taxes": [applied(11, ("US-CA-*-Rate 1", "8.25", "0.75"))]},
    )  # fmt: skip
    mapped = canonical(record)
    header, *components = mapped.lines
    assert (header.kind, header.amount) == (LineKind.BUNDLE, 0)
    assert [one.kind for one in components] == [LineKind.COMPONENT] * 3
    assert {one.parent_line_id for one in components} == {"11"}
    assert sum(one.amount for one in components) == D("9.00")
    assert sum(one.tax_amount for one in components) == D("0.75")
    assert {tax.jurisdiction for one in components for tax in one.taxes} == {"US-CA"}
    assert adds_up(mapped)


def test_a_bundle_with_dynamic_price_keeps_the_components_own_amounts():
    bundle = row(11, "SET", product_type="bundle", price=D("30"), row_total=D("30"), tax_amount=D("3"))
    first = row(12, "A", parent_item_id=11, price=D("10"), row_total=D("10"), tax_amount=D("1"), tax_percent=10)
    second = row(13, "B", parent_item_id=11, price=D("20"), row_total=D("20"), tax_amount=D("2"), tax_percent=10)
    mapped = canonical(order(bundle, first, second, subtotal=D("30"), tax_amount=D("3"), grand_total=D("38")))
    assert [(one.sku, one.amount, one.tax_amount) for one in mapped.lines[1:]] == [
        ("A", D("10.00"), D("1.00")),
        ("B", D("20.00"), D("2.00")),
    ]
    assert adds_up(mapped)


@given(
    gross=st.integers(1, 999_999),
    discount_share=st.integers(0, 100),
    tax=st.integers(0, 99_999),
    weights=st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 7)), min_size=1, max_size=8),
)
def test_components_of_any_bundle_add_up_to_the_cent(gross, discount_share, tax, weights):
    cents = Decimal("0.01")
    discount = gross * discount_share // 100
    parts = [
        row(
            12 + i, f"P{i}", parent_item_id=11, price=0, row_total=0, original_price=price * cents, qty_ordered=quantity
        )
        for i, (price, quantity) in enumerate(weights)
    ]
    bundle = row(
        11, "SET", product_type="bundle", row_total=gross * cents, price=gross * cents,
        discount_amount=discount * cents, tax_amount=tax * cents,
    )  # fmt: skip
    record = order(
        bundle, *parts, subtotal=gross * cents, discount_amount=-discount * cents, tax_amount=tax * cents,
        shipping_amount=0, grand_total=(gross - discount + tax) * cents,
    )  # fmt: skip
    mapped = canonical(record)
    assert adds_up(mapped)
    for line in mapped.lines[1:]:
        assert (line.unit_price * line.quantity).quantize(cents) - line.discount == line.amount


def test_taxes_of_several_jurisdictions_on_one_line_add_up():
    entry = applied(11, ("both", "8.875", "0.89"))
    entry["applied_taxes"][0]["extension_attributes"]["rates"] = [
        {"code": "US-NY-*-State", "title": "NY State", "percent": D("4")},
        {"code": "US-NY-10001-City", "title": "NYC", "percent": D("4.875")},
    ]
    record = order(
        row(11, "MUG", tax_amount=D("0.89"), tax_percent=D("8.875")), tax_amount=D("0.89"), grand_total=D("15.89"),
        extensions={"item_applied_taxes": [entry]},
    )  # fmt: skip
    (line,) = canonical(record).lines
    assert [(tax.code, tax.jurisdiction, tax.rate) for tax in line.taxes] == [
        ("US-NY-*-State", "US-NY", D("4.0000")),
        ("US-NY-10001-City", "US-NY City", D("4.8750")),
    ]
    assert sum(tax.amount for tax in line.taxes) == D("0.89")


def test_shipping_tax_has_its_jurisdiction_and_shipping_discount_is_kept():
    record = order(
        shipping_tax_amount=D("0.32"), tax_amount=D("0.32"), shipping_discount_amount=D("1"), discount_amount=D("-1"),
        grand_total=D("14.32"),
        extensions={"item_applied_taxes": [applied(None, ("US-CA-*-Rate 1", "8", "0.32"), kind="shipping")]},
    )  # fmt: skip
    mapped = canonical(record)
    assert mapped.shipping.discount == D("1.00")
    assert [(tax.code, tax.amount) for tax in mapped.shipping.taxes] == [("US-CA-*-Rate 1", D("0.32"))]
    assert adds_up(mapped)


def test_a_discount_on_prices_with_tax_is_taken_without_its_tax():
    record = order(
        row(11, "MUG", discount_amount=D("1.20"), discount_tax_compensation_amount=D("0.20"), tax_amount=D("1.80")),
        discount_amount=D("-1.20"), discount_tax_compensation_amount=D("0.20"), tax_amount=D("1.80"),
        grand_total=D("15.80"),
    )  # fmt: skip
    mapped = canonical(record)
    assert mapped.lines[0].discount == D("1.00")
    assert adds_up(mapped)


def test_a_fixed_product_tax_is_a_tax_line_of_its_own():
    eco = '[{"title":"Eco fee","row_amount":0.5}]'
    record = order(row(11, "MUG", weee_tax_applied_row_amount=D("0.5"), weee_tax_applied=eco), grand_total=D("15.50"))
    mapped = canonical(record)
    assert [(tax.code, tax.amount) for tax in mapped.lines[0].taxes] == [("weee:Eco fee", D("0.50"))]
    assert adds_up(mapped)


def test_gift_card_and_store_credit_are_payments_beside_the_card():
    record = order(
        grand_total=D("3"),
        payment={"entity_id": 9, "method": "braintree", "amount_ordered": D("3"), "amount_authorized": D("3"),
                 "last_trans_id": "auth-1"},
        extensions={"gift_cards": [{"id": 1, "code": "GIFT-ABCD1234", "amount": D("10"), "base_amount": D("10")}],
                    "gift_cards_amount": D("10"), "customer_balance_amount": D("2")},
    )  # fmt: skip
    mapped = canonical(record)
    card, gift, credit = mapped.payments
    assert (card.kind, card.state, card.amount) == (PaymentKind.CARD, PaymentState.AUTHORISED, D("3.00"))
    assert (card.authorisation_reference, card.capture_reference) == ("auth-1", "")
    assert (gift.kind, gift.amount, gift.gift_card_code) == (PaymentKind.GIFT_CARD, D("10.00"), "1234")
    assert (credit.kind, credit.amount) == (PaymentKind.STORE_CREDIT, D("2.00"))
    assert sum(one.amount for one in mapped.payments) == mapped.totals.grand_total == D("15.00")
    assert (mapped.totals.gift_cards, mapped.totals.store_credit) == (D("10.00"), D("2.00"))


def test_a_captured_payment_names_authorisation_and_capture():
    payment = {"entity_id": 9, "method": "paypal_express", "amount_ordered": D("15"), "amount_paid": D("15"),
               "amount_authorized": D("15"), "last_trans_id": "TX1-capture"}  # fmt: skip
    (mapped,) = canonical(order(payment=payment)).payments
    assert (mapped.state, mapped.kind) == (PaymentState.CAPTURED, PaymentKind.WALLET)
    assert (mapped.authorisation_reference, mapped.capture_reference) == ("TX1", "TX1-capture")


@pytest.mark.parametrize(
    ("state", "shipped", "expected"),
    [
        ("new", 0, OrderStatus.OPEN),
        ("pending_payment", 0, OrderStatus.PENDING_PAYMENT),
        ("payment_review", 0, OrderStatus.ON_HOLD),
        ("holded", 0, OrderStatus.ON_HOLD),
        ("processing", 0, OrderStatus.OPEN),
        ("processing", 1, OrderStatus.PARTIALLY_FULFILLED),
        ("processing", 2, OrderStatus.FULFILLED),
        ("complete", 2, OrderStatus.FULFILLED),
        ("closed", 2, OrderStatus.CLOSED),
        ("canceled", 0, OrderStatus.CANCELLED),
    ],
)
def test_states_become_statuses(state, shipped, expected):
    record = order(row(11, "MUG", qty_ordered=2, qty_shipped=shipped, row_total=20), state=state, status=state)
    assert canonical(record).status is expected


def test_a_status_of_the_shops_own_is_mapped_by_the_connection():
    record = order(status="waiting_for_engraving")
    assert canonical(record, order_statuses={"waiting_for_engraving": "on_hold"}).status is OrderStatus.ON_HOLD


def test_an_unknown_state_waits_for_a_person():
    with pytest.raises(MappingProblem, match="dreaming") as caught:
        canonical(order(state="dreaming"))
    assert caught.value.code == "unknown_order_state"


def test_the_exchange_rate_is_base_units_for_one_unit_of_the_orders_currency():
    mapped = canonical(order(order_currency_code="EUR", base_to_order_rate=D("0.8")))
    assert (mapped.currency, mapped.base_currency, mapped.exchange_rate) == ("EUR", "USD", D("1.25"))


def test_skus_are_mapped_and_an_option_row_wins():
    tables = Table(sku_map={"MUG": "ITEM-1", "MUG|93=52": "ITEM-RED"})
    assert canonical(order(), tables).lines[0].sku == "ITEM-1"
    chosen = row(11, "MUG")
    chosen["product_option"] = {"extension_attributes": {"custom_options": [{"option_id": "93", "option_value": "52"}]}}
    mapped = canonical(order(chosen), tables).lines[0]
    assert (mapped.sku, mapped.store_sku) == ("ITEM-RED", "MUG")


def test_a_default_row_is_no_row_for_an_option():
    class Defaulting(Table):
        def get(self, table: str, key: str) -> str | None:
            return super().get(table, key) or "MISC"

    chosen = row(11, "MUG")
    chosen["product_option"] = {"extension_attributes": {"custom_options": [{"option_id": "93", "option_value": "52"}]}}
    assert canonical(order(chosen), Defaulting(sku_map={"MUG": "ITEM-1"})).lines[0].sku == "ITEM-1"


def test_an_unmapped_sku_waits_with_its_reason():
    with pytest.raises(MappingProblem) as caught:
        canonical(order(), Table(sku_map={}))
    assert (caught.value.code, caught.value.value) == ("unmapped_sku_map", "MUG")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [("country_id", "", "malformed_address"), ("country_id", "ZZ", "malformed_address"),
     ("postcode", "", "malformed_address"), ("postcode", "9000", "malformed_address"),
     ("street", [""], "malformed_address"), ("city", None, "malformed_address")],
)  # fmt: skip
def test_a_malformed_address_is_named(field, value, code):
    record = order()
    record["extension_attributes"]["shipping_assignments"][0]["shipping"]["address"] = {**ADDRESS, field: value}
    with pytest.raises(MappingProblem) as caught:
        canonical(record)
    assert (caught.value.code, caught.value.field) == (code, f"shipping_address.{field.removesuffix('_id')}")


@pytest.mark.parametrize(
    ("path", "sources"),
    [("number", ("increment_id",)), ("billing_address.country", ("billing_address.country_id",)),
     ("shipping_address.postcode",
      ("extension_attributes.shipping_assignments[0].shipping.address.postcode",)),
     ("billing_address.region", ("billing_address.region_code", "billing_address.region")),
     ("customer.email", ("customer_email",)), ("lines[0].sku", ()), ("nothing.like_it", ())],
)  # fmt: skip
def test_fields_of_the_order_are_found_in_the_record(path, sources):
    assert ORDER.sources_of(path) == sources


def test_a_country_without_postcodes_needs_none():
    address = {**ADDRESS, "country_id": "HK", "postcode": None, "region_code": None, "region": "Kowloon"}
    record = order(billing_address=address)
    assert canonical(record).billing_address.postcode == ""


def test_goods_without_a_shipping_address_wait_but_virtual_ones_do_not():
    record = order()
    del record["extension_attributes"]["shipping_assignments"]
    with pytest.raises(MappingProblem, match="goods to ship"):
        canonical(record)
    virtual = order(row(11, "EBOOK", product_type="virtual", is_virtual=1))
    virtual["extension_attributes"] = []  # an empty map, as the vendor prints it
    mapped = canonical(virtual)
    assert mapped.shipping_address is None
    assert mapped.lines[0].kind is LineKind.NON_STOCK


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"grand_total": "many"}, "grand_total"), ({"created_at": "yesterday"}, "created_at"),
     ({"customer_email": None}, "customer_email"), ({"items": []}, "items"), ({"items": "none"}, "items"),
     ({"order_currency_code": "dollar"}, "order_currency_code"), ({"billing_address": None}, "billing_address"),
     ({"increment_id": None}, "increment_id"), ({"payment": {"entity_id": 1}}, "payment.method")],
)  # fmt: skip
def test_a_malformed_record_names_its_field(changes, field):
    with pytest.raises(BadRecord) as caught:
        canonical({**order(), **changes})
    assert caught.value.native_id == "5"
    assert field in caught.value.field


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"qty_ordered": -1}, "not above zero"), ({"qty_ordered": 0}, "not above zero"),
     ({"price": "free"}, "not a number"), ({"parent_item_id": 99}, "not in the order")],
)  # fmt: skip
def test_a_malformed_row_names_its_place(changes, problem):
    with pytest.raises(BadRecord, match=problem) as caught:
        canonical(order(row(11, "MUG", **changes)))
    assert caught.value.field.startswith("items[0]")


def test_gift_messages_and_wrapping_travel():
    record = order(
        row(11, "MUG", extension_attributes={"gift_message": {"sender": "A", "recipient": "B", "message": "Enjoy"}}),
        grand_total=D("18"), extensions={"gw_price": "3.0000", "gift_message": {"message": "For all"}},
    )  # fmt: skip
    mapped = canonical(record)
    assert mapped.special_instructions == "Gift message: For all\nGift message for MUG (A to B): Enjoy"
    assert [(one.store_sku, one.amount) for one in mapped.lines[1:]] == [("gift-wrapping-order", D("3.00"))]
    assert adds_up(mapped)


def test_custom_fields_are_declared_with_their_type():
    overlay = {
        "sales_order": {
            "add": [{"target": "custom.loyalty", "source": "extension_attributes.loyalty", "type": "decimal"}]
        }
    }
    mapped = canonical(order(extensions={"loyalty": "12.5"}), mapping=overlay)
    assert mapped.custom["loyalty"] == D("12.5")


def test_the_mapping_prints_itself_and_knows_what_it_drops():
    rows = {one.target: one for one in ORDER.rows()}
    assert "items[].item_id" in {one.source for one in rows.values()}
    assert rows["payments.method"].source == "payment.method"
    assert "protect_code" in ORDER.unread({**order(), "protect_code": "abc"})
    assert "increment_id" not in ORDER.unread(order())
