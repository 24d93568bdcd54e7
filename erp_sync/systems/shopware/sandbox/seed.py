"""Master data and opening stock, loaded as an administrator or an earlier import would have.

The form is that of the sandbox kit's generators, with Shopware's own words beside it; see `load`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox import apps, bootstrap, indexing, names, numbers, seed_prices, stock
from erp_sync.systems.shopware.sandbox.errors import ShopwareError
from erp_sync.systems.shopware.sandbox.names import fixed_id
from erp_sync.systems.shopware.sandbox.seeding import (
    CHUNK,
    WrongSeed,
    currency_id,
    customer_id,
    group_id,
    price_row,
    product_id,
    write,
)
from erp_sync.systems.shopware.sandbox.shop import Shop


def password(shop: Shop) -> str:
    """Of customers who are seeded without one."""
    return shop.secret("customer_password", 12)


def load(shop: Shop, data: dict[str, Any]) -> dict[str, int]:
    """Load what `data` holds, in one transaction; answers how many of each. Raises WrongSeed.

    Keys of the neutral form: items [{sku, name, price, special_price, cost, weight, category, manufacturer, active,
    kind, parent_sku, options, components, tax_class, description, ean}], stock [{sku, location, quantity}] (Shopware's
    core has one stock: the locations are added up), customers [{email, first_name, last_name, password, phone, group,
    number, company, vat_ids, addresses [{street, city, region, postcode, country}]}].
    Shopware's own: currencies [{iso, factor, decimals, interval, tax_free_from}], taxes [{name, rate}],
    customer_groups [{name, display_gross}], sales_channels [{name, access_key, currency, group}],
    countries [{iso, customer_tax_free, company_tax_free}], rules [{name, priority, conditions}], prices,
    custom_prices and individual_prices as in `seed_prices`, apps as in `apps.install`.
    Prices of items are gross.
    """
    counts: dict[str, int] = {}
    with shop.database.transaction():
        for name, loader in _LOADERS:
            entries = data.get(name)
            if not entries:
                continue
            try:
                loader(shop, entries)
            except ShopwareError as error:
                raise WrongSeed(f"{name}: {error}") from error
            counts[name] = len(entries)
        for name in ("locations", "coupons", "stock"):
            if data.get(name) and name not in counts:
                counts[name] = 0
        _settle(shop, data)
        shop.commits, shop.written = [], []
    return counts


def _settle(shop: Shop, data: dict[str, Any]) -> None:
    """What follows from products, stock and prices: flags of what can be had, and the index."""
    skus = {one["sku"] for name in ("items", "prices") for one in data.get(name) or ()}
    moved = skus | {one["sku"] for one in data.get("stock") or ()}
    ids = {row["productNumber"]: row["id"] for row in shop.database.rows('SELECT "productNumber", id FROM product')}
    flagged = [ids[sku] for sku in sorted(moved) if sku in ids]
    for start in range(0, len(flagged), CHUNK):
        stock.flag_available(shop.database, flagged[start : start + CHUNK])
    indexing.index(shop, [ids[sku] for sku in sorted(skus) if sku in ids])


# -- settings ------------------------------------------------------------------------------------------------------


def _currencies(shop: Shop, entries: list[dict[str, Any]]) -> None:
    rows = []
    for one in entries:
        known = shop.database.value('SELECT id FROM currency WHERE "isoCode" = ?', [one["iso"]])
        rounding = bootstrap.rounding(one.get("decimals", 2), str(one.get("interval", "0.01")), True)
        rows.append({
            "id": known or fixed_id("currency", one["iso"]), "isoCode": one["iso"], "shortName": one["iso"],
            "name": one["iso"], "symbol": one["iso"], "factor": Decimal(str(one.get("factor", 1))),
            "itemRounding": rounding, "totalRounding": rounding,
            "taxFreeFrom": Decimal(str(one.get("tax_free_from", 0))),
        })  # fmt: skip
    write(shop, "currency", rows)
    for row in rows:
        shop.database.insert(
            "sales_channel_currency", {"salesChannelId": bootstrap.SALES_CHANNEL, "currencyId": row["id"]},
            instead="OR IGNORE",
        )  # fmt: skip


def _taxes(shop: Shop, entries: list[dict[str, Any]]) -> None:
    write(shop, "tax", [
        {"id": fixed_id("tax", one["name"]), "name": one["name"], "taxRate": Decimal(str(one["rate"]))}
        for one in entries
    ])  # fmt: skip


def _groups(shop: Shop, entries: list[dict[str, Any]]) -> None:
    write(shop, "customer_group", [
        {"id": group_id(shop, one["name"]), "name": one["name"], "displayGross": one.get("display_gross", True)}
        for one in entries
    ])  # fmt: skip


def _countries(shop: Shop, entries: list[dict[str, Any]]) -> None:
    rows = []
    for one in entries:
        row: dict[str, Any] = {
            "id": bootstrap.country(one["iso"]),
            "iso": one["iso"],
            "name": one.get("name", one["iso"]),
        }
        for field, key in (("customerTax", "customer_tax_free"), ("companyTax", "company_tax_free")):
            if key in one:
                row[field] = {"enabled": one[key], "currencyId": names.CURRENCY, "amount": 0}
        rows.append(row)
    write(shop, "country", rows)


def _channels(shop: Shop, entries: list[dict[str, Any]]) -> None:
    write(shop, "sales_channel", [
        {
            "id": fixed_id("sales_channel", one["name"]), "typeId": names.STOREFRONT_TYPE, "name": one["name"],
            "accessKey": one["access_key"], "languageId": names.LANGUAGE,
            "customerGroupId": group_id(shop, one.get("group")),
            "currencyId": currency_id(shop, one.get("currency")), "paymentMethodId": bootstrap.PAYMENT,
            "shippingMethodId": bootstrap.SHIPPING, "countryId": bootstrap.country("US"),
            "navigationCategoryId": bootstrap.ROOT_CATEGORY,
        }
        for one in entries
    ])  # fmt: skip


# -- products ------------------------------------------------------------------------------------------------------


def _items(shop: Shop, entries: list[dict[str, Any]]) -> None:
    tax_rates = {row["name"]: (row["id"], Decimal(row["taxRate"])) for row in shop.database.rows("SELECT * FROM tax")}
    prices = {one["sku"]: Decimal(str(one["price"])) for one in entries if one.get("price") is not None}
    _groundwork(shop, entries)
    rows = [_item(shop, one, _tax(one, tax_rates), _price_of(one, entries, prices)) for one in entries]
    write(shop, "product", rows)


def _tax(one: Mapping[str, Any], rates: Mapping[str, tuple[str, Decimal]]) -> tuple[str, Decimal]:
    wanted = one.get("tax_class")
    return rates["Tax free"] if wanted == "none" else rates.get(str(wanted), rates["Standard rate"])


def _price_of(one: Mapping[str, Any], entries: list[dict[str, Any]], prices: Mapping[str, Decimal]) -> Decimal | None:
    """Parents cost what their cheapest variant costs, sets what their members cost."""
    if one["sku"] in prices:
        return prices[one["sku"]]
    if one.get("components"):
        return sum((prices.get(part["sku"], Decimal(0)) * Decimal(str(part.get("quantity", 1)))
                    for part in one["components"]), Decimal(0))  # fmt: skip
    variants = [
        prices[other["sku"]] for other in entries if other.get("parent_sku") == one["sku"] and other["sku"] in prices
    ]
    return min(variants, default=Decimal(0)) if not one.get("parent_sku") else None


def _groundwork(shop: Shop, entries: list[dict[str, Any]]) -> None:
    """Manufacturers, categories and option values that the items name."""
    makers = {one["manufacturer"] for one in entries if one.get("manufacturer")}
    write(
        shop, "product_manufacturer", [{"id": fixed_id("manufacturer", name), "name": name} for name in sorted(makers)]
    )
    paths = {"/".join(parts[: depth + 1]) for one in entries if one.get("category")
             for parts in [one["category"].split("/")] for depth in range(len(parts))}  # fmt: skip
    write(shop, "category", [
        {"id": fixed_id("category", path), "name": path.rpartition("/")[2],
         "parentId": fixed_id("category", path.rpartition("/")[0]) if "/" in path else bootstrap.ROOT_CATEGORY}
        for path in sorted(paths)
    ])  # fmt: skip
    options = {(group, str(value)) for one in entries for group, value in (one.get("options") or {}).items()}
    write(shop, "property_group", [
        {"id": fixed_id("property_group", group), "name": group} for group in sorted({group for group, _ in options})
    ])  # fmt: skip
    write(shop, "property_group_option", [
        {"id": fixed_id("option", group, value), "groupId": fixed_id("property_group", group), "name": value}
        for group, value in sorted(options)
    ])  # fmt: skip


def _item(shop: Shop, one: dict[str, Any], tax: tuple[str, Decimal], price: Decimal | None) -> dict[str, Any]:
    identity, parent = product_id(shop, one["sku"]), one.get("parent_sku")
    row: dict[str, Any] = {
        "id": identity, "productNumber": one["sku"], "stock": shop.database.value(
            "SELECT stock FROM product WHERE id = ?", [identity]) or 0,
        "active": one.get("active", True),
    }  # fmt: skip
    if parent:
        row |= {"parentId": product_id(shop, parent), "name": one.get("name")}
        row["options"] = [
            {"id": fixed_id("option", group, str(value))} for group, value in (one.get("options") or {}).items()
        ]
    else:
        row |= {"name": one.get("name") or one["sku"], "taxId": tax[0], "visibilities": [
            {"id": fixed_id("visibility", identity), "salesChannelId": bootstrap.SALES_CHANNEL, "visibility": 30}
        ]}  # fmt: skip
    if price is not None:
        special = one.get("special_price")
        row["price"] = [price_row(names.CURRENCY, Decimal(str(special)) if special else price, tax[1])]
        if special:
            row["price"][0]["listPrice"] = price_row(names.CURRENCY, price, tax[1])
    if one.get("cost") is not None:
        row["purchasePrices"] = [price_row(names.CURRENCY, Decimal(str(one["cost"])), tax[1])]
    for field, key in (("ean", "ean"), ("description", "description")):
        if one.get(key) is not None:
            row[field] = one[key]
    if one.get("weight") is not None:
        row["weight"] = Decimal(str(one["weight"]))
    if one.get("manufacturer"):
        row["manufacturerId"] = fixed_id("manufacturer", one["manufacturer"])
    if one.get("category"):
        row["categories"] = [{"id": fixed_id("category", one["category"])}]
    return row


def _stock(shop: Shop, entries: list[dict[str, Any]]) -> None:
    totals: dict[str, int] = {}
    for one in entries:
        totals[one["sku"]] = totals.get(one["sku"], 0) + int(Decimal(str(one["quantity"])))
    for sku, quantity in totals.items():
        changed = shop.database.run(
            'UPDATE product SET stock = ?, "availableStock" = ? WHERE "productNumber" = ?', [quantity, quantity, sku]
        )
        if not changed:
            raise WrongSeed(f"stock of {sku!r}: no such product")


# -- customers -----------------------------------------------------------------------------------------------------


def _customers(shop: Shop, entries: list[dict[str, Any]]) -> None:
    missing = {one["group"] for one in entries if one.get("group")}
    known = set(shop.database.column("SELECT name FROM customer_group"))
    _groups(shop, [{"name": name} for name in sorted(missing - known)])
    write(shop, "customer", [_customer(shop, one) for one in entries])


def _customer(shop: Shop, one: dict[str, Any]) -> dict[str, Any]:
    identity = customer_id(one["email"])
    first, last = one.get("first_name") or "Sam", one.get("last_name") or "Shopper"
    addresses = [
        address(place, first, last, one, fixed_id("address", identity, str(index)))
        for index, place in enumerate(one.get("addresses") or [{"street": ["1 Main St"], "city": "Dayton",
                                                               "postcode": "45402", "region": "OH", "country": "US"}])
    ]  # fmt: skip
    number = shop.database.value('SELECT "customerNumber" FROM customer WHERE id = ?', [identity])
    return {
        "id": identity, "email": one["email"], "firstName": first, "lastName": last, "guest": False,
        "customerNumber": one.get("number") or number or numbers.following(shop, "customer"),
        "groupId": group_id(shop, one.get("group")), "salesChannelId": bootstrap.SALES_CHANNEL,
        "languageId": names.LANGUAGE, "password": one.get("password") or password(shop),
        "active": one.get("active", True),
        "company": one.get("company"), "vatIds": one.get("vat_ids"),
        "accountType": "business" if one.get("company") else "private", "addresses": addresses,
        "defaultBillingAddressId": addresses[0]["id"], "defaultShippingAddressId": addresses[-1]["id"],
        "tags": [{"id": fixed_id("tag", name), "name": name} for name in one.get("tags") or ()],
    }  # fmt: skip


def address(place: Mapping[str, Any], first: str, last: str, one: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """A customer's address from the neutral form."""
    street = place.get("street")
    lines = street if isinstance(street, list) else [street]
    iso, region = place.get("country", "US"), place.get("region")
    made: dict[str, Any] = {
        "id": identity, "firstName": first, "lastName": last, "street": lines[0] or "-",
        "city": place.get("city") or "-",
        "zipcode": place.get("postcode"), "countryId": bootstrap.country(iso), "company": one.get("company"),
        "phoneNumber": place.get("phone") or one.get("phone"),
        "additionalAddressLine1": lines[1] if len(lines) > 1 else None,
    }  # fmt: skip
    if iso == "US" and region in bootstrap.US_STATES:
        made["countryStateId"] = bootstrap.country_state(f"US-{region}")
    return made


_LOADERS = (
    ("currencies", _currencies),
    ("taxes", _taxes),
    ("customer_groups", _groups),
    ("countries", _countries),
    ("sales_channels", _channels),
    ("items", _items),
    ("stock", _stock),
    ("customers", _customers),
    ("rules", seed_prices.rules),
    ("prices", seed_prices.prices),
    ("custom_prices", seed_prices.custom_prices),
    ("individual_prices", seed_prices.individual_prices),
    ("apps", apps.install),
)
