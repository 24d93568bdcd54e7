"""Item lines of sales transactions: price, amount, location, and the keys 1, 4, 7.

A line's rate comes from the body, else from the price level (the line's, the customer's, Base Price) at its
quantity break. A rate without a price level is a custom one, ``price: {"id": "-1"}``. An amount that is sent
stands; else it is rate times quantity, rounded to cents.
"""

from __future__ import annotations

import json
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, invalid_value, missing, user_error
from erp_sync.systems.netsuite.sandbox.fields import (
    Field,
    answer,
    merged,
    number,
    parse,
    parse_custom,
    print_custom,
    refer,
    reference,
)
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import (
    AMOUNT,
    PERCENT,
    QUANTITY,
    RATE,
    ZERO,
    Row,
    decimal,
    json_number,
    text_of,
)
from erp_sync.systems.netsuite.sandbox.transactions import insert_line, item_lines, next_line

CUSTOM_PRICE = -1
_PERCENT = re.compile(r"-?\d+(\.\d+)?%$")
# Items that carry an amount of their own and no stock.
_WITHOUT_QUANTITY = ("Discount", "Subtotal", "Description", "Markup")

FIELDS = (
    Field("location", "location", "reference", "location"),
    Field("inventorylocation", "inventorylocation", "reference", "location"),
    Field("description", "memo", length=4000),
    Field("isClosed", "isclosed", "flag"),
    Field("commitInventory", "commitinventory", "enum", choices=("1", "2", "3")),
    Field("expectedShipDate", "expectedshipdate", "date"),
    Field("requestedDate", "requesteddate", "date"),
    Field("taxDetailsReference", "taxdetailsreference", length=100),
    Field("taxCode", "taxcode", "reference", "salestaxitem"),
    Field("taxRate1", "taxrate1", "percent"),
    Field("isTaxable", "istaxable", "flag"),
    Field("units", "units", "reference"),
)
_NOTHING_DONE = dict.fromkeys(
    (
        "quantityshiprecv",
        "quantitybilled",
        "quantitypicked",
        "quantitypacked",
        "quantitycommitted",
        "quantitybackordered",
    ),
    text_of(0, QUANTITY),
)
# Properties computed here; what else the contract allows on a line is kept and given back.
HANDLED = frozenset(
    [
        "item",
        "quantity",
        "rate",
        "amount",
        "price",
        "line",
        "lineUniqueKey",
        "id",
        "links",
        "quantityCommitted",
        "quantityFulfilled",
        "quantityBilled",
        "quantityBackOrdered",
        "quantityPicked",
        "quantityPacked",
        "quantityAvailable",
        "quantityOnHand",
        "isOpen",
        "itemType",
        "itemSubtype",
        "grossAmt",
        "taxAmount",
        "subsidiary",
        "linked",
        "orderLine",
    ]
) | {field.name for field in FIELDS}


def write_lines(
    session: Session, order: Row, body: dict[str, Any], customer: Row, *, sign: int, replace: bool
) -> list[int]:
    """Apply the body's item lines: a known `line` is changed, every other line is added.

    With `replace` the lines sent become the whole list. Answers the ids of lines taken away.
    """
    existing = {row["id"]: row for row in item_lines(session, order["id"])}
    sent: set[int] = set()
    for index, line in enumerate(body["item"]["items"]):
        path = f"item.items[{index}]"
        key = line.get("line")
        stored = None
        if key is not None:
            stored = existing.get(int(key)) if re.fullmatch(r"\d+", str(key)) else None
            if stored is None and not replace:
                raise invalid_reference(key, "line", f"{path}.line")
        number = stored["id"] if stored is not None else next_line(session, order["id"])
        sent.add(number)
        columns = line_columns(session, order, line, stored, customer, path, sign=sign, fresh=replace)
        _check_not_below_done(columns, stored, path)
        if stored is not None:
            keys = {"transaction": order["id"], "id": number}
            session.store.update("transactionline", keys, **columns, linelastmodifieddate=session.now)
        else:
            sequence = len(existing) + index + 1
            insert_line(session, order["id"], number, linesequencenumber=sequence, **{**_NOTHING_DONE, **columns})
    gone = [number for number in existing if number not in sent] if replace else []
    for number in gone:
        if decimal(existing[number]["quantityshiprecv"]) or decimal(existing[number]["quantitybilled"]):
            raise user_error("You cannot delete this line, since it has been fulfilled or billed.", "item")
    return gone


