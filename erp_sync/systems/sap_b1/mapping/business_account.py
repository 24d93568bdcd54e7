"""Business account, a `BusinessPartner` that is a customer, to `BusinessAccount`. Values: ``connection``, ``today``
(the server's date).

The payload is the partner with ``group`` and ``payment_terms`` (names). That Frozen and its dates lock a partner for
new documents, and what the balances add up, are the fields' own names (contract 1.27; unconfirmed beyond that).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.model.business_account import BusinessAccount
from erp_sync.model.money import decimal_of
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.mapping.activity import within

BALANCES = ("CurrentAccountBalance", "OpenDeliveryNotesBalance", "OpenOrdersBalance")
ANY_CURRENCY = "##"
EXEMPT = "vExempted"


def _active(scope: Scope) -> bool:
    """Not frozen today; one that is valid for a time only, in that time."""
    partner, today = scope.record, scope.context.values["today"]
    if partner.get("Frozen") == "tYES":
        return not within(partner, "Frozen", today)
    dated = partner.get("ValidFrom") or partner.get("ValidTo")
    return within(partner, "Valid", today) if partner.get("Valid") == "tYES" and dated else True


def _balance(scope: Scope) -> Decimal:
    return sum((decimal_of(scope.record.get(name) or 0) for name in BALANCES), Decimal(0))


def _currency(scope: Scope) -> Any:
    code = scope.record.get("Currency")
    return MISSING if is_empty(code) or code == ANY_CURRENCY else str(code)


def _day(value: Any, scope: Scope) -> Any:
    return odata.day_of(value).isoformat()


def _time(day: str, clock: str) -> Rule:
    def find(scope: Scope) -> Any:
        value = scope.record.get(day)
        return odata.stamp(value, scope.record.get(clock), scope.context.connection.time_zone) if value else None

    return rules.computed("in the server's time zone, to UTC", find, reads=(day, clock))


BUSINESS_ACCOUNT = RecordMapping(
    "business_account",
    Direction.TO_CANONICAL,
    (
        Field("", "connection", rules.value_of("connection", "name of the connection"), required=True),
        Field("CardCode", "native_id", rules.text(strip=False), required=True),
        Field("version", "version", rules.text(), default="", note="time of last change, SAP's count of changes"),
        Field("CardCode", "number", rules.text(strip=False), required=True),
        Field("", "name", rules.first_of("CardName", "CardForeignName", then=rules.text()), default=""),
        Field("", "active", rules.computed("not frozen on the server's date", _active,
              reads=("Frozen", "FrozenFrom", "FrozenTo", "Valid", "ValidFrom", "ValidTo"))),
        Field("FrozenRemarks", "lock_reason", rules.text(), default=""),
        Field("group", "group", rules.text(), default="", note="name of GroupCode"),
        Field("payment_terms", "payment_terms", rules.text(), default="", note="name of PayTermsGrpCode"),
        Field("Currency", "currency", rules.computed(f"text; {ANY_CURRENCY} is any", _currency), default=""),
        Field("CreditLimit", "credit_limit", rules.decimal()),
        Field("", "open_balance", rules.computed(" + ".join(BALANCES), _balance, reads=BALANCES)),
        Field("FederalTaxID", "tax_number", rules.text(), default=""),
        Field("VatLiable", "tax_exempt", Rule(f"is {EXEMPT}", lambda value, scope: value == EXEMPT), default=False),
        Field("ExemptNum", "exemption_certificate", rules.text(), default=""),
        Field("ExemptionValidityDateTo", "exempt_until", Rule("date", _day)),
        Field("", "created_at", _time("CreateDate", "CreateTime")),
        Field("", "updated_at", _time("UpdateDate", "UpdateTime")),
    ),
    BusinessAccount,
)  # fmt: skip
