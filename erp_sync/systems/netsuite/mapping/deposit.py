"""A payment, canonical `Payment` (inside its `SalesOrder`) to NetSuite `customerDeposit`.

Values: ``external_id``, ``entity``, ``sales_order``, ``currency``. The REST API Browser 2026.1 has `paymentOption`
and no `paymentMethod`; accounts without Payment Instruments may differ (unconfirmed): setting
``payment_field``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from erp_sync.model.order import Payment, PaymentKind, PaymentState, SalesOrder
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping, Rule, Scope
from erp_sync.systems.netsuite.mapping.common import OUT, amount, by_website, exchange_rate, given, reference


class DepositSource(msgspec.Struct, frozen=True, kw_only=True):
    """What the mapping reads: one payment and its order. The order's store fields serve `by_website`."""

    payment: Payment
    order: SalesOrder

    @property
    def connection(self) -> str:
        return self.order.connection

    @property
    def store_view(self) -> str:
        return self.order.store_view

    @property
    def website(self) -> str:
        return self.order.website

    @property
    def scope(self) -> str:
        return self.order.scope


def deposits_of(order: SalesOrder, settings: Mapping[str, Any]) -> list[tuple[int, Payment]]:
    """Payments that become deposits, with their places in the order from 1.

    Settings: ``deposit_states`` (of payments), ``no_deposit_kinds``.
    """
    states = {PaymentState(state) for state in settings.get("deposit_states", ("authorised", "captured"))}
    never = no_deposit_kinds(settings)
    return [
        (position, payment)
        for position, payment in enumerate(order.payments, start=1)
        if payment.amount > 0 and payment.state in states and payment.kind not in never
    ]


def no_deposit_kinds(settings: Mapping[str, Any]) -> set[PaymentKind]:
    return {PaymentKind(kind) for kind in settings.get("no_deposit_kinds", ("on_account", "cash_on_delivery"))}


def _memo(scope: Scope) -> Any:
    """References as an accountant looks for them; a connection with fields of its own overlays them."""
    payment: Payment = scope.record.payment
    parts = [f"Order {scope.record.order.number}", payment.method, f"state {payment.state}"]
    parts += [f"authorisation {payment.authorisation_reference}"] if payment.authorisation_reference else []
    parts += [f"capture {payment.capture_reference}"] if payment.capture_reference else []
    parts += [f"gift card ending {payment.gift_card_code}"] if payment.gift_card_code else []
    return ", ".join(parts)


def _payment_method(value: Any, scope: Scope) -> Any:
    return reference.apply(scope.context.lookups.require("payment_methods", value), scope)


def deposit_mapping(payment_field: str = "paymentOption") -> RecordMapping:
    return RecordMapping(
        "customer_deposit",
        OUT,
        (
            Field("payment.payment_id", "externalId", rules.value_of(
                "external_id", "store connection, order id, payment id"), required=True),
            Field("order.customer", "customer", given("entity", "internal id of the customer, as {id}"), required=True),
            Field("order", "salesOrder", given("sales_order", "internal id of the sales order, as {id}"),
                  required=True),
            Field("payment.amount", "payment", amount, required=True, validation=(rules.positive,)),
            Field("payment.method", payment_field, Rule("lookup(payment_methods), as {id}", _payment_method),
                  required=True),
            Field("order.placed_at", "tranDate", rules.local_date(), required=True),
            Field("order.currency", "currency", given("currency", "internal id of the currency, as {id}")),
            Field("order.exchange_rate", "exchangeRate", exchange_rate),
            Field("", "account", by_website("deposit_account"), note="else undeposited funds, by preference"),
            Field("", "memo", rules.computed(
                "order number, method, state, authorisation and capture reference, last digits of a gift card", _memo,
                reads=("order.number", "payment.method", "payment.state", "payment.authorisation_reference",
                       "payment.capture_reference", "payment.gift_card_code")), validation=(rules.at_most(999),)),
        ),
        stands_for=(("payment.", "payments."), ("order.", "")),
    )  # fmt: skip