def line_columns(
    session: Session,
    order: Row,
    line: dict[str, Any],
    stored: Row | None,
    customer: Row,
    path: str,
    *,
    sign: int,
    fresh: bool,
) -> dict[str, Any]:
    """Columns of one line; with `fresh` what the body leaves out falls back to its default."""
    columns = parse(session, FIELDS, line, f"{path}.")
    if line.get("item") is not None:
        item_id = reference(session, "item", line["item"], "item", f"{path}.item")
    elif stored is not None:
        item_id = stored["item"]
    else:
        raise missing("Item", f"{path}.item")
    item = session.store.one("SELECT * FROM item WHERE id = ?", item_id)
    assert item is not None
    if item["subsidiary"] and str(order["subsidiary"]) not in item["subsidiary"].split(","):
        raise invalid_reference(item_id, "item", f"{path}.item")
    base = None if stored is None or fresh or stored["item"] != item_id else stored
    columns.update(_price(session, order, line, base, customer, item, path, sign))
    if stored is None or fresh:
        defaults = {
            "isclosed": "F", "commitinventory": "1", "memo": item["description"],
            "location": order["location"], "istaxable": item["istaxable"] or "T",
        }  # fmt: skip
        for name, value in defaults.items():
            if columns.get(name) is None:
                columns[name] = value
    if columns.get("commitinventory") is not None:
        columns["commitinventory"] = int(columns["commitinventory"])
    custom = parse_custom(session, line, "custcol", f"{path}.")
    if custom:
        columns["custom"] = merged(None if stored is None else stored["custom"], custom)
    other = {name: value for name, value in line.items() if name not in HANDLED and not name.startswith("custcol")}
    if other:
        columns["other"] = merged(None if stored is None else stored["other"], other)
    kind = item["itemtype"]
    shippable = kind not in (*_WITHOUT_QUANTITY, "OthCharge", "GiftCert", "Service") and item["isfulfillable"] != "F"
    return {
        "item": item_id, "itemtype": kind, "subsidiary": order["subsidiary"], "entity": order["entity"],
        "fulfillable": "T" if shippable else "F", "isbillable": "T", **columns,
    }  # fmt: skip


def _price(
    session: Session, order: Row, line: dict[str, Any], base: Row | None, customer: Row, item: Row, path: str, sign: int
) -> dict[str, Any]:
    if item["itemtype"] in _WITHOUT_QUANTITY:
        return _without_quantity(session, order, line, base, path, sign)
    quantity = _number(line, "quantity", path)
    if quantity is None:
        quantity = Decimal(1) if base is None else abs(decimal(base["quantity"]))
    if quantity <= 0:
        raise user_error("Please enter a valid quantity: it must be greater than zero.", f"{path}.quantity")
    rate, amount = _number(line, "rate", path), _number(line, "amount", path)
    level = base["price"] if base is not None else None
    if "price" in line and line["price"] is not None:
        level = reference(session, None, line["price"], "price", f"{path}.price")
        known = level == CUSTOM_PRICE or session.store.value(
            "SELECT 1 FROM pricelevel WHERE id = ? AND isinactive = 'F'", level
        )
        if not known:
            raise invalid_reference(level, "price", f"{path}.price")
    if rate is not None:
        level = CUSTOM_PRICE if "price" not in line else level
    elif amount is not None:
        rate, level = amount / quantity, CUSTOM_PRICE
    elif level == CUSTOM_PRICE and base is not None:
        rate = decimal(base["rate"])
    else:
        if level is None or level == CUSTOM_PRICE:
            level = customer["pricelevel"] or 1
        rate = list_price(session, item["id"], level, order["currency"], quantity)
        if rate is None:
            raise missing("Amount", f"{path}.amount")
    if amount is None:
        amount = (rate * quantity).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    return {
        "quantity": text_of(quantity * sign, QUANTITY), "rate": text_of(rate, RATE), "rateamount": text_of(rate, RATE),
        "price": level, "foreignamount": text_of(amount * sign, AMOUNT),
        "netamount": text_of(amount * sign * decimal(order["exchangerate"]), AMOUNT),
    }  # fmt: skip


