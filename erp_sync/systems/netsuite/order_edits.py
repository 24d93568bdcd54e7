"""What somebody changed in NetSuite of an order that was sent: its lines, shipping cost, deposits and where it goes.

The store owns all of these; the total alone would not show a line that was swapped for another. Five queries for some
200 orders: lines by item, shipping cost, where each goes, those addresses, and deposits by our external ids (one
that is gone is not told: a deposit may have been adopted without an id of ours). Addresses are read by their
own key and not joined: public code tells of joins with them that do not come back (unconfirmed).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from erp_sync.systems.netsuite.mapping import identity
from erp_sync.systems.netsuite.mapping.common import ADDRESS
from erp_sync.systems.netsuite.mapping.deposit import deposits_of
from erp_sync.systems.netsuite.mapping.order_lines import Discounts, prepared

ORDERS_A_QUERY = 200
ADDRESS_FIELDS = ("addr1", "addr2", "city", "zip", "country")
Lines = dict[str, tuple[Decimal, Decimal]]


class OrderEdits:
    """See `ports.reconciling.TellsEdits`."""

    def __init__(
        self, client: NetSuiteClient, lookups: Lookups, discounts: Discounts, settings: Mapping[str, Any]
    ) -> None:
        self._client, self._lookups, self._discounts, self._settings = client, lookups, discounts, settings

    def edits(self, documents: Mapping[str, SalesOrder]) -> dict[str, list[Edited]]:
        """By internal id of the order. Raises the TransportError tree."""
        ids = list(documents)
        lines, costs, addresses = self._lines(ids), self._costs(ids), self._addresses(ids)
        deposits = self._deposits(documents.values())
        found: dict[str, list[Edited]] = {}
        for order, document in documents.items():
            if order not in lines:
                continue  # gone since: that is another difference
            try:
                edited = _of_lines(self._sent(document), lines[order])
                if order in costs:
                    edited += _of_amount(
                        "shipping cost", document.shipping.amount - document.shipping.discount, costs[order]
                    )
                for position, payment in deposits_of(document, self._settings):
                    there = deposits.get(identity.payment_key(document, payment))
                    if there is not None:
                        edited += _of_amount(f"deposit {position}", payment.amount, there)
                if order in addresses:
                    edited += _of_address(self._address(document), addresses[order])
            except MappingProblem:
                continue  # mapped when it went, and by the settings of today no more
            if edited:
                found[order] = edited
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

    def _deposits(self, documents: Iterable[SalesOrder]) -> dict[str, Decimal]:
        """Amounts by our external id."""
        keys = [
            identity.payment_key(one, payment) for one in documents for _, payment in deposits_of(one, self._settings)
        ]
        found: dict[str, Decimal] = {}
        for some in chunks(keys, ORDERS_A_QUERY):
            rows = self._client.query(
                "SELECT t.id, t.externalid, t.foreigntotal FROM transaction t WHERE t.type = 'CustDep' "
                f"AND t.externalid IN ({suiteql.texts(some)}) ORDER BY t.id",
                operation="sales_order.read_lines",
            )
            found |= {str(row["externalid"]): abs(decimal_of(row["foreigntotal"])) for row in rows}
        return found

    def _costs(self, ids: Sequence[str]) -> dict[str, Decimal]:
        """Of shipping and handling, by order. SuiteQL has them as lines only (the header's fields are "removed")."""
        found: dict[str, Decimal] = {}
        for some in chunks(ids, ORDERS_A_QUERY):
            rows = self._client.query(
                "SELECT tl.transaction, SUM(tl.foreignamount) AS amount FROM transactionline tl "
                f"WHERE {suiteql.numbers_in('tl.transaction', some)} AND tl.itemtype = 'ShipItem' "
                "AND tl.taxline = 'F' GROUP BY tl.transaction ORDER BY tl.transaction",
                operation="sales_order.read_lines",
            )
            found |= {str(row["transaction"]): abs(decimal_of(row["amount"] or 0)) for row in rows}
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


def _of_amount(field: str, sent: Decimal, there: Decimal) -> list[Edited]:
    if sent == there:
        return []
    return [Edited(field=field, sent=f"{sent.normalize():f}", there=f"{there.normalize():f}")]


def _words(line: tuple[Decimal, Decimal] | None) -> str:
    return "" if line is None else f"{line[0].normalize():f} for {line[1].normalize():f}"


def _of_address(sent: Mapping[str, str], there: Mapping[str, str]) -> list[Edited]:
    return [
        Edited(field=f"shipping address, {name}", sent=sent[name], there=there[name])
        for name in ADDRESS_FIELDS
        if sent[name].casefold() != there[name].casefold()
    ]
