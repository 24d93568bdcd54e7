"""Contracts of the Store API, which the project's published contract does not cover.

Names and types are those of shopware/store-api-reference@55d001a (storeapi.json 6.7, MIT), cut to what is answered
here; entities in it are those of the Admin API. What contradicts the file is named: a cart's price has `apiAlias`
cart_price, tax rules have a percentage, `errors` is an empty list where there is none.
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.contract import OWN, OperationContract, Side, closed

SOURCE = "shopware/store-api-reference@55d001a, cut by hand"
_TEXT, _NUMBER, _FLAG = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_NULL = {"type": "null"}
_OPEN = {"type": ["object", "array"]}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, _NULL]}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _list(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def definitions(product: dict[str, Any]) -> dict[str, Any]:
    """Schemas of the Store API; `product` is the Admin API's, to which calculated prices are added."""
    tax = _object({"tax": _NUMBER, "taxRate": _NUMBER, "price": _NUMBER, "apiAlias": _TEXT}, "tax", "taxRate", "price")
    rule = _object({"taxRate": _NUMBER, "percentage": _NUMBER, "apiAlias": _TEXT}, "taxRate", "percentage")
    listed = _object({"price": _NUMBER, "discount": _NUMBER, "percentage": _NUMBER, "apiAlias": _TEXT}, "price")
    price = _object(
        {
            "unitPrice": _NUMBER, "quantity": {"type": "integer"}, "totalPrice": _NUMBER, "calculatedTaxes": _list(tax),
            "taxRules": _list(rule), "referencePrice": _NULL, "listPrice": _or_null(listed), "regulationPrice": _NULL,
            "apiAlias": _TEXT,
        },
        "unitPrice", "quantity", "totalPrice", "calculatedTaxes", "taxRules",
    )  # fmt: skip
    cart = _object(
        {
            "netPrice": _NUMBER, "totalPrice": _NUMBER, "positionPrice": _NUMBER, "rawTotal": _NUMBER,
            "taxStatus": {"enum": ["gross", "net", "tax-free"]}, "calculatedTaxes": _list(tax), "taxRules": _list(rule),
            "apiAlias": _TEXT,
        },
        "netPrice", "totalPrice", "positionPrice", "taxStatus",
    )  # fmt: skip
    sold = {
        "calculatedPrice": _ref("StorePrice"), "calculatedPrices": _list(_ref("StorePrice")),
        "calculatedMaxPurchase": {"type": "integer"}, "isNew": _FLAG,
    }  # fmt: skip
    made = {
        "StorePrice": price, "StoreCartPrice": cart, "StoreCart": _cart(), "StoreLine": _line(),
        "StoreContext": _context(),
    }  # fmt: skip
    return {
        **{name: closed(schema) for name, schema in made.items()},
        "StoreProduct": {**product, "properties": {**product["properties"], **sold}},
    }


def _line() -> dict[str, Any]:
    payload = _object({"productNumber": _TEXT, "stock": {"type": "integer"}, "parentId": _or_null(_ID)})
    quantity = _object({name: {"type": "integer"} for name in ("minPurchase", "maxPurchase", "purchaseSteps")}
                       | {"apiAlias": _TEXT})  # fmt: skip
    return _object(
        {
            "id": _TEXT, "referencedId": _TEXT, "type": _TEXT, "label": _TEXT, "quantity": {"type": "integer"},
            "price": _ref("StorePrice"), "good": _FLAG, "stackable": _FLAG, "removable": _FLAG, "payload": payload,
            "quantityInformation": quantity, "children": _list(_TEXT), "description": _NULL, "modified": _FLAG,
            "extensions": _OPEN, "apiAlias": _TEXT,
        },
        "id", "referencedId", "type", "quantity", "price",
    )  # fmt: skip


def _cart() -> dict[str, Any]:
    problem = _object({"key": _TEXT, "level": {"enum": [0, 10, 20]}, "message": _TEXT, "messageKey": _TEXT},
                      "key", "level", "message", "messageKey")  # fmt: skip
    errors = {"anyOf": [{"type": "object", "additionalProperties": problem}, {"type": "array", "maxItems": 0}]}
    delivery = _object({
        "shippingMethod": _object({"id": _ID, "name": _or_null(_TEXT), "apiAlias": _TEXT}),
        "shippingCosts": _ref("StorePrice"), "positions": _list(_object({"identifier": _TEXT})), "apiAlias": _TEXT,
    })  # fmt: skip
    payment = _object({"paymentMethodId": _ID, "amount": _ref("StorePrice"), "apiAlias": _TEXT})
    return _object(
        {
            "token": _TEXT, "price": _ref("StoreCartPrice"), "lineItems": _list(_ref("StoreLine")), "errors": errors,
            "deliveries": _list(delivery), "transactions": _list(payment), "modified": _FLAG, "customerComment": _NULL,
            "affiliateCode": _NULL, "campaignCode": _NULL, "source": _NULL, "hash": _NULL, "extensions": _OPEN,
            "apiAlias": _TEXT,
        },
        "token", "price", "lineItems", "errors",
    )  # fmt: skip