def _without_quantity(
    session: Session, order: Row, line: dict[str, Any], base: Row | None, path: str, sign: int
) -> dict[str, Any]:
    """Discount lines: an amount, or a percentage of the line above."""
    amount = _number(line, "amount", path)
    rate = line.get("rate")
    percent = None
    if amount is None and isinstance(rate, str) and _PERCENT.match(rate.strip()):
        percent = Decimal(rate.strip()[:-1])
        above = item_lines(session, order["id"])
        amount = ZERO
        if above:
            amount = (decimal(above[-1]["foreignamount"]) * sign * percent / 100).quantize(
                Decimal("0.01"), ROUND_HALF_UP
            )
    elif amount is None:
        given = _number(line, "rate", path)
        amount = given if given is not None else (ZERO if base is None else decimal(base["foreignamount"]) * sign)
    return {
        "quantity": None, "rate": None if percent is not None else text_of(amount, RATE),
        "rateamount": None if percent is not None else text_of(amount, RATE),
        "ratepercent": None if percent is None else text_of(percent, PERCENT), "price": None,
        "foreignamount": text_of(amount * sign, AMOUNT),
        "netamount": text_of(amount * sign * decimal(order["exchangerate"]), AMOUNT),
    }  # fmt: skip


def list_price(session: Session, item: int, level: int, currency: int, quantity: Decimal) -> Decimal | None:
    """Price of a level at the highest quantity break reached, or None where the item has none."""
    rows = session.store.all(
        "SELECT quantity, price FROM itemprice WHERE item = ? AND pricelevel = ? AND currency = ?",
        item,
        level,
        currency,
    )
    reached = [row for row in rows if decimal(row["quantity"]) <= quantity]
    return decimal(max(reached, key=lambda row: decimal(row["quantity"]))["price"]) if reached else None


def _number(line: dict[str, Any], name: str, path: str) -> Decimal | None:
    value = line.get(name)
    if value is None:
        return None
    if isinstance(value, str) and not re.fullmatch(r"-?\d+(\.\d+)?", value.strip()):
        raise invalid_value(name, f"{path}.{name}")
    return number(value, name, f"{path}.{name}")


def _check_not_below_done(columns: dict[str, Any], stored: Row | None, path: str) -> None:
    if stored is None or stored["quantity"] is None or columns.get("quantity") is None:
        return
    done = max(decimal(stored["quantityshiprecv"]), decimal(stored["quantitybilled"]))
    if done and columns["item"] != stored["item"]:
        raise user_error("You cannot change the item of a line that has been fulfilled or billed.", f"{path}.item")
    if abs(decimal(columns["quantity"])) < done:
        raise user_error("The quantity cannot be less than what has been fulfilled or billed.", f"{path}.quantity")


def print_line(session: Session, line: Row, *, sign: int) -> dict[str, Any]:
    """A line as GET answers it."""
    quantity = decimal(line["quantity"])
    amount = decimal(line["foreignamount"]) * sign
    ordered = {
        "line": line["id"],
        "lineUniqueKey": line["uniquekey"],
        "item": _item(session, line["item"]),
        "itemType": {"id": line["itemtype"], "refName": line["itemtype"]},
        "quantity": json_number(str(abs(quantity))) if line["quantity"] is not None else None,
        "rate": json_number(line["rate"]),
        "amount": json_number(text_of(amount, AMOUNT)),
        "price": {"id": str(line["price"]), "refName": _price_name(session, line["price"])} if line["price"] else None,
        "quantityCommitted": json_number(line["quantitycommitted"]),
        "quantityBackOrdered": json_number(line["quantitybackordered"]),
        "quantityPicked": json_number(line["quantitypicked"]),
        "quantityPacked": json_number(line["quantitypacked"]),
        "quantityFulfilled": json_number(line["quantityshiprecv"]),
        "quantityBilled": json_number(line["quantitybilled"]),
        "taxAmount": json_number(line["taxamount"]),
        "grossAmt": json_number(text_of(amount + decimal(line["taxamount"]), AMOUNT)),
        "isOpen": line["isclosed"] != "T",
        **answer(
            session, _PRINTED, {**dict(line), "commitinventory": _text(line["commitinventory"])}, simple_enums=False
        ),
        **json.loads(line["other"] or "{}"),
        **print_custom(session, line["custom"]),
    }
    return {name: value for name, value in ordered.items() if value is not None}


_PRINTED = tuple(field for field in FIELDS if field.name not in ("taxCode", "taxRate1", "isTaxable"))


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _price_name(session: Session, level: int) -> str | None:
    if level == CUSTOM_PRICE:
        return "Custom"
    return session.store.value("SELECT name FROM pricelevel WHERE id = ?", level)


def _item(session: Session, item: int) -> dict[str, Any]:
    return refer(session, "item", item)
