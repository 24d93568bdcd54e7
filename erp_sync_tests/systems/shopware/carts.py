"""Carts as the core works them out, for any lines: `AmountCalculator`, `PercentagePriceCalculator`, `CashRounding`.

Written from those classes, not from what the client makes of their result.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from erp_sync_tests.systems.shopware.samples import delivery, line, order, promotion

D = Decimal
CENT = D("0.01")


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def tax_of(base: Decimal, rate: Decimal, state: str) -> Decimal:
    if state == "tax-free":
        return D(0)
    return cents(base * rate / (100 + rate) if state == "gross" else base * rate / 100)


def taxes(total: Decimal, shares: Sequence[tuple[Decimal, Decimal]], state: str) -> list[dict[str, Any]]:
    """One entry per rate; `shares` is (rate, share of the total). Bases are not rounded, as the core leaves them."""
    if state == "tax-free":
        return []
    return [
        {"taxRate": rate, "price": total * share, "tax": tax_of(total * share, rate, state)} for rate, share in shares
    ]


def cart(
    goods: Sequence[tuple[Decimal, int, Decimal]],
    *,
    state: str = "gross",
    percent: Sequence[Decimal] = (),
    shipping: Decimal = D(0),
    free_shipping: bool = False,
    vertical: bool = False,
    interval: Decimal = CENT,
) -> dict[str, Any]:
    """An order of goods (unit price, quantity, rate), promotions in percent of all goods, and shipping.

    Shares of rates are taken of the goods' totals, as for promotions and for shipping of tax type ``auto``.
    """
    totals = [cents(price * quantity) for price, quantity, _ in goods]
    whole = sum(totals, D(0))
    by_rate: dict[Decimal, Decimal] = {}
    for (_, _, rate), total in zip(goods, totals, strict=True):
        by_rate[rate] = by_rate.get(rate, D(0)) + total
    shares = [(rate, total / whole) for rate, total in by_rate.items()]
    prices: list[tuple[Decimal, list[dict[str, Any]]]] = []
    lines = []
    for index, ((price, quantity, rate), total) in enumerate(zip(goods, totals, strict=True)):
        own = taxes(total, [(rate, D(1))], state)
        prices.append((total, own))
        lines.append(line(f"SKU-{index}", str(total), *own, quantity=quantity, unit=str(price), position=index))
    for index, one in enumerate(percent):
        off = cents(-whole * one / 100)
        if not off:
            continue
        own = taxes(off, shares, state)
        prices.append((off, own))
        parts = [(f"SKU-{place}", str(cents(total * one / 100))) for place, total in enumerate(totals)]
        lines.append(promotion(f"PROMO-{index}", str(off), *own, of=parts, code=f"CODE{index}"))
    deliveries = [delivery(str(shipping), *taxes(shipping, shares, state))]
    prices.append((shipping, taxes(shipping, shares, state)))
    if free_shipping and shipping:
        deliveries.append(delivery(str(-shipping), *taxes(-shipping, shares, state)))
        prices.append((-shipping, taxes(-shipping, shares, state)))
    raw = sum((total for total, _ in prices), D(0))
    stated = _whole_taxes(prices, state, vertical)
    paid = raw + sum((one["tax"] for one in stated), D(0)) if state == "net" else raw
    rounded = (paid / interval).quantize(D(1), ROUND_HALF_UP) * interval
    costs = sum((total for total, _ in prices[len(lines) :]), D(0))
    found = order(*lines, total=str(rounded), status=state, taxes=stated, deliveries=deliveries)
    found["price"]["rawTotal"] = paid
    found["totalRounding"]["interval"] = interval
    found["shippingCosts"] = {"unitPrice": costs, "totalPrice": costs, "quantity": 1, "calculatedTaxes": []}
    return found


def _whole_taxes(
    prices: Sequence[tuple[Decimal, list[dict[str, Any]]]], state: str, vertical: bool
) -> list[dict[str, Any]]:
    """Horizontal: the sum of the positions'. Vertical: anew of the summed base of each rate."""
    found: dict[Decimal, dict[str, Any]] = {}
    for _, own in prices:
        for one in own:
            known = found.setdefault(one["taxRate"], {"taxRate": one["taxRate"], "price": D(0), "tax": D(0)})
            known["price"] += one["price"]
            known["tax"] += one["tax"]
    if vertical:
        for one in found.values():
            one["tax"] = tax_of(one["price"], one["taxRate"], state)
    return list(found.values())
