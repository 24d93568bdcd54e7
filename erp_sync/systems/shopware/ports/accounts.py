"""Business accounts as a target: all customers of the shop that have the account's customer number.

Facts: OpenAPI 6.7.10.1, POST /_action/sync (entity customer); core, CustomFieldsSerializer: named custom fields are
set, others stay; company and vatIds of a customer: core, CustomerDefinition (the OpenAPI leaves them out). That who is
not active cannot log in, nor order in a session that is open, is unconfirmed by the sources at hand. Customer numbers
are not unique in the database (fact sheet): the buyers of one company may share theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from erp_sync.model.business_account import BusinessAccount
from erp_sync.model.money import BadNumber, decimal_of
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Again, Applied, Outcome, Receipt, Refused
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria, OneOf
from erp_sync.systems.shopware.ports.outcomes import in_batches, not_sent
from erp_sync.systems.shopware.ports.sync import upsert
from erp_sync.transport.errors import TransportError

WRITE = "business_account.write"
TERMS = "erp_sync_account"
LISTED = (
    Criteria()
    .along("group")
    .including(
        {
            "customer": (
                *("id", "autoIncrement", "customerNumber", "active", "company", "group", "vatIds", "customFields"),
                "guest",
            ),
            "customer_group": ("id", "name", "translated"),
        }
    )
)
GROUPS = Criteria().including({"customer_group": ("id", "name", "translated")})
#: Of a buyer that differs from the others of the account: nothing that an ERP says.
DIFFERENT = "(differs among the account's buyers)"

_DONE = Applied(receipt=Receipt(target_id=""))

Row = Mapping[str, Any]


class AccountTarget:
    """Lock, group, tax number and terms of accounts that have customers here. Customers are not made.

    The terms (payment terms, limit, balance, exemption) stand in the custom field ``erp_sync_account`` of each
    customer, for the theme and for plugins. Guests are nobody's account.
    """

    nets_own_orders = False

    def __init__(self, client: ShopwareClient, connection: ConnectionSettings, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._client, self._connection = client, connection
        self._batch_size = capabilities.operation(WRITE).batch_size
        self._page_size = capabilities.reading("business_account").page_size

    def operation(self, row: BusinessAccount) -> str:
        return WRITE

    def key(self, row: BusinessAccount) -> str:
        return row.number

    def sku(self, key: str) -> str:
        return key

    def values(self, row: BusinessAccount) -> dict[str, Any]:
        values = {"active": row.active, "company": row.name, "tax_number": row.tax_number, **_terms(row)}
        return {**values, "group": row.group} if row.group else values

    def row(self, key: str, values: dict[str, Any]) -> BusinessAccount:
        until, limit, balance = values["exempt_until"], values["credit_limit"], values["open_balance"]
        return BusinessAccount(
            connection=self._connection.name,
            native_id=key,
            number=key,
            name=values["company"],
            active=values["active"],
            lock_reason=values["lock_reason"],
            group=values.get("group", ""),
            payment_terms=values["payment_terms"],
            currency=values["currency"],
            credit_limit=Decimal(limit) if limit else None,
            open_balance=Decimal(balance) if balance else None,
            tax_number=values["tax_number"],
            tax_exempt=values["tax_exempt"],
            exemption_certificate=values["exemption_certificate"],
            exempt_until=_day(until),
        )

    def gone(self, key: str, values: dict[str, Any]) -> BusinessAccount:
        """What stands for an account that the ERP has no more: it is locked."""
        return self.row(key, {**values, "active": False})

    def requirements(self, row: BusinessAccount) -> list[Requirement]:
        return [Requirement("customer", row.number)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        wanted = {one.key: one for one in requirements if one.entity == "customer"}
        found = self._of(list(wanted))
        return {wanted[number]: str(buyers[0]["id"]) for number, buyers in found.items() if number in wanted}

    # -- reading -------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[list[BusinessAccount]]:
        """Buyers of one account may stand in several pages: they are read whole, and then told."""
        found: dict[str, list[Row]] = {}
        for page in self._client.all(
            "customer", LISTED, operation="business_account.snapshot", page_size=self._page_size
        ):
            _gather(found, page)
        yield [self._account(number, buyers) for number, buyers in found.items()]

    def read(self, skus: Sequence[str]) -> Iterator[list[BusinessAccount]]:
        found = self._of(skus)
        yield [self._account(number, buyers) for number, buyers in found.items() if number in set(skus)]

    def _of(self, numbers: Sequence[str]) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        wanted = sorted({one for one in numbers if one})
        for start in range(0, len(wanted), self._page_size):
            search = LISTED.where(OneOf("customerNumber", tuple(wanted[start : start + self._page_size])))
            for page in self._client.all(
                "customer", search, operation="business_account.read", page_size=self._page_size
            ):
                _gather(found, page)
        return found

    def _account(self, number: str, buyers: Sequence[Row]) -> BusinessAccount:
        """What all of them have; where they differ, something that no ERP says, so that all are written."""
        first, *others = (self.values(self._buyer(number, one)) for one in buyers)
        values = dict(first)
        for other in others:
            if other["active"] != values["active"]:
                values["active"] = True  # a lock that not all have is none
                values["lock_reason"] = DIFFERENT
            for name, value in other.items():
                if value != first[name] and name != "active":
                    values["company"] = DIFFERENT
        return self.row(number, values)

    def _buyer(self, number: str, row: Row) -> BusinessAccount:
        fields = row.get("customFields") or {}
        told = fields.get(TERMS) if isinstance(fields, Mapping) else None
        terms = _told(told if isinstance(told, Mapping) else {})
        group, numbers = row.get("group") or {}, row.get("vatIds") or [""]
        values = {
            "active": bool(row.get("active")),
            "company": str(row.get("company") or ""),
            "group": _name(group),
            "tax_number": str(numbers[0] or ""),
            **terms,
        }
        return self.row(number, values)

    # -- writing -------------------------------------------------------------------------------

    def submit(self, rows: Sequence[BusinessAccount]) -> list[Outcome]:
        try:
            buyers, groups = self._of([row.number for row in rows]), self._groups()
        except TransportError as error:
            return [not_sent(error)] * len(rows)
        refused: dict[int, Outcome] = {}
        for position, row in enumerate(rows):
            if not buyers.get(row.number):
                refused[position] = Refused(
                    code="unknown_account",
                    message=f"no customer of the shop has the number {row.number}",
                    again=Again.AFTER_DEPENDENCY,
                    requirement=("customer", row.number),
                )
            elif row.group and row.group not in groups:
                refused[position] = Refused(
                    code="unknown_account_group",
                    message=f"{row.number}: the shop has no customer group {row.group}; it has: "
                    f"{', '.join(sorted(groups))}",
                )
        # A lock holds all the same: it is written, and the row is refused for its group.
        sent = [position for position, row in enumerate(rows) if position not in refused or _locks(row, buyers)]
        good = [rows[position] for position in sent]
        outcomes = dict(
            zip(
                sent,
                in_batches(good, self._batch_size, lambda batch: self._write(batch, buyers, groups)),
                strict=True,
            )
        )
        return [
            refused[position]
            if position in refused and isinstance(outcomes.get(position, _DONE), Applied)
            else outcomes[position]
            for position in range(len(rows))
        ]

    def _groups(self) -> dict[str, str]:
        """Ids of the shop's customer groups by name."""
        listed = GROUPS.at_most(self._page_size)
        page = self._client.search("customer-group", listed, operation="business_account.read_groups")
        return {_name(row): str(row["id"]) for row in page.rows}

    def _write(
        self, batch: Sequence[BusinessAccount], buyers: Mapping[str, Sequence[Row]], groups: Mapping[str, str]
    ) -> list[Outcome]:
        payload = []
        for row in batch:
            own: dict[str, Any] = {
                "active": row.active,
                "company": row.name,
                "vatIds": [row.tax_number] if row.tax_number else [],
                "customFields": {TERMS: _terms(row)},
            }
            if row.group in groups:
                own["groupId"] = groups[row.group]
            payload += [{"id": str(buyer["id"]), **own} for buyer in buyers[row.number]]
        upsert(self._client, "customer", payload, operation=WRITE)
        return [Applied(receipt=Receipt(target_id=str(buyers[row.number][0]["id"]))) for row in batch]

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        raise ValueError("terms of an account are never accepted for later: there is nothing to settle")


