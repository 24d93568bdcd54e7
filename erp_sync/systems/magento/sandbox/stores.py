"""Websites, stores, store views, countries."""

from __future__ import annotations

from typing import Any

from erp_sync.systems.magento.sandbox.errors import NoSuchEntityException
from erp_sync.systems.magento.sandbox.routing import ANONYMOUS, Call, route

BACKEND = "Magento_Backend::store"
COUNTRIES = {"US": ("USA", "United States"), "CA": ("CAN", "Canada"), "GB": ("GBR", "United Kingdom"),
             "DE": ("DEU", "Germany"), "FR": ("FRA", "France"), "MX": ("MEX", "Mexico")}  # fmt: skip


@route("GET", "/V1/store/websites", resource=BACKEND)
def websites(call: Call) -> Any:
    rows = call.shop.database.rows("SELECT * FROM store_website ORDER BY website_id")
    return [
        {"id": row["website_id"], "code": row["code"], "name": row["name"], "default_group_id": row["default_group_id"]}
        for row in rows
    ]


@route("GET", "/V1/store/storeGroups", resource=BACKEND)
def store_groups(call: Call) -> Any:
    root = {
        "id": 0,
        "website_id": 0,
        "root_category_id": 0,
        "default_store_id": 0,
        "name": "Default",
        "code": "default",
    }
    rows = call.shop.database.rows("SELECT * FROM store_group ORDER BY group_id")
    names = ("website_id", "root_category_id", "default_store_id", "name", "code")
    return [root, *({"id": row["group_id"], **{name: row[name] for name in names}} for row in rows)]


@route("GET", "/V1/store/storeViews", resource=BACKEND)
def store_views(call: Call) -> Any:
    admin = {"id": 0, "code": "admin", "name": "Admin", "website_id": 0, "store_group_id": 0, "is_active": 1}
    rows = call.shop.database.rows("SELECT * FROM store ORDER BY store_id")
    return [
        admin,
        *(
            {
                "id": row["store_id"],
                "code": row["code"],
                "name": row["name"],
                "website_id": row["website_id"],
                "store_group_id": row["group_id"],
                "is_active": row["is_active"],
            }
            for row in rows
        ),
    ]


@route("GET", "/V1/store/storeConfigs", resource=BACKEND)
def store_configs(call: Call) -> Any:
    codes = call.query.get("storeCodes")
    wanted = set(codes.values()) if isinstance(codes, dict) else ({codes} if codes else None)
    result = []
    for row in call.shop.database.rows(
        "SELECT store.*, base_currency FROM store JOIN store_website USING (website_id)"
    ):
        if wanted is not None and row["code"] not in wanted:
            continue
        links = {
            f"{prefix}{name}url": f"https://shop.example.com/{tail}"
            for prefix in ("", "secure_")
            for name, tail in (
                ("base_", ""),
                ("base_link_", ""),
                ("base_static_", "static/"),
                ("base_media_", "media/"),
            )
        }
        result.append(
            {
                "id": row["store_id"],
                "code": row["code"],
                "website_id": row["website_id"],
                "locale": row["locale"],
                "base_currency_code": row["base_currency"],
                "default_display_currency_code": row["currency"],
                "timezone": row["timezone"],
                "weight_unit": "lbs",
                **links,
            }
        )
    return result


def _country(call: Call, code: str) -> dict[str, Any]:
    three, name = COUNTRIES[code]
    result: dict[str, Any] = {
        "id": code,
        "two_letter_abbreviation": code,
        "three_letter_abbreviation": three,
        "full_name_locale": name,
        "full_name_english": name,
    }
    regions = call.shop.database.rows(
        "SELECT * FROM directory_country_region WHERE country_id = ? ORDER BY region_id", [code]
    )
    if regions:
        result["available_regions"] = [
            {"id": str(row["region_id"]), "code": row["code"], "name": row["default_name"]} for row in regions
        ]
    return result


@route("GET", "/V1/directory/countries", resource=ANONYMOUS)
def countries(call: Call) -> Any:
    return [_country(call, code) for code in COUNTRIES]


@route("GET", "/V1/directory/countries/{countryId}", resource=ANONYMOUS)
def country(call: Call) -> Any:
    if call.path["countryId"] not in COUNTRIES:
        raise NoSuchEntityException("The country isn't available.")
    return _country(call, call.path["countryId"])


@route("GET", "/V1/directory/currency", resource=ANONYMOUS)
def currency(call: Call) -> Any:
    store = call.shop.store(call.store_id)
    rates = call.shop.database.rows(
        "SELECT * FROM directory_currency_rate WHERE currency_from = ?", [store["base_currency"]]
    )
    return {
        "base_currency_code": store["base_currency"],
        "base_currency_symbol": "$",
        "default_display_currency_code": store["currency"],
        "default_display_currency_symbol": "$",
        "available_currency_codes": sorted({store["base_currency"], *(row["currency_to"] for row in rates)}),
        "exchange_rates": [{"currency_to": row["currency_to"], "rate": row["rate"]} for row in rates],
    }


@route("GET", "/V1/modules", resource="Magento_Backend::module")
def modules(call: Call) -> Any:
    names = ["Magento_Store", "Magento_Catalog", "Magento_Customer", "Magento_Sales", "Magento_InventoryApi",
             "Magento_AsynchronousOperations"]  # fmt: skip
    if call.shop.options.commerce:
        names += ["Magento_Enterprise", "Magento_Rma", "Magento_GiftCardAccount", "Magento_CustomerBalance"]
    return names