def _context() -> dict[str, Any]:
    rounding = _object({"decimals": {"type": "integer"}, "interval": _NUMBER, "roundForNet": _FLAG, "apiAlias": _TEXT})
    return _object(
        {
            "token": _TEXT, "currentCustomerGroup": _ref("CustomerGroup"), "currency": _ref("Currency"),
            "salesChannel": _object({"id": _ID, "name": _TEXT, "apiAlias": _TEXT}),
            "customer": _or_null(_ref("Customer")), "taxState": {"enum": ["gross", "net", "tax-free"]},
            "itemRounding": rounding, "totalRounding": rounding, "apiAlias": _TEXT,
        },
        "token", "currency", "customer",
    )  # fmt: skip


def _token() -> dict[str, Any]:
    return _object({"redirectUrl": _or_null(_TEXT), "contextToken": _TEXT, "apiAlias": _TEXT})


def _result(name: str) -> dict[str, Any]:
    return _object(
        {
            "elements": _list(_ref(name)), "total": {"type": "integer"}, "aggregations": _OPEN,
            "page": {"type": "integer"}, "limit": {"type": "integer"}, "entity": _TEXT, "states": _OPEN,
            "extensions": _OPEN, "apiAlias": _TEXT,
        },
        "elements", "total",
    )  # fmt: skip


_ADDRESS = _object({name: {"type": ["string", "null"]} for name in (
    "firstName", "lastName", "street", "city", "zipcode", "countryId", "countryStateId", "company", "phoneNumber",
    "salutationId", "department", "additionalAddressLine1", "additionalAddressLine2",
)}, "street", "city", "countryId")  # fmt: skip
_ITEMS = _object({"items": _list(_object(
    {"id": _TEXT, "type": _TEXT, "referencedId": _TEXT, "quantity": {"type": "integer"}}
))}, "items")  # fmt: skip
_REQUESTS: dict[str, dict[str, Any]] = {
    "context.switch": _object({name: _ID for name in (
        "currencyId", "languageId", "billingAddressId", "shippingAddressId", "paymentMethodId", "shippingMethodId",
        "countryId", "countryStateId",
    )}),
    "account.login": _object({"username": _TEXT, "password": _TEXT}, "username", "password"),
    "account.register": _object(
        {
            **{name: _TEXT for name in ("email", "password", "salutationId", "firstName", "lastName", "storefrontUrl",
                                        "accountType", "company", "title")},
            "guest": _FLAG, "acceptedDataProtection": _FLAG, "vatIds": _list(_TEXT), "billingAddress": _ADDRESS,
            "shippingAddress": _ADDRESS,
        },
        "email", "firstName", "lastName", "billingAddress",
    ),
    "product.list": _ref("Criteria"),
    "product.read": _ref("Criteria"),
    "order.list": _ref("Criteria"),
    "account.customer": _ref("Criteria"),
    "account.address.create": _ADDRESS,
    **{name: _ref("Criteria") for name in (
        "account.address.list", "country.list", "country-state.list", "payment-method.list", "shipping-method.list",
    )},
    "checkout.line-item.add": _ITEMS,
    "checkout.line-item.change": _ITEMS,
    "checkout.line-item.remove": _object({"ids": _list(_TEXT)}),
    "checkout.order": _object({name: _TEXT for name in ("customerComment", "affiliateCode", "campaignCode")}),
    "handle-payment": _object({"orderId": _ID, "finishUrl": _TEXT, "errorUrl": _TEXT}, "orderId"),
}  # fmt: skip
_ANSWERS: dict[str, dict[str, Any]] = {
    "context.read": _ref("StoreContext"),
    "context.switch": _token(),
    "account.login": _token(),
    "account.logout": _token(),
    "account.register": _ref("Customer"),
    "account.customer": _ref("Customer"),
    "account.address.create": _ref("CustomerAddress"),
    "account.address.list": _result("CustomerAddress"),
    "country.list": _result("Country"),
    "country-state.list": _result("CountryState"),
    "payment-method.list": _result("PaymentMethod"),
    "shipping-method.list": _result("ShippingMethod"),
    "product.list": _result("StoreProduct"),
    "product.read": _object({"product": _ref("StoreProduct"), "configurator": _OPEN, "apiAlias": _TEXT}, "product"),
    "order.list": _object({"orders": _result("Order"), "paymentChangeable": _OPEN, "apiAlias": _TEXT}, "orders"),
    "checkout.order": _ref("Order"),
    "handle-payment": _object({"redirectUrl": _or_null(_TEXT), "apiAlias": _TEXT}, "redirectUrl"),
}
_ANSWERS["product.get"] = _ANSWERS["product.read"]
for _name in ("checkout.cart", "checkout.line-item.add", "checkout.line-item.change", "checkout.line-item.remove"):
    _ANSWERS[_name] = _ref("StoreCart")


def operation(name: str, refusals: Side) -> OperationContract:
    """The contract of a route ``store-api.NAME``. Raises KeyError."""
    own = name.removeprefix("store-api.")
    wanted = _REQUESTS.get(own)
    body = closed(wanted) if wanted else None
    optional = wanted == _ref("Criteria") or own == "checkout.order"
    request = Side(OWN, {"anyOf": [body, _NULL]} if body and optional else body, SOURCE)
    responses = {"4XX": refusals, "5XX": refusals}
    if own == "checkout.cart.delete":
        responses["204"] = Side(OWN, None, SOURCE)
    else:
        responses["200"] = Side(OWN, closed(_ANSWERS[own]), SOURCE)
    removal = {"type": "object", "properties": {"ids[]": _TEXT}}
    query = closed(removal if own == "checkout.line-item.remove" else {"type": "object", "properties": {}})
    return OperationContract(request, responses, Side(OWN, query, SOURCE))