def _locks(row: BusinessAccount, buyers: Mapping[str, Sequence[Row]]) -> bool:
    return not row.active and bool(buyers.get(row.number))


def _terms(row: BusinessAccount) -> dict[str, Any]:
    """As the custom field has them; amounts as text, exact."""
    return {
        "lock_reason": row.lock_reason,
        "payment_terms": row.payment_terms,
        "currency": row.currency,
        "credit_limit": _text(row.credit_limit),
        "open_balance": _text(row.open_balance),
        "tax_exempt": row.tax_exempt,
        "exemption_certificate": row.exemption_certificate,
        "exempt_until": row.exempt_until.isoformat() if row.exempt_until else "",
    }


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Terms out of a custom field, which anybody may have written: what cannot be read is as if it were not there."""
    plain = ("lock_reason", "payment_terms", "currency", "exemption_certificate")
    terms: dict[str, Any] = {name: str(fields.get(name) or "") for name in plain}
    for name in ("credit_limit", "open_balance"):
        try:
            terms[name] = _text(decimal_of(fields.get(name)))
        except BadNumber:
            terms[name] = ""
    try:
        terms["exempt_until"] = date.fromisoformat(str(fields.get("exempt_until") or "")).isoformat()
    except ValueError:
        terms["exempt_until"] = ""
    return {**terms, "tax_exempt": fields.get("tax_exempt") is True}


def _text(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount.normalize():f}"


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _name(row: Row) -> str:
    translated = row.get("translated") or {}
    return str(row.get("name") or translated.get("name") or "")


def _gather(found: dict[str, list[Row]], page: Sequence[Row]) -> None:
    for row in page:
        number = str(row.get("customerNumber") or "")
        if number and not row.get("guest"):
            found.setdefault(number, []).append(row)
