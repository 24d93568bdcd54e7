"""A person's data in one account. Who has transactions cannot be deleted: books must be kept, so they are anonymised.

The account's own way is Personal Information Removal (Oracle NetSuite help, Personal Information (PI) Removal,
chapter_156596387080): it also replaces values in system notes and workflow history. It is offered in the user interface
(Lists > Mass Update > Remove Personal Information, section_156597435833) and to server scripts (N/piremoval,
section_156173791240: createTask of a record type with ids and fields, save, run, getTaskStatus; permissions Remove
Personal Information Create and Run), not by REST; and it does not reach fields of sublists. So the fields are
overwritten by REST, and what only PI removal reaches is told as kept, with how to do it there.

A RESTlet is a server script and could start such a task. None of ours does: it cannot be undone, and whether a task
leaves field values and workflow history alone is told one way by the help (section_156174907211, `historyOnly`) and
another by public typings that were tried in an account (unconfirmed): a person decides on it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from erp_sync.model.personal import ERASED, PersonalTexts
from erp_sync.ports.privacy import Holding, Treated, Treatment
from erp_sync.systems.netsuite.client import NetSuiteClient, chunks
from erp_sync.systems.netsuite.mapping.identity import external_id, is_customer_key
from erp_sync.systems.netsuite.suiteql import text, texts
from erp_sync.transport.errors import Rejected

FIELDS = frozenset(
    [
        "email",
        "altEmail",
        "firstName",
        "middleName",
        "lastName",
        "companyName",
        "altName",
        "phone",
        "altPhone",
        "mobilePhone",
        "fax",
        "vatRegNumber",
        "url",
        "comments",
        "addressee",
        "attention",
        "addr1",
        "addr2",
        "addr3",
        "city",
        "zip",
        "addrPhone",
        "addrText",
        "addrtext",
        "altname",
        "firstname",
        "lastname",
        "companyname",
        "shippingAddress_text",
        "billingAddress_text",
    ]
)
#: Transactions of a customer, and what REST calls them (REST API Browser 2026.1; cashRefund is unconfirmed).
_RECORDS = {
    "SalesOrd": "salesOrder",
    "ItemShip": "itemFulfillment",
    "CustInvc": "invoice",
    "CashSale": "cashSale",
    "CustDep": "customerDeposit",
    "RtnAuth": "returnAuthorization",
    "CustCred": "creditMemo",
    "CashRfnd": "cashRefund",
    "CustRfnd": "customerRefund",
}
#: Their memo has references of payments, which are the books'; that of the others has what the customer wrote.
_PAYMENTS = ("customerDeposit", "customerRefund")
#: Order, invoice, return authorization, credit memo, refund: so many are made from one another.
_DEEPEST = 4
#: Letters of orders that are still to be shipped.
_OPEN = frozenset("ABDE")
_HISTORY = (
    "system notes and workflow history, no REST call reaches them: in NetSuite, Lists > Mass Update > Remove Personal "
    "Information, record type {record} and the ids of this certificate's JSON; or a server script of the account by "
    "N/piremoval (createTask, save, run), with the permissions Remove Personal Information Create and Run"
)
_NOTHING = "nothing personal in it but whose it is, and they are anonymised: books must be kept"
_KEY = (
    "its external id, which NetSuite did not let change ({code}): what they buy later is booked on this record. Give "
    "it another external id by hand (CSV import)"
)
_NUMBER = "0000000"  # a phone number has at least seven characters


class AccountPersons:
    """`ports.privacy.PersonalData` of one account."""

    def __init__(self, client: NetSuiteClient) -> None:
        self._client = client
        self._instructions = str(client.connection.settings.get("instructions_field") or "")

    def find(self, person: PersonalTexts) -> list[Holding]:
        keys = [external_id(connection, order) for connection, order in sorted(person.orders)]
        customers = self._client.query(
            f"SELECT c.id FROM customer c WHERE LOWER(c.email) = {text(person.email.lower())} ORDER BY c.id",
            operation="privacy.customers",
        )
        owners = [str(row["id"]) for row in customers]
        rows: dict[str, str] = {}
        for some in chunks(owners):
            rows |= self._transactions(f"t.entity IN ({', '.join(some)})")
        for some in chunks(keys):
            rows |= self._transactions(f"t.externalid IN ({texts(some)})")
        rows |= self._made_from([one for one, kind in rows.items() if kind == "SalesOrd"])
        return [*self._read(rows), *self._customers(owners)]

    def _made_from(self, orders: Sequence[str]) -> dict[str, str]:
        """A guest's orders may be booked on an account that all guests share: what was made from them is theirs.

        By `createdfrom`, and links for fulfillments and deposits; not by links of payments, which lead to what others
        bought.
        """
        found: dict[str, str] = {}
        ids = list(orders)
        for _ in range(_DEEPEST):
            made: dict[str, str] = {}
            for some in chunks(ids):
                listed = ", ".join(some)
                made |= self._transactions(
                    "t.id IN (SELECT tl.transaction FROM transactionline tl WHERE tl.mainline = 'T' AND "
                    f"tl.createdfrom IN ({listed}))"
                )
                made |= self._transactions(
                    "t.type IN ('ItemShip', 'CustDep') AND t.id IN (SELECT nextdoc FROM nexttransactionlink WHERE "
                    f"previousdoc IN ({listed}))"
                )
            ids = [one for one in made if one not in found]
            found |= made
        return found

    def _transactions(self, condition: str) -> dict[str, str]:
        found = self._client.query(
            f"SELECT t.id, t.type FROM transaction t WHERE {condition} ORDER BY t.id", operation="privacy.transactions"
        )
        return {str(row["id"]): str(row["type"]) for row in found}

    def _read(self, rows: dict[str, str]) -> list[Holding]:
        found = []
        for native_id, kind in rows.items():
            record = _RECORDS.get(kind)
            if record is None:
                continue
            data = self._client.get(record, native_id, operation="privacy.read", document=native_id, expand=True)
            if data is not None:
                letter = (data.get("orderStatus") or {}).get("id", "")
                is_open = record == "salesOrder" and letter in _OPEN
                found.append(Holding(entity=record, native_id=native_id, data=data, open=is_open))
        return found

    def _customers(self, ids: Sequence[str]) -> list[Holding]:
        found = []
        for native_id in ids:
            data = self._client.get("customer", native_id, operation="privacy.read", document=native_id, expand=True)
            if data is not None:
                found.append(Holding(entity="customer", native_id=native_id, data=data))
        return found

    def newer(
        self, person: PersonalTexts, found: Sequence[Holding], known: Collection[tuple[str, str]]
    ) -> list[Holding]:
        """Transactions that are neither known nor the orders of then, nor made from one of them; the customers on whom
        they are booked; and customers on whom nothing else is."""
        keys = {external_id(connection, order) for connection, order in person.orders}
        roots = {native_id for entity, native_id in known if entity != "customer"}
        roots |= {one.native_id for one in found if str(one.data.get("externalId") or "") in keys}
        old = roots | set(self._made_from(sorted(roots)))
        transactions = [one for one in found if one.entity != "customer"]
        later = [one for one in transactions if one.native_id not in old]
        booked = {_customer_of(one) for one in later}
        before = {_customer_of(one) for one in transactions if one.native_id in old}
        for one in found:
            unknown = ("customer", one.native_id) not in known and one.native_id not in before
            if one.entity == "customer" and (one.native_id in booked or unknown):
                later.append(one)
        return later

    def erase(self, person: PersonalTexts, holding: Holding) -> list[Treated]:
        body = (
            anonymous_customer(holding.data, person)
            if holding.entity == "customer"
            else anonymous_transaction(holding.entity, holding.data, person, self._instructions)
        )
        history = Treated(
            entity=holding.entity,
            native_id=holding.native_id,
            how=Treatment.KEPT,
            why=_HISTORY.format(record=holding.entity),
        )
        if not body:
            nothing = Treated(entity=holding.entity, native_id=holding.native_id, how=Treatment.KEPT, why=_NOTHING)
            return [nothing, history]
        operation = "customer.erase" if holding.entity == "customer" else "sales_order.anonymise"
        try:
            self._client.update(
                holding.entity,
                holding.native_id,
                body,
                operation=operation,
                document=holding.native_id,
                repeatable=True,
            )
        except Rejected as rejected:
            why = f"NetSuite refused it ({rejected.code}): by hand there, or by Remove Personal Information"
            return [Treated(entity=holding.entity, native_id=holding.native_id, how=Treatment.KEPT, why=why), history]
        why = "books must be kept: the record stays, without the person"
        done = Treated(entity=holding.entity, native_id=holding.native_id, how=Treatment.ANONYMISED, why=why)
        return [done, *self._forget_key(person, holding), history]

    def _forget_key(self, person: PersonalTexts, holding: Holding) -> list[Treated]:
        """Ours is made of the store's address or id: without it, whoever buys again is a new customer. By a call of its
        own, since that PATCH takes externalId is unconfirmed. That of somebody else's integration stays."""
        key = str(holding.data.get("externalId") or "")
        stores = {connection for connection, _ in person.orders | person.customers}
        if holding.entity != "customer" or not is_customer_key(key, person.email, stores):
            return []
        new = f"{person.pseudonym.partition('@')[0]}-{holding.native_id}"
        try:
            self._client.update(
                "customer",
                holding.native_id,
                {"externalId": new},
                operation="customer.erase",
                document=holding.native_id,
                repeatable=True,
            )
        except Rejected as rejected:
            why = _KEY.format(code=rejected.code)
            return [Treated(entity="customer", native_id=holding.native_id, how=Treatment.KEPT, why=why)]
        return []


