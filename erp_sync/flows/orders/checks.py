"""What every sales order must satisfy before it is sent. Data only: judged in `erp_sync.quality`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, minor_units
from erp_sync.model.order import LineKind, OrderLine, SalesOrder
from erp_sync.ports.addresses import check_address
from erp_sync.ports.differences import Difference

SUITE = "sales_orders"

# (name, expectation, arguments, words); see `erp_sync.quality.gate.Rule`.
RULES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    (
        "has_lines",
        "ExpectColumnValuesToBeBetween",
        {"column": "lines", "min_value": 1},
        "the order has no line",
    ),
    (
        "quantities_are_positive",
        "ExpectColumnValuesToBeBetween",
        {"column": "lowest_quantity", "min_value": 0, "strict_min": True},
        "a line's quantity is zero or negative",
    ),
    (
        "prices_are_not_negative",
        "ExpectColumnValuesToBeBetween",
        {"column": "lowest_price", "min_value": 0},
        "a line's unit price is negative",
    ),
    (
        "total_is_not_negative",
        "ExpectColumnValuesToBeBetween",
        {"column": "grand_total", "min_value": 0},
        "the grand total is negative",
    ),
    (
        "totals_add_up",
        "ExpectColumnValuesToBeBetween",
        {"column": "totals_over_tolerance", "max_value": 0},
        "subtotal - discount + shipping + tax is not the grand total",
    ),
    (
        "lines_add_up",
        "ExpectColumnValuesToBeBetween",
        {"column": "lines_over_tolerance", "max_value": 0},
        "the lines do not add up to the store's subtotal less discount",
    ),
    (
        "taxes_add_up",
        "ExpectColumnValuesToBeBetween",
        {"column": "taxes_over_tolerance", "max_value": 0},
        "the tax of lines and shipping is not the order's tax",
    ),
    (
        "currency_is_a_code",
        "ExpectColumnValuesToMatchRegex",
        {"column": "currency", "regex": "^[A-Z]{3}$"},
        "the currency is no ISO 4217 code",
    ),
    (
        "exchange_rate_is_positive",
        "ExpectColumnValuesToBeBetween",
        {"column": "exchange_rate", "min_value": 0, "strict_min": True},
        "the exchange rate is zero or negative",
    ),
)


#: Rules about sums: an order that breaks only these is held with `differences`, and goes once a person let it pass.
HOLDING = frozenset({"totals_add_up", "lines_add_up", "taxes_add_up"})


def facts(order: SalesOrder) -> dict[str, Any]:
    """The row of an order that the rules judge; amounts in ten-thousandths of the currency's unit.

    Differences count only beyond a tolerance of half a minor unit per line: stores round per line.
    """
    priced = _priced(order)
    over = {one.part: max(abs(one.amount) - (one.tolerance or ZERO), ZERO) for one in differences(order)}
    return {
        "number": order.number,
        "lines": len(priced),
        "lowest_quantity": _scaled(min((line.quantity for line in priced), default=ZERO)),
        "lowest_price": _scaled(min((line.unit_price for line in priced), default=ZERO)),
        "grand_total": _scaled(order.totals.grand_total),
        "totals_over_tolerance": _scaled(over["header"]),
        "lines_over_tolerance": _scaled(over["lines"]),
        "taxes_over_tolerance": _scaled(over["tax"]),
        "currency": order.currency,
        "exchange_rate": _scaled(order.exchange_rate),
    }


def check_corrected(order: SalesOrder) -> None:
    """What a source's mapping checks of every order, of one that a person corrected: its addresses. Raises
    MappingProblem."""
    for where, address in (("billing_address", order.billing_address), ("shipping_address", order.shipping_address)):
        if address is not None:
            check_address(address, where)


def differences(order: SalesOrder) -> list[Difference]:
    """The sums that the rules of `HOLDING` judge, and the total that follows from the lines."""
    priced, totals = _priced(order), order.totals
    lines = sum((line.amount for line in priced), ZERO)
    unit = Decimal(1).scaleb(-minor_units(order.currency))
    limits: dict[str, Any] = {"tolerance": unit / 2 * max(len(order.lines), 1), "against": "by its parts"}
    return [
        Difference(
            part="total",
            stated=totals.grand_total,
            found=lines + order.shipping.amount - order.shipping.discount + totals.tax,
            **limits,
        ),
        Difference(
            part="header",
            stated=totals.grand_total,
            found=totals.subtotal - totals.discount + totals.shipping + totals.tax,
            **limits,
        ),
        Difference(
            part="lines",
            stated=totals.subtotal - _goods_discount(order),
            found=lines,
            **limits,
        ),
        Difference(
            part="tax",
            stated=totals.tax,
            found=sum((line.tax_amount for line in priced), ZERO) + order.shipping.tax_amount,
            **limits,
        ),
    ]


def _priced(order: SalesOrder) -> list[OrderLine]:
    return [line for line in order.lines if line.kind is not LineKind.BUNDLE]


def _goods_discount(order: SalesOrder) -> Decimal:
    return order.totals.discount - order.shipping.discount


def _scaled(value: Decimal) -> int:
    """In ten-thousandths; what is smaller keeps its sign: a unit of some currencies is worth that little."""
    return int(value * 10000) or (value > 0) - (value < 0)
