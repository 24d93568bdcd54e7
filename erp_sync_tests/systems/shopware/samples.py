"""Orders as the Admin API answers them (OpenAPI 6.7.10.1), of which a test says what it is about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.client import LIVE
from erp_sync.systems.shopware.mapping.orders import DEFAULT_CURRENCY

D = Decimal
CREATED = "2026-11-30T08:00:00.123+00:00"
CHANNEL = "c" * 32


def identity(name: object) -> str:
    return hashlib.md5(str(name).encode(), usedforsecurity=False).hexdigest()


def state(name: str) -> dict[str, Any]:
    return {"id": identity(f"state {name}"), "technicalName": name}


def tax(rate: str, base: str, amount: str) -> dict[str, Any]:
    return {"taxRate": D(rate), "price": D(base), "tax": D(amount), "apiAlias": "cart_tax_calculated"}


def price(total: str, *taxes: dict[str, Any], quantity: int = 1, unit: str | None = None) -> dict[str, Any]:
    return {
        "unitPrice": D(unit) if unit is not None else D(total) / quantity,
        "totalPrice": D(total),
        "quantity": quantity,
        "calculatedTaxes": list(taxes),
        "taxRules": [{"taxRate": one["taxRate"], "percentage": 100} for one in taxes],
    }


def line(
    name: str,
    total: str,
    *taxes: dict[str, Any],
    quantity: int = 1,
    payload: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A product's line; its number is its name."""
    kind = changes.get("type", "product")
    product = kind == "product"
    return {
        "id": identity(f"line {name}"),
        "versionId": LIVE,
        "identifier": f"cart-{name}",
        "productId": identity(f"product {name}") if product else None,
        "parentId": None,
        "quantity": quantity,
        "label": f"Name of {name}",
        "position": 1,
        "type": kind,
        "good": product,
        "states": ["is-physical"] if product else [],
        "payload": {"productNumber": name, "options": []} if payload is None and product else payload or {},
        "price": price(total, *taxes, quantity=quantity, unit=changes.pop("unit", None)),
        "createdAt": CREATED,
        "updatedAt": None,
        **changes,
    }


def promotion(
    name: str, total: str, *taxes: dict[str, Any], of: Sequence[tuple[str, str]] = (), code: str = "", **changes: Any
) -> dict[str, Any]:
    """A discount; `of` says what was taken off which line."""
    composition = [{"id": f"cart-{one}", "quantity": 1, "discount": D(amount)} for one, amount in of]
    payload = {"code": code, "promotionId": identity(name), "composition": composition}
    return line(name, total, *taxes, type="promotion", payload=payload, position=9, **changes)


def address(name: str = "billing", **changes: Any) -> dict[str, Any]:
    return {
        "id": identity(f"address {name}"),
        "firstName": "Ada",
        "lastName": "Lovelace",
        "company": "Engines GmbH",
        "department": None,
        "street": "Hauptstr. 1",
        "additionalAddressLine1": "Hof 2",
        "zipcode": "10115",
        "city": "Berlin",
        "phoneNumber": "030 1234",
        "countryId": identity("DE"),
        "country": {"id": identity("DE"), "iso": "DE"},
        "countryState": {"id": identity("DE-BE"), "shortCode": "DE-BE"},
        "createdAt": CREATED,
        "updatedAt": None,
        **changes,
    }


def delivery(
    costs: str = "0",
    *taxes: dict[str, Any],
    at: str = "open",
    positions: Sequence[tuple[str, int]] = (),
    **changes: Any,
) -> dict[str, Any]:
    place = changes.pop("place", None) or address("shipping")
    return {
        "id": identity(f"delivery {costs}"),
        "versionId": LIVE,
        "shippingOrderAddressId": place["id"],
        "shippingOrderAddress": place,
        "shippingMethod": {"id": identity("dhl"), "technicalName": "shipping_standard"},
        "stateMachineState": state(at),
        "trackingCodes": [],
        "shippingCosts": price(costs, *taxes),
        "positions": [
            {"id": identity(f"position {name}"), "orderLineItemId": identity(f"line {name}"), "quantity": quantity}
            for name, quantity in positions
        ],
        "createdAt": CREATED,
        "updatedAt": None,
        **changes,
    }


def transaction(
    amount: str, at: str = "open", method: str = "payment_invoicepayment", **changes: Any
) -> dict[str, Any]:
    return {
        "id": identity(f"transaction {amount} {at}"),
        "versionId": LIVE,
        "amount": price(amount),
        "stateMachineState": state(at),
        "paymentMethod": {"id": identity(method), "technicalName": method},
        "createdAt": CREATED,
        "updatedAt": None,
        **changes,
    }


def order(*lines: dict[str, Any], total: str = "11.90", status: str = "gross", **changes: Any) -> dict[str, Any]:
    """An order on account of one mug with 19 % tax, nothing shipped."""
    taxes = changes.pop("taxes", [tax("19", "11.90", "1.90")])
    number = changes.pop("number", 1)
    return {
        "id": identity(f"order {number}"),
        "versionId": LIVE,
        "autoIncrement": number,
        "orderNumber": f"{10000 + number}",
        "salesChannelId": CHANNEL,
        "currencyId": DEFAULT_CURRENCY,
        "currencyFactor": 1,
        "currency": {"id": DEFAULT_CURRENCY, "isoCode": "EUR"},
        "orderDateTime": "2026-11-30T08:00:00.000+00:00",
        "price": {
            "netPrice": D(total),
            "totalPrice": D(total),
            "positionPrice": D(total),
            "rawTotal": D(total),
            "taxStatus": status,
            "calculatedTaxes": taxes,
        },
        "amountTotal": D(total),
        "taxStatus": status,
        "shippingCosts": price("0"),
        "totalRounding": {"decimals": 2, "interval": D("0.01"), "roundForNet": True},
        "itemRounding": {"decimals": 2, "interval": D("0.01"), "roundForNet": True},
        "stateMachineState": state("open"),
        "billingAddress": address(),
        "orderCustomer": {
            "id": identity("order customer"),
            "customerId": identity("customer"),
            "email": "ada@engines.example",
            "firstName": "Ada",
            "lastName": "Lovelace",
            "company": "Engines GmbH",
            "customerNumber": "K-100",
            "vatIds": ["DE123456789"],
            "customer": {"id": identity("customer"), "customerNumber": "K-100", "groupId": "9" * 32, "guest": False},
            "createdAt": CREATED,
            "updatedAt": None,
        },
        "lineItems": list(lines) or [line("MUG", "11.90", tax("19", "11.90", "1.90"))],
        "deliveries": [delivery()],
        "transactions": [transaction(total)],
        "deepLinkCode": "a-key-to-this-order",
        "createdAt": CREATED,
        "updatedAt": None,
        **changes,
    }
