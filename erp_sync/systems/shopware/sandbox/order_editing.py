"""Editing of drafts: prices calculated anew, products and other lines added.

Facts: shopware/shopware src/Core/Checkout/Cart/Order/RecalculationService.php, Api/OrderRecalculationController.php:
only a draft can be edited so; lines keep the unit price that they were sold at; payments stay as they are. A product
that is added costs what the order's customer pays for it now.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.shopware.sandbox import auth, errors, names, versions
from erp_sync.systems.shopware.sandbox.pricing.money import (
    HUNDRED,
    CartPrice,
    LinePrice,
    Rounding,
    TaxState,
    cart_price,
    line_price,
    shares,
)
from erp_sync.systems.shopware.sandbox.pricing.prices import Prices
from erp_sync.systems.shopware.sandbox.routing import Call, Route
from erp_sync.systems.shopware.sandbox.schema.fields import structure
from erp_sync.systems.shopware.sandbox.shop import Shop
from erp_sync.systems.shopware.sandbox.store.session import Session, Shopper
from erp_sync.systems.shopware.sandbox.versions import Row


def routes() -> list[Route]:
    base = "/api/_action/order/{id}"
    return [
        Route("order.recalculate", "POST", f"{base}/recalculate", "update", _recalculate, True, "orders"),
        Route("order.add-product", "POST", f"{base}/product/{{product}}", "update", _add_product, True, "orders"),
        Route("order.add-line-item", "POST", f"{base}/lineItem", "update", _add_line, True, "orders"),
        Route("order.add-credit-item", "POST", f"{base}/creditItem", "update", _add_credit, True, "orders"),
    ]


class Draft:
    """An order's draft with its rounding and tax state."""

    def __init__(self, call: Call) -> None:
        self.shop: Shop = call.shop
        self.version, self.id = call.version, call.path["id"]
        if self.version == names.LIVE_VERSION:
            raise errors.failure(
                "CHECKOUT__ORDER_CAN_NOT_RECALCULATE_LIVE_VERSION",
                f"Order with id {self.id} can not be recalculated because it is in the live version. Please create a "
                "new version",
                parameters={"orderId": self.id},
            )
        if versions.order_of(self.shop, self.version) != self.id:
            raise errors.not_found("order", self.id)
        auth.demand(self.shop, ["order:update"])
        (self.row,) = versions.rows(self.shop, self.shop.entity("order"), self.id, self.version)
        self.price = structure(self.row["price"])
        self.state: TaxState = self.price["taxStatus"]
        self.item = Rounding.of(structure(self.row["itemRounding"]))
        self.total = Rounding.of(structure(self.row["totalRounding"]))

    def lines(self) -> list[Row]:
        return versions.rows(self.shop, self.shop.entity("order_line_item"), self.id, self.version)

    def write(self, row: dict[str, Any]) -> None:
        """Upsert the order, with what is nested in it, in the draft."""
        writer = self.shop.writer(version=self.version, system=True)
        writer.upsert(self.shop.entity("order"), {"id": self.id, **row}, "/0")
        self.shop.note(writer.execute())

    def recalculate(self) -> None:
        """Lines from their unit prices and quantities, shipping in the shares of the lines, the order's total."""
        priced = [(line, self.line(line)) for line in self.lines()]
        prices = [price for line, price in priced if line["parentId"] is None]
        shipping, deliveries = [], []
        for row in versions.rows(self.shop, self.shop.entity("order_delivery"), self.id, self.version):
            costs = structure(row["shippingCosts"])
            price = line_price(Decimal(costs["unitPrice"]), 1, self.state, shares(prices), self.item)
            shipping.append(price)
            deliveries.append({"id": row["id"], "shippingCosts": price.printed()})
        vertical = self.row["taxCalculationType"] == "vertical"
        total = cart_price(prices, shipping, self.state, self.item, self.total, vertical=vertical)
        self._keep(total, shipping, deliveries, [
            {"id": line["id"], "price": price.printed()} for line, price in priced
        ])  # fmt: skip

    def _keep(self, total: CartPrice, shipping: list[LinePrice], deliveries: list[Row], lines: list[Row]) -> None:
        row: dict[str, Any] = {"price": total.printed(), "deliveries": deliveries, "lineItems": lines}
        if shipping:
            row["shippingCosts"] = shipping[0].printed()
        self.write(row)

    def line(self, line: Row) -> LinePrice:
        price = structure(line["price"])
        definition = structure(line["priceDefinition"]) if line["priceDefinition"] else {}
        unit = Decimal(definition.get("price", price["unitPrice"]))
        rules = definition.get("taxRules") or price.get("taxRules") or []
        parts = [(Decimal(one["taxRate"]), Decimal(one.get("percentage", 100))) for one in _listed(rules)]
        return line_price(unit, line["quantity"], self.state, parts or [(Decimal(0), HUNDRED)], self.item)

    def add(self, line: dict[str, Any], unit: Decimal, quantity: int, rules: list[tuple[Decimal, Decimal]]) -> None:
        """A new line at the end, and everything calculated anew."""
        price = line_price(unit, quantity, self.state, rules, self.item)
        definition = {
            "type": "quantity", "price": unit, "quantity": quantity, "isCalculated": True,
            "taxRules": [{"taxRate": rate, "percentage": share} for rate, share in rules],
        }  # fmt: skip
        row = {
            "id": self.shop.new_id(), "quantity": quantity, "price": price.printed(), "priceDefinition": definition,
            "position": len(self.lines()) + 1, **line,
        }  # fmt: skip
        self.write({"lineItems": [{"identifier": row["id"], **row}]})
        self.recalculate()


