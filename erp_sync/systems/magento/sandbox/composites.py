"""Configurable products with their variants, bundles with their options."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox import pricing, products
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import InputException, LocalizedException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.shop import ZERO, Shop

WRITE = "Magento_Catalog::products"


# -- configurable ------------------------------------------------------------------------------------------------


def replace_options(shop: Shop, parent: Row, options: list[dict[str, Any]]) -> None:
    shop.database.run("DELETE FROM catalog_product_super_attribute WHERE product_id = ?", [parent["entity_id"]])
    for option in options:
        _add_option(shop, parent, option)


def _add_option(shop: Shop, parent: Row, option: dict[str, Any]) -> int:
    attribute = shop.database.row(
        "SELECT * FROM eav_attribute WHERE attribute_id = ?", [int(option.get("attribute_id") or 0)]
    )
    if attribute is None:
        raise NoSuchEntityException.single("attribute_id", option.get("attribute_id"))
    if attribute["frontend_input"] != "select" or attribute["scope"] != "global":
        raise InputException("Provided attribute can not be used with configurable product.")
    if not option.get("values"):
        raise InputException("Option values are not specified.")
    position = option.get("position")
    return shop.database.insert(
        "catalog_product_super_attribute",
        {
            "product_id": parent["entity_id"],
            "attribute_id": attribute["attribute_id"],
            "position": 0 if position is None else position,
            "label": option.get("label") or attribute["frontend_label"],
        },
    )


def replace_children(shop: Shop, parent: Row, ids: list[int]) -> None:
    shop.database.run("DELETE FROM catalog_product_super_link WHERE parent_id = ?", [parent["entity_id"]])
    for identity in ids:
        _add_child(shop, parent, pricing.product_by_id(shop, identity))


def _add_child(shop: Shop, parent: Row, child: Row) -> None:
    """A variant must have a value of every option's attribute, and no sibling the same values."""
    if child["type_id"] not in ("simple", "virtual", "downloadable"):
        raise InputException("The product that's being attached isn't a simple product.")
    codes = shop.database.column(
        "SELECT attribute_code FROM catalog_product_super_attribute JOIN eav_attribute USING (attribute_id) "
        "WHERE product_id = ?",
        [parent["entity_id"]],
    )
    if not codes:
        raise InputException("The parent product doesn't have configurable product options.")
    chosen = []
    for code in codes:
        value = pricing.scoped(shop, child, code, 0)
        if value is None:
            raise InputException(
                'Product with id "%1" does not contain required attribute "%2".', [str(child["entity_id"]), code]
            )
        chosen.append(value)
    for sibling in _children(shop, parent):
        if [pricing.scoped(shop, sibling, code, 0) for code in codes] == chosen:
            raise InputException(
                'Products "%1" and "%2" have the same set of attribute values.', [sibling["sku"], child["sku"]]
            )
    shop.database.insert(
        "catalog_product_super_link", {"product_id": child["entity_id"], "parent_id": parent["entity_id"]}
    )


def _children(shop: Shop, parent: Row) -> list[Row]:
    return shop.database.rows(
        "SELECT product.* FROM catalog_product_super_link AS link JOIN catalog_product_entity AS product "
        "ON product.entity_id = link.product_id WHERE link.parent_id = ? ORDER BY link_id",
        [parent["entity_id"]],
    )


def _configurable(call: Call, sku: str) -> Row:
    parent = pricing.product(call.shop, sku)
    if parent["type_id"] != "configurable":
        raise InputException("The product that was requested isn't a configurable product.")
    return parent


@route("POST", "/V1/configurable-products/{sku}/options", resource=WRITE, kind="update")
def add_option(call: Call) -> Any:
    parent = pricing.product(call.shop, call.path["sku"])
    if parent["type_id"] == "simple":
        call.shop.database.update(
            "catalog_product_entity", {"entity_id": parent["entity_id"]}, {"type_id": "configurable"}
        )
    identity = _add_option(call.shop, parent, call.body["option"])
    _touch(call.shop, parent)
    return identity


@route("GET", "/V1/configurable-products/{sku}/options/all", resource=WRITE)
def list_options(call: Call) -> Any:
    return products.configurable_options(call.shop, _configurable(call, call.path["sku"]))


