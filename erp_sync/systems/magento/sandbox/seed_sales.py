"""Loaders of who buys and at what conditions: customers, cart price rules, balances, tax rates."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import auth, directory
from erp_sync.systems.magento.sandbox.shop import Shop, json_text


def customer_groups(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    for entry in entries:
        shop.database.run(
            "INSERT OR IGNORE INTO customer_group (customer_group_code, tax_class_id) VALUES (?, ?)",
            [entry["code"], int(entry.get("tax_class_id", directory.CUSTOMER_TAX_CLASS))],
        )


def customers(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    database, now = shop.database, shop.now()
    groups = {
        row["customer_group_code"]: row["customer_group_id"] for row in database.rows("SELECT * FROM customer_group")
    }
    default_password = auth.password_hash(shop.secret("customer_password", 16), "seed")
    for entry in entries:
        website = database.row(
            "SELECT website.website_id, min(store.store_id) AS store_id, store.name FROM store_website AS website "
            "JOIN store USING (website_id) WHERE website.code = ? GROUP BY website.website_id",
            [entry.get("website", "base")],
        )
        if website is None:
            raise ValueError(f"customer {entry['email']!r}: no website {entry.get('website')!r}")
        password = auth.password_hash(entry["password"], "seed") if entry.get("password") else default_password
        first, last = entry.get("firstname") or entry.get("first_name"), entry.get("lastname") or entry.get("last_name")
        customer = database.insert(
            "customer_entity",
            {
                "website_id": website["website_id"],
                "email": entry["email"],
                "group_id": groups.get(entry.get("group", "General"), 1),
                "store_id": website["store_id"],
                "created_at": now,
                "updated_at": now,
                "created_in": website["name"],
                "firstname": first or "",
                "lastname": last or "",
                "taxvat": entry.get("taxvat"),
                "password": password,
            },
        )
        for position, address in enumerate(entry.get("addresses") or ()):
            country = address.get("country_id") or address.get("country") or "US"
            found = directory.region(
                shop, country, code=str(address.get("region_code") or address.get("region") or ""),
                region_id=int(address.get("region_id") or 0),
            )  # fmt: skip
            street = address.get("street") or [address.get("line1", "")]
            identity = database.insert(
                "customer_address_entity",
                {
                    "parent_id": customer,
                    "firstname": address.get("firstname") or first or "",
                    "lastname": address.get("lastname") or last or "",
                    "company": address.get("company"),
                    "street": json_text(street if isinstance(street, list) else [street]),
                    "city": address.get("city", ""),
                    "postcode": address.get("postcode", ""),
                    "country_id": country,
                    "telephone": address.get("telephone") or address.get("phone") or "",
                    **found,
                },
            )
            if position == 0:
                fields = {"default_billing": identity, "default_shipping": identity}
                database.update("customer_entity", {"entity_id": customer}, fields)


def rules(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    for entry in entries:
        code = entry.get("coupon_code") or entry.get("code")
        rule = shop.database.insert(
            "salesrule",
            {
                "name": entry.get("name") or code or "Rule",
                "description": entry.get("description"),
                "simple_action": entry.get("action", "by_percent"),
                "discount_amount": Decimal(str(entry.get("amount", 0))),
                "discount_qty": Decimal(str(entry["maximum_qty"])) if entry.get("maximum_qty") else None,
                "discount_step": int(entry.get("step", 0)),
                "apply_to_shipping": int(entry.get("apply_to_shipping", False)),
                "simple_free_shipping": "1" if entry.get("free_shipping") else "0",
                "coupon_type": "2" if code else "1",
                "website_ids": json_text(entry.get("website_ids")
                    or shop.database.column("SELECT website_id FROM store_website WHERE website_id")),
                "customer_group_ids": json_text(entry.get("customer_group_ids") or []),
                "sort_order": int(entry.get("sort_order", 0)),
                "stop_rules_processing": int(entry.get("stop_rules_processing", False)),
                "store_label": entry.get("label"),
                "from_date": entry.get("from_date"),
                "to_date": entry.get("to_date"),
                "minimum_subtotal": Decimal(str(entry["minimum_subtotal"])) if entry.get("minimum_subtotal") else None,
                "skus": json_text(entry["skus"]) if entry.get("skus") else None,
                "uses_per_coupon": int(entry.get("uses_per_coupon", 0)),
            },
        )  # fmt: skip
        if code:
            shop.database.insert(
                "salesrule_coupon",
                {
                    "rule_id": rule,
                    "code": code,
                    "usage_limit": entry.get("uses_per_coupon"),
                    "expiration_date": entry.get("expires"),
                    "created_at": shop.now(),
                },
            )


def gift_cards(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    for entry in entries:
        shop.database.insert(
            "magento_giftcardaccount",
            {
                "code": entry["code"],
                "balance": Decimal(str(entry["balance"])),
                "website_id": 1,
                "date_created": shop.now()[:10],
                "date_expires": entry.get("expires"),
            },
        )


def store_credit(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    for entry in entries:
        shop.database.run(
            "INSERT OR REPLACE INTO magento_customerbalance SELECT entity_id, website_id, ? FROM customer_entity "
            "WHERE email = ?",
            [Decimal(str(entry["amount"])), entry["email"]],
        )


def tax_rates(shop: Shop, entries: Iterable[dict[str, Any]]) -> None:
    for entry in entries:
        priority = int(entry.get("priority", 0))
        name = entry.get("rule", f"Seeded priority {priority}")
        rule = shop.database.value("SELECT tax_calculation_rule_id FROM tax_calculation_rule WHERE code = ?", [name])
        if rule is None:
            rule = shop.database.insert(
                "tax_calculation_rule",
                {
                    "code": name,
                    "priority": priority,
                    "position": 0,
                    "calculate_subtotal": int(entry.get("calculate_subtotal", priority > 0)),
                },
            )
        country = entry.get("country", "US")
        found = directory.region(shop, country, code=str(entry.get("region", "")))
        directory.add_rate(
            shop, rule, country, int(str(found["region_id"] or 0)), entry.get("postcode", "*"), entry["code"],
            entry.get("title", entry["code"]), Decimal(str(entry["rate"])),
        )  # fmt: skip
