"""Sales orders into NetSuite: customer, order, one deposit per payment.

Guarantee class A throughout: each step's record carries an external id that NetSuite refuses to take
twice, so a step may be sent again after any unknown outcome, and 'already exists' is success to verify.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from erp_sync.model.money import decimal_of
from erp_sync.model.order import LineKind, SalesOrder
from erp_sync.ports.differences import Difference, undecided
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.outcomes import (
    Again,
    Applied,
    Finding,
    Found,
    Outcome,
    Receipt,
    Refused,
)
from erp_sync.ports.raw import MappingProblem
from erp_sync.ports.reconciling import Current, Edited, EditedCustomer, Known, SentCustomer
from erp_sync.systems.netsuite import refusals
from erp_sync.systems.netsuite.capabilities import capabilities_of
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync.systems.netsuite.currencies import CustomerCurrencies, add_currency
from erp_sync.systems.netsuite.customer_edits import CustomerEdits
from erp_sync.systems.netsuite.errors import ALREADY_EXISTS, LACKS_CURRENCY
from erp_sync.systems.netsuite.finding import CUSTOMER, DEPOSIT, KINDS, SALES_ORDER, OrderFinder, kind_of
from erp_sync.systems.netsuite.mapping import identity, texts
from erp_sync.systems.netsuite.mapping.comparison import own_differences, side_by_side, tax_by_netsuite
from erp_sync.systems.netsuite.mapping.deposit import DepositSource, deposits_of, no_deposit_kinds
from erp_sync.systems.netsuite.mapping.order import LEGACY, SUITETAX, tax_tolerance
from erp_sync.systems.netsuite.mapping.order_lines import Discounts, prepared, tax_details
from erp_sync.systems.netsuite.mapping.websites import every_value, website_value
from erp_sync.systems.netsuite.order_edits import OrderEdits
from erp_sync.systems.netsuite.resolving import OrderResolver, account_key
from erp_sync.transport.errors import Rejected, TransportError

log = logging.getLogger(__name__)

TAX = "tax"
ORDER_SCRIPT, ORDER_DEPLOYMENT = "customscript_erp_sync_order", "customdeploy_erp_sync_order"
ORDER_SCRIPT_VERSION = "3"


class GuestPolicy(StrEnum):
    OWN_RECORD = "own_record"  # one customer per e-mail address
    WEB_GUEST_ACCOUNT = "web_guest_account"  # all guests are setting web_guest_customer
    ACCOUNT_REQUIRED = "account_required"  # the order waits until NetSuite has a customer with this e-mail


class SalesOrderTarget:
    """`DocumentTarget` of sales orders. Thread-safe."""

    def __init__(self, client: NetSuiteClient, lookups: Lookups, mappings: Mapping[str, RecordMapping]) -> None:
        """Raises ValueError for a setting with a value that does not exist."""
        self._client, self._lookups, self._mappings = client, lookups, mappings
        self._finder, self._resolver = OrderFinder(client), OrderResolver(client)
        self._connection = client.connection
        settings = client.connection.settings
        self.capabilities = capabilities_of(settings)
        self._guests = GuestPolicy(settings.get("guest_policy", GuestPolicy.OWN_RECORD))
        if self._guests is GuestPolicy.WEB_GUEST_ACCOUNT and not every_value(settings, "web_guest_customer"):
            raise ValueError(f"{self._connection.name}: guest_policy web_guest_account needs web_guest_customer")
        self._customer_currencies = CustomerCurrencies(settings.get("customer_currencies", CustomerCurrencies.ADD))
        self._discounts = Discounts(settings.get("discounts", Discounts.NET_RATE))
        self._tax_engine = str(settings.get("tax_engine", SUITETAX))
        if self._tax_engine not in (SUITETAX, LEGACY):
            raise ValueError(f"{self._connection.name}: tax_engine {self._tax_engine!r}; known: {SUITETAX}, {LEGACY}")
        self._settings = settings
        self._no_deposit = no_deposit_kinds(settings)
        self._tax_tolerance = tax_tolerance(settings)
        self._tolerance = decimal_of(settings.get("total_tolerance", "0.05"))

    # What it needs -------------------------------------------------------------------------

    def requirements(self, document: SalesOrder) -> list[Requirement]:
        """Items by SKU, the currency, and under `account_required` the guest's customer: by e-mail, in the subsidiary
        that the order goes to. No I/O."""
        needed = {Requirement("product", line.sku) for line in self._stocked(document)}
        needed.add(Requirement("currency", document.currency))
        if self._waits_for_account(document):
            needed.add(self._account(document))
        return sorted(needed)

    def _stocked(self, document: SalesOrder) -> list[Any]:
        parents = {line.parent_line_id for line in document.lines if line.parent_line_id}
        return [line for line in document.lines if line.kind is not LineKind.BUNDLE or line.line_id not in parents]

    def _waits_for_account(self, document: SalesOrder) -> bool:
        return self._guests is GuestPolicy.ACCOUNT_REQUIRED and not document.customer.native_id

    def _account(self, document: SalesOrder) -> Requirement:
        subsidiary = website_value(document, self._settings, "subsidiary")
        return Requirement("customer", account_key(document.customer.email, str(subsidiary or "")))

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        """See `OrderResolver.resolve`."""
        return self._resolver.resolve(requirements)

    # What it does --------------------------------------------------------------------------

    def differences(self, document: SalesOrder) -> list[Difference]:
        """The order's own amounts: what it states against what its parts come to. No I/O. Raises MappingProblem."""
        lines = prepared(document, self._discounts)
        limits = {"total_tolerance": self._tolerance, "tax_tolerance": self._tax_tolerance}
        return own_differences(document, lines, **limits)

    def steps(self, document: SalesOrder) -> list[Step]:
        """Customer (unless it exists by policy), order, a deposit per payment. No I/O.

        Where NetSuite calculates tax, its tax is compared with the store's before any payment is booked.

        Maps the whole document with stand-ins for the ids, so that one that cannot be mapped fails here,
        before anything is written. Raises MappingProblem.
        """
        self._check_payments(document)
        stand_ins = {line.sku: "0" for line in document.lines}
        steps: list[Step] = []
        if self._has_customer_step(document):
            steps.append(
                Step(
                    name=CUSTOMER,
                    operation="customer.create",
                    key=identity.customer_key(document, self._settings),
                )
            )
            self._body(CUSTOMER, document, {"external_id": "x", "currency": "0"})
        values = {"external_id": "x", "entity": "0", "currency": "0", "items": stand_ins}
        self._body(SALES_ORDER, document, values)
        legacy = self._needs_restlet(document)
        steps.append(
            Step(
                name=SALES_ORDER,
                operation="sales_order.create_with_legacy_tax" if legacy else "sales_order.create",
                key=identity.order_key(document),
                after=(CUSTOMER,) if steps else (),
            )
        )
        if legacy:
            self._legacy_tax(document)
        if not document.tax_from_store:
            key = identity.order_key(document)
            steps.append(
                Step(
                    name=TAX,
                    operation="sales_order.compare_tax",
                    key=identity.external_id(key, TAX),
                    concerns=key,
                    after=(SALES_ORDER,),
                )
            )
        for position, payment in deposits_of(document, self._settings):
            steps.append(
                Step(
                    name=f"{DEPOSIT}:{position}",
                    operation="customer_deposit.create",
                    key=identity.payment_key(document, payment),
                    after=(*((CUSTOMER,) if self._has_customer_step(document) else ()), SALES_ORDER),
                )
            )
            source = DepositSource(payment=payment, order=document)
            self._body(DEPOSIT, source, {"external_id": "x", "entity": "0", "sales_order": "0", "currency": "0"})
        return steps

    def _has_customer_step(self, document: SalesOrder) -> bool:
        return bool(document.customer.native_id) or self._guests is GuestPolicy.OWN_RECORD

    def _needs_restlet(self, document: SalesOrder) -> bool:
        """REST writes no legacy tax (Oracle NetSuite help, Sales Order): the store's tax goes by the RESTlet."""
        return self._tax_engine == LEGACY and document.tax_from_store

    def _check_payments(self, document: SalesOrder) -> None:
        """Every method has the ERP's code before anything is written, paid already or not."""
        for payment in document.payments:
            if payment.amount > 0 and payment.kind not in self._no_deposit:
                self._lookups.require("payment_methods", payment.method)

    def _body(self, kind: str, source: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        return self._mappings[kind].apply(source, Context(self._connection, self._lookups, values))

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        """One POST per request, one after the other. Never raises for what NetSuite or the network did."""
        return [self._submit(request) for request in requests]

    def _submit(self, request: StepRequest) -> Outcome:
        try:
            if request.step.name == TAX:
                return self._compare_tax(request)
            return Applied(receipt=self._noted(request, self._send(request)))
        except MappingProblem as problem:
            return Refused(code=problem.code, message=str(problem))
        except Rejected as rejected:
            return self._rejected(request, rejected)
        except TransportError as error:
            return error.as_outcome()

    def _rejected(self, request: StepRequest, rejected: Rejected) -> Outcome:
        if rejected.code == ALREADY_EXISTS:
            return self._existing(request, rejected)
        about_currency = rejected.code in (LACKS_CURRENCY, "invalid_currency") and kind_of(request.step) == SALES_ORDER
        if about_currency and self._customer_currencies is CustomerCurrencies.ADD:
            return self._with_currency(request, rejected)
        return refusals.of_rejected(request, rejected, self._discounts)

    def _with_currency(self, request: StepRequest, rejected: Rejected) -> Outcome:
        """The order once more, after its currency was added to the customer's record where it lacked it."""
        document, customer = request.document, self._entity(request)
        currency = request.references.get(Requirement("currency", document.currency), "")
        try:
            added = add_currency(self._client, customer, currency, document.number)
        except Rejected as problem:
            message = f"{rejected.message} It could not be added: {problem.message}"
            return Refused(code=LACKS_CURRENCY, message=message)
        except TransportError as error:
            # Whatever became of it: the order itself was refused, and is sent again.
            return Refused(code=LACKS_CURRENCY, message=f"{rejected.message} {error}", again=Again.LATER)
        if not added:
            return refusals.of_rejected(request, rejected, self._discounts)
        try:
            receipt = self._noted(request, self._send(request))
        except Rejected as again:
            return (
                self._existing(request, again)
                if again.code == ALREADY_EXISTS
                else refusals.of_rejected(request, again, self._discounts)
            )
        except TransportError as error:
            return error.as_outcome()
        values = {**receipt.values, "currency_added": f"{document.currency} to customer {customer}"}
        return Applied(receipt=msgspec.structs.replace(receipt, values=values))

    def _send(self, request: StepRequest) -> Receipt:
        kind, document, step = kind_of(request.step), request.document, request.step
        values: dict[str, Any] = {
            "external_id": step.key,
            "currency": request.references.get(Requirement("currency", document.currency)),
        }
        if kind != CUSTOMER:
            values["entity"] = self._entity(request)
        if kind == SALES_ORDER:
            needed = {line.sku: Requirement("product", line.sku) for line in document.lines}
            values["items"] = {sku: request.references[one] for sku, one in needed.items() if one in request.references}
        source: Any = document
        if kind == DEPOSIT:
            order = request.receipts[SALES_ORDER]
            values["sales_order"] = order.target_id
            # An adopted order may be of another customer than the one that we would have chosen.
            values["entity"] = order.values.get("entity", values["entity"])
            position = int(step.name.partition(":")[2])
            source = DepositSource(payment=document.payments[position - 1], order=document)
        body = self._body(kind, source, values)
        if kind == SALES_ORDER and self._needs_restlet(document):
            return self._send_by_restlet(request, body)
        record = KINDS[kind].record
        return Receipt(
            target_id=self._client.create(record, body, operation=step.operation, document=str(document.number))
        )

    def _send_by_restlet(self, request: StepRequest, body: dict[str, Any]) -> Receipt:
        settings = self._connection.settings
        answer = self._client.restlet(
            str(settings.get("order_script", ORDER_SCRIPT)),
            str(settings.get("order_deployment", ORDER_DEPLOYMENT)),
            {"record": "salesOrder", "body": body, "tax": self._legacy_tax(request.document)},
            operation=request.step.operation,
            document=str(request.document.number),
            repeatable=True,
        )
        if not isinstance(answer, Mapping) or not answer.get("id"):
            raise Rejected(200, "restlet_answer", "the order RESTlet answered without an id; is its version current?")
        return Receipt(
            target_id=str(answer["id"]), number=str(answer.get("tranId") or ""), existed=bool(answer.get("existed"))
        )

    def _compare_tax(self, request: StepRequest) -> Outcome:
        """NetSuite's tax against the store's: recorded within the tolerance, beyond it held with both calculations."""
        document, order = request.document, request.receipts[SALES_ORDER].target_id
        asked = {"operation": request.step.operation, "document": document.number}
        record = self._client.get("salesOrder", order, **asked, fields="id,taxTotal,total")
        if record is None:
            return Refused(code="order_not_found", message=f"sales order {order} is gone: its tax cannot be compared.")
        tax = tax_by_netsuite(document, record.get("taxTotal"), self._tax_tolerance)
        if undecided([tax], request.allowed):
            record = self._client.get("salesOrder", order, **asked, expand=True) or record
            compared = side_by_side(document, prepared(document, self._discounts), record, tax)
            return refusals.of_tax(str(record.get("tranId") or order), tax, compared)
        values = {"tax_difference": f"{tax.amount:+f}"} if tax.amount else {}
        return Applied(receipt=Receipt(target_id=order, totals={"tax": f"{tax.found:f}"}, values=values))

    def _noted(self, request: StepRequest, receipt: Receipt) -> Receipt:
        """The receipt of an order with what differs from the store's: the tax booked, and a text that was cut."""
        document = request.document
        if kind_of(request.step) != SALES_ORDER:
            return receipt
        values = {**receipt.values, **texts.told_shortened(document, self._settings, self._lookups)}
        if document.tax_from_store and self._tax_engine != LEGACY:
            lines = prepared(document, self._discounts)
            booked = sum((one.amount for one in tax_details(document, lines)), Decimal(0))
            difference = booked - document.totals.tax
            values |= {"tax_difference": f"{difference:+}"} if difference else {}
        return msgspec.structs.replace(receipt, values=values) if values else receipt

    def _legacy_tax(self, document: SalesOrder) -> dict[str, Any]:
        """The store's tax for the RESTlet: every tax line with the index of the line it belongs to."""
        lines = prepared(document, self._discounts)
        positions = {line.reference: index for index, line in enumerate(lines) if line.reference}
        details = [
            {
                "line": positions.get(detail.reference),  # none for shipping
                "taxCode": {"id": self._lookups.require("tax_codes", detail.code).partition("/")[0]},
                "rate": detail.rate,
                "basis": detail.basis,
                "amount": detail.amount,
                "jurisdiction": detail.jurisdiction,
            }
            for detail in tax_details(document, lines)
        ]
        return {"total": document.totals.tax, "details": details}

    def _entity(self, request: StepRequest) -> str:
        if CUSTOMER in request.receipts:
            return request.receipts[CUSTOMER].target_id
        document: SalesOrder = request.document
        if self._waits_for_account(document):
            return request.references[self._account(document)]
        return str(website_value(document, self._settings, "web_guest_customer") or "")

    def _existing(self, request: StepRequest, rejected: Rejected) -> Outcome:
        """NetSuite has one with our key: ours from an earlier send, unless it says otherwise."""
        finding = self.find([request])[0]
        if isinstance(finding, Found):
            return Applied(receipt=self._noted(request, finding.receipt))
        settle = self.capabilities.operation(request.step.operation).settle_seconds
        return refusals.of_existing(request, rejected, finding, settle)

    # What is there -------------------------------------------------------------------------

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        """Is the record there? See `OrderFinder.find`."""
        return self._finder.find(requests)

    def read_back(self, keys: Sequence[str]) -> dict[str, Receipt]:
        """Number, total, status and time of last change of orders, by external id. See `OrderFinder.read_back`."""
        return self._finder.read_back(keys)

    def read_back_ids(self, ids: Sequence[str]) -> dict[str, Receipt]:
        """The same by internal id. See `OrderFinder.read_back_ids`."""
        return self._finder.read_back_ids(ids)

    def edits(self, documents: Mapping[str, SalesOrder], known: Known) -> dict[str, list[Edited]]:
        """What somebody changed of orders that were sent, by internal id. See `OrderEdits`."""
        return OrderEdits(self._client, self._lookups, self._discounts, self._settings).edits(documents, known)

    def customer_edits(self, customers: Mapping[str, SentCustomer], current: Current) -> dict[str, EditedCustomer]:
        """What somebody changed of customers that went with orders, by internal id. See `CustomerEdits`."""
        mapping = self._mappings[CUSTOMER]
        return CustomerEdits(self._client, self._lookups, mapping, self._resolver).edits(customers, current)

    def customer_body(self, document: SalesOrder) -> dict[str, Any]:
        """The customer's record as it is sent with the order, but for its currency. No I/O. Raises MappingProblem."""
        return self._body(CUSTOMER, document, {"external_id": identity.customer_key(document, self._settings)})

    def body(self, request: StepRequest) -> dict[str, Any]:
        """The order's record as it is sent. No I/O. Raises MappingProblem."""
        needed = {line.sku: Requirement("product", line.sku) for line in request.document.lines}
        items = {sku: request.references[one] for sku, one in needed.items() if one in request.references}
        values = {"external_id": request.step.key, "entity": "0", "currency": "0", "items": items}
        return self._body(SALES_ORDER, request.document, values)

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        """NetSuite answers at once here: nothing is ever only accepted. Raises ValueError for a handle."""
        if handles:
            raise ValueError(f"no request of sales orders was accepted as {handles[0]!r}")
        return []
