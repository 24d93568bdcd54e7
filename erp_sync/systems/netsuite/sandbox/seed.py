"""Master data and opening stock, loaded as an administrator's CSV import would."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from erp_sync.systems.netsuite.sandbox.customer import Customer
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import PERCENT, QUANTITY, RATE, text_of

KINDS = {
    "inventory": "InvtPart", "simple": "InvtPart", "configurable": "InvtPart", "variant": "InvtPart",
    "non_inventory": "NonInvtPart", "virtual": "NonInvtPart", "kit": "Kit", "bundle": "Kit", "assembly": "Assembly",
    "service": "Service", "gift_card": "GiftCert", "discount": "Discount", "other_charge": "OthCharge",
}  # fmt: skip
KNOWN = frozenset(
    [
        "items",
        "locations",
        "stock",
        "currency",
        "currencies",
        "subsidiaries",
        "customers",
        "price_levels",
        "prices",
        "members",
        "closed_periods",
        "custom_fields",
        "custom_records",
        "inactive_customers",
        "tax_rates",
        "payment_methods",
        "ship_items",
        "website",
        "coupons",
        "saved_searches",
    ]
)


SPECIAL_LEVEL = 6


class WrongSeed(ValueError):
    """The data to load name something unknown."""


def load(session: Session, data: dict[str, Any]) -> dict[str, int]:
    """Load what is given and answer counts.

    items: sku, name, price, cost, weight, category, manufacturer, active, kind, parent_sku, options, description,
    prices; locations: code, name; stock: sku, location (code), quantity; members: parent_sku, sku, quantity;
    prices: sku, level, currency, quantity, price; customers as in the REST record; closed_periods: "Jan 2024" or
    "2024-01". An item may have special_price (price level Special Price), components (sku, quantity: of a kit),
    tax_class "none", and duplicate: true for a second item of the same SKU. Records that exist (by SKU, code, name)
    are changed. Raises WrongSeed.
    """
    unknown = set(data) - KNOWN
    if unknown:
        raise WrongSeed(f"seed has {sorted(unknown)[0]!r}; expected some of {', '.join(sorted(KNOWN))}")
    counts = {
        "subsidiaries": _subsidiaries(session, data.get("subsidiaries", [])),
        "locations": _locations(session, data.get("locations", [])),
        "price_levels": _named(session, "pricelevel", data.get("price_levels", [])),
        "payment_methods": _named(session, "paymentmethod", data.get("payment_methods", [])),
        "ship_items": _ship_items(session, data.get("ship_items", [])),
        "tax_rates": _tax_rates(session, data.get("tax_rates", [])),
    }
    _custom(session, data)
    counts["items"] = _items(session, data.get("items", []))
    counts["members"] = _members(session, data.get("members", []))
    counts["prices"] = _prices(session, data.get("prices", []))
    counts["stock"] = _stock(session, data.get("stock", []))
    customer = Customer()
    for body in data.get("customers", []):
        customer.create(session, {"subsidiary": {"id": "1"}, **body})
    counts["customers"] = len(data.get("customers", []))
    for period in data.get("closed_periods", []):
        changed = session.store.run(
            "UPDATE accountingperiod SET closed = 'T' WHERE periodname = ? OR startdate = ? || '-01'", period, period
        )
        if changed.rowcount == 0:
            raise WrongSeed(f"closed_periods has {period!r}; expected an existing month such as 2024-01")
    return {name: count for name, count in counts.items() if count}


def _subsidiaries(session: Session, rows: list[dict[str, Any]]) -> int:
    for row in rows:
        currency = session.store.value("SELECT id FROM currency WHERE symbol = ?", row.get("currency", "USD"))
        if currency is None:
            raise WrongSeed(f"subsidiary {row['name']!r} has currency {row['currency']!r}; expected a known one")
        columns = {
            "name": row["name"],
            "fullname": row["name"],
            "currency": currency,
            "country": row.get("country", "US"),
        }
        _upsert(session, "subsidiary", row.get("id"), "name", row["name"], {**columns, "iselimination": "F"})
    return len(rows)


def _locations(session: Session, rows: list[dict[str, Any]]) -> int:
    for row in rows:
        columns = {
            "name": row.get("name", row["code"]), "fullname": row.get("name", row["code"]), "externalid": row["code"],
            "subsidiary": str(row.get("subsidiary", 1)), "makeinventoryavailable": "T",
        }  # fmt: skip
        _upsert(session, "location", row.get("id"), "externalid", row["code"], columns)
    return len(rows)


def _named(session: Session, table: str, rows: list[dict[str, Any]]) -> int:
    for row in rows:
        columns = {"name": row["name"]}
        if table == "pricelevel":
            columns["discountpct"] = text_of(Decimal(str(row.get("discount", 0))), PERCENT)
        _upsert(session, table, row.get("id"), "name", row["name"], columns)
    return len(rows)


def _ship_items(session: Session, rows: list[dict[str, Any]]) -> int:
    for row in rows:
        columns = {"itemid": row["name"], "displayname": row["name"], "carrier": row.get("carrier", "nonups")}
        _upsert(session, "shipitem", row.get("id"), "itemid", row["name"], columns)
    return len(rows)


def _tax_rates(session: Session, rows: list[dict[str, Any]]) -> int:
    for row in rows:
        columns = {
            "itemid": row["name"], "displayname": row["name"], "rate": text_of(Decimal(str(row["rate"])), PERCENT),
            "country": row.get("country", "US"), "state": row.get("state"), "taxtype": "Sales Tax",
        }  # fmt: skip
        _upsert(session, "salestaxitem", row.get("id"), "itemid", row["name"], columns)
    return len(rows)


def _upsert(session: Session, table: str, given: Any, key: str, value: str, columns: dict[str, Any]) -> int:
    columns = {"isinactive": "F", **columns, "lastmodifieddate": session.now}
    found = session.store.value(f'SELECT id FROM "{table}" WHERE "{key}" = ?', value)
    if found is not None:
        session.store.update(table, {"id": found}, **columns)
        return int(found)
    if given is not None:
        columns["id"] = int(given)
    return session.store.insert(table, **columns)


def _custom(session: Session, data: dict[str, Any]) -> None:
    for name in ("custom_fields", "custom_records", "saved_searches"):
        if data.get(name):
            stored = session.store.value("SELECT value FROM sandbox_state WHERE name = ?", name)
            known = json.loads(stored) if stored else {}
            value = json.dumps({**known, **data[name]})
            session.store.run("INSERT OR REPLACE INTO sandbox_state VALUES (?, ?)", name, value)


def _items(session: Session, rows: list[dict[str, Any]]) -> int:
    store = session.store
    for row in rows:
        kind = KINDS.get(row.get("kind") or "inventory")
        if kind is None:
            raise WrongSeed(f"item {row['sku']!r} has kind {row['kind']!r}; expected one of {', '.join(KINDS)}")
        parent = None
        if row.get("parent_sku"):
            parent = _item_id(session, row["parent_sku"])
        name = str(row.get("name") or row["sku"])
        columns = {
            "itemid": row["sku"],
            "displayname": name,
            "fullname": row["sku"],
            "itemtype": kind,
            "parent": parent,
            "matrixtype": "CHILD" if parent else "PARENT" if row.get("kind") == "configurable" else None,
            "isinactive": "F" if row.get("active", True) else "T",
            "isonline": "T",
            "istaxable": "F" if row.get("tax_class") == "none" else "T",
            "isfulfillable": "T",
            "description": row.get("description") or name,
            "storedisplayname": name,
            "costingmethod": "AVG",
            "subtype": None if kind in ("InvtPart", "Kit", "Assembly") else "Sale",
            "cost": _text(row.get("cost"), RATE),
            "averagecost": _text(row.get("cost"), RATE),
            "weight": _text(row.get("weight"), QUANTITY),
            "weightunit": "1" if row.get("weight") is not None else None,
            "manufacturer": row.get("manufacturer"),
            "upccode": row.get("upc"),
            "lastmodifieddate": session.now,
            "externalid": row.get("external_id"),
        }
        custom = {key: value for key, value in (row.get("custom") or {}).items()}
        if custom:
            columns["custom"] = json.dumps(custom)
        other = {key: row[key] for key in ("category", "options") if row.get(key)}
        if other:
            columns["searchkeywords"] = json.dumps(other, sort_keys=True)
        found = store.value("SELECT id FROM item WHERE itemid = ?", row["sku"])
        if found is None or row.get("duplicate"):
            found = session.new_id("item")
            store.insert("item", id=found, createddate=session.now, **columns)
        else:
            store.update("item", {"id": found}, **columns)
        if row.get("price") is not None:
            set_price(session, int(found), 1, 1, Decimal(0), Decimal(str(row["price"])))
        if row.get("special_price") is not None:
            set_price(session, int(found), SPECIAL_LEVEL, 1, Decimal(0), Decimal(str(row["special_price"])))
        components = row.get("components") or []
        _members(session, [{"parent_sku": row["sku"], **component} for component in components])
        for price in row.get("prices", []):
            _prices(session, [{"sku": row["sku"], **price}])
    return len(rows)


def set_price(session: Session, item: int, level: int, currency: int, quantity: Decimal, price: Decimal | None) -> None:
    """One cell of an item's price matrix; None takes it away."""
    keys = {"item": item, "pricelevel": level, "currency": currency, "quantity": text_of(quantity, QUANTITY)}
    session.store.delete("itemprice", **keys)
    if price is None:
        return
    name = session.store.value("SELECT name FROM pricelevel WHERE id = ?", level)
    session.store.insert(
        "itemprice", **keys, pricelevelname=name, currencypage=currency, priceqty=keys["quantity"],
        price=text_of(price, RATE), isinactive="F", lastmodified=session.now,
    )  # fmt: skip


