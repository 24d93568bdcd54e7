"""What a cart adds up to: subtotal, discounts, shipping, tax, gift cards, store credit.

Computed twice, in the website's base currency and in the store view's, as Magento does: prices are converted and
rounded first, everything after follows from them in its own currency. Order of the collectors as in magento/magento2:
subtotal, discount, shipping, tax (after discount), gift cards, store credit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.pricing import json_ids
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, from_json, rounded
from erp_sync.systems.magento.sandbox.taxes import Calculator, Tax, applicable

SHIPPING_TAX_CLASS = 2
CARRIERS = {
    "flatrate_flatrate": ("Flat Rate", "Fixed"),
    "tablerate_bestway": ("Best Way", "Table Rate"),
    "freeshipping_freeshipping": ("Free Shipping", "Free"),
}


@dataclass
class Figures:
    """A line's amounts in one currency."""

    price: Decimal = ZERO
    original_price: Decimal = ZERO
    row_total: Decimal = ZERO
    discount: Decimal = ZERO
    tax: Decimal = ZERO
    tax_before_discount: Decimal = ZERO
    price_incl_tax: Decimal = ZERO
    row_total_incl_tax: Decimal = ZERO
    tax_amounts: list[Decimal] = field(default_factory=list)  # beside Line.taxes


@dataclass
class Line:
    """One row of a cart.

    Attributes:
        quantity: in all; a child's times its parent's.
        carries: holds its own money. The child of a configurable product and the parent of a bundle with dynamic
            price do not.
    """

    item: Row
    product: Row
    quantity: Decimal
    parent: Line | None = None
    children: list[Line] = field(default_factory=list)
    carries: bool = True
    base: Figures = field(default_factory=Figures)
    order: Figures = field(default_factory=Figures)
    discount_percent: Decimal = ZERO
    rule_ids: list[int] = field(default_factory=list)
    taxes: list[Tax] = field(default_factory=list)

    @property
    def virtual(self) -> bool:
        return self.product["type_id"] in ("virtual", "downloadable", "giftcard")

    @property
    def tax_percent(self) -> Decimal:
        return sum((tax.percent for tax in self.taxes), ZERO)

    def figures(self) -> Iterator[tuple[str, Figures]]:
        """With the prefix that Magento gives the fields of each currency."""
        yield "base_", self.base
        yield "", self.order


@dataclass
class Amounts:
    """A document's amounts in one currency."""

    subtotal: Decimal = ZERO
    discount: Decimal = ZERO  # lines' and shipping's, positive
    shipping: Decimal = ZERO
    shipping_discount: Decimal = ZERO
    shipping_tax: Decimal = ZERO
    shipping_tax_amounts: list[Decimal] = field(default_factory=list)
    tax: Decimal = ZERO  # with shipping's
    subtotal_incl_tax: Decimal = ZERO
    gift_cards: Decimal = ZERO
    store_credit: Decimal = ZERO
    grand_total: Decimal = ZERO

    @property
    def shipping_incl_tax(self) -> Decimal:
        return self.shipping + self.shipping_tax


@dataclass
class Totals:
    lines: list[Line]
    base: Amounts
    order: Amounts
    rate: Decimal
    shipping_taxes: list[Tax]
    rules: list[Row]
    gift_cards: list[dict[str, Any]]
    shipping_method: str
    coupon_code: str | None
    coupon_refused: bool = False

    @property
    def virtual(self) -> bool:
        return all(line.virtual for line in self.lines if not line.children)

    def amounts(self) -> Iterator[tuple[str, Amounts]]:
        yield "base_", self.base
        yield "", self.order


@dataclass(frozen=True)
class Setting:
    """What totals depend on besides the lines."""

    store: Row
    rate: Decimal
    group_id: int
    customer_tax_class: int
    tax_address: dict[str, Any] | None
    shipping_method: str
    coupon_code: str | None
    gift_card_codes: tuple[str, ...] = ()
    store_credit: Decimal = ZERO  # the customer's balance, when it is to be used


def collect(shop: Shop, lines: list[Line], setting: Setting) -> Totals:
    """Totals of a cart; fills in the lines' figures. `base.price` of the lines must be set."""
    totals = Totals(lines, Amounts(), Amounts(), setting.rate, [], [], [], setting.shipping_method, setting.coupon_code)
    money = [line for line in lines if line.carries]
    for line in money:
        line.order.price = rounded(line.base.price * setting.rate)
        line.order.original_price = rounded(line.base.original_price * setting.rate)
        for _, figures in line.figures():
            figures.row_total = rounded(figures.price * line.quantity)
    rules = _rules(shop, setting, sum((line.base.row_total for line in money), ZERO))
    totals.rules = _discounts(money, rules, setting.rate)
    totals.coupon_refused = bool(setting.coupon_code) and not any(rule.get("coupon") for rule in totals.rules)
    free = any(rule["simple_free_shipping"] == "1" for rule in totals.rules)
    _shipping(shop, totals, free)
    _taxes(shop, totals, setting, money)
    for line in lines:
        if not line.carries and line.children:
            _sum_of_children(line)
    for prefix, amounts in totals.amounts():
        of_currency = [line.base if prefix else line.order for line in money]
        amounts.subtotal = sum((one.row_total for one in of_currency), ZERO)
        amounts.discount = sum((one.discount for one in of_currency), ZERO) + amounts.shipping_discount
        amounts.tax = sum((one.tax for one in of_currency), ZERO) + amounts.shipping_tax
        amounts.subtotal_incl_tax = sum((one.row_total_incl_tax for one in of_currency), ZERO)
        amounts.grand_total = amounts.subtotal - amounts.discount + amounts.shipping + amounts.tax
    _paid_by_balance(shop, totals, setting)
    return totals


