"""What somebody changed in NetSuite of an order that was sent: its lines and where it goes.

The store owns an order's lines and address; the total alone would not show a line that was swapped for another.
Three queries for some 200 orders: lines by item, where each goes, and those addresses. Addresses are read by their
own key and not joined: public code tells of joins with them that do not come back (unconfirmed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.order import SalesOrder
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context
from erp_sync.ports.raw import MappingProblem
from erp_sync.ports.reconciling import Edited
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.client import PAGE, NetSuiteClient, chunks
from erp_sync.systems.netsuite.mapping.common import ADDRESS
from erp_sync.systems.netsuite.mapping.order_lines import Discounts, prepared

ORDERS_A_QUERY = 200
ADDRESS_FIELDS = ("addr1", "addr2", "city", "zip", "country")
Lines = dict[str, tuple[Decimal, Decimal]]


class OrderEdits:
    """See `ports.reconciling.TellsEdits`."""

    def __init__(self, client: NetSuiteClient, lookups: Lookups, discounts: Discounts) -> None:
        self._client, self._lookups, self._discounts = client, lookups, discounts

    def edits(self, documents: Mapping[str, SalesOrder]) -> dict[str, list[Edited]]:
        """By internal id of the order. Raises the TransportError tree."""
        lines, addresses = self._lines(list(documents)), self._addresses(list(documents))
        found: dict[str, list[Edited]] = {}
        for identity, document in documents.items():
            if identity not in lines:
                continue  # gone since: that is another difference
            try:
                edited = _of_lines(self._sent(document), lines[identity])
                if identity in addresses:
                    edited += _of_address(self._address(document), addresses[identity])
            except MappingProblem:
                continue  # mapped when it went, and by the settings of today no more
            if edited:
                found[identity] = edited
        return found

    def _sent(self, document: SalesOrder) -> Lines:
        sent: Lines = {}
        for line in prepared(document, self._discounts):
            if line.sku:
                quantity, amount = sent.get(line.sku, (ZERO, ZERO))
                sent[line.sku] = (quantity + (line.quantity or ZERO), amount + line.amount)
        return sent

    def _address(self, document: SalesOrder) -> dict[str, str]:
        context = Context(self._client.connection, self._lookups)
        body = ADDRESS.apply(document.shipping_address or document.billing_address, context)
        return {name: _plain(body.get(name)) for name in ADDRESS_FIELDS}

    def _lines(self, ids: Sequence[str]) -> dict[str, Lines]:
        """Quantity and amount by order and item. A kit's own row counts, its members do not; rows without a quantity
        are discounts and charges."""
        found: dict[str, Lines] = {}
        for some in chunks(ids, ORDERS_A_QUERY):
            last: tuple[str, str] | None = None
            while True:
                after = "" if last is None else f" AND {_beyond(*last)}"
                rows = self._client.query(
                    "SELECT tl.transaction, tl.item, MAX(i.itemid) AS itemid, SUM(tl.quantity) AS quantity, "
                    "SUM(tl.foreignamount) AS amount FROM transactionline tl JOIN item i ON i.id = tl.item "
                    f"WHERE {suiteql.numbers_in('tl.transaction', some)} AND tl.mainline = 'F' AND tl.taxline = 'F' "
                    f"AND NVL(tl.kitcomponent, 'F') = 'F' AND tl.quantity IS NOT NULL{after} "
                    "GROUP BY tl.transaction, tl.item ORDER BY tl.transaction, tl.item",
                    operation="sales_order.read_lines",
                )
                for row in rows:
                    amounts = abs(decimal_of(row["quantity"])), abs(decimal_of(row.get("amount") or 0))
                    found.setdefault(str(row["transaction"]), {})[str(row["itemid"])] = amounts
                if len(rows) < PAGE:
                    break
                last = str(rows[-1]["transaction"]), str(rows[-1]["item"])
        return found

    def _addresses(self, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        keys: dict[str, str] = {}
        for some in chunks(ids):
            rows = self._client.query(
                "SELECT t.id, t.shippingaddress FROM transaction t "
                f"WHERE {suiteql.numbers_in('t.id', some)} ORDER BY t.id",
                operation="sales_order.read_lines",
            )
            keys |= {str(row["id"]): str(row["shippingaddress"]) for row in rows if row.get("shippingaddress")}
        there: dict[str, dict[str, str]] = {}
        columns = ", ".join(f"a.{name}" for name in ADDRESS_FIELDS)
        for some in chunks(sorted(set(keys.values()), key=int)):
            rows = self._client.query(
                f"SELECT a.nkey, {columns} FROM transactionshippingaddress a "
                f"WHERE {suiteql.numbers_in('a.nkey', some)} ORDER BY a.nkey",
                operation="sales_order.read_lines",
            )
            there |= {str(row["nkey"]): {name: _plain(row.get(name)) for name in ADDRESS_FIELDS} for row in rows}
        return {identity: there[key] for identity, key in keys.items() if key in there}


def _beyond(order: str, item: str) -> str:
    order, item = suiteql.number(order), suiteql.number(item)
    return f"(tl.transaction > {order} OR (tl.transaction = {order} AND tl.item > {item}))"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("id")
    return " ".join(str(value if value is not None else "").split())


def _of_lines(sent: Lines, there: Lines) -> list[Edited]:
    found = []
    for sku in sorted(sent.keys() | there.keys()):
        before, now = sent.get(sku), there.get(sku)
        if before is None or now is None:
            found.append(Edited(field=f"line {sku}", sent=_words(before), there=_words(now)))
            continue
        for name, one, other in zip(("quantity", "amount"), before, now, strict=True):
            if one != other:
                found.append(
                    Edited(field=f"{name} of {sku}", sent=f"{one.normalize():f}", there=f"{other.normalize():f}")
                )
    return found


def _words(line: tuple[Decimal, Decimal] | None) -> str:
    return "" if line is None else f"{line[0].normalize():f} for {line[1].normalize():f}"


def _of_address(sent: Mapping[str, str], there: Mapping[str, str]) -> list[Edited]:
    return [
        Edited(field=f"shipping address, {name}", sent=sent[name], there=there[name])
        for name in ADDRESS_FIELDS
        if sent[name].casefold() != there[name].casefold()
    ]