def _customer_of(transaction: Holding) -> str:
    """Refunds and deposits call it `customer`."""
    reference = transaction.data.get("entity") or transaction.data.get("customer") or {}
    return str(reference.get("id", ""))


def anonymous_customer(record: dict[str, Any], person: PersonalTexts) -> dict[str, Any]:
    """Name, addresses, ways to reach them. Lines of the address book are changed by their id."""
    body: dict[str, Any] = {"email": person.pseudonym}
    if record.get("isPerson"):
        body |= {"firstName": ERASED, "lastName": ERASED}
    for name in ("middleName", "salutation", "companyName", "comments", "vatRegNumber"):
        if record.get(name):
            body[name] = ERASED
    body |= {name: _NUMBER for name in ("phone", "altPhone", "mobilePhone", "fax") if record.get(name)}
    if record.get("altEmail"):
        body["altEmail"] = person.pseudonym
    if person.mentions(str(record.get("entityId", ""))):
        body["entityId"] = person.pseudonym.partition("@")[0]
    lines = [
        {"id": line["id"], "label": ERASED, "addressBookAddress": _address(line.get("addressBookAddress") or {})}
        for line in (record.get("addressBook") or {}).get("items") or ()
    ]
    if lines:
        body["addressBook"] = {"items": lines}
    return body