@route("DELETE", "/V1/configurable-products/{sku}/options/{id}", resource=WRITE)
def delete_option(call: Call) -> Any:
    parent = _configurable(call, call.path["sku"])
    removed = call.shop.database.run(
        "DELETE FROM catalog_product_super_attribute WHERE product_id = ? AND product_super_attribute_id = ?",
        [parent["entity_id"], call.number("id")],
    )
    if not removed:
        raise NoSuchEntityException("The option that was requested doesn't exist. Verify the entity and try again.")
    return True


@route("POST", "/V1/configurable-products/{sku}/child", resource=WRITE, kind="update")
def add_child(call: Call) -> Any:
    shop, parent = call.shop, _configurable(call, call.path["sku"])
    child = pricing.product(shop, call.body["childSku"])
    if any(sibling["entity_id"] == child["entity_id"] for sibling in _children(shop, parent)):
        raise LocalizedException("The product is already attached.")
    _add_child(shop, parent, child)
    _touch(shop, parent)
    return True


@route("GET", "/V1/configurable-products/{sku}/children", resource=WRITE)
def list_children(call: Call) -> Any:
    parent = _configurable(call, call.path["sku"])
    return products.printed(call.shop, [row["entity_id"] for row in _children(call.shop, parent)], call.store_id)


@route("DELETE", "/V1/configurable-products/{sku}/children/{childSku}", resource=WRITE)
def remove_child(call: Call) -> Any:
    shop, parent = call.shop, _configurable(call, call.path["sku"])
    child = shop.database.row("SELECT * FROM catalog_product_entity WHERE sku = ?", [call.path["childSku"]])
    removed = child and shop.database.run(
        "DELETE FROM catalog_product_super_link WHERE parent_id = ? AND product_id = ?",
        [parent["entity_id"], child["entity_id"]],
    )
    if not removed:
        raise NoSuchEntityException("The requested option doesn't exist.")
    _touch(shop, parent)
    return True


def _touch(shop: Shop, row: Row) -> None:
    shop.database.update("catalog_product_entity", {"entity_id": row["entity_id"]}, {"updated_at": shop.now()})
    shop.wrote("product", row["sku"], "update")


# -- bundle ------------------------------------------------------------------------------------------------------


def replace_bundle_options(shop: Shop, parent: Row, options: list[dict[str, Any]]) -> None:
    """What a saved product says is all that it has afterwards: options and links named by their id are kept and
    changed, others are removed, those without an id are new (magento/magento2 `Bundle/Model/Product/SaveHandler`,
    `OptionRepository::save`; that a save keeps the ids is so since 2.2, unconfirmed)."""
    kept = [int(option["option_id"]) for option in options if option.get("option_id")]
    for identity in shop.database.column(
        "SELECT option_id FROM catalog_product_bundle_option WHERE parent_id = ?", [parent["entity_id"]]
    ):
        if identity not in kept:
            shop.database.run("DELETE FROM catalog_product_bundle_option WHERE option_id = ?", [identity])
    for position, option in enumerate(options, 1):
        if option.get("option_id"):
            _change_bundle_option(shop, parent, option)
        else:
            _add_bundle_option(shop, parent, option, position)


def _change_bundle_option(shop: Shop, parent: Row, option: dict[str, Any]) -> None:
    key = {"parent_id": parent["entity_id"], "option_id": int(option["option_id"])}
    names = ("title", "type", "position", "required")
    fields = {name: option[name] for name in names if option.get(name) is not None}
    if not shop.database.update("catalog_product_bundle_option", key, fields):
        raise NoSuchEntityException("The option that was requested doesn't exist. Verify the entity and try again.")
    links = option.get("product_links")
    if links is None:
        return
    kept = {str(link["id"]) for link in links if link.get("id")}
    for identity in shop.database.column(
        "SELECT selection_id FROM catalog_product_bundle_selection WHERE option_id = ?", [key["option_id"]]
    ):
        if str(identity) not in kept:
            shop.database.run("DELETE FROM catalog_product_bundle_selection WHERE selection_id = ?", [identity])
    for position, link in enumerate(links, 1):
        if not link.get("id"):
            _add_selection(shop, parent, key["option_id"], link, position)
        elif link.get("qty") is not None:
            shop.database.update(
                "catalog_product_bundle_selection",
                {"selection_id": int(link["id"]), "option_id": key["option_id"]},
                {"selection_qty": Decimal(link["qty"])},
            )


