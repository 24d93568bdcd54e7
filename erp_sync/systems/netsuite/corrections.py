"""Putting an order, its deposits and its customer back in NetSuite as they were sent.

Nothing that was fulfilled, billed or closed is touched: it would move booked figures, and that NetSuite refuses a
quantity below what was fulfilled is unconfirmed. Nor is anything but deposits put back of an order whose tax is the
store's on a legacy-tax account: REST writes no legacy tax, and a changed line or address is taxed anew (Oracle NetSuite
help, Sales Order).

Lines that are still those of the order are set by `line` (Oracle NetSuite help, Use Case For Updating Your Sales
Order); where one was added or taken away the whole list is replaced (`?replace=item,taxDetails`; Working with Sublists
there), since lines without a key are appended. That the list of tax details may be replaced too is unconfirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from erp_sync.model.correction import OrderCorrection
from erp_sync.model.money import decimal_of
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import Absent, Again, Applied, Finding, Outcome, Receipt, Refused
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.netsuite.capabilities import CAPABILITIES
from erp_sync.systems.netsuite.client import EXTERNAL_ID, NetSuiteClient
from erp_sync.systems.netsuite.customer_corrections import customer_update, of_customer
from erp_sync.systems.netsuite.finding import CUSTOMER, DEPOSIT, KINDS, SALES_ORDER
from erp_sync.systems.netsuite.mapping import identity
from erp_sync.systems.netsuite.mapping.common import plain
from erp_sync.systems.netsuite.mapping.order_status import status_letter
from erp_sync.systems.netsuite.mapping.shipment import items_of
from erp_sync.systems.netsuite.orders import SalesOrderTarget
from erp_sync.transport.errors import Rejected, TransportError

PUT_BACK = "put_back"
STAYS = "edit_stays"
LINES, SHIPPING, ADDRESS = "lines", "shipping", "shipping_address"
OF_ORDER = (LINES, SHIPPING, ADDRESS)
OPEN = "AB"  # pending approval, pending fulfillment
SET_BY_LINE = ("quantity", "price", "rate", "amount")


class CorrectionTarget:
    """`DocumentTarget` of `OrderCorrection`. Words of `put_back`: ``lines``, ``shipping``, ``shipping_address``,
    ``payment/KEY/POSITION/ID`` (a deposit's amount), ``gone/KEY/POSITION/ID`` (a deposit that is made again) and
    ``customer/ID/FIELD`` (see `customer_corrections`)."""

    capabilities = CAPABILITIES

    def __init__(self, client: NetSuiteClient, orders: SalesOrderTarget) -> None:
        self._client, self._orders = client, orders

    def requirements(self, document: OrderCorrection) -> list[Requirement]:
        """Items, where the order is mapped anew; what a deposit needs, where one is made again."""
        needed = self._orders.requirements(document)
        if any(word in OF_ORDER for word in document.put_back):
            return needed
        if any(word.startswith("gone/") for word in document.put_back):
            return [one for one in needed if one.entity != "product"]
        return []

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return self._orders.resolve(requirements)

    def steps(self, document: OrderCorrection) -> list[Step]:
        """The order's own values first, then each deposit. No I/O. Raises MappingProblem."""
        key, found = identity.order_key(document), []
        if any(word in OF_ORDER for word in document.put_back):
            found.append(
                Step(
                    name=PUT_BACK,
                    operation="sales_order.put_back",
                    key=identity.external_id(key, "put-back", document.token),
                    concerns=key,
                )
            )
        if of_customer(document):
            customer = identity.customer_key(document, self._client.connection.settings)
            found.append(
                Step(
                    name=f"{PUT_BACK}:{CUSTOMER}",
                    operation="customer.put_back",
                    key=identity.external_id(customer, "put-back", document.token),
                    concerns=customer,
                )
            )
        for word in document.put_back:
            kind, _, rest = word.partition("/")
            if kind == "payment":
                deposit, position, _ = rest.split("/")
                found.append(
                    Step(
                        name=f"{PUT_BACK}:{position}",
                        operation="customer_deposit.put_back",
                        key=identity.external_id(deposit, "put-back", document.token),
                        concerns=deposit,
                    )
                )
            elif kind == "gone":
                deposit, position, gone = rest.split("/")
                found.append(
                    Step(
                        name=f"{DEPOSIT}:{position}",
                        operation="customer_deposit.create_again",
                        key=identity.again_key(deposit, gone),
                    )
                )
        return found

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        """The order is read first, then one write a step. Never raises for what NetSuite did."""
        return [self._submit(request) for request in requests]

    def _submit(self, request: StepRequest) -> Outcome:
        try:
            return self._put_back(request)
        except MappingProblem as problem:
            return Refused(code=problem.code, message=str(problem))
        except Rejected as rejected:
            if rejected.again is Again.LATER:  # somebody has the record open, or a period is closed
                return rejected.as_outcome()
            return Refused(code=STAYS, message=f"NetSuite refused it ({rejected.code}): {rejected.message}")
        except TransportError as error:
            return error.as_outcome()

    def _put_back(self, request: StepRequest) -> Outcome:
        document: OrderCorrection = request.document
        if request.step.name == f"{PUT_BACK}:{CUSTOMER}":
            return self._customer(request)
        order = request.target_id or EXTERNAL_ID + identity.order_key(document)
        record = self._client.get(
            "salesOrder", order, operation="sales_order.read", document=document.number, expand=True
        )
        if record is None:
            return Refused(code="order_not_found", message="The sales order is gone: nothing of it can be put back.")
        if why := closed_to_us(record):
            return Refused(code=STAYS, message=f"{record.get('tranId')} {why}: what was edited there stays.")
        receipt = Receipt(target_id=str(record["id"]), number=str(record.get("tranId") or ""))
        name, _, position = request.step.name.partition(":")
        if name == DEPOSIT:
            entity = str((record.get("entity") or {}).get("id") or "")
            known = msgspec.structs.replace(receipt, values={"entity": entity})
            again = msgspec.structs.replace(request, receipts={SALES_ORDER: known})
            return self._orders.submit([again])[0]
        if position:
            return self._amount(request, int(position))
        self._order(request, record)
        return Applied(receipt=receipt)

    def _order(self, request: StepRequest, record: Mapping[str, Any]) -> None:
        document: OrderCorrection = request.document
        wanted, body, replace = self._orders.body(request), {}, ""
        if SHIPPING in document.put_back:
            body["shippingCost"] = wanted["shippingCost"]
        if ADDRESS in document.put_back:
            # What the order's address has not is emptied, too.
            fields = dict.fromkeys(("attention", "addr2", "addr3"), None)
            body["shippingAddress"] = {**fields, **wanted["shippingAddress"]}
        if LINES in document.put_back:
            lines = wanted["item"]["items"]
            kept = by_line(lines, items_of(record.get("item")))
            body["item"] = {"items": kept if kept is not None else lines}
            if kept is None:
                replace = "item,taxDetails" if "taxDetails" in wanted else "item"
                body |= {name: wanted[name] for name in ("taxDetails",) if name in wanted}
        self._client.update(
            "salesOrder",
            str(record["id"]),
            body,
            operation=request.step.operation,
            document=document.number,
            repeatable=True,
            replace=replace,
        )

    def _amount(self, request: StepRequest, position: int) -> Outcome:
        document: OrderCorrection = request.document
        payment = document.payments[position - 1]
        record = self._client.get(
            "customerDeposit",
            identity_of(document, position),
            operation="customer_deposit.find",
            document=document.number,
            fields=KINDS[DEPOSIT].fields,
        )
        if record is None:
            return Refused(code=STAYS, message="The deposit is gone: the next comparison names it.")
        self._client.update(
            "customerDeposit",
            str(record["id"]),
            {"payment": plain(payment.amount)},
            operation=request.step.operation,
            document=document.number,
            repeatable=True,
        )
        return Applied(receipt=Receipt(target_id=str(record["id"]), number=str(record.get("tranId") or "")))

    def _customer(self, request: StepRequest) -> Outcome:
        document: OrderCorrection = request.document
        customer, body = customer_update(document, self._orders.customer_body(document))
        self._client.update(
            "customer",
            customer,
            body,
            operation=request.step.operation,
            document=document.number,
            repeatable=True,
        )
        return Applied(receipt=Receipt(target_id=customer))

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        """A deposit is found by its key; what only sets values is sent again, which changes nothing."""
        findings: list[Finding] = []
        for request in requests:
            if request.step.name.startswith(f"{DEPOSIT}:"):
                findings += self._orders.find([request])
            else:
                findings.append(Absent())
        return findings

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        if handles:
            raise ValueError(f"no correction was accepted as {handles[0]!r}")
        return []


def identity_of(document: OrderCorrection, position: int) -> str:
    """Internal id of the deposit at this position, which is put back."""
    found = (word.split("/") for word in document.put_back if word.startswith("payment/"))
    return next(identity for _, _, place, identity in found if int(place) == position)


def closed_to_us(record: Mapping[str, Any]) -> str:
    """Why the order is not changed any more; "" where it may be."""
    status = record.get("orderStatus") or record.get("status") or {}
    letter = status_letter(str(status.get("id", "")) if isinstance(status, Mapping) else str(status))
    if letter not in OPEN:
        return "is fulfilled, billed or closed, or a part of it is"
    for line in items_of(record.get("item")):
        if any(decimal_of(line.get(name) or 0) > 0 for name in ("quantityFulfilled", "quantityBilled")):
            return "is fulfilled or billed in part"
        if line.get("isClosed") is True:
            return "has a closed line"
    return ""


def by_line(wanted: Sequence[Mapping[str, Any]], there: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """The wanted values with the `line` that each has now; None where a line was added or taken away."""
    lines = {str((one.get("item") or {}).get("id")): one for one in there}
    items = [str(one["item"]["id"]) for one in wanted]
    if len(lines) != len(there) or sorted(items) != sorted(lines):
        return None
    return [
        {"line": lines[item]["line"], **{name: one[name] for name in SET_BY_LINE if name in one}}
        for item, one in zip(items, wanted, strict=True)
    ]
