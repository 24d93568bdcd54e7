"""Orders for the tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from erp_sync.model.address import Address
from erp_sync.model.order import (
    LineKind,
    OrderCustomer,
    OrderLine,
    OrderStatus,
    OrderTotals,
    Payment,
    PaymentKind,
    PaymentState,
    SalesOrder,
    ShippingCharge,
    TaxLine,
)

D = Decimal
ADDRESS = Address(
    first_name="Ada", last_name="Byron", street=("1 Main St", "Floor 2"), city="Oakland", region="CA",
    postcode="94601", country="US", phone="5551234",
)  # fmt: skip


def tax(rate: str, basis: str, amount: str) -> TaxLine:
    return TaxLine(
        jurisdiction="CA", code="US-CA-*-Rate 1", rate=D(rate), taxable_amount=D(basis), amount=D(amount)
    )  # fmt: skip


def line(line_id: str, sku: str, quantity: str, price: str, discount: str = "0.00", **more: Any) -> OrderLine:
    return OrderLine(
        line_id=line_id, sku=sku, name=f"Thing {sku}", quantity=D(quantity), unit_price=D(price), discount=D(discount),
        amount=more.pop("amount", D(quantity) * D(price) - D(discount)), **more,
    )  # fmt: skip


def order(**changes: Any) -> SalesOrder:
    """Two lines, a discount, shipping, tax on all, one captured payment: 74.31 in all."""
    lines = (
        line("1", "SKU-1", "2", "10.00", taxes=(tax("8.25", "20.00", "1.65"),), tax_amount=D("1.65")),
        line("2", "SKU-2", "3", "15.00", "5.00", taxes=(tax("8.25", "40.00", "3.30"),), tax_amount=D("3.30")),
    )
    values: dict[str, Any] = {
        "connection": "magento_us",
        "scope": "base",
        "native_id": "10045",
        "number": "000010045",
        "version": "1",
        "status": OrderStatus.OPEN,
        # 17:30 on the 14th in Los Angeles
        "placed_at": datetime(2026, 1, 15, 1, 30, tzinfo=UTC),
        "updated_at": datetime(2026, 1, 15, 1, 30, tzinfo=UTC),
        "website": "base",
        "currency": "USD",
        "base_currency": "USD",
        "customer": OrderCustomer(
            native_id="77", guest=False, email="ada@example.com", first_name="Ada", last_name="Byron"
        ),
        "billing_address": ADDRESS,
        "shipping_address": ADDRESS,
        "lines": lines,
        "shipping": ShippingCharge(
            method="flatrate_flatrate", description="Flat Rate", amount=D("8.65"), taxes=(tax("8.25", "8.65", "0.71"),),
            tax_amount=D("0.71"),
        ),
        "payments": (
            Payment(
                payment_id="501", kind=PaymentKind.CARD, method="authorizenet", state=PaymentState.CAPTURED,
                amount=D("74.31"), authorisation_reference="AUTH9", capture_reference="CAP9",
            ),
        ),
        "totals": OrderTotals(
            subtotal=D("65.00"), discount=D("5.00"), shipping=D("8.65"), tax=D("5.66"), grand_total=D("74.31")
        ),
        "special_instructions": "Leave at door",
        "coupon_codes": ("SPRING",),
    }  # fmt: skip
    return SalesOrder(**(values | changes))


def bundle_order(header: OrderLine, *parts: OrderLine, **changes: Any) -> SalesOrder:
    amount = sum((one.amount for one in (header, *parts)), D(0))
    taxed = sum((one.tax_amount for one in (header, *parts)), D(0))
    totals = OrderTotals(subtotal=amount, tax=taxed, grand_total=amount + taxed)
    return order(lines=(header, *parts), shipping=ShippingCharge(), payments=(), totals=totals, **changes)


__all__ = ["ADDRESS", "D", "LineKind", "bundle_order", "line", "order", "tax"]
