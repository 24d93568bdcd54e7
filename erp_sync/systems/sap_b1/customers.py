"""The card of an order's customer: an account that SAP has, else one of ours, made once.

The card code of ours is derived from the store's customer id (a guest's from the e-mail address) and SAP refuses a
second card with it: guarantee class A.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from erp_sync.model.order import SalesOrder
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping, is_empty
from erp_sync.ports.outcomes import (
    ALREADY_EXISTS,
    Absent,
    Again,
    Applied,
    Finding,
    Found,
    Outcome,
    Receipt,
    Refused,
    Unknown,
)
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.client import Query, ServiceLayerClient
from erp_sync.systems.sap_b1.mapping import identity
from erp_sync.systems.sap_b1.mapping.websites import website_value
from erp_sync.systems.sap_b1.resolving import CARD_FIELDS, frozen_for_good
from erp_sync.transport.errors import Rejected

CUSTOMER = "customer"


class Accounts(StrEnum):
    """Setting ``accounts``: what the store's customer number says."""

    BY_NUMBER = "by_number"  # the account of that card code where there is one, else a card of ours
    REQUIRED = "required"  # every order is of an account; it waits until SAP has it
    NONE = "none"  # nothing: cards are ours


class CustomerCards:
    """The customer's part of delivering an order. Thread-safe."""

    def __init__(self, client: ServiceLayerClient, lookups: Lookups, mapping: RecordMapping) -> None:
        """Raises ValueError for a setting with a value that does not exist."""
        self._client, self._lookups, self._mapping = client, lookups, mapping
        self._settings = client.connection.settings
        self._accounts = Accounts(self._settings.get("accounts", Accounts.BY_NUMBER))

    def requirement(self, document: SalesOrder) -> Requirement | None:
        """The account that the order has to be of. Raises nothing: without a number `step` says so."""
        number = identity.customer_number(document, self._settings)
        return Requirement(CUSTOMER, number) if self._accounts is Accounts.REQUIRED and number else None

    def step(self, document: SalesOrder) -> Step | None:
        """The step that makes sure of a card; None where the card is known before. Maps the card, so that one that
        cannot be mapped fails before anything is written. Raises MappingProblem."""
        if self._guest_card(document):
            return None
        number = identity.customer_number(document, self._settings)
        if self._accounts is Accounts.REQUIRED:
            if not number:
                raise MappingProblem(
                    "account_missing", "customer", document.number,
                    "setting accounts: required, and the store gives no customer number",
                )  # fmt: skip
            return None
        code = identity.card_code(document, self._settings)
        self._body(document, code)
        # Who gets another number may be another account: the receipt of the one before must not serve.
        key = f"{code}:{number}" if number and self._accounts is Accounts.BY_NUMBER else code
        return Step(name=CUSTOMER, operation="customer.create", key=key)

    def card_of(
        self, document: SalesOrder, receipts: Mapping[str, Receipt], resolved: Mapping[Requirement, str]
    ) -> str:
        """The card code that the order is booked on."""
        if CUSTOMER in receipts:
            return receipts[CUSTOMER].target_id
        required = self.requirement(document)
        return resolved[required] if required is not None else self._guest_card(document)

    def _guest_card(self, document: SalesOrder) -> str:
        """Setting ``guest_customer``: one card for all guests."""
        found = website_value(document, self._settings, "guest_customer") if document.customer.guest else None
        return "" if is_empty(found) else str(found)

    def _body(self, document: SalesOrder, code: str) -> dict[str, Any]:
        context = Context(self._client.connection, self._lookups, {"card_code": code})
        body: dict[str, Any] = self._mapping.apply(document, context)
        return body

    # What it does --------------------------------------------------------------------------

    def submit(self, request: StepRequest) -> Outcome:
        """Applied with the account where there is one, else with the card made. Raises the TransportError tree."""
        document: SalesOrder = request.document
        account = self._account(document)
        if account is not None:
            return _applied(account)
        code = identity.card_code(document, self._settings)
        try:
            made = self._client.create(
                "BusinessPartners",
                self._body(document, code),
                operation=request.step.operation,
                document=document.number,
                repeatable=True,
            )
        except Rejected as rejected:
            if rejected.code != ALREADY_EXISTS:
                raise
            there = self._card(code, document)
            if there is None:
                return Unknown(why=f"{rejected.message} No card {code} is to be seen.")
            return _applied(there)
        return Applied(receipt=Receipt(target_id=str(made.get("CardCode") or code)))

    def find(self, request: StepRequest) -> Finding:
        """The account, else the card of ours. Raises the TransportError tree."""
        document: SalesOrder = request.document
        there = self._account(document) or self._card(identity.card_code(document, self._settings), document)
        if there is None or there.get("CardType") != "cCustomer":
            return Absent()
        return Found(receipt=_receipt(there))

    def _account(self, document: SalesOrder) -> dict[str, Any] | None:
        number = identity.customer_number(document, self._settings)
        if not number or self._accounts is Accounts.NONE:
            return None
        there = self._card(number, document)
        return there if there is not None and there.get("CardType") == "cCustomer" else None

    def _card(self, code: str, document: SalesOrder) -> dict[str, Any] | None:
        where = odata.equals("CardCode", code)
        query = Query(entity_set="BusinessPartners", key=("CardCode",), where=where, select=CARD_FIELDS)
        rows = self._client.rows(query, operation="customer.find", document=document.number)
        # A database that takes upper and lower case for the same gives another's card, too.
        return next((row for row in rows if row.get("CardCode") == code), None)


def _receipt(card: Mapping[str, Any]) -> Receipt:
    return Receipt(target_id=str(card["CardCode"]), existed=True)


def _applied(card: Mapping[str, Any]) -> Outcome:
    """Of a card that is there, if orders may be booked on it."""
    code, name = str(card["CardCode"]), str(card.get("CardName") or "")
    if card.get("CardType") != "cCustomer":
        return Refused(
            code="card_code_taken",
            message=f"SAP Business One: card {code} ({name}) is no customer but {card.get('CardType')}.",
        )
    if frozen_for_good(card):
        message = f"SAP Business One: account {code} ({name}) is inactive: nothing can be booked on it."
        return Refused(code="inactive_customer", message=message, again=Again.NEVER)
    return Applied(receipt=_receipt(card))
