"""Payments of an order: the payment method, then gift cards, store credit and reward points."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.order import Payment, PaymentKind, PaymentState
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope
from erp_sync.ports.paths import MISSING
from erp_sync.systems.magento.mapping.common import extension, money, number, records, text

# Method codes of the core and of the vendor's bundled extensions; a connection adds its own by the
# setting ``payment_kinds``.
KINDS: dict[str, PaymentKind] = {
    "checkmo": PaymentKind.TRANSFER,
    "banktransfer": PaymentKind.TRANSFER,
    "cashondelivery": PaymentKind.CASH_ON_DELIVERY,
    "purchaseorder": PaymentKind.ON_ACCOUNT,
    "companycredit": PaymentKind.ON_ACCOUNT,
    "braintree": PaymentKind.CARD,
    "braintree_cc_vault": PaymentKind.CARD,
    "payflowpro": PaymentKind.CARD,
    "payflow_advanced": PaymentKind.CARD,
    "payflow_link": PaymentKind.CARD,
    "hosted_pro": PaymentKind.CARD,
    "payment_services_paypal_hosted_fields": PaymentKind.CARD,
    "payment_services_paypal_vault": PaymentKind.CARD,
    "authorizenet_acceptjs": PaymentKind.CARD,
    "stripe_payments": PaymentKind.CARD,
    "adyen_cc": PaymentKind.CARD,
    "paypal_express": PaymentKind.WALLET,
    "payflow_express": PaymentKind.WALLET,
    "braintree_paypal": PaymentKind.WALLET,
    "braintree_applepay": PaymentKind.WALLET,
    "braintree_googlepay": PaymentKind.WALLET,
    "payment_services_paypal_smart_buttons": PaymentKind.WALLET,
    "payment_services_paypal_apple_pay": PaymentKind.WALLET,
    "payment_services_paypal_google_pay": PaymentKind.WALLET,
    "amazon_payment_v2": PaymentKind.WALLET,
}
CAPTURE_SUFFIX = "-capture"  # the core names a capture after its authorisation (Payment\Transaction\Manager)


def _kind(value: Any, scope: Scope) -> PaymentKind:
    declared = (scope.context.setting("payment_kinds") or {}).get(str(value))
    return PaymentKind(declared) if declared else KINDS.get(str(value), PaymentKind.OTHER)


def _state(scope: Scope) -> PaymentState:
    payment = scope.record
    ordered = number(payment, "amount_ordered", scope)
    paid, refunded = number(payment, "amount_paid", scope), number(payment, "amount_refunded", scope)
    if paid and refunded >= paid:
        return PaymentState.REFUNDED
    if paid and paid >= ordered:
        return PaymentState.CAPTURED
    if number(payment, "amount_canceled", scope) >= ordered > 0 or str(scope.root.get("state")) == "canceled":
        return PaymentState.VOIDED
    if number(payment, "amount_authorized", scope) or paid:
        return PaymentState.AUTHORISED
    return PaymentState.PENDING


def _amount(scope: Scope) -> Decimal:
    currency = str(scope.root.get("order_currency_code"))
    ordered = money(scope.record, "amount_ordered", scope, currency)
    authorised = money(scope.record, "amount_authorized", scope, currency)
    return min(ordered, authorised) if authorised else ordered


def _transactions(scope: Scope) -> tuple[str, str]:
    """References of authorisation and capture.

    ``last_trans_id`` is the latest transaction, ``cc_trans_id`` the first one of a card payment.
    """
    payment = scope.record
    last, first = str(payment.get("last_trans_id") or ""), str(payment.get("cc_trans_id") or "")
    if number(payment, "amount_paid", scope):
        authorised = first if first != last else ""
        return authorised or last.removesuffix(CAPTURE_SUFFIX), last
    return last or first, ""


PAYMENT = RecordMapping(
    name="sales_order.payments",
    direction=Direction.TO_CANONICAL,
    build=Payment,
    fields=(
        Field("entity_id", "payment_id", text, default="main"),
        Field("method", "method", text, required=True, note="the ERP's code is looked up where the order is written"),
        Field("method", "kind", Rule("kind by method code; setting payment_kinds adds", _kind)),
        Field(
            "",
            "state",
            rules.computed(
                "by amounts authorised, paid, refunded, cancelled",
                _state,
                reads=("amount_authorized", "amount_paid", "amount_refunded", "amount_canceled", "$.state"),
            ),
        ),
        Field(
            "",
            "amount",
            rules.computed(
                "ordered, at most what is authorised", _amount, reads=("amount_ordered", "amount_authorized")
            ),
        ),
        Field(
            "",
            "authorisation_reference",
            rules.computed(
                "first transaction", lambda scope: _transactions(scope)[0], reads=("cc_trans_id", "last_trans_id")
            ),
        ),
        Field(
            "",
            "capture_reference",
            rules.computed("last transaction of a paid payment", lambda scope: _transactions(scope)[1]),
        ),
    ),
)


def payments(mapping: RecordMapping = PAYMENT) -> Rule:
    """The payment record, then one payment per gift card, store credit and reward points."""

    def apply(value: Any, scope: Scope) -> Any:
        order = scope.record
        currency = str(order.get("order_currency_code"))
        found: list[Payment] = []
        if isinstance(value, Mapping):
            main: Payment = mapping.apply_in(scope.nested(value, "payment."))
            # The vendor books method "free" where nothing is left to pay.
            if main.amount or main.method != "free":
                found.append(main)
        cancelled = str(order.get("state")) == "canceled"
        state = PaymentState.VOIDED if cancelled else PaymentState.CAPTURED
        found += [
            Payment(
                payment_id=f"gift_card:{card.get('id') or position}",
                kind=PaymentKind.GIFT_CARD,
                method="giftcard",
                state=state,
                amount=money(card, "amount", scope.nested(card, "extension_attributes.gift_cards."), currency),
                gift_card_code=str(card.get("code") or "")[-4:],
            )
            for position, card in enumerate(records(extension(order, "gift_cards")), start=1)
        ]
        extensions = order.get("extension_attributes")
        if not records(extension(order, "gift_cards")) and number(extensions, "gift_cards_amount", scope):
            amount = money(extensions, "gift_cards_amount", scope, currency)
            found.append(
                Payment(
                    payment_id="gift_cards", kind=PaymentKind.GIFT_CARD, method="giftcard", state=state, amount=amount
                )
            )
        outer = scope.nested(extensions, "extension_attributes.")
        for field, kind, method in (
            ("customer_balance_amount", PaymentKind.STORE_CREDIT, "customerbalance"),
            ("reward_currency_amount", PaymentKind.OTHER, "reward_points"),
        ):
            amount = money(extensions, field, outer, currency)
            if amount:
                found.append(Payment(payment_id=method, kind=kind, method=method, state=state, amount=amount))
        return found or MISSING

    reads = tuple(
        f"$.extension_attributes.{name}" for name in ("gift_cards", "customer_balance_amount", "reward_currency_amount")
    )
    return Rule(
        "each payment",
        apply,
        nested=mapping,
        many=False,
        reads=reads,
        fills=("gift_card_code",),
        rebuild=payments,
        always=True,
    )