def _sum_of_children(line: Line) -> None:
    """A bundle's dynamic price shows its parts' sum; its tax and discount stay with the parts."""
    for name in ("base", "order"):
        own, parts = getattr(line, name), [getattr(child, name) for child in line.children]
        own.row_total = sum((part.row_total for part in parts), ZERO)
        own.price = rounded(own.row_total / line.quantity) if line.quantity else ZERO
        own.original_price = own.price
        own.row_total_incl_tax = sum((part.row_total_incl_tax for part in parts), ZERO)
        own.price_incl_tax = rounded(own.row_total_incl_tax / line.quantity) if line.quantity else ZERO
        own.tax = sum((part.tax for part in parts), ZERO)


# -- discounts ---------------------------------------------------------------------------------------------------


def _rules(shop: Shop, setting: Setting, base_subtotal: Decimal) -> list[Row]:
    """Cart price rules that may apply, by sort order; the coupon's carry `coupon` = True."""
    today = shop.now()[:10]
    coupon = coupon_row(shop, setting.coupon_code) if setting.coupon_code else None
    found = []
    for rule in shop.database.rows(
        "SELECT * FROM salesrule WHERE is_active = 1 AND (from_date IS NULL OR from_date <= ?) "
        "AND (to_date IS NULL OR to_date >= ?) ORDER BY sort_order, rule_id",
        [today, today],
    ):
        groups = json_ids(rule["customer_group_ids"])
        if setting.store["website_id"] not in json_ids(rule["website_ids"]) or (
            groups and setting.group_id not in groups
        ):
            continue
        if rule["minimum_subtotal"] is not None and base_subtotal < rule["minimum_subtotal"]:
            continue
        if rule["coupon_type"] != "1":
            if coupon is None or coupon["rule_id"] != rule["rule_id"]:
                continue
            rule["coupon"] = True
        found.append(rule)
    return found


def coupon_row(shop: Shop, code: str) -> Row | None:
    """A coupon that can be used today."""
    row = shop.database.row("SELECT * FROM salesrule_coupon WHERE code = ?", [code])
    if row is None:
        return None
    if row["usage_limit"] and row["times_used"] >= row["usage_limit"]:
        return None
    if row["expiration_date"] and row["expiration_date"][:10] < shop.now()[:10]:
        return None
    return row


def _discounts(lines: list[Line], rules: list[Row], rate: Decimal) -> list[Row]:
    """Apply the rules in turn; returns those that applied to a line or give free shipping."""
    applied = []
    stopped: set[int] = set()
    for rule in rules:
        skus = {sku.lower() for sku in from_json(rule["skus"], [])}
        matching = [
            line
            for line in lines
            if id(line) not in stopped and (not skus or {line.item["sku"].lower(), line.product["sku"].lower()} & skus)
        ]
        if not matching:
            continue
        for line in matching:
            if rule["simple_action"] == "by_percent":
                line.discount_percent = min(Decimal(100), line.discount_percent + rule["discount_amount"])
            line.rule_ids.append(rule["rule_id"])
            if rule["stop_rules_processing"]:
                stopped.add(id(line))
        for name in ("base", "order"):
            _discount(rule, matching, name, Decimal(1) if name == "base" else rate)
        applied.append(rule)
    return applied


def _discount(rule: Row, lines: list[Line], currency: str, rate: Decimal) -> None:
    amount, action = rule["discount_amount"], rule["simple_action"]
    limit = rule["discount_qty"]
    delta = ZERO
    rest = rounded(amount * rate)
    whole = sum((getattr(line, currency).row_total for line in lines), ZERO)
    for position, line in enumerate(lines):
        figures: Figures = getattr(line, currency)
        quantity = min(line.quantity, limit) if limit else line.quantity
        if action == "by_percent":
            exact = (quantity * figures.price - figures.discount) * amount / 100
        elif action == "by_fixed":
            exact = quantity * amount * rate
        elif action == "cart_fixed":
            last = position == len(lines) - 1
            exact = rest if last else (rounded(amount * rate * figures.row_total / whole) if whole else ZERO)
        elif action == "buy_x_get_y":
            exact = figures.price * _free_units(quantity, Decimal(rule["discount_step"]), amount)
        else:
            raise ValueError(f"cart price rule {rule['rule_id']}: unknown action {action!r}")
        value = rounded(exact + delta)
        delta = exact + delta - value if action == "by_percent" else ZERO
        value = max(min(value, figures.row_total - figures.discount), ZERO)
        rest -= value
        figures.discount += value


