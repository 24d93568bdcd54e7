"""What somebody changed in NetSuite of an order that was sent: its lines, shipping cost, deposits and where it goes.

The store owns all of these; the total alone would not show a line that was swapped for another. Five queries for some
200 orders: lines by item, shipping cost, status and where each goes, those addresses, and deposits by the ids that our
writes got; one that is deleted or voided is told as gone. Addresses are read by their own key and not joined: public
code tells of joins with them that do not come back (unconfirmed).

What can be put back says so; see `corrections` for what cannot, and why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.order import SalesOrder
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context
from erp_sync.ports.raw import MappingProblem
from erp_sync.ports.reconciling import Edited, Known
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.client import PAGE, NetSuiteClient, chunks
from erp_sync.systems.netsuite.mapping import identity
from erp_sync.systems.netsuite.mapping.common import ADDRESS
from erp_sync.systems.netsuite.mapping.deposit import deposits_of
from erp_sync.systems.netsuite.mapping.order import LEGACY
from erp_sync.systems.netsuite.mapping.order_lines import Discounts, prepared
from erp_sync.systems.netsuite.mapping.order_status import status_letter

ORDERS_A_QUERY = 200
ADDRESS_FIELDS = ("addr1", "addr2", "city", "zip", "country")
Amounts = tuple[Decimal, Decimal]
Lines = dict[str, Amounts]
# Of an item: all its lines, and those that are not closed.
There = dict[str, tuple[Amounts, Amounts]]
OPEN = "AB"  # pending approval, pending fulfillment: nothing was fulfilled, billed or closed
CLOSED = "it is fulfilled, billed or closed, or a part of it is"
NO_TAX = "REST writes no legacy tax, and what changes is taxed anew"


class Header(msgspec.Struct):
    """Status letter, and key of the shipping address."""

    status: str
    address: str


class OrderEdits:
    """See `ports.reconciling.TellsEdits`."""

    def __init__(
        self, client: NetSuiteClient, lookups: Lookups, discounts: Discounts, settings: Mapping[str, Any]
    ) -> None:
        self._client, self._lookups, self._discounts, self._settings = client, lookups, discounts, settings

    def edits(self, documents: Mapping[str, SalesOrder], known: Known) -> dict[str, list[Edited]]:
        """By internal id of the order. Raises the TransportError tree."""
        ids = list(documents)
        lines, costs, headers = self._lines(ids), self._costs(ids), self._headers(ids)
        addresses = self._addresses(headers)
        made = self._made(documents.values(), known)
        deposits = self._deposits([one for _, one in made.values()])
        found: dict[str, list[Edited]] = {}
        for order, document in documents.items():
            if order not in lines:
                continue  # gone since: that is another difference
            try:
                edited = _of_lines(self._sent(document), lines[order])
                if order in costs:
                    edited += _of_amount(
                        "shipping cost",
                        document.shipping.amount - document.shipping.discount,
                        costs[order],
                        "shipping",
                        "shipping",
                    )
                if order in addresses:
                    edited += _of_address(self._address(document), addresses[order])
                if self._settings.get("tax_engine") == LEGACY and document.tax_from_store:
                    edited = [msgspec.structs.replace(one, stays=NO_TAX) for one in edited]
                edited += self._of_deposits(document, made, deposits)
            except MappingProblem:
                continue  # mapped when it went, and by the settings of today no more
            if order not in headers or headers[order].status not in OPEN:
                edited = [msgspec.structs.replace(one, stays=CLOSED) for one in edited]
            if edited:
                found[order] = edited
        return found

    def _of_deposits(
        self, document: SalesOrder, made: Mapping[str, tuple[str, str]], there: Mapping[str, Decimal]
    ) -> list[Edited]:
        found = []
        for position, payment in deposits_of(document, self._settings):
            key, target_id = made.get(identity.payment_key(document, payment), ("", ""))
            if not target_id:
                continue  # no write of ours made it
            word, name = f"{key}/{position}/{target_id}", f"deposit {position}"
            if target_id not in there:
                sent = f"{payment.amount.normalize():f}"
                found.append(Edited(field=name, sent=sent, there="", part="payments", mend=f"gone/{word}"))
            else:
                found += _of_amount(name, payment.amount, there[target_id], "payments", f"payment/{word}")
        return found

    def _made(self, documents: Collection[SalesOrder], known: Known) -> dict[str, tuple[str, str]]:
        """By a payment's key: key and id of the deposit that stands for it, the latest where one was made again."""
        keys = [
            identity.payment_key(one, payment) for one in documents for _, payment in deposits_of(one, self._settings)
        ]
        made = {key: (key, one.target_id) for key, one in known(keys, "customer_deposit.create").items()}
        moved = list(made)
        while moved:
            again = {identity.again_key(*made[key]): key for key in moved}
            later = known(list(again), "customer_deposit.create_again")
            made |= {again[key]: (key, one.target_id) for key, one in later.items()}
            moved = [again[key] for key in later]
        return made

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

    def _lines(self, ids: Sequence[str]) -> dict[str, There]:
        """Quantity and amount by order and item. A kit's own row counts, its members do not; rows without a quantity
        are discounts and charges."""
        found: dict[str, There] = {}
        for some in chunks(ids, ORDERS_A_QUERY):
            last: tuple[str, str] | None = None
            while True:
                after = "" if last is None else f" AND {_beyond(*last)}"
                rows = self._client.query(
                    "SELECT tl.transaction, tl.item, MAX(i.itemid) AS itemid, SUM(tl.quantity) AS quantity, "
                    "SUM(tl.foreignamount) AS amount, "
                    "SUM(CASE WHEN tl.isclosed = 'T' THEN 0 ELSE tl.quantity END) AS openquantity, "
                    "SUM(CASE WHEN tl.isclosed = 'T' THEN 0 ELSE tl.foreignamount END) AS openamount "
                    "FROM transactionline tl JOIN item i ON i.id = tl.item "
                    f"WHERE {suiteql.numbers_in('tl.transaction', some)} AND tl.mainline = 'F' AND tl.taxline = 'F' "
                    f"AND NVL(tl.kitcomponent, 'F') = 'F' AND tl.quantity IS NOT NULL{after} "
                    "GROUP BY tl.transaction, tl.item ORDER BY tl.transaction, tl.item",
                    operation="sales_order.read_lines",
                )
                for row in rows:
                    whole, still = (
                        (abs(decimal_of(row[f"{name}quantity"])), abs(decimal_of(row.get(f"{name}amount") or 0)))
                        for name in ("", "open")
                    )
                    found.setdefault(str(row["transaction"]), {})[str(row["itemid"])] = (whole, still)
                if len(rows) < PAGE:
                    break
                last = str(rows[-1]["transaction"]), str(rows[-1]["item"])
        return found

    def _deposits(self, ids: Sequence[str]) -> dict[str, Decimal]:
        """Amounts of those that are there and not voided, by internal id."""
        found: dict[str, Decimal] = {}
        for some in chunks([one for one in ids if one], ORDERS_A_QUERY):
            rows = self._client.query(
                "SELECT t.id, t.foreigntotal FROM transaction t WHERE t.type = 'CustDep' AND t.voided = 'F' "
                f"AND {suiteql.numbers_in('t.id', some)} ORDER BY t.id",
                operation="sales_order.read_lines",
            )
            found |= {str(row["id"]): abs(decimal_of(row["foreigntotal"])) for row in rows}
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

    def _headers(self, ids: Sequence[str]) -> dict[str, Header]:
        found: dict[str, Header] = {}
        for some in chunks(ids):
            rows = self._client.query(
                "SELECT t.id, t.status, t.shippingaddress FROM transaction t "
                f"WHERE {suiteql.numbers_in('t.id', some)} ORDER BY t.id",
                operation="sales_order.read_lines",
            )
            for row in rows:
                found[str(row["id"])] = Header(status_letter(row["status"]), str(row.get("shippingaddress") or ""))
        return found

    def _addresses(self, headers: Mapping[str, Header]) -> dict[str, dict[str, str]]:
        keys = {order: header.address for order, header in headers.items() if header.address}
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