def _add_bundle_option(shop: Shop, parent: Row, option: dict[str, Any], position: int) -> int:
    identity = shop.database.insert(
        "catalog_product_bundle_option",
        {
            "parent_id": parent["entity_id"],
            "required": int(option.get("required", True)),
            "position": option.get("position") or position,
            "type": option.get("type") or "select",
            "title": option.get("title") or f"Option {position}",
        },
    )
    for order, link in enumerate(option.get("product_links") or (), 1):
        _add_selection(shop, parent, identity, link, order)
    return identity


def _add_selection(shop: Shop, parent: Row, option_id: int, link: dict[str, Any], position: int) -> int:
    child = pricing.product(shop, str(link.get("sku")))
    if child["type_id"] not in ("simple", "virtual"):
        raise InputException("The bundle product can't contain another composite product.")
    return shop.database.insert(
        "catalog_product_bundle_selection",
        {
            "option_id": option_id,
            "parent_product_id": parent["entity_id"],
            "product_id": child["entity_id"],
            "position": link.get("position") or position,
            "is_default": int(bool(link.get("is_default"))),
            "selection_price_type": link.get("price_type") or 0,
            "selection_price_value": Decimal(link.get("price") or ZERO),
            "selection_qty": Decimal(link.get("qty") or 1),
            "selection_can_change_qty": link.get("can_change_quantity") or 0,
        },
    )


def _bundle(call: Call, sku: str) -> Row:
    parent = pricing.product(call.shop, sku)
    if parent["type_id"] != "bundle":
        raise InputException('The "%1" product isn\'t a bundle product.', [sku])
    return parent


@route("POST", "/V1/bundle-products/options/add", resource=WRITE, kind="update")
def add_bundle_option(call: Call) -> Any:
    option = call.body["option"]
    parent = _bundle(call, str(option.get("sku")))
    identity = _add_bundle_option(call.shop, parent, option, 1)
    _touch(call.shop, parent)
    return identity


@route("POST", "/V1/bundle-products/{sku}/links/{optionId}", resource=WRITE, kind="update")
def add_bundle_link(call: Call) -> Any:
    parent, option = _bundle(call, call.path["sku"]), call.number("optionId")
    found = call.shop.database.row(
        "SELECT 1 AS one FROM catalog_product_bundle_option WHERE parent_id = ? AND option_id = ?",
        [parent["entity_id"], option],
    )
    if found is None:
        raise InputException(
            'Product with specified sku: "%1" does not contain option: "%2"', [parent["sku"], str(option)]
        )
    identity = _add_selection(call.shop, parent, option, call.body["linkedProduct"], 1)
    _touch(call.shop, parent)
    return identity


@route("GET", "/V1/bundle-products/{sku}/options/all", resource=WRITE)
def list_bundle_options(call: Call) -> Any:
    return products.bundle_options(call.shop, _bundle(call, call.path["sku"]))


@route("GET", "/V1/bundle-products/{productSku}/children", resource=WRITE)
def list_bundle_children(call: Call) -> Any:
    parent = _bundle(call, call.path["productSku"])
    return [link for option in products.bundle_options(call.shop, parent) for link in option["product_links"]]


@route("DELETE", "/V1/bundle-products/{sku}/options/{optionId}", resource=WRITE)
def delete_bundle_option(call: Call) -> Any:
    parent = _bundle(call, call.path["sku"])
    removed = call.shop.database.run(
        "DELETE FROM catalog_product_bundle_option WHERE parent_id = ? AND option_id = ?",
        [parent["entity_id"], call.number("optionId")],
    )
    if not removed:
        raise NoSuchEntityException("The option that was requested doesn't exist. Verify the entity and try again.")
    _touch(call.shop, parent)
    return True