def _prices(session: Session, rows: list[dict[str, Any]]) -> int:
    for row in rows:
        level = session.store.value(
            "SELECT id FROM pricelevel WHERE name = ? OR CAST(id AS TEXT) = ?", str(row["level"]), str(row["level"])
        )
        currency = session.store.value("SELECT id FROM currency WHERE symbol = ?", row.get("currency", "USD"))
        if level is None or currency is None:
            raise WrongSeed(f"price of {row['sku']!r} has level {row['level']!r}, currency {row.get('currency')!r}")
        price = None if row["price"] is None else Decimal(str(row["price"]))
        set_price(session, _item_id(session, row["sku"]), level, currency, Decimal(str(row.get("quantity", 0))), price)
    return len(rows)


def _members(session: Session, rows: list[dict[str, Any]]) -> int:
    for row in rows:
        parent, item = _item_id(session, row["parent_sku"]), _item_id(session, row["sku"])
        last = session.store.value("SELECT COALESCE(MAX(linenumber), 0) FROM itemmember WHERE parentitem = ?", parent)
        session.store.delete("itemmember", parentitem=parent, item=item)
        quantity = text_of(Decimal(str(row.get("quantity", 1))), QUANTITY)
        session.store.insert("itemmember", parentitem=parent, item=item, quantity=quantity, linenumber=last + 1)
    return len(rows)