def anonymous_transaction(
    entity: str, record: dict[str, Any], person: PersonalTexts, instructions: str = ""
) -> dict[str, Any]:
    """Addresses, e-mail and what the customer wrote in a transaction; amounts, articles, country and state stay.

    Empty where it has nothing personal. Of a payment's memo, which has the books' references, only the person goes.

    Args:
        instructions: custom field that holds the customer's instructions, where one does.
    """
    body: dict[str, Any] = {}
    for name in ("shippingAddress", "billingAddress", "payeeAddress"):
        if _has(record.get(name)):
            body[name] = _address(record[name])
    if record.get("email"):
        body["email"] = person.pseudonym
    for name in ("memo", "message", instructions):
        written = str(record.get(name) or "")
        left = person.without(written, own=True) if entity in _PAYMENTS else ERASED
        if written and left != written:
            body[name] = left
    if record.get("fax"):
        body["fax"] = _NUMBER
    return body


def _has(address: Any) -> bool:
    return isinstance(address, dict) and any(address.get(name) for name in ("addressee", "addr1", "city", "zip"))


def _address(address: dict[str, Any]) -> dict[str, Any]:
    names = ("addressee", "addr1", "city", "zip")
    more = {name: ERASED for name in ("attention", "addr2", "addr3") if address.get(name)}
    number = {"addrPhone": _NUMBER} if address.get("addrPhone") else {}
    kept = {name: address[name] for name in ("country", "state") if address.get(name)}
    return {**dict.fromkeys(names, ERASED), **more, **number, **kept}
