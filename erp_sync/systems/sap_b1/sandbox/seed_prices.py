"""Negotiated prices in great numbers: the same rows that ``POST SpecialPrices`` makes, written at once.

A million of them one by one would take minutes; names and values are not checked against the contract here, only that
partner, item and list exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from erp_sync.systems.sap_b1.sandbox.rows import write_many
from erp_sync.systems.sap_b1.sandbox.store import Store, dumps
from erp_sync.systems.sap_b1.sandbox.values import exact, number

_AT_ONCE = 10_000


class UnknownCode(ValueError):
    """A row names a partner or an item that is not there."""


def load(store: Store, rows: Iterable[dict[str, Any]]) -> int:
    """Write SpecialPrices and answer how many. A row: card (code, or ``*<list>``), item, currency; price without dates
    (the header's), or price with from, to (``YYYY-MM-DD``, to may be missing) and breaks [[quantity, price], …].

    Raises UnknownCode.
    """
    known = {
        "card": {code for (code,) in store.rows('SELECT k1 FROM "BusinessPartners"')}
        | {f"*{one}" for (one,) in store.rows('SELECT k1 FROM "PriceLists"')},
        "item": {code for (code,) in store.rows('SELECT k1 FROM "Items"')},
    }
    written, waiting = 0, []
    for row in _checked(rows, known):
        waiting.append((row["card"], row["item"], dumps(_entity(row))))
        if len(waiting) == _AT_ONCE:
            written += _write(store, waiting)
            waiting = []
    return written + _write(store, waiting)


def _write(store: Store, waiting: list[tuple[str, str, str]]) -> int:
    write_many(store, "SpecialPrices", waiting)
    return len(waiting)


def _checked(rows: Iterable[dict[str, Any]], known: dict[str, set[str]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        for name, codes in known.items():
            if row[name] not in codes:
                raise UnknownCode(f"negotiated price has {name} {row[name]!r}, which does not exist")
        yield row


def _entity(row: dict[str, Any]) -> dict[str, Any]:
    card, item, currency = row["card"], row["item"], row["currency"]
    found: dict[str, Any] = {
        "Valid": "tYES", "PriceListNum": 0, "AutoUpdate": "tNO", "SpecialPriceDataAreas": [], "CardCode": card,
        "ItemCode": item,
    }  # fmt: skip
    price = None if row.get("price") is None else number(exact(row["price"]))
    if row.get("from") is None:
        return found | {"Price": price, "Currency": currency}
    own = {"BPCode": card, "ItemNo": item}
    steps = [
        {"Quantity": number(exact(quantity)), "SpecialPrice": number(exact(amount)), "PriceCurrency": currency,
         "RowNumber": place, "SPDARowNumber": 0, **own}
        for place, (quantity, amount) in enumerate(row.get("breaks", []))
    ]  # fmt: skip
    period = {
        "DateFrom": row["from"], "Dateto": row.get("to"), "SpecialPrice": price, "PriceCurrency": currency,
        "RowNumber": 0, **own, "SpecialPriceQuantityAreas": steps,
    }  # fmt: skip
    return found | {"SpecialPriceDataAreas": [period]}
