"""The cart: what is in it, what it costs, and what is wrong with it.

Facts: [SW] Content/Product/Cart/ProductCartProcessor (stock and quantities; errors and their levels are those of the
classes beside it), Checkout/Cart/CartRuleLoader::validateTaxFree, Content/Product/ProductMaxPurchaseCalculator (100 a
line unless told otherwise). A problem is no failure: the answer is 200 with `errors`; what cannot be bought is taken
out or its quantity is mended. An error stays in the answer that found it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox.database import marks
from erp_sync.systems.shopware.sandbox.pricing.money import (
    HUNDRED,
    ZERO,
    CartPrice,
    LinePrice,
    TaxState,
    cart_price,
    line_price,
    shares,
)
from erp_sync.systems.shopware.sandbox.pricing.prices import Prices
from erp_sync.systems.shopware.sandbox.store.session import Shopper

NOTICE, WARNING, ERROR = 0, 10, 20
MOST_OF_A_LINE = 100
NOTHING = LinePrice(ZERO, ZERO, 1, (), ())
NO_PRICE = CartPrice(ZERO, ZERO, ZERO, (), (), "gross", ZERO)


@dataclass(frozen=True)
class Problem:
    """A cart error. `blocks`: no order can be placed with it."""

    key: str
    subject: str
    message: str
    level: int = ERROR
    blocks: bool = True

    def printed(self) -> dict[str, Any]:
        return {"key": self.key + self.subject, "level": self.level, "message": self.message, "messageKey": self.key}


@dataclass
class Line:
    """One product in the cart; `id` is the product's unless the client chose another."""

    id: str
    product: dict[str, Any]
    quantity: int
    price: LinePrice
    rate: Decimal


@dataclass
class Cart:
    lines: list[Line] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    shipping: LinePrice = NOTHING
    price: CartPrice = NO_PRICE

    @property
    def blocked(self) -> list[Problem]:
        return [one for one in self.problems if one.blocks]


def calculated(shopper: Shopper) -> Cart:
    """The cart of the session, as it stands now; the kept quantities are mended."""
    kept: list[dict[str, Any]] = shopper.session.cart.setdefault("items", [])
    cart = Cart()
    products = _products(shopper, [one["referencedId"] for one in kept])
    good = []
    for one in kept:
        product = products.get(one["referencedId"])
        if product is None:
            name = one.get("label") or one["id"]
            cart.problems.append(Problem("product-not-found", one["id"], f"The product {name} could not be found"))
            continue
        if (product["childCount"] or 0) > 0:
            continue  # a container cannot be bought and goes without a word
        one["label"] = product["name"]
        problem = _mended(one, product)
        if problem is not None:
            cart.problems.append(problem)
        if one["quantity"] > 0:
            good.append(one)
    shopper.session.cart["items"] = good
    state = shopper.tax_state
    _price(shopper, cart, good, products, state)
    net = cart.price.position
    if state == "gross":
        net -= sum((tax.tax for line in cart.lines for tax in line.price.taxes), ZERO)
    other = shopper.tax_state_of(net)
    if other != state:
        _price(shopper, cart, good, products, other)
    return cart