def _stock(session: Session, rows: list[dict[str, Any]]) -> int:
    """Opening stock: sets what is on hand."""
    zero = text_of(0, QUANTITY)
    locations = {row["externalid"]: row["id"] for row in session.store.all("SELECT id, externalid FROM location")}
    for row in rows:
        location = locations.get(row["location"])
        if location is None:
            raise WrongSeed(f"stock of {row['sku']!r} is at {row['location']!r}; expected a location code")
        item = session.store.one("SELECT id, averagecost FROM item WHERE itemid = ?", row["sku"])
        if item is None:
            raise WrongSeed(f"stock of {row['sku']!r}: no such item")
        amount = Decimal(str(row["quantity"]))
        held = session.store.one(
            "SELECT quantitycommitted FROM aggregateitemlocation WHERE item = ? AND location = ?", item["id"], location
        )
        committed = Decimal(held["quantitycommitted"]) if held else Decimal(0)
        cost = item["averagecost"] or text_of(0, RATE)
        columns = {
            "quantityonhand": text_of(amount, QUANTITY), "quantityavailable": text_of(amount - committed, QUANTITY),
            "lastquantityavailablechange": session.now, "averagecostmli": cost,
            "onhandvaluemli": text_of(amount * Decimal(cost), 2),
        }  # fmt: skip
        if held is not None:
            session.store.update("aggregateitemlocation", {"item": item["id"], "location": location}, **columns)
            continue
        session.store.insert(
            "aggregateitemlocation",
            item=item["id"],
            location=location,
            quantitycommitted=zero,
            quantitybackordered=zero,
            quantityonorder=zero,
            quantityintransit=zero,
            quantitypicked=zero,
            **columns,
        )
    return len(rows)


def _item_id(session: Session, sku: str) -> int:
    found = session.store.value("SELECT id FROM item WHERE itemid = ?", sku)
    if found is None:
        raise WrongSeed(f"{sku!r} is no item")
    return int(found)


def _text(value: Any, scale: int) -> str | None:
    return None if value is None else text_of(Decimal(str(value)), scale)
