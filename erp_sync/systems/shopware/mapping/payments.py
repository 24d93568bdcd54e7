"""Transactions of an order to payments.

Facts: core `Migration\\...\\BasicData` (states of order_transaction), fact sheet section 8. A customer whose payment
failed pays again by a new transaction; the earlier ones stay, cancelled or failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.model.order import Payment, PaymentKind, PaymentState
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Context, Direction, Field, RecordMapping, Rule, Scope
from erp_sync.ports.paths import MISSING
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.shopware.mapping.common import currency_of, money, records, state_of, text

STATES: dict[str, PaymentState] = {
    "open": PaymentState.PENDING,
    "unconfirmed": PaymentState.PENDING,
    "in_progress": PaymentState.PENDING,
    "reminded": PaymentState.PENDING,
    "paid_partially": PaymentState.PENDING,  # how much, the core does not keep
    "authorized": PaymentState.AUTHORISED,
    "paid": PaymentState.CAPTURED,
    "refunded_partially": PaymentState.CAPTURED,
    "refunded": PaymentState.REFUNDED,
    "chargeback": PaymentState.REFUNDED,
    "cancelled": PaymentState.VOIDED,
    "failed": PaymentState.VOIDED,
}
# Technical names of the core's methods (unconfirmed); a connection adds its own by the setting ``payment_kinds``.
KINDS: dict[str, PaymentKind] = {
    "payment_invoicepayment": PaymentKind.ON_ACCOUNT,
    "payment_prepayment": PaymentKind.TRANSFER,
    "payment_debitpayment": PaymentKind.TRANSFER,
    "payment_cashpayment": PaymentKind.CASH_ON_DELIVERY,
}
# Of these the shop gets the money before the goods leave: until then the order is not for the ERP.
PAID_FIRST = (PaymentKind.CARD, PaymentKind.WALLET)
_UNDER_WAY = ("failed", "cancelled", "unconfirmed", "in_progress")


def method_of(transaction: Mapping[str, Any]) -> str:
    """Technical name of the payment method; before 6.7 it may be empty, and its handler names it."""
    method = transaction.get("paymentMethod")
    if not isinstance(method, Mapping):
        return ""
    return str(method.get("technicalName") or method.get("formattedHandlerIdentifier") or "")


def kind_of(method: str, context: Context) -> PaymentKind:
    declared = (context.setting("payment_kinds") or {}).get(method)
    return PaymentKind(declared) if declared else KINDS.get(method, PaymentKind.OTHER)


def in_order(order: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Transactions, the latest last: it is the one that counts."""
    found = records(order.get("transactions"))
    return sorted(found, key=lambda one: (str(one.get("createdAt") or ""), str(one.get("id"))))


def awaited(order: Mapping[str, Any], context: Context) -> bool:
    """Whether the customer still has to pay before anything happens: the latest payment failed or is under way, or is
    open and of a kind that is paid first. Nothing to pay is nothing to wait for."""
    transactions = in_order(order)
    if not transactions:
        return False
    latest = transactions[-1]
    state = state_of(latest)
    return state in _UNDER_WAY or (state == "open" and kind_of(method_of(latest), context) in PAID_FIRST)


def _state(scope: Scope) -> PaymentState:
    state = state_of(scope.record)
    if state not in STATES:
        raise MappingProblem(
            "unmapped_payment_state", "stateMachineState.technicalName", state, f"is none of {', '.join(STATES)}"
        )
    return STATES[state]


def _method(scope: Scope) -> str:
    method = method_of(scope.record)
    if not method:
        raise scope.problem("paymentMethod.technicalName", "is empty, and so is its handler's name")
    return method


PAYMENT = RecordMapping(
    name="sales_order.payments",
    direction=Direction.TO_CANONICAL,
    build=Payment,
    fields=(
        Field("id", "payment_id", text, required=True),
        Field(
            "",
            "method",
            rules.computed(
                "technical name, else name of the handler",
                _method,
                reads=("paymentMethod.technicalName", "paymentMethod.formattedHandlerIdentifier"),
            ),
            note="the ERP's code is looked up where the order is written",
        ),
        Field(
            "",
            "kind",
            rules.computed(
                "kind by method; setting payment_kinds adds",
                lambda scope: kind_of(method_of(scope.record), scope.context),
                reads=("paymentMethod.technicalName",),
            ),
        ),
        Field("", "state", rules.computed("by state", _state, reads=("stateMachineState.technicalName",))),
        Field(
            "",
            "amount",
            rules.computed(
                "total, rounded to the currency",
                lambda scope: money(
                    scope.record.get("amount"), "totalPrice", scope, currency_of(scope.root), "amount."
                ),
                reads=("amount.totalPrice",),
            ),
        ),
    ),
)


def payments(mapping: RecordMapping = PAYMENT) -> Rule:
    """Each transaction, the latest last."""

    def apply(value: Any, scope: Scope) -> Any:
        found = [
            mapping.apply_in(scope.nested(one, f"transactions[id={one.get('id')}].")) for one in in_order(scope.record)
        ]
        return found or MISSING

    return Rule("each transaction, the latest last", apply, nested=mapping, many=True, rebuild=payments)
