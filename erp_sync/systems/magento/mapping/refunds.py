"""Magento's credit memo to the canonical refund (REST schema 2.4.8, sales-data-creditmemo-interface)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.model.money import ZERO, round_money
from erp_sync.model.returns import Refund, RefundLine
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope
from erp_sync.systems.magento.mapping.common import moment, money, number, records, text
from erp_sync.systems.magento.mapping.order_lines import own_discount

STATES = {"1": "open", "2": "refunded", "3": "canceled"}  # core: Creditmemo::STATE_*
in_memo_currency = rules.money("$.order_currency_code")


def _amount(scope: Scope) -> Any:
    currency = str(scope.root.get("order_currency_code"))
    return money(scope.record, "row_total", scope, currency) - round_money(own_discount(scope.record, scope), currency)


LINE = RecordMapping(
    name="refund.lines",
    direction=Direction.TO_CANONICAL,
    build=RefundLine,
    fields=(
        Field("order_item_id", "order_line", text, required=True),
        Field("sku", "sku", rules.lookup("sku_map"), required=True),
        Field("qty", "quantity", rules.decimal(4), required=True),
        Field(
            "",
            "amount",
            rules.computed("row total less discount", _amount, reads=("row_total", "discount_amount")),
        ),
        Field("tax_amount", "tax_amount", in_memo_currency, default=ZERO),
    ),
)


def _counted(rows: list[Mapping[str, Any]], scope: Scope) -> list[Mapping[str, Any]]:
    """Rows that refund something. A configurable product comes twice: its child row without amounts is left out."""
    priced = {str(row.get("sku")) for row in rows if number(row, "row_total", scope)}
    return [
        row
        for row in rows
        if number(row, "qty", scope) > 0 and (number(row, "row_total", scope) or str(row.get("sku")) not in priced)
    ]


def counted_lines(mapping: RecordMapping = LINE) -> Rule:
    inner = rules.each(mapping)

    def apply(value: Any, scope: Scope) -> Any:
        return inner.apply(_counted(records(value), scope), scope)

    name = "each row with a quantity, variants once"
    return Rule(name, apply, nested=mapping, many=True, rebuild=counted_lines)


REFUND = RecordMapping(
    name="refund",
    direction=Direction.TO_CANONICAL,
    build=Refund,
    fields=(
        Field("", "connection", rules.computed("name of the connection", lambda scope: scope.context.connection.name)),
        Field("", "scope", rules.value_of("website", "website of the order's store view"), default=""),
        Field("entity_id", "native_id", text, required=True),
        Field("increment_id", "number", text, default=""),
        Field("", "version", rules.value_of("version", "time of change and digest of the record"), default=""),
        Field("order_id", "order_native_id", text, required=True),
        Field("order_currency_code", "currency", text, required=True, validation=(rules.matches("[A-Z]{3}"),)),
        Field("created_at", "created_at", moment, required=True),
        Field("items", "lines", counted_lines(), default=()),
        Field("shipping_amount", "shipping_amount", in_memo_currency, default=ZERO),
        Field("adjustment_positive", "adjustment_positive", in_memo_currency, default=ZERO),
        Field("adjustment_negative", "adjustment_negative", in_memo_currency, default=ZERO),
        Field("grand_total", "grand_total", in_memo_currency, required=True),
        Field("state", "custom.state", rules.chain(text, rules.choice(STATES, code="unknown_refund_state"))),
        Field("transaction_id", "custom.transaction_id", text),
        Field("invoice_id", "custom.invoice_id", text),
        Field("tax_amount", "custom.tax_amount", in_memo_currency),
        Field("shipping_tax_amount", "custom.shipping_tax_amount", in_memo_currency),
    ),
)