def _of_lines(sent: Lines, there: There) -> list[Edited]:
    """What is closed counts where it was sent, and not where nothing of it is to be delivered: so it is cancelled."""
    found = []
    for sku in sorted(sent.keys() | there.keys()):
        before, now = sent.get(sku), _standing(sent.get(sku), there.get(sku))
        if before == now:
            continue
        if before is None or now is None:
            found.append(
                Edited(field=f"line {sku}", sent=_words(before), there=_words(now), part="lines", mend="lines")
            )
            continue
        for name, one, other in zip(("quantity", "amount"), before, now, strict=True):
            if one != other:
                found += _of_amount(f"{name} of {sku}", one, other, "lines", "lines")
    return found


def _standing(sent: Amounts | None, there: tuple[Amounts, Amounts] | None) -> Amounts | None:
    """What of an item's lines is compared."""
    if there is None:
        return None
    whole, still = there
    if sent is None:
        return still if any(still) else None
    return still if sent == still else whole


def _of_amount(field: str, sent: Decimal, there: Decimal, part: str, mend: str) -> list[Edited]:
    if sent == there:
        return []
    values = f"{sent.normalize():f}", f"{there.normalize():f}"
    return [Edited(field=field, sent=values[0], there=values[1], part=part, mend=mend)]


def _words(line: tuple[Decimal, Decimal] | None) -> str:
    return "" if line is None else f"{line[0].normalize():f} for {line[1].normalize():f}"


def _of_address(sent: Mapping[str, str], there: Mapping[str, str]) -> list[Edited]:
    return [
        Edited(
            field=f"shipping address, {name}",
            sent=sent[name],
            there=there[name],
            part="shipping_address",
            mend="shipping_address",
        )
        for name in ADDRESS_FIELDS
        if sent[name].casefold() != there[name].casefold()
    ]
