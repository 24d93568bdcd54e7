"""Line items to order lines: discounts shared over what they apply to, bundles as a header and its components.

Facts: core `Cart/Order/Transformer/LineItemTransformer` (children are rows of their own with ``parentId``, and
contained in their parent's price: `ContainerCartProcessor`), `Promotion/Cart/PromotionCalculator`
(``payload.composition``: what of which line was discounted), `Cart/Delivery/DeliveryBuilder`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, allocate, decimal_of, minor_units
from erp_sync.model.order import LineKind, TaxLine
from erp_sync.ports.mapping import Scope
from erp_sync.systems.shopware.mapping.amounts import Position, Taxed, parts_of, reconcile, take
from erp_sync.systems.shopware.mapping.common import (
    STORAGE_SCALE,
    currency_of,
    money,
    number,
    records,
    state_of,
)

Row = Mapping[str, Any]

GROSS, NET, TAX_FREE = "gross", "net", "tax-free"
SHIPPING = "shipping"  # key of the shipping among the positions
ROUNDING = "rounding"  # line of what the whole order was rounded by
LEFT = ("shipped", "returned", "returned_partially")  # delivery states in which all of it has left
_RATE_DIGITS = Decimal("0.0001")
_PIECES = Decimal("0.0001")
FOLDING = "folding"  # name of the order's folding among the values of a context


@dataclass
class Good:
    """A line that is sold: its row, its place in the order, its amounts."""

    row: Row
    kind: LineKind
    parent: str | None
    quantity: Decimal
    position: Position
    shipped: Decimal = ZERO


@dataclass
class Reduction:
    """A line that takes something off, as the customer sees it. `amount` is positive, without tax."""

    row: Row
    amount: Decimal
    parts: list[Taxed] = field(default_factory=list)


class Folding:
    """The lines and amounts of one order. Raises BadRecord for rows that cannot be understood."""

    def __init__(self, order: Row, scope: Scope) -> None:
        self.order, self.scope, self.currency = order, scope, currency_of(order)
        if not self.currency:
            raise scope.problem("currency.isoCode", "is missing, so that no amount can be read")
        self.price: Row = order["price"] if isinstance(order.get("price"), Mapping) else {}
        self.state = str(order.get("taxStatus") or self.price.get("taxStatus") or "")
        if self.state not in (GROSS, NET, TAX_FREE):
            raise scope.problem("taxStatus", f"{self.state!r} is none of {GROSS}, {NET}, {TAX_FREE}")
        self.gross = self.state == GROSS
        self.goods: list[Good] = []
        self.headers: list[tuple[Row, Decimal]] = []
        self.reductions: list[Reduction] = []
        self._fold()
        self.shipping, self.shipping_discount = self._shipping()
        self._shipped()
        positions = [*(one.position for one in self.goods), self.shipping]
        if self.taxes is not None:
            reconcile(positions, self.taxes, self.currency)
        self.rounding = self._rounding(positions)

    # Rows ---------------------------------------------------------------------------------------

    def _fold(self) -> None:
        rows = records(self.order.get("lineItems"))
        rows = sorted(rows, key=lambda row: (number(row, "position", self.scope), str(row.get("id"))))
        known = {str(row.get("id")) for row in rows}
        children: dict[str, list[Row]] = {}
        for row in rows:
            parent = row.get("parentId")
            if parent:
                if str(parent) not in known:
                    raise self._problem(row, "parentId", f"line {parent} is not in the order")
                children.setdefault(str(parent), []).append(row)
        pending: list[tuple[Row, list[Good]]] = []
        for row in rows:
            if not row.get("parentId"):
                self._line(row, children, pending)
        for row, among in pending:
            self._reduce(row, among or self.goods)

    def _line(self, row: Row, children: Mapping[str, list[Row]], pending: list[tuple[Row, list[Good]]]) -> None:
        inner = self._leaves(row, children, set())
        if inner:
            self._bundle(row, inner, pending)
        elif self._reduces(row):
            pending.append((row, []))
        else:
            kind = LineKind.ITEM if self._stocked(row) else LineKind.NON_STOCK
            self.goods.append(self._good(row, kind, None))

    def _leaves(self, row: Row, children: Mapping[str, list[Row]], above: set[str]) -> list[Row]:
        """What a row consists of in the end; bundles inside of bundles are dissolved."""
        identity = str(row.get("id"))
        if identity in above:
            raise self._problem(row, "parentId", "the line contains itself")
        found: list[Row] = []
        for child in children.get(identity, ()):
            found += self._leaves(child, children, above | {identity}) or [child]
        return found

    def _bundle(self, row: Row, inner: Sequence[Row], pending: list[tuple[Row, list[Good]]]) -> None:
        goods = [
            self._good(child, LineKind.COMPONENT if self._stocked(child) else LineKind.NON_STOCK, str(row.get("id")))
            for child in inner
            if not self._reduces(child)
        ]
        reductions = [child for child in inner if self._reduces(child)]
        if not goods:
            raise self._problem(row, "", "a bundle of discounts only")
        whole, parts = self._total(row)
        own = sum((self._total(child)[0] for child in inner), ZERO)
        if whole == own:
            pending += [(child, goods) for child in reductions]
        else:  # a price for the bundle as a whole
            weights = [one.position.total for one in goods]
            weights = weights if any(weights) else [one.quantity for one in goods]
            shares = [
                (part, allocate(part.base, weights, self.currency), allocate(part.tax, weights, self.currency))
                for part in parts
            ]
            for index, one in enumerate(goods):
                one.position.parts = [Taxed(part.rate, bases[index], taxes[index]) for part, bases, taxes in shares]
                one.position.total = sum((part.base for part in one.position.parts), ZERO)
        self.headers.append((row, self._quantity(row)))
        self.goods += goods

    def _good(self, row: Row, kind: LineKind, parent: str | None) -> Good:
        total, parts = self._total(row)
        return Good(row, kind, parent, self._quantity(row), Position(str(row.get("id")), total, parts))

    def _quantity(self, row: Row) -> Decimal:
        quantity = number(row, "quantity", self.scope, self._where(row)).quantize(_PIECES)
        if quantity <= 0:
            raise self._problem(row, "quantity", f"{quantity} is not above zero")
        return quantity

    def _reduces(self, row: Row) -> bool:
        return row.get("type") == "promotion" or self._total(row)[0] < 0

    def _stocked(self, row: Row) -> bool:
        """A product that leaves a warehouse: not a download, not a line that was written by hand."""
        payload = row.get("payload")
        states = row.get("states")
        digital = isinstance(states, list) and "is-download" in states
        numbered = isinstance(payload, Mapping) and bool(payload.get("productNumber"))
        return numbered and not digital and bool(row.get("type") in (None, "", "product") or row.get("productId"))

    # Amounts ------------------------------------------------------------------------------------

    def _total(self, row: Row) -> tuple[Decimal, list[Taxed]]:
        price = row.get("price")
        where = f"{self._where(row)}price."
        if not isinstance(price, Mapping) or price.get("totalPrice") is None:
            raise self.scope.problem(where.rstrip("."), "is missing")
        total = money(price, "totalPrice", self.scope, self.currency, where)
        return total, parts_of(total, self._taxed(price, where), self.currency)

    def _taxed(self, price: Row, where: str) -> list[Taxed]:
        """Taxes of a price; an empty collection comes as a list, a filled one as a list or by rate."""
        found = price.get("calculatedTaxes")
        rows = records(list(found.values()) if isinstance(found, Mapping) else found)
        return [
            Taxed(
                self._rate(one, where),
                money(one, "price", self.scope, self.currency, where),
                money(one, "tax", self.scope, self.currency, where),
            )
            for one in rows
        ]

    def _rate(self, one: Row, where: str) -> Decimal:
        return number(one, "taxRate", self.scope, f"{where}calculatedTaxes.").quantize(_RATE_DIGITS)

    @property
    def taxes(self) -> dict[Decimal, Decimal] | None:
        """The order's tax by rate, None where the order does not state it."""
        if self.price.get("calculatedTaxes") is None:
            return None
        found: dict[Decimal, Decimal] = {}
        for one in self._taxed(self.price, "price."):
            found[one.rate] = found.get(one.rate, ZERO) + one.tax
        return found

    def _reduce(self, row: Row, among: Sequence[Good]) -> None:
        total, parts = self._total(row)
        if total > 0:
            raise self._problem(row, "price.totalPrice", f"a promotion of {total} is no discount")
        amount = -sum((one.base - one.tax if self.gross else one.base for one in parts), ZERO)
        self.reductions.append(Reduction(row, amount, parts))
        if not total:
            return
        if not among:
            raise self._problem(row, "price.totalPrice", "there is nothing that the discount could be taken off")
        take(parts, [one.position for one in among], self._weights(row, among), self.currency)

    def _weights(self, row: Row, among: Sequence[Good]) -> dict[str, Decimal]:
        """What the vendor took off which line; the composition names lines by ``identifier``."""
        payload = row.get("payload")
        composition = records(payload.get("composition")) if isinstance(payload, Mapping) else []
        by_identifier: dict[str, Decimal] = {}
        for one in composition:
            name = str(one.get("id"))
            amount = abs(number(one, "discount", self.scope, f"{self._where(row)}payload.composition."))
            by_identifier[name] = by_identifier.get(name, ZERO) + amount
        of_bundle = {str(header.get("id")): str(header.get("identifier")) for header, _ in self.headers}
        weights: dict[str, Decimal] = {}
        for good in among:
            own = by_identifier.get(str(good.row.get("identifier")))
            if own is not None:
                weights[good.position.key] = own
                continue
            bundle = by_identifier.get(of_bundle.get(good.parent or "", ""))
            if bundle is not None:
                mates = [mate for mate in among if mate.parent == good.parent]
                whole = sum((mate.position.total for mate in mates), ZERO)
                share = good.position.total / whole if whole else Decimal(1) / len(mates)
                weights[good.position.key] = bundle * share
        return weights

    def _shipping(self) -> tuple[Position, Decimal]:
        """What shipping costs, and the discount on it without tax.

        A discount on shipping is a further delivery with negative costs (core: PromotionDeliveryCalculator).
        """
        position = Position(SHIPPING, ZERO, [])
        stated = self.order.get("shippingCosts")
        costs = [(one.get("shippingCosts"), "deliveries.shippingCosts.") for one in self.deliveries]
        prices = [(price, where) for price, where in costs if isinstance(price, Mapping)]
        amounts = [money(price, "totalPrice", self.scope, self.currency, where) for price, where in prices]
        if isinstance(stated, Mapping):
            whole = money(stated, "totalPrice", self.scope, self.currency, "shippingCosts.")
            if whole != sum(amounts, ZERO):  # the order's own figure is the one that its total has
                prices, amounts = [(stated, "shippingCosts.")], [whole]
        for (price, where), total in zip(prices, amounts, strict=True):
            parts = parts_of(total, self._taxed(price, where), self.currency)
            if total < 0:
                position.taken += parts
            else:
                position.parts += parts
                position.total += total
        return position, position.discount(self.gross)

    @property
    def deliveries(self) -> list[Row]:
        """In a fixed order: that of their creation."""
        found = records(self.order.get("deliveries"))
        return sorted(found, key=lambda one: (str(one.get("createdAt") or ""), str(one.get("id"))))

    def parcels(self) -> list[Row]:
        """Deliveries of goods: not those that only carry a discount on shipping, with the same positions."""
        return [one for one in self.deliveries if not self._is_discount(one)]

    def _is_discount(self, delivery: Row) -> bool:
        costs = delivery.get("shippingCosts")
        return isinstance(costs, Mapping) and number(costs, "totalPrice", self.scope, "deliveries.shippingCosts.") < 0

    def _shipped(self) -> None:
        """Of deliveries that left as a whole. How much of one that left in part, the core does not keep."""
        parcels = self.parcels()
        left: dict[str, Decimal] = {}
        for delivery in parcels:
            if state_of(delivery) not in LEFT:
                continue
            positions = records(delivery.get("positions"))
            if not positions and len(parcels) == 1:
                left = {one.position.key: one.quantity for one in self.goods}
            for one in positions:
                price = one.get("price")
                stated = one if one.get("quantity") is not None else price
                key = str(one.get("orderLineItemId"))
                left[key] = left.get(key, ZERO) + number(stated, "quantity", self.scope, "deliveries.positions.")
        quantities = {str(row.get("id")): quantity for row, quantity in self.headers}
        for good in self.goods:
            bundle = left.get(good.parent or "", ZERO)
            of_bundle = good.quantity * bundle / quantities[good.parent] if good.parent and bundle else ZERO
            good.shipped = min(good.quantity, left.get(good.position.key, of_bundle))

    # Totals -------------------------------------------------------------------------------------

    @property
    def grand_total(self) -> Decimal:
        if self.price.get("totalPrice") is None:
            return money(self.order, "amountTotal", self.scope, self.currency)
        return money(self.price, "totalPrice", self.scope, self.currency, "price.")

    @property
    def tax(self) -> Decimal:
        stated = self.taxes
        if stated is not None:
            return sum(stated.values(), ZERO)
        return sum((one.position.tax for one in self.goods), self.shipping.tax)

    def subtotal(self) -> Decimal:
        return sum((one.position.net(self.gross) for one in self.goods), max(self.rounding, ZERO))

    def discount(self) -> Decimal:
        whole = sum((one.position.discount(self.gross) for one in self.goods), self.shipping_discount)
        return whole + max(-self.rounding, ZERO)

    def _rounding(self, positions: Sequence[Position]) -> Decimal:
        """What the total was rounded by (``totalRounding``, e.g. to 0.05): the rest of the sum, where that explains it.

        Anything larger stays unexplained, and the quality gate shows it.
        """
        exact = sum((one.net(self.gross) - one.discount(self.gross) + one.tax for one in positions), ZERO)
        rest = self.grand_total - exact
        rounding = self.order.get("totalRounding")
        interval = number(rounding, "interval", self.scope, "totalRounding.") if isinstance(rounding, Mapping) else ZERO
        unit = Decimal(1).scaleb(-minor_units(self.currency))
        return rest if abs(rest) <= max(interval / 2, unit / 2 * len(positions)) else ZERO

    # Names --------------------------------------------------------------------------------------

    def tax_lines(self, position: Position, country: str) -> list[TaxLine]:
        """One per rate. The vendor names no tax: the country and the rate are its name, ``DE-19``."""
        taxes, bases = position.taxes(), position.bases()
        found = []
        for rate, tax in taxes.items():
            base = bases.get(rate, ZERO)
            net = base - tax if self.gross else base
            if not tax and (not rate or not net):
                continue
            code = f"{country}-{rate.normalize():f}" if country else f"{rate.normalize():f}"
            found.append(TaxLine(jurisdiction=country, code=code, rate=rate, taxable_amount=net, amount=tax))
        return found

    def tax_country(self) -> str:
        """ISO code of the country that the goods go to: its taxes are due (core: TaxDetector)."""
        places = [one.get("shippingOrderAddress") for one in self.parcels()] + [self.order.get("billingAddress")]
        for place in places:
            country = place.get("country") if isinstance(place, Mapping) else None
            if isinstance(country, Mapping) and country.get("iso"):
                return str(country["iso"])
        return ""

    def _where(self, row: Row) -> str:
        return f"lineItems[id={row.get('id')}]."

    def _problem(self, row: Row, path: str, words: str) -> ValueError:
        return self.scope.problem(f"{self._where(row)}{path}".rstrip("."), words)


def folding_of(scope: Scope) -> Folding:
    """Of the order that a scope is about: worked out once, where `OrderMapper` maps it."""
    known = scope.context.values.get(FOLDING)
    return known if isinstance(known, Folding) else Folding(scope.root, scope)


def stated_unit_price(folding: Folding, row: Row) -> Decimal | None:
    """The vendor's own price of one, where it is one without tax."""
    price = row.get("price")
    if folding.gross or not isinstance(price, Mapping) or price.get("unitPrice") is None:
        return None
    return decimal_of(price["unitPrice"], STORAGE_SCALE)
