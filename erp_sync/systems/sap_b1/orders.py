"""Sales orders into SAP Business One: the customer's card where there is none, then the order.

The order is of guarantee class C: SAP keeps no key of ours unique, so it is searched for after an unknown outcome,
among orders and among the drafts of approval procedures, and sent once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.order import LineKind, SalesOrder
from erp_sync.ports.differences import Difference
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.outcomes import (
    Absent,
    Accepted,
    Ambiguous,
    Applied,
    Finding,
    Found,
    Later,
    Outcome,
    Receipt,
    Refused,
    Unknown,
)
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.sap_b1.approvals import Approvals
from erp_sync.systems.sap_b1.capabilities import capabilities_of
from erp_sync.systems.sap_b1.client import ServiceLayerClient
from erp_sync.systems.sap_b1.customer_words import customer_reasons
from erp_sync.systems.sap_b1.customers import CUSTOMER, CustomerCards
from erp_sync.systems.sap_b1.errors import NO_MATCH
from erp_sync.systems.sap_b1.finding import SALES_ORDER, OrderFinder, is_ended
from erp_sync.systems.sap_b1.likeness import Likeness, Sent
from erp_sync.systems.sap_b1.made import Made, MadeOrders
from erp_sync.systems.sap_b1.mapping import identity
from erp_sync.systems.sap_b1.mapping.comparison import own_differences, tolerance
from erp_sync.systems.sap_b1.minimum import too_small
from erp_sync.systems.sap_b1.preview import Preview
from erp_sync.systems.sap_b1.resolving import OrderResolver
from erp_sync.systems.sap_b1.withdrawing import OPERATION as WITHDRAW
from erp_sync.systems.sap_b1.withdrawing import Withdrawing
from erp_sync.transport.errors import Rejected, TransportError


class SalesOrderTarget:
    """`DocumentTarget` of sales orders. Thread-safe."""

    def __init__(self, client: ServiceLayerClient, lookups: Lookups, mappings: Mapping[str, RecordMapping]) -> None:
        """Raises ValueError for a setting with a value that does not exist."""
        self._client, self._lookups, self._mapping = client, lookups, mappings[SALES_ORDER]
        self._connection, self._settings = client.connection, client.connection.settings
        self.capabilities = capabilities_of(self._settings)
        self._resolver, self._finder = OrderResolver(client), OrderFinder(client)
        self._customers = CustomerCards(client, lookups, mappings[CUSTOMER])
        self._likeness, self._preview = Likeness(client, self._finder), Preview(client)
        self._approvals = Approvals(client, self._finder, self._likeness)
        self._withdrawing = Withdrawing(client, self._approvals)
        create = self.capabilities.operation("sales_order.create")
        self._made = MadeOrders(self._finder, self._approvals, create.settle_seconds)

    # What it needs -------------------------------------------------------------------------

    def requirements(self, document: SalesOrder) -> list[Requirement]:
        """Items by SKU, the currency, and with setting ``accounts: required`` the account. No I/O."""
        parents = {line.parent_line_id for line in document.lines if line.parent_line_id}
        sold = (line for line in document.lines if line.kind is not LineKind.BUNDLE or line.line_id not in parents)
        needed = {Requirement("product", line.sku) for line in sold}
        needed.add(Requirement("currency", document.currency))
        account = self._customers.requirement(document)
        return sorted(needed | ({account} if account is not None else set()))

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        """See `OrderResolver.resolve`."""
        return self._resolver.resolve(requirements)

    # What it does --------------------------------------------------------------------------

    def differences(self, document: SalesOrder) -> list[Difference]:
        """The order's own amounts: what it states against what its parts come to. No I/O."""
        return own_differences(document, self._settings)

    def steps(self, document: SalesOrder) -> list[Step]:
        """The customer's card, unless it is known before, and the order. No I/O.

        Maps the whole document with stand-ins for codes, so that one that cannot be mapped fails here, before
        anything is written. Raises MappingProblem.
        """
        card = self._customers.step(document)
        self._body(document, "0", "0", {line.sku: "0" for line in document.lines})
        order = Step(
            name=SALES_ORDER,
            operation="sales_order.create",
            key=identity.order_key(document),
            after=(CUSTOMER,) if card is not None else (),
        )
        return [card, order] if card is not None else [order]

    def body(self, request: StepRequest) -> dict[str, Any]:
        """The order as it is sent. No I/O. Raises MappingProblem."""
        document: SalesOrder = request.document
        items = {
            line.sku: request.references[needed]
            for line in document.lines
            if (needed := Requirement("product", line.sku)) in request.references
        }
        card = self._customers.card_of(document, request.receipts, request.references)
        return self._body(document, card, request.references[Requirement("currency", document.currency)], items)

    def _body(self, document: SalesOrder, card: str, currency: str, items: Mapping[str, str]) -> dict[str, Any]:
        values = {
            "key": identity.order_key(document),
            "card_code": card,
            "currency": currency,
            "items": items,
        }
        body: dict[str, Any] = self._mapping.apply(document, Context(self._connection, self._lookups, values))
        return body

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        """One after the other. Never raises for what SAP or the network did."""
        return [self._submit(request) for request in requests]

    def _submit(self, request: StepRequest) -> Outcome:
        try:
            return self._customers.submit(request) if request.step.name == CUSTOMER else self._order(request)
        except MappingProblem as problem:
            return Refused(code=problem.code, message=str(problem))
        except TransportError as error:
            return error.as_outcome()

    def _order(self, request: StepRequest) -> Outcome:
        if request.attempt > 1:
            # An earlier send was refused, or certainly not sent; a person may have helped since.
            there = self._there(request) or self._cleared(request)
            if there is not None:
                return there
        body = self.body(request)
        objection = too_small(request, self._settings) or self._preview.objection(request, body)
        if objection is not None:
            return objection
        try:
            made = self._client.create(
                "Orders",
                body,
                operation=request.step.operation,
                document=request.document.number,
                repeatable=False,
            )
        except Rejected as rejected:
            if rejected.code != NO_MATCH:
                raise
            return self._after_no_match(request, rejected)
        return self._verified(request, body, made)

    def _verified(self, request: StepRequest, body: Mapping[str, Any], made: Mapping[str, Any]) -> Outcome:
        outcome = self._made.verified(made, body, request.step.key, document=request.document.number)
        if isinstance(outcome, Applied) and not outcome.receipt.existed:
            return Applied(receipt=self._noted(request.document, outcome.receipt))
        return outcome

    def _noted(self, document: SalesOrder, receipt: Receipt) -> Receipt:
        """With what SAP's totals differ from the store's."""
        stated = {"grand_total": document.totals.grand_total, "tax": document.totals.tax}
        differences = {
            f"{name}_difference": f"{difference:+f}"
            for name, amount in stated.items()
            if name in receipt.totals and (difference := Decimal(receipt.totals[name]) - amount)
        }
        return msgspec.structs.replace(receipt, values={**receipt.values, **differences}) if differences else receipt

    def _after_no_match(self, request: StepRequest, rejected: Rejected) -> Outcome:
        """An approval procedure made a draft of it; or the body refers to something that is not there.

        With neither order nor draft to be seen, the draft may be committing still: unknown. When a send without an
        answer was looked up after its settle time and the same comes again, it is a reference. Sends that were refused
        or never left say nothing of that.
        """
        try:
            there = self._there(request)
        except TransportError as error:
            return Unknown(why=f"{rejected.message} Whether a draft was made could not be looked up: {error}")
        if there is not None:
            return there
        if not request.unanswered:
            return Unknown(why=f"{rejected.message} No draft of {request.step.key} is to be seen yet.")
        return Refused(
            code="reference_not_found",
            message=f"{rejected.message} SAP does not say what it misses: an item, tax code, warehouse, branch, "
            "expense, shipping type, sales employee or the customer.",
        )

    def _there(self, request: StepRequest) -> Outcome | None:
        """See `OrderFinder.there`; without our key, see `Likeness.find`."""
        there = self._finder.there(request.step.key, document=request.document.number)
        if there is not None:
            return there
        match self._alike(request):
            case Found(receipt=receipt):
                return Applied(receipt=receipt)
            case Accepted() as draft:
                return draft
            case Ambiguous(why=why):
                return Refused(code="ambiguous", message=why)
        return None

    def _alike(self, request: StepRequest) -> Finding:
        document: SalesOrder = request.document
        limit = tolerance(self._settings, "total_tolerance")
        sent = Sent.of(self.body(request), request.step.key, document.totals.grand_total, limit)
        return self._likeness.find(sent, document=document.number)

    def _cleared(self, request: StepRequest) -> Refused | None:
        """No draft of an earlier send stays that a person refused and might approve after all."""
        key, number = request.step.key, request.document.number
        drafts = self._finder.drafts([key], document=number).get(key, [])
        return self._withdrawing.clear([one for one in drafts if is_ended(one)], key, document=number)

    # What is there -------------------------------------------------------------------------

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        """Are card and order there? Orders are searched for together. A draft that waits for a person, or that a person
        refused, is `Accepted`: `settle` tells which."""
        keys = [request.step.key for request in requests if request.step.name == SALES_ORDER]
        try:
            orders = self._finder.find(keys) if keys else {}
            return [
                self._found(request, orders[request.step.key])
                if request.step.name == SALES_ORDER
                else self._customers.find(request)
                for request in requests
            ]
        except TransportError as error:
            later = Later(seconds=error.retry_after_seconds or 10.0, why=str(error))
            return [later for _ in requests]

    def _found(self, request: StepRequest, by_key: Finding) -> Finding:
        """What was sent and does not have our key may be there without it: an add-on may empty the field."""
        if (
            not isinstance(by_key, Absent)
            or Requirement("currency", request.document.currency) not in request.references
        ):
            return by_key
        try:
            return self._alike(request)
        except MappingProblem:
            return by_key  # it was never sent like this

    def read_back(self, keys: Sequence[str]) -> dict[str, Receipt]:
        """Number, total, status and version of orders by our key; those that are not orders (yet) are left out.

        Raises the TransportError tree.
        """
        found = self._finder.find(keys, ended=False) if keys else {}
        return {key: one.receipt for key, one in found.items() if isinstance(one, Found)}

    def read_back_ids(self, ids: Sequence[str]) -> dict[str, Receipt]:
        """The same by DocEntry, for those that carry no key of ours; deleted ones are left out. Raises the
        TransportError tree."""
        return self._finder.by_ids(ids)

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        """What became of drafts that wait for a person, and of what SAP made and could not be read at once. Raises
        ValueError for a handle that is not ours."""
        return [(self._made if Made.is_one(handle) else self._approvals).settle(handle) for handle in handles]

    # What is done about what SAP took ----------------------------------------------------------

    def proceed(self, request: StepRequest, handle: str) -> Outcome:
        """Add an approved draft as an order (setting ``approved_drafts: post``)."""
        return self._approvals.add(handle, document=request.document.number)

    @property
    def take_back_operation(self) -> str:
        return WITHDRAW

    def take_back(self, request: StepRequest, handle: str) -> Outcome:
        """The draft of an order that the store cancelled is removed; Applied where it is an order by now."""
        number = request.document.number
        if Made.is_one(handle):
            outcome = self._made.settle(handle)
            if not isinstance(outcome, Accepted) or Made.is_one(outcome.handle):
                return outcome
            handle = outcome.handle
        return self._withdrawing.take_back(handle, document=number)

    @property
    def customer_reasons(self) -> Mapping[str, str]:
        """See `ports.documents.TellsCustomers`."""
        return customer_reasons(self._settings)
