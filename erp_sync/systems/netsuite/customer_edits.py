"""What somebody changed in NetSuite of a customer that went with an order: names, e-mail, phone, addresses, references.

Three queries for up to 1,000 customers (records, address books, addresses), one more where a subsidiary was sent and
one where the currency was the order's. Addresses are read by their own key and not joined, as in `order_edits`. What
was never sent the ERP may add: another phone number, a further address. A line of the address book has no key of ours:
one that is no longer there as it was sent is compared with the line of the same label or default.

A record that was there before us is compared with what the mapping makes of the store's account of today, but for our
key, subsidiary and currency, which an account does not say, and of its addresses with those that are a default.

That NetSuite may print a phone number otherwise than it was written is unconfirmed: digits are compared. A column that
SuiteQL does not know (a mapped field of the account's own, say) is left out of the comparison with a warning.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from erp_sync.model.address import Address
from erp_sync.model.customer import Customer, CustomerAddress
from erp_sync.model.money import ZERO
from erp_sync.model.order import OrderCustomer, OrderStatus, OrderTotals, SalesOrder
from erp_sync.ports.documents import Requirement
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import MappingProblem
from erp_sync.ports.reconciling import Current, Edited, EditedCustomer, SentCustomer
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.client import NetSuiteClient, chunks
from erp_sync.systems.netsuite.mapping.common import ADDRESS
from erp_sync.systems.netsuite.resolving import OrderResolver
from erp_sync.transport.errors import Rejected

log = logging.getLogger(__name__)

OPERATION = "customer.compare"
PART = "customer"
ACTIVE, LINE = "isInactive", "address"
BOOK, SUBSIDIARY = "addressBook", "subsidiary"
# Field of the record -> as people read it, and for which part a route's policy is said.
FIELDS: Mapping[str, tuple[str, str]] = {
    "externalId": ("external id", PART),
    "isPerson": ("person, not company", f"{PART}.company"),
    "companyName": ("company", f"{PART}.company"),
    "firstName": ("first name", f"{PART}.name"),
    "lastName": ("last name", f"{PART}.name"),
    "email": ("e-mail", f"{PART}.email"),
    "phone": ("phone", f"{PART}.phone"),
    "vatRegNumber": ("tax number", f"{PART}.tax_number"),
    "subsidiary": ("subsidiary", f"{PART}.subsidiary"),
    "currency": ("currency", f"{PART}.currency"),
    "priceLevel": ("price level", f"{PART}.price_level"),
}
ADDRESSES = f"{PART}.addresses"
DEFAULTS = ("defaultBilling", "defaultShipping")
ADDRESS_FIELDS = ("addressee", "attention", "addr1", "addr2", "addr3", "city", "state", "zip", "country", "addrPhone")
# Of the record, what an account of the store says nothing of.
_OF_ORDERS = ("externalId", SUBSIDIARY, "currency", BOOK)
_NEVER = datetime.min.replace(tzinfo=UTC)
# Columns that every account has; any other may be missing.
_SURE = ("companyname", "currency", "email", "externalid", "firstname", "isperson", "lastname", "phone")

GONE = (
    "it was deleted, or merged into another: say which one stands for it now (erp-sync adopt ROUTE --apply --link "
    "E-MAIL=ID), or the next order fails"
)
NOT_OURS = "it was entered there before us: nothing was sent that could go back"
LINE_GONE = "a line of the address book without an id is added with each write: enter it again there"
# Unconfirmed: no page of Oracle's help says when the fields may change; the user interface locks both.
LOCKED = "NetSuite does not let it change once there are transactions"

Line = dict[str, str]


class CustomerEdits:
    """See `ports.reconciling.TellsCustomerEdits`."""

    def __init__(
        self, client: NetSuiteClient, lookups: Lookups, mapping: RecordMapping, resolver: OrderResolver
    ) -> None:
        self._client, self._lookups, self._mapping, self._resolver = client, lookups, mapping, resolver

    def edits(self, customers: Mapping[str, SentCustomer], current: Current) -> dict[str, EditedCustomer]:
        """By internal id. Raises the TransportError tree."""
        bodies, accounts = self._bodies(customers), self._accounts(customers, current)
        every = [*([one] for one in bodies.values()), *accounts.values()]
        rows, columns = self._rows(
            list(customers), sorted({name.lower() for some in every for one in some for name in one})
        )
        bodies = {identity: _with_columns(body, columns) for identity, body in bodies.items()}
        accounts = {identity: [_with_columns(one, columns) for one in some] for identity, some in accounts.items()}
        if any(SUBSIDIARY in body for body in bodies.values()):
            self._add_subsidiaries(rows)
        of_all = {**{identity: [body] for identity, body in bodies.items()}, **accounts}
        books = self._books([one for one, some in of_all.items() if one in rows and any(BOOK in body for body in some)])
        differing: dict[str, list[Edited]] = {}
        for identity, customer in customers.items():
            found = self._presence(customer, rows.get(identity))
            if identity in rows and identity in bodies:
                found += _of_record(identity, bodies[identity], {}, rows[identity])
                found += _of_book(identity, _sent_lines(bodies[identity]), [], books.get(identity, []))
            if customer.order is None:
                found = [msgspec.structs.replace(one, mend="", stays=one.stays or NOT_OURS) for one in found]
                if identity in rows:
                    found += _of_accounts(identity, accounts.get(identity, ()), rows[identity], books.get(identity, []))
            if found:
                differing[identity] = [_mended(one, identity) for one in found]
        known = self._known_now(differing, customers, current)
        result: dict[str, EditedCustomer] = {}
        for identity, edits in differing.items():
            order = customers[identity].order
            if identity in known and identity in rows and identity in bodies:
                assert order is not None
                order = now_of(order, known[identity])
                edits = self._against_now(identity, customers[identity], order, known[identity], rows, bodies, books)
            if edits:
                name = str(rows.get(identity, {}).get("entityid") or identity)
                result[identity] = EditedCustomer(name=name, edits=edits, order=order)
        return result

    def _against_now(
        self,
        identity: str,
        customer: SentCustomer,
        order: SalesOrder,
        now: Customer,
        rows: Mapping[str, Mapping[str, Any]],
        bodies: Mapping[str, Mapping[str, Any]],
        books: Mapping[str, list[Line]],
    ) -> list[Edited]:
        """The edits once more, by what the store has today: a value that both have is no edit."""
        try:
            body = self._body(customer.key, order)
            others = [self._line(one) for one in now.addresses]
        except MappingProblem:
            body, others = dict(bodies[identity]), []
        found = self._presence(customer, rows[identity])
        found += _of_record(identity, bodies[identity], body, rows[identity])
        found += _of_book(identity, _sent_lines(bodies[identity]), others, books.get(identity, []))
        return [_mended(one, identity) for one in found]

    def _known_now(
        self, differing: Mapping[str, object], customers: Mapping[str, SentCustomer], current: Current
    ) -> dict[str, Customer]:
        ids = {
            identity: customers[identity].order.customer.native_id  # type: ignore[union-attr]
            for identity in differing
            if customers[identity].order is not None
        }
        asked = sorted({one for one in ids.values() if one})
        there = current(asked) if asked else {}
        return {identity: there[one] for identity, one in ids.items() if one in there}

    def _presence(self, customer: SentCustomer, row: Mapping[str, Any] | None) -> list[Edited]:
        if row is None:
            return [Edited(field="customer", sent=customer.key, there="", part=PART, stays=GONE)]
        if row.get("isinactive") != "T":
            return []
        stays = "" if customer.order is not None else NOT_OURS
        return [
            Edited(field="active", sent="yes", there="inactive", part=f"{PART}.active", mend=ACTIVE, stays=stays),
        ]

    # What was sent -------------------------------------------------------------------------

    def _bodies(self, customers: Mapping[str, SentCustomer]) -> dict[str, dict[str, Any]]:
        """As they were sent; of those that were mapped when they went, and by the settings of today no more, none."""
        bodies = {}
        for identity, customer in customers.items():
            if customer.order is not None:
                try:
                    bodies[identity] = self._body(customer.key, customer.order)
                except MappingProblem:
                    continue
        codes = {one: customers[one].order.currency for one in bodies if not bodies[one].get("currency")}  # type: ignore[union-attr]
        needed = sorted({Requirement("currency", code) for code in codes.values()})
        ids = self._resolver.resolve(needed) if needed else {}
        for identity, code in codes.items():
            if found := ids.get(Requirement("currency", code)):
                bodies[identity]["currency"] = {"id": found}
        return bodies

    def _body(self, key: str, order: SalesOrder) -> dict[str, Any]:
        """The record as the customer's step sends it, without the order's currency, whose id is looked up."""
        return self._mapping.apply(order, Context(self._client.connection, self._lookups, {"external_id": key}))

    def _accounts(self, customers: Mapping[str, SentCustomer], current: Current) -> dict[str, list[dict[str, Any]]]:
        """Of records that were there before us, as we would make them today of the store's accounts; those that the
        store does not know, or that cannot be mapped, are left out."""
        before_us = {identity: one.accounts for identity, one in customers.items() if one.order is None}
        asked = sorted({account for some in before_us.values() for account in some if "@" not in account})
        accounts = current(asked) if asked else {}
        bodies: dict[str, list[dict[str, Any]]] = {}
        for identity, some in before_us.items():
            for account in some:
                if "@" in account:
                    bodies.setdefault(identity, []).append({"email": account})
                elif account in accounts:
                    try:
                        bodies.setdefault(identity, []).append(self._account_body(accounts[account]))
                    except MappingProblem:
                        continue
        return bodies

    def _account_body(self, now: Customer) -> dict[str, Any]:
        fields = tuple(one for one in self._mapping.fields if one.target.partition(".")[0] not in _OF_ORDERS)
        context = Context(self._client.connection, self._lookups)
        body: dict[str, Any] = dataclasses.replace(self._mapping, fields=fields).apply(as_order(now), context)
        defaults = [one for one in now.addresses if one.default_billing or one.default_shipping]
        if defaults:
            body[BOOK] = {"items": [self._book_line(one) for one in defaults]}
        return body

    def _book_line(self, one: CustomerAddress) -> dict[str, Any]:
        kinds = {"billing": one.default_billing, "shipping": one.default_shipping}
        return {
            "label": " and ".join(kind for kind, holds in kinds.items() if holds).capitalize(),
            "defaultBilling": one.default_billing,
            "defaultShipping": one.default_shipping,
            "addressBookAddress": ADDRESS.apply(one.address, Context(self._client.connection, self._lookups)),
        }

    def _line(self, one: CustomerAddress) -> Line:
        """An address of the store's account."""
        body = ADDRESS.apply(one.address, Context(self._client.connection, self._lookups))
        flags = {"defaultBilling": one.default_billing, "defaultShipping": one.default_shipping}
        return {**{name: plain(flags[name]) for name in DEFAULTS}, **_address_of(body)}

    # What is there -------------------------------------------------------------------------

    def _rows(self, ids: Sequence[str], names: Sequence[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """The records, and which of the columns could be compared."""
        columns = [name for name in names if name not in (BOOK.lower(), SUBSIDIARY)]
        elsewhere = [SUBSIDIARY]
        try:
            return self._read_rows(ids, columns), columns + elsewhere
        except Rejected as rejected:
            unsure = [name for name in columns if name not in _SURE]
            if not unsure:
                raise
            log.warning(
                "customer columns left out",
                extra={"system": self._client.connection.name, "columns": unsure, "why": rejected.message},
            )
            sure = [name for name in columns if name in _SURE]
            return self._read_rows(ids, sure), sure + elsewhere

    def _read_rows(self, ids: Sequence[str], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
        wanted = ", ".join(f"c.{name}" for name in dict.fromkeys(("id", "entityid", "isinactive", *columns)))
        return {str(row["id"]): row for row in self._pages(ids, wanted, "customer c", "c.id", "c.id", "id")}

    def _add_subsidiaries(self, rows: Mapping[str, dict[str, Any]]) -> None:
        """The primary one of each; SuiteQL has it in a table of its own (Oracle NetSuite help, SuiteQL: OneWorld)."""
        columns = "s.id, s.entity, s.subsidiary"
        tables = "customersubsidiaryrelationship s"
        for row in self._pages(list(rows), columns, tables, "s.entity", "s.id", "id", " AND s.isprimarysub = 'T'"):
            rows[str(row["entity"])]["subsidiary"] = row.get("subsidiary")

    def _books(self, ids: Sequence[str]) -> dict[str, list[Line]]:
        """The lines of each address book in their order, with their addresses."""
        columns = "b.internalid, b.entity, b.label, b.defaultbilling, b.defaultshipping, b.addressbookaddress"
        lines = list(self._pages(ids, columns, "customeraddressbook b", "b.entity", "b.internalid", "internalid"))
        keys = [str(line["addressbookaddress"]) for line in lines if line.get("addressbookaddress")]
        columns = ", ".join(("a.nkey", *(f"a.{name.lower()}" for name in ADDRESS_FIELDS)))
        table = "customeraddressbookentityaddress a"
        there = {str(row["nkey"]): row for row in self._pages(keys, columns, table, "a.nkey", "a.nkey", "nkey")}
        books: dict[str, list[Line]] = {}
        for line in lines:
            address = there.get(str(line.get("addressbookaddress")), {})
            book = books.setdefault(str(line["entity"]), [])
            values = {name: plain(address.get(name.lower())) for name in ADDRESS_FIELDS}
            flags = {name: plain(line.get(name.lower())) or "F" for name in DEFAULTS}
            book.append({"id": str(line["internalid"]), "label": plain(line.get("label")), **flags, **values})
        return books

    def _pages(
        self, ids: Sequence[str], columns: str, tables: str, column: str, key: str, name: str, condition: str = ""
    ) -> Iterator[dict[str, Any]]:
        for some in chunks(list(dict.fromkeys(ids))):
            statement = f"SELECT {columns} FROM {tables} WHERE {suiteql.numbers_in(column, some)}{condition}"

            def after(last: str, statement: str = statement) -> str:
                beyond = f" AND {key} > {suiteql.number(last)}" if last else ""
                return f"{statement}{beyond} ORDER BY {key}"

            for rows in self._client.pages(after, lambda row: str(row[name]), operation=OPERATION):
                yield from rows


def now_of(order: SalesOrder, now: Customer) -> SalesOrder:
    """The order with its customer as the store has them today; what the account does not say stays."""
    names = ("email", "first_name", "last_name", "company", "phone", "tax_number", "group")
    known = {name: value for name in names if (value := getattr(now, name))}
    return msgspec.structs.replace(order, customer=msgspec.structs.replace(order.customer, **known))


def as_order(now: Customer) -> SalesOrder:
    """An order of nothing by this customer: what the mapping of a customer reads."""
    billing = next((one.address for one in now.addresses if one.default_billing), None)
    return SalesOrder(
        connection=now.connection,
        scope=now.scope,
        native_id="",
        number="",
        version="",
        status=OrderStatus.OPEN,
        placed_at=_NEVER,
        updated_at=_NEVER,
        currency=now.currency,
        base_currency=now.currency,
        customer=OrderCustomer(
            native_id=now.native_id,
            guest=False,
            email=now.email,
            first_name=now.first_name,
            last_name=now.last_name,
            company=now.company,
            phone=now.phone,
            tax_number=now.tax_number,
            group=now.group,
        ),
        billing_address=billing or Address(country=""),
        lines=(),
        totals=OrderTotals(subtotal=ZERO, grand_total=ZERO),
    )


def plain(value: Any) -> str:
    """As text: references by their id, flags as T and F, blanks once."""
    if isinstance(value, Mapping):
        value = value.get("id")
    if isinstance(value, bool):
        return "T" if value else "F"
    return " ".join(str(value if value is not None else "").split())


def _mended(edit: Edited, identity: str) -> Edited:
    return msgspec.structs.replace(edit, mend=f"{PART}/{identity}/{edit.mend}") if edit.mend else edit


def _same(name: str, one: str, other: str) -> bool:
    if name in ("phone", "addrPhone"):
        digits = ["".join(sign for sign in text if sign.isdigit()) for text in (one, other)]
        return digits[0] == digits[1] if all(digits) else one == other
    return one.casefold() == other.casefold() if name == "email" else one == other


def _of_record(identity: str, sent: Mapping[str, Any], now: Mapping[str, Any], row: Mapping[str, Any]) -> list[Edited]:
    found = []
    for name, value in sent.items():
        if name == BOOK or isinstance(value, list) or (isinstance(value, Mapping) and "id" not in value):
            continue
        before, there = plain(value), plain(row.get(name.lower()))
        ours = plain(now[name]) if name in now else before
        if _same(name, before, there) or _same(name, ours, there):
            continue
        words, part = FIELDS.get(name, (name, PART))
        stays = LOCKED if name in (SUBSIDIARY, "currency") else ""
        found.append(Edited(field=words, sent=ours, there=there, part=part, mend=name, stays=stays))
    return found


def _of_accounts(
    identity: str, accounts: Sequence[Mapping[str, Any]], row: Mapping[str, Any], book: Sequence[Line]
) -> list[Edited]:
    """Of a record that was there before us. Of several accounts one that has the value is enough, whole address books
    counting as one."""
    found: dict[str, list[Edited]] = {}
    right: set[str] = set()
    for body in accounts:
        differs = {one.mend: [one] for one in _of_record(identity, body, {}, row)}
        if addresses := _of_book(identity, _sent_lines(body), [], book):
            differs[BOOK] = addresses
        right |= body.keys() - differs.keys()
        found = {**differs, **found}
    edits = [one for name, some in found.items() if name not in right for one in some]
    return [msgspec.structs.replace(one, mend="", stays=NOT_OURS, before_us=True) for one in edits]


def _with_columns(body: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name == BOOK or name.lower() in columns}


def _sent_lines(body: Mapping[str, Any]) -> list[Line]:
    return [
        {
            "label": plain(line.get("label")),
            **{name: plain(line.get(name)) for name in DEFAULTS},
            **_address_of(line["addressBookAddress"]),
        }
        for line in (body.get(BOOK) or {}).get("items", ())
    ]


def _address_of(body: Mapping[str, Any]) -> Line:
    return {name: plain(body.get(name)) for name in ADDRESS_FIELDS}


def _of_book(identity: str, sent: Sequence[Line], others: Sequence[Line], there: Sequence[Line]) -> list[Edited]:
    """Of the addresses that were sent. `others` are the store's of today: a line that is one of them is no edit."""
    left = list(there)
    partners: list[Line | None] = [None] * len(sent)
    for position, line in enumerate(sent):
        equal = (one for one in left if _equal(line, one))
        # Of several that are equal, the one that still is the default.
        partners[position] = max(equal, key=lambda one: _alike(line, one), default=None)
        if (partner := partners[position]) is not None:
            left.remove(partner)
    found: list[Edited] = []
    for position, line in enumerate(sent):
        partner = partners[position]
        if partner is None:
            partner = max((one for one in left if _alike(line, one)), key=lambda one: _alike(line, one), default=None)
            if partner is None:
                words = line["label"].casefold()
                address = ", ".join(line[name] for name in ADDRESS_FIELDS if line[name])
                found.append(Edited(field=f"{words} address", sent=address, there="", part=ADDRESSES, stays=LINE_GONE))
                continue
            left.remove(partner)
        found += _of_line(f"{LINE}/{position}/{partner['id']}", line, others, partner, there)
    return found


def _equal(line: Line, other: Line) -> bool:
    return all(_same_address(name, line[name], other[name]) for name in ADDRESS_FIELDS)


def _same_address(name: str, one: str, other: str) -> bool:
    return _same(name, one.casefold(), other.casefold())


def _alike(line: Line, other: Line) -> int:
    """How sure it is that a line is the one that was sent."""
    defaults = sum(line[name] == "T" == other[name] for name in DEFAULTS)
    return 2 * defaults + (line["label"].casefold() == other["label"].casefold())


def _of_line(mend: str, line: Line, others: Sequence[Line], there: Line, book: Sequence[Line]) -> list[Edited]:
    words, found = line["label"].casefold(), []
    if not any(_equal(other, there) for other in others):
        found += [
            Edited(field=f"{words} address, {name}", sent=line[name], there=there[name], part=ADDRESSES, mend=mend)
            for name in ADDRESS_FIELDS
            if not _same_address(name, line[name], there[name])
        ]
    for name in DEFAULTS:
        if line[name] != "T" or there[name] == "T":
            continue
        holders = [one for one in book if one[name] == "T"]
        if not any(other[name] == "T" and _equal(other, one) for one in holders for other in others):
            default = f"default {name.removeprefix('default').lower()} address"
            there_now = holders[0]["label"].casefold() if holders else ""
            found.append(Edited(field=default, sent=words, there=there_now, part=ADDRESSES, mend=mend))
    return found