def _products(shopper: Shopper, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Products that can be seen in the sales channel, with what they inherit."""
    if not ids:
        return {}
    rows = shopper.shop.database.rows(
        f"""SELECT e.id, e."productNumber", e.stock, e.available, e."childCount", e."parentId", e."taxId",
                COALESCE(e.name, p.name) AS name, COALESCE(e.active, p.active) AS active,
                COALESCE(e."isCloseout", p."isCloseout", 0) AS "isCloseout",
                COALESCE(e."minPurchase", p."minPurchase", 1) AS "minPurchase",
                COALESCE(e."maxPurchase", p."maxPurchase") AS "maxPurchase",
                COALESCE(e."purchaseSteps", p."purchaseSteps", 1) AS "purchaseSteps",
                (SELECT max(v.visibility) FROM product_visibility v WHERE v."salesChannelId" = ?
                    AND (v."productId" = e.id OR v."productId" = e."parentId")) AS visibility
            FROM product e LEFT JOIN product p ON p.id = e."parentId" WHERE e.id IN ({marks(ids)})""",
        [shopper.channel["id"], *ids],
    )
    return {row["id"]: row for row in rows if row["active"] and row["visibility"]}


def most(product: dict[str, Any]) -> int:
    """ProductMaxPurchaseCalculator: of a close-out what is there; in steps from the least quantity."""
    greatest = product["maxPurchase"] or MOST_OF_A_LINE
    if product["isCloseout"]:
        greatest = min(greatest, product["stock"])
    least, steps = product["minPurchase"], product["purchaseSteps"]
    return max(0, (greatest - least) // steps * steps + least)


def _mended(one: dict[str, Any], product: dict[str, Any]) -> Problem | None:
    """ProductCartProcessor::validateStock; sets the quantity that can be had, 0 for none."""
    least, greatest, steps = product["minPurchase"], most(product), product["purchaseSteps"]
    name, subject, quantity = product["name"], product["id"], one["quantity"]
    if greatest < least:
        one["quantity"] = 0
        return Problem("product-out-of-stock", subject, f"The product {name} is no longer available")
    if greatest < quantity:
        one["quantity"] = _fixed(least, greatest, steps)
        return Problem(
            "product-stock-reached", subject,
            f"The product {name} is only available {one['quantity']} times",
        )  # fmt: skip
    if quantity < least:
        one["quantity"] = least
        return Problem("min-order-quantity", subject, f"The quantity of product {name} did not meet the minimum order "
                       f"quantity threshold. The quantity has automatically been increased to {least}",
                       WARNING)  # fmt: skip
    fixed = _fixed(least, quantity, steps)
    if fixed != quantity:
        one["quantity"] = fixed
        return Problem("purchase-steps-quantity", subject, f"Your input quantity does not match with the setup of the "
                       f"{name}. The quantity was changed to {fixed}", WARNING)  # fmt: skip
    return None


def _fixed(least: int, quantity: int, steps: int) -> int:
    return (quantity - least) // steps * steps + least


def _price(
    shopper: Shopper, cart: Cart, items: list[dict[str, Any]], products: dict[str, dict[str, Any]], state: TaxState
) -> None:
    context = shopper.prices(state)
    found = Prices(shopper.shop.database, context).of([one["referencedId"] for one in items])
    cart.lines = []
    for one in items:
        answer, product = found[one["referencedId"]], products[one["referencedId"]]
        unit = answer.unit(one["quantity"])
        price = line_price(
            unit, one["quantity"], state, [(answer.rate, HUNDRED)], context.item, answer.list_price(one["quantity"])
        )
        cart.lines.append(Line(one["id"], product, one["quantity"], price, answer.rate))
    prices = [line.price for line in cart.lines]
    cart.shipping = _shipping(shopper, prices, state)
    cart.price = cart_price(
        prices, [cart.shipping] if cart.lines else [], state, context.item, context.total, vertical=context.vertical
    )


def _shipping(shopper: Shopper, lines: list[LinePrice], state: TaxState) -> LinePrice:
    """One price for all; taxed in the shares of the lines ("auto"). Net of it by the first share (unconfirmed)."""
    gross = Decimal(shopper.shop.options.shipping_gross) * shopper.factor
    parts = shares(lines) or []
    if state != "gross" and parts:
        gross = gross / (1 + parts[0][0] / HUNDRED)
    if not lines:
        gross = ZERO
    return line_price(gross, 1, state, parts, shopper.item)


# -- printing ------------------------------------------------------------------------------------------------------


def printed(shopper: Shopper, cart: Cart) -> dict[str, Any]:
    """The cart as the Store API prints it; no errors are an empty list (PHP)."""
    return {
        "token": shopper.session.token,
        "price": {**cart.price.printed(), "apiAlias": "cart_price"},
        "lineItems": [line_printed(line) for line in cart.lines],
        "errors": {one.key + one.subject: one.printed() for one in cart.problems} or [],
        "deliveries": [
            {
                "shippingMethod": _method(shopper), "shippingCosts": cart.shipping.printed(),
                "positions": [{"identifier": line.id} for line in cart.lines], "apiAlias": "cart_delivery",
            }
        ]
        if cart.lines
        else [],
        "transactions": [
            {"paymentMethodId": shopper.payment_id, "amount": total_printed(cart), "apiAlias": "cart_transaction"}
        ]
        if cart.lines
        else [],
        "modified": False, "customerComment": None, "affiliateCode": None, "campaignCode": None, "source": None,
        "hash": None, "extensions": [], "apiAlias": "cart",
    }  # fmt: skip


def _method(shopper: Shopper) -> dict[str, Any]:
    row = shopper.shop.raw("shipping_method", shopper.shipping_id)
    return {"id": shopper.shipping_id, "name": row["name"] if row else None, "apiAlias": "shipping_method"}


def line_printed(line: Line) -> dict[str, Any]:
    product = line.product
    return {
        "id": line.id, "referencedId": product["id"], "type": "product", "label": product["name"],
        "quantity": line.quantity, "price": line.price.printed(), "good": True, "stackable": True, "removable": True,
        "payload": {
            "productNumber": product["productNumber"], "stock": product["stock"], "parentId": product["parentId"],
        },
        "quantityInformation": {
            "minPurchase": product["minPurchase"], "maxPurchase": most(product),
            "purchaseSteps": product["purchaseSteps"], "apiAlias": "cart_quantity_information",
        },
        "children": [], "description": None, "modified": False, "extensions": [], "apiAlias": "cart_line_item",
    }  # fmt: skip


def total_printed(cart: Cart) -> dict[str, Any]:
    """The amount of a payment: the total as one price (Checkout/Cart/Transaction/TransactionProcessor)."""
    price = cart.price
    return LinePrice(price.total, price.total, 1, price.taxes, price.rules).printed()
