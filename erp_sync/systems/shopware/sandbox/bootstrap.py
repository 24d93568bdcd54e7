"""What the installer leaves: currency, language, countries, taxes, states, a sales channel, payment and shipping.

Facts: shopware/shopware src/Core/Migration/V6_3/Migration1536233560BasicData.php; ids that the vendor draws at random
are fixed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox import auth, indexing, names, states
from erp_sync.systems.shopware.sandbox.names import fixed_id
from erp_sync.systems.shopware.sandbox.numbers import RANGES
from erp_sync.systems.shopware.sandbox.schema import statements
from erp_sync.systems.shopware.sandbox.shop import Shop

GROUP = "cfbd5018d38d41d8adca10d94fc8bdd6"
SALES_CHANNEL = fixed_id("sales_channel", "storefront")
TAX = fixed_id("tax", "standard")
PAYMENT, PREPAYMENT = fixed_id("payment_method", "invoice"), fixed_id("payment_method", "prepayment")
SHIPPING = fixed_id("shipping_method", "standard")
ROOT_CATEGORY = fixed_id("category", "home")
COUNTRIES = {"US": ("United States of America", "USA"), "DE": ("Germany", "DEU"), "GB": ("United Kingdom", "GBR"),
             "AT": ("Austria", "AUT"), "CH": ("Switzerland", "CHE"), "CA": ("Canada", "CAN"), "FR": ("France", "FRA"),
             "NL": ("Netherlands", "NLD")}  # fmt: skip
EU = frozenset({"DE", "AT", "FR", "NL"})
US_STATES = (
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA",
    "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK",
    "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "DC",
)  # fmt: skip
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
TABLES = (
    "CREATE TABLE IF NOT EXISTS sandbox_config (key TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE sandbox_limiter (key TEXT PRIMARY KEY, attempts INTEGER, last TEXT)",
    *indexing.SCHEMA,
)


def install(shop: Shop, tables: tuple[str, ...] = ()) -> None:
    """Make tables and basic data; inside a transaction."""
    for statement in (*statements(), *TABLES, *tables):
        shop.database.run(statement)
    writer = shop.writer(system=True)
    for entity, row in _rows(shop):
        writer.upsert(shop.entity(entity), row, "/0")
    if writer.errors:
        raise ValueError(f"the basic data is wrong: {writer.errors[0]}")
    writer.execute()
    channel = {"salesChannelId": SALES_CHANNEL}
    for table, field, identity in (
        ("sales_channel_currency", "currencyId", names.CURRENCY),
        ("sales_channel_language", "languageId", names.LANGUAGE),
        ("sales_channel_payment_method", "paymentMethodId", PAYMENT),
        ("sales_channel_payment_method", "paymentMethodId", PREPAYMENT),
        ("sales_channel_shipping_method", "shippingMethodId", SHIPPING),
        *(("sales_channel_country", "countryId", country(iso)) for iso in COUNTRIES),
    ):
        shop.database.insert(table, {**channel, field: identity})


def country(iso: str) -> str:
    return fixed_id("country", iso)


def country_state(short_code: str) -> str:
    """Id of a state by its code, e.g. ``US-OH``."""
    return fixed_id("country_state", short_code)


def rounding(decimals: int, interval: str, for_net: bool) -> dict[str, Any]:
    return {"decimals": decimals, "interval": Decimal(interval), "roundForNet": for_net}


def _rows(shop: Shop) -> list[tuple[str, Mapping[str, Any]]]:
    options = shop.options
    item = rounding(options.item_decimals, options.item_interval, options.round_for_net)
    total = rounding(options.total_decimals, options.total_interval, options.round_for_net)
    made: list[tuple[str, Mapping[str, Any]]] = [
        ("language", {"id": names.LANGUAGE, "name": "English", "localeId": fixed_id("locale", "en-GB")}),
        ("currency", {
            "id": names.CURRENCY, "isoCode": options.currency, "factor": 1, "shortName": options.currency,
            "symbol": _SYMBOLS.get(options.currency, options.currency), "name": options.currency,
            "isSystemDefault": True, "itemRounding": item, "totalRounding": total, "taxFreeFrom": 0,
        }),
        ("customer_group", {"id": GROUP, "name": "Standard customer group", "displayGross": options.display_gross}),
        ("tax", {"id": TAX, "name": "Standard rate", "taxRate": Decimal(str(options.tax_rate)), "position": 1}),
        ("tax", {"id": fixed_id("tax", "none"), "name": "Tax free", "taxRate": 0, "position": 2}),
        ("salutation", {"id": fixed_id("salutation", "not_specified"), "salutationKey": "not_specified",
                        "displayName": "Not specified", "letterName": " "}),
        ("category", {"id": ROOT_CATEGORY, "name": "Home"}),
        ("payment_method", {"id": PAYMENT, "name": "Invoice", "technicalName": "payment_invoicepayment",
                            "active": True, "afterOrderEnabled": True}),
        ("payment_method", {"id": PREPAYMENT, "name": "Paid in advance", "technicalName": "payment_prepayment",
                            "active": True, "afterOrderEnabled": True}),
        ("shipping_method", {"id": SHIPPING, "name": "Standard", "technicalName": "shipping_standard", "active": True,
                             "deliveryTimeId": fixed_id("delivery_time", "1-3 days"), "taxId": TAX}),
    ]  # fmt: skip
    for iso, (name, iso3) in COUNTRIES.items():
        made.append(("country", {"id": country(iso), "iso": iso, "iso3": iso3, "name": name, "isEu": iso in EU}))
    made += [
        ("country_state", {"id": country_state(f"US-{code}"), "countryId": country("US"), "shortCode": f"US-{code}",
                           "name": code})
        for code in US_STATES
    ]  # fmt: skip
    made += _machines()
    made.append(("sales_channel", {
        "id": SALES_CHANNEL, "typeId": names.STOREFRONT_TYPE, "name": "Storefront", "accessKey": auth.access_key(shop),
        "languageId": names.LANGUAGE, "currencyId": names.CURRENCY, "customerGroupId": GROUP,
        "paymentMethodId": PAYMENT, "shippingMethodId": SHIPPING, "countryId": country("US"),
        "navigationCategoryId": ROOT_CATEGORY,
    }))  # fmt: skip
    made += [
        ("number_range", {"id": fixed_id("number_range", kind), "name": kind.title(), "technicalName": kind,
                          "pattern": pattern, "start": start, "global": True})
        for kind, (pattern, start) in RANGES.items()
    ]  # fmt: skip
    return made


def _machines() -> list[tuple[str, Mapping[str, Any]]]:
    made: list[tuple[str, Mapping[str, Any]]] = []
    for machine, found in states.STATES.items():
        identity = fixed_id("state_machine", machine)
        made.append(("state_machine", {
            "id": identity, "technicalName": machine, "name": machine.partition(".")[0].replace("_", " ").title(),
            "initialStateId": fixed_id("state", machine, "open"),
        }))  # fmt: skip
        made += [
            ("state_machine_state", {"id": fixed_id("state", machine, name), "technicalName": name,
                                     "stateMachineId": identity, "name": name.replace("_", " ").capitalize()})
            for name in found
        ]  # fmt: skip
    return made
