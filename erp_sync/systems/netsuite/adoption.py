"""What NetSuite already holds without our external id: orders by number, customers by e-mail, items by name.

Reads only, but for `write_external_id`. One SuiteQL per 500 keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from erp_sync.model.keys import Entity
from erp_sync.model.money import decimal_of
from erp_sync.model.order import SalesOrder
from erp_sync.model.remaining import remaining
from erp_sync.ports.adoption import Certainty, Match
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import Receipt
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.client import NetSuiteClient, chunks
from erp_sync.systems.netsuite.finding import DEPOSIT, KINDS
from erp_sync.systems.netsuite.mapping.identity import customer_key, external_id, order_key, subsidiary_of
from erp_sync.systems.netsuite.mapping.order_status import status_letter
from erp_sync.systems.netsuite.mapping.websites import every_value
from erp_sync.systems.netsuite.rows import Reading, Row, RowReader, numbers

KEYS_A_QUERY = 500

ORDERS = Reading(
    operation="adoption.orders",
    columns="t.id, t.tranid, t.otherrefnum, t.externalid, t.foreigntotal, t.entity, t.status, c.email",
    tables="transaction t LEFT JOIN customer c ON c.id = t.entity",
    condition="t.type = 'SalesOrd'",
    key="t.id",
    modified="t.lastmodifieddate",
)
# Oracle NetSuite help, Transaction links: a deposit is the next document of its order (link type unconfirmed).
DEPOSITS = Reading(
    operation="adoption.deposits",
    columns="t.id, t.tranid, t.foreigntotal, l.previousdoc AS sales_order",
    tables="nexttransactionlink l JOIN transaction t ON t.id = l.nextdoc",
    condition="t.type = 'CustDep'",
    key="t.id",
    modified="t.lastmodifieddate",
)
CUSTOMERS = Reading(
    operation="adoption.customers",
    columns="c.id, c.entityid, c.email, c.externalid, c.isinactive",
    tables="customer c",
    key="c.id",
    modified="c.lastmodifieddate",
)
ITEMS = Reading(
    operation="adoption.items",
    columns="i.id, i.itemid, i.externalid, i.isinactive",
    tables="item i",
    key="i.id",
    modified="i.lastmodifieddate",
)


class NetSuiteAdoption:
    """`ports.adoption.Adoption`. Finds matches; links nothing. Every method raises the TransportError tree.

    Args:
        stores: connections of all stores whose records this account holds: what carries another store's
            external id is that store's, and no candidate.

    Settings: ``adopt_external_ids``: beginnings of the external ids that an earlier integration wrote; such a record
    is adopted like one without. Any other external id is a doubt. ``web_guest_customer``: an order of this customer
    may be anybody's.
    """

    def __init__(self, client: NetSuiteClient, stores: Sequence[str] = ()) -> None:
        self._client = client
        settings = client.connection.settings
        names = {*stores, *(settings.get("source_connections") or ())}
        self._prefixes = {name: external_id(name) + "_" for name in names}
        self._earlier = tuple(str(one) for one in settings.get("adopt_external_ids") or ())
        self._settings = settings
        self._web_guests = every_value(settings, "web_guest_customer")

    def orders(self, documents: Sequence[SalesOrder]) -> list[Match]:
        """By our external id, then by order number in `otherrefnum` or `tranid`.

        Certain: one order with that number, without another system's external id, of the same total and customer; of
        an order that lost units also of the total of what is left.
        """
        terms = {document.number for document in documents} | {order_key(document) for document in documents}
        rows = self._rows(
            ORDERS,
            sorted(terms),
            lambda some: f"(t.otherrefnum IN ({some}) OR t.tranid IN ({some}) OR t.externalid IN ({some}))",
        )
        return [self._order(document, rows) for document in documents]

    def _order(self, document: SalesOrder, rows: Sequence[Row]) -> Match:
        key = order_key(document)
        ours = [row for row in rows if row.get("externalid") == key]
        if ours:
            return self._match(
                Entity.SALES_ORDER, document.native_id, document.number, ours, "has our external id", key
            )
        same = [
            row
            for row in rows
            if document.number in (row.get("otherrefnum"), row.get("tranid")) and self._store_of(row) is None
        ]
        alive = [row for row in same if status_letter(row.get("status", "")) != "C"]
        same = alive if len(alive) == 1 else same
        doubt = self._doubt(document, same[0]) if len(same) == 1 else ""
        words = "same number, total and customer"
        return self._match(Entity.SALES_ORDER, document.native_id, document.number, same, words, key, doubt)

    def _doubt(self, document: SalesOrder, row: Row) -> str:
        total, email = row.get("foreigntotal"), str(row.get("email") or "").strip().lower()
        if self._foreign(row):
            return f"it carries the external id {row['externalid']} of another system"
        # One that was cancelled partly since was entered whole; one before, without those units.
        totals = (document.totals.grand_total, remaining(document).totals.grand_total)
        if total is None or decimal_of(total, 2) not in {decimal_of(one, 2) for one in totals}:
            left = f", {totals[1]} without what was cancelled" if totals[1] != totals[0] else ""
            return f"its total is {total}, the store's {totals[0]}{left}"
        if (
            email
            and email != document.customer.email.strip().lower()
            and str(row.get("entity")) not in self._web_guests
        ):
            return f"its customer is {email}, the store's {document.customer.email}"
        return ""

    def customers(self, documents: Sequence[SalesOrder]) -> list[Match]:
        """The orders' customers by e-mail address, ours first. Certain: one active customer."""
        emails = [document.customer.email.strip().lower() for document in documents]
        rows = self._rows(CUSTOMERS, emails, lambda some: f"LOWER(c.email) IN ({some})")
        matches: dict[str, Match] = {}
        for document, email in zip(documents, emails, strict=True):
            key = customer_key(document, self._settings)
            same = [
                row
                for row in rows
                if str(row.get("email", "")).lower() == email and self._may_be(row, document.connection, key)
            ]
            ours = [row for row in same if row.get("externalid") == key]
            active = [row for row in same if row.get("isinactive") != "T"]
            same = ours or (active if len(active) == 1 else same)
            doubt = ""
            if len(same) == 1 and same[0].get("isinactive") == "T":
                doubt = "it is inactive"
            elif len(same) == 1 and not ours and self._foreign(same[0]):
                doubt = f"it carries the external id {same[0]['externalid']} of another system"
            native_id = document.customer.native_id or email
            words = "has our external id" if ours else "same e-mail address"
            matches[native_id] = self._match(Entity.CUSTOMER, native_id, email, same, words, key, doubt)
        return list(matches.values())

    def _may_be(self, row: Row, connection: str, key: str) -> bool:
        """Not another store's, and of ours not another subsidiary's."""
        store = self._store_of(row)
        return store is None or (
            store == connection and subsidiary_of(str(row.get("externalid"))) == subsidiary_of(key)
        )

    def items(self, skus: Sequence[str]) -> list[Match]:
        """By item name (`itemid`). Certain: one active item. Items stay known by their name: none is ever `ours`."""
        rows = self._rows(ITEMS, skus, lambda some: f"i.itemid IN ({some})")
        result = []
        for sku in dict.fromkeys(skus):
            same = [row for row in rows if row.get("itemid") == sku and row.get("isinactive") != "T"]
            idle = [row for row in rows if row.get("itemid") == sku and row.get("isinactive") == "T"]
            doubt = "it is inactive" if idle and not same else ""
            result.append(self._match(Entity.PRODUCT, sku, sku, same or idle, "same item name", "", doubt))
        return result

    def holdings(self, found: Sequence[tuple[SalesOrder, Sequence[Step], Match]]) -> list[dict[str, Receipt]]:
        """The order, and for every payment that the store has now its deposit by amount.

        A payment without a deposit was booked otherwise (with the invoice, say) or not at all: it is not booked again
        either, and its receipt names no record.
        """
        deposits: dict[str, list[Row]] = {}
        ids = [match.target_ids[0] for _, steps, match in found if any(_is_deposit(step) for step in steps)]
        reader = RowReader(self._client, DEPOSITS)
        for rows in reader.of(ids, "l.previousdoc", numbers):
            for row in rows:
                deposits.setdefault(str(row["sales_order"]), []).append(row)
        result = []
        for document, steps, match in found:
            assert match.receipt is not None
            left = list(deposits.get(match.target_ids[0], ()))
            receipts = {Entity.SALES_ORDER: match.receipt}
            for step in steps:
                if _is_deposit(step):
                    amount = document.payments[int(step.name.partition(":")[2]) - 1].amount
                    receipts[step.name] = _deposit(left, amount)
            result.append(receipts)
        return result

    def write_external_id(self, entity: str, target_id: str, key: str, number: str) -> None:
        record = KINDS[entity].record
        body = {"externalId": key}
        operation = "external_id.write"
        self._client.update(record, target_id, body, operation=operation, document=number, repeatable=True)

    def _store_of(self, row: Row) -> str | None:
        """The store whose key the record carries; None for none."""
        key = str(row.get("externalid") or "")
        matching = [name for name, prefix in self._prefixes.items() if key.startswith(prefix)]
        return max(matching, key=len, default=None)

    def _foreign(self, row: Row) -> bool:
        key = str(row.get("externalid") or "")
        return bool(key) and self._store_of(row) is None and not key.startswith(self._earlier or ("\0",))

    def _rows(self, reading: Reading, keys: Sequence[str], condition: Callable[[str], str]) -> list[Row]:
        reader = RowReader(self._client, reading)
        return [
            row
            for some in chunks(list(dict.fromkeys(keys)), KEYS_A_QUERY)
            for rows in reader.pages(condition(suiteql.texts(some)))
            for row in rows
        ]

    def _match(
        self, entity: str, native_id: str, natural_key: str, rows: Sequence[Row], words: str, key: str, doubt: str = ""
    ) -> Match:
        ids = tuple(str(row["id"]) for row in rows)
        if not ids:
            return Match(
                entity=entity,
                native_id=native_id,
                natural_key=natural_key,
                certainty=Certainty.MISSING,
                why="nothing has this key",
            )
        if len(ids) > 1:
            doubt = f"{len(ids)} records have this key"
        return Match(
            entity=entity,
            native_id=native_id,
            natural_key=natural_key,
            certainty=Certainty.DOUBTFUL if doubt else Certainty.CERTAIN,
            target_ids=ids,
            ours=bool(key) and rows[0].get("externalid") == key,
            bare=not rows[0].get("externalid"),
            why=doubt or words,
            receipt=None if doubt else _receipt(rows[0], words),
        )


def _receipt(row: Row, words: str) -> Receipt:
    totals = {"grand_total": str(decimal_of(row["foreigntotal"]))} if row.get("foreigntotal") is not None else {}
    values = {"adopted": words} | ({"entity": str(row["entity"])} if row.get("entity") else {})
    number = str(row.get("tranid") or row.get("entityid") or "")
    return Receipt(target_id=str(row["id"]), number=number, totals=totals, existed=True, values=values)


def _is_deposit(step: Step) -> bool:
    return step.name.partition(":")[0] == DEPOSIT


def _deposit(left: list[Row], amount: object) -> Receipt:
    """The first deposit of that amount, taken out of those that are left."""
    for position, row in enumerate(left):
        if decimal_of(row.get("foreigntotal") or 0, 2) == decimal_of(amount, 2):
            return _receipt(left.pop(position), "same order and amount")
    return Receipt(target_id="", existed=True, values={"adopted": "no deposit of this amount: not booked again"})