def _listed(rules: Any) -> list[Mapping[str, Any]]:
    return list(rules.values()) if isinstance(rules, dict) else list(rules)


def _recalculate(call: Call) -> Response:
    Draft(call).recalculate()
    return Response(204, {})


def _quantity(body: Mapping[str, Any]) -> int:
    quantity = body.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
        raise errors.failure(
            "CHECKOUT__CART_INVALID_LINE_ITEM_QUANTITY", f"The quantity must be a positive integer. Given: {quantity}",
            parameters={"quantity": quantity},
        )  # fmt: skip
    return quantity


def _add_product(call: Call) -> Response:
    draft, product = Draft(call), call.path["product"]
    shop = call.shop
    row = shop.raw("product", product)
    if row is None:
        raise errors.failure(
            "CHECKOUT__CART_PRODUCT_NOT_FOUND", f'Could not find product with id "{product}"', status=404,
            parameters={"entity": "product", "field": "id", "value": product},
        )  # fmt: skip
    answer = Prices(shop.database, _shopper(draft).prices(draft.state)).of([product])[product]
    name = row["name"] or (shop.raw("product", row["parentId"]) or {}).get("name")
    quantity = _quantity(call.fields())
    draft.add(
        {"type": "product", "productId": product, "referencedId": product, "identifier": product, "label": name,
         "payload": {"productNumber": row["productNumber"]}},
        answer.unit(quantity), quantity, [(answer.rate, HUNDRED)],
    )  # fmt: skip
    return Response(204, {})


def _shopper(draft: Draft) -> Shopper:
    """The order's customer, in its sales channel and currency."""
    customers = versions.rows(draft.shop, draft.shop.entity("order_customer"), draft.id, draft.version)
    channel = draft.shop.raw("sales_channel", draft.row["salesChannelId"])
    assert channel is not None
    data = {"currencyId": draft.row["currencyId"], "customerId": customers[0]["customerId"] if customers else None}
    return Shopper(draft.shop, channel, Session("order", data))


def _add_line(call: Call) -> Response:
    """A line of one's own: ``{type: "custom", label, quantity, priceDefinition {price, taxRules}}``."""
    return _add(call, "custom")


def _add_credit(call: Call) -> Response:
    """A credit is negative, whatever sign it comes with (OrderRecalculationController::addCreditItemToOrder)."""
    return _add(call, "credit")


def _add(call: Call, kind: str) -> Response:
    draft, body = Draft(call), call.fields()
    definition = body.get("priceDefinition") or {}
    unit = Decimal(str(definition.get("price", 0)))
    given = [(Decimal(str(one["taxRate"])), Decimal(str(one.get("percentage", 100))))
             for one in _listed(definition.get("taxRules") or [])]  # fmt: skip
    if kind == "credit":
        unit = -abs(unit)
        prices = [draft.line(line) for line in draft.lines()]
        given = given or shares(prices)
    line = {"type": body.get("type") or kind, "label": body.get("label") or kind, "good": kind != "credit"}
    draft.add(line, unit, _quantity(body), given or [(Decimal(0), HUNDRED)])
    return Response(204, {})