def _free_units(quantity: Decimal, buy: Decimal, get: Decimal) -> Decimal:
    if buy <= 0 or get <= 0:
        return ZERO
    whole = int(quantity // (buy + get))
    return whole * get + max(quantity - whole * (buy + get) - buy, ZERO)


# -- shipping ----------------------------------------------------------------------------------------------------


def carrier_prices(shop: Shop, base_subtotal: Decimal, quantity: Decimal, free: bool) -> dict[str, Decimal]:
    """Base price of each method that the shop offers for a cart."""
    flat = shop.numbers("carriers/flatrate/price", Decimal("5.95"))
    if shop.config("carriers/flatrate/type", "O") == "I":
        flat *= quantity
    prices = {
        "flatrate_flatrate": flat,
        "tablerate_bestway": shop.numbers("carriers/tablerate/price", Decimal("12.50")),
    }
    if free:
        prices = dict.fromkeys(prices, ZERO)
    threshold = shop.numbers("carriers/freeshipping/free_shipping_subtotal", Decimal(75))
    if free or base_subtotal >= threshold:
        prices["freeshipping_freeshipping"] = ZERO
    return prices


def _shipping(shop: Shop, totals: Totals, free: bool) -> None:
    if not totals.shipping_method or totals.virtual:
        return
    money = [line for line in totals.lines if line.carries]
    quantity = sum((line.quantity for line in money if not line.virtual), ZERO)
    subtotal = sum((line.base.row_total - line.base.discount for line in money), ZERO)
    price = carrier_prices(shop, subtotal, quantity, free).get(totals.shipping_method, ZERO)
    totals.base.shipping = rounded(price)
    totals.order.shipping = rounded(price * totals.rate)
    for rule in totals.rules:
        if not rule["apply_to_shipping"]:
            continue
        for amounts, rate in ((totals.base, Decimal(1)), (totals.order, totals.rate)):
            left = amounts.shipping - amounts.shipping_discount
            if rule["simple_action"] == "by_percent":
                amounts.shipping_discount += rounded(left * rule["discount_amount"] / 100)
            else:
                amounts.shipping_discount += min(left, rounded(rule["discount_amount"] * rate))


# -- tax ---------------------------------------------------------------------------------------------------------


def _taxes(shop: Shop, totals: Totals, setting: Setting, lines: Iterable[Line]) -> None:
    known: dict[int, list[Tax]] = {}

    def of_class(tax_class: int) -> list[Tax]:
        if tax_class not in known:
            known[tax_class] = applicable(shop, setting.tax_address, tax_class, setting.customer_tax_class)
        return known[tax_class]

    calculators = {"base_": Calculator(), "": Calculator()}
    for line in lines:
        line.taxes = of_class(line.product["tax_class_id"])
        for prefix, figures in line.figures():
            calculator = calculators[prefix]
            before = calculator.amounts(figures.row_total, line.taxes, "before discount")
            figures.tax_amounts = calculator.amounts(figures.row_total - figures.discount, line.taxes)
            figures.tax = sum(figures.tax_amounts, ZERO)
            figures.tax_before_discount = sum(before, ZERO)
            figures.row_total_incl_tax = figures.row_total + figures.tax_before_discount
            if line.quantity:
                figures.price_incl_tax = rounded(figures.row_total_incl_tax / line.quantity)
    totals.shipping_taxes = of_class(SHIPPING_TAX_CLASS) if shop.options.tax_shipping else []
    for _, amounts in totals.amounts():
        amounts.shipping_tax_amounts = Calculator().amounts(
            amounts.shipping - amounts.shipping_discount, totals.shipping_taxes
        )
        amounts.shipping_tax = sum(amounts.shipping_tax_amounts, ZERO)


# -- gift cards and store credit (Commerce) ----------------------------------------------------------------------


def _paid_by_balance(shop: Shop, totals: Totals, setting: Setting) -> None:
    for code in setting.gift_card_codes:
        card = shop.database.row("SELECT * FROM magento_giftcardaccount WHERE code = ? AND status = 1", [code])
        if card is None:
            continue
        base = min(card["balance"], totals.base.grand_total)
        amount = totals.order.grand_total if base == totals.base.grand_total else rounded(base * totals.rate)
        if base <= 0:
            continue
        totals.gift_cards.append(
            {"id": card["giftcardaccount_id"], "code": code, "amount": amount, "base_amount": base}
        )
        totals.base.gift_cards += base
        totals.order.gift_cards += amount
        totals.base.grand_total -= base
        totals.order.grand_total -= amount
    base = min(setting.store_credit, totals.base.grand_total)
    if base > 0:
        amount = totals.order.grand_total if base == totals.base.grand_total else rounded(base * totals.rate)
        totals.base.store_credit, totals.order.store_credit = base, amount
        totals.base.grand_total -= base
        totals.order.grand_total -= amount
