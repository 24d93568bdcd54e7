"""Orders of an industrial parts shop for the tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from erp_sync.model.address import Address
from erp_sync.model.order import (
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
    first_name="Emmy", last_name="Noether", company="Noether Maschinenbau GmbH", street=("Am Wehr 3", "Tor 2"),
    city="Erlangen", region="BY", postcode="91052", country="DE", phone="09131 555",
)  # fmt: skip
BUYER = OrderCustomer(
    native_id="0b5e", guest=False, email="Einkauf@noether.example", first_name="Emmy", last_name="Noether",
    company="Noether Maschinenbau GmbH", tax_number="DE123456789",
)  # fmt: skip
GUEST = OrderCustomer(guest=True, email="ada@example.com", first_name="Ada", last_name="Byron")


def tax(basis: str, amount: str, code: str = "DE-19", rate: str = "19") -> TaxLine:
    return TaxLine(jurisdiction="DE", code=code, rate=D(rate), taxable_amount=D(basis), amount=D(amount))


def line(line_id: str, sku: str, quantity: str, price: str, discount: str = "0.00", **more: Any) -> OrderLine:
    return OrderLine(
        line_id=line_id, sku=sku, name=f"Part {sku}", quantity=D(quantity), unit_price=D(price), discount=D(discount),
        amount=more.pop("amount", D(quantity) * D(price) - D(discount)), **more,
    )  # fmt: skip


def order(**changes: Any) -> SalesOrder:
    """Two lines, a discount, shipping, 19 % on all, on account: 119.00 in all."""
    lines = (
        line("1", "BEARING-6204", "10", "4.50", taxes=(tax("45.00", "8.55"),), tax_amount=D("8.55")),
        line("2", "SHAFT-20", "3", "15.00", "5.00", taxes=(tax("40.00", "7.60"),), tax_amount=D("7.60")),
    )
    values: dict[str, Any] = {
        "connection": "shopware_de",
        "scope": "",
        "native_id": "018f5c",
        "number": "10045",
        "version": "1",
        "status": OrderStatus.OPEN,
        # 00:30 on the 15th in Berlin
        "placed_at": datetime(2026, 1, 14, 23, 30, tzinfo=UTC),
        "updated_at": datetime(2026, 1, 14, 23, 30, tzinfo=UTC),
        "website": "b2b",
        "currency": "EUR",
        "base_currency": "EUR",
        "customer": BUYER,
        "billing_address": ADDRESS,
        "shipping_address": ADDRESS,
        "lines": lines,
        "shipping": ShippingCharge(
            method="dhl", description="DHL", amount=D("15.00"), taxes=(tax("15.00", "2.85"),), tax_amount=D("2.85")
        ),
        "payments": (
            Payment(
                payment_id="p1", kind=PaymentKind.ON_ACCOUNT, method="invoice", state=PaymentState.PENDING,
                amount=D("119.00"),
            ),
        ),
        "totals": OrderTotals(
            subtotal=D("90.00"), discount=D("5.00"), shipping=D("15.00"), tax=D("19.00"), grand_total=D("119.00")
        ),
        "special_instructions": "Ring at gate 2",
        "custom": {"customer_number": "C20000"},
    }  # fmt: skip
    return SalesOrder(**(values | changes))
