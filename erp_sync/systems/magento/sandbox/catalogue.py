"""Attributes with their options, attribute sets, categories."""

from __future__ import annotations

from typing import Any

from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import InputException, LocalizedException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.routing import Call, route
from erp_sync.systems.magento.sandbox.search_criteria import SearchCriteria, answer, in_order, table_listing
from erp_sync.systems.magento.sandbox.shop import Shop, placeholders

ATTRIBUTES = "Magento_Catalog::attributes_attributes"
CATEGORIES = "Magento_Catalog::categories"


def _attribute(shop: Shop, code: str) -> Row:
    found = shop.database.row(
        "SELECT * FROM eav_attribute WHERE attribute_code = ? OR attribute_id = ?",
        [code, code if code.isdigit() else -1],
    )
    if found is None:
        raise NoSuchEntityException(
            'The attribute with a "%1" attributeCode doesn\'t exist. Verify the attribute and try again.', [code]
        )
    return found


def _options(shop: Shop, attribute: Row) -> list[dict[str, Any]]:
    rows = shop.database.rows(
        "SELECT * FROM eav_attribute_option WHERE attribute_id = ? ORDER BY sort_order, option_id",
        [attribute["attribute_id"]],
    )
    empty = [{"label": " ", "value": ""}] if attribute["frontend_input"] == "select" else []
    return [*empty, *({"label": row["label"], "value": str(row["option_id"])} for row in rows)]


def _printed(shop: Shop, attribute: Row) -> dict[str, Any]:
    return {
        "is_filterable": False,
        "is_visible": True,
        "scope": attribute["scope"],
        "attribute_id": attribute["attribute_id"],
        "attribute_code": attribute["attribute_code"],
        "frontend_input": attribute["frontend_input"],
        "entity_type_id": "4",
        "is_required": bool(attribute["is_required"]),
        "options": _options(shop, attribute),
        "is_user_defined": bool(attribute["is_user_defined"]),
        "default_frontend_label": attribute["frontend_label"],
        "frontend_labels": None,
        "backend_type": attribute["backend_type"],
        "is_unique": str(attribute["is_unique"]),
    }


@route("GET", "/V1/products/attributes", resource=ATTRIBUTES, listing=True)
def list_attributes(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    keys, total = table_listing(call.shop.database, "eav_attribute", "attribute_id").keys(call.shop.database, criteria)
    rows = call.shop.database.rows(f"SELECT * FROM eav_attribute WHERE attribute_id IN ({placeholders(keys)})", keys)
    return answer([_printed(call.shop, row) for row in in_order(rows, "attribute_id", keys)], criteria, total)


@route("GET", "/V1/products/attributes/{attributeCode}", resource=ATTRIBUTES)
def get_attribute(call: Call) -> Any:
    return _printed(call.shop, _attribute(call.shop, call.path["attributeCode"]))


@route("POST", "/V1/products/attributes", resource=ATTRIBUTES)
def create_attribute(call: Call) -> Any:
    shop, given = call.shop, call.body["attribute"]
    label = given.get("default_frontend_label") or next(
        (entry.get("label") for entry in given.get("frontend_labels") or ()), None
    )
    if not label:
        raise InputException.required(["frontend_label"])
    code = given.get("attribute_code") or label.lower().replace(" ", "_")
    if shop.database.row("SELECT 1 AS one FROM eav_attribute WHERE attribute_code = ?", [code]):
        raise LocalizedException("An attribute with the same code already exists.")
    input_type = given.get("frontend_input") or "text"
    identity = shop.database.insert(
        "eav_attribute",
        {
            "attribute_code": code,
            "frontend_input": input_type,
            "frontend_label": label,
            "backend_type": {"select": "int", "boolean": "int", "price": "decimal", "date": "datetime"}.get(
                input_type, "varchar"
            ),
            "scope": given.get("scope") or "store",
            "is_user_defined": 1,
        },
    )
    for option in given.get("options") or ():
        if str(option.get("label") or "").strip():
            shop.database.insert("eav_attribute_option", {"attribute_id": identity, "label": option["label"]})
    shop.wrote("product_attribute", code)
    return _printed(shop, _attribute(shop, code))


@route("GET", "/V1/products/attributes/{attributeCode}/options", resource=ATTRIBUTES)
def list_attribute_options(call: Call) -> Any:
    return _options(call.shop, _attribute(call.shop, call.path["attributeCode"]))


@route("POST", "/V1/products/attributes/{attributeCode}/options", resource=ATTRIBUTES)
def add_attribute_option(call: Call) -> Any:
    """Answers the new option's id as text."""
    shop, attribute = call.shop, _attribute(call.shop, call.path["attributeCode"])
    label = str(call.body["option"].get("label") or "").strip()
    if not label:
        raise InputException("The attribute option label is empty. Enter the value and try again.")
    same = shop.database.row(
        "SELECT 1 AS one FROM eav_attribute_option WHERE attribute_id = ? AND label = ?",
        [attribute["attribute_id"], label],
    )
    if same:
        raise InputException('Admin store attribute option label "%1" is already exists.', [label])
    fields = {"attribute_id": attribute["attribute_id"], "label": label}
    identity = shop.database.insert(
        "eav_attribute_option", {**fields, "sort_order": call.body["option"].get("sort_order") or 0}
    )
    shop.wrote("product_attribute_option", label)
    return str(identity)


@route("GET", "/V1/eav/attribute-sets/list", resource="Magento_Catalog::sets", listing=True)
@route("GET", "/V1/products/attribute-sets/sets/list", resource="Magento_Catalog::sets", listing=True)
def list_attribute_sets(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    database = call.shop.database
    keys, total = table_listing(database, "eav_attribute_set", "attribute_set_id").keys(database, criteria)
    rows = database.rows(f"SELECT * FROM eav_attribute_set WHERE attribute_set_id IN ({placeholders(keys)})", keys)
    return answer(in_order(rows, "attribute_set_id", keys), criteria, total)


# -- categories --------------------------------------------------------------------------------------------------


def _category(shop: Shop, row: Row) -> dict[str, Any]:
    children = shop.database.column(
        "SELECT entity_id FROM catalog_category_entity WHERE parent_id = ? ORDER BY position, entity_id",
        [row["entity_id"]],
    )
    return {
        "id": row["entity_id"],
        "parent_id": row["parent_id"],
        "name": row["name"],
        "is_active": bool(row["is_active"]),
        "position": row["position"],
        "level": row["level"],
        "children": ",".join(map(str, children)),
        "path": row["path"],
        "available_sort_by": [],
        "include_in_menu": True,
    }


@route("GET", "/V1/categories/list", resource=CATEGORIES, listing=True)
def list_categories(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    database = call.shop.database
    keys, total = table_listing(database, "catalog_category_entity", "entity_id").keys(database, criteria)
    rows = database.rows(f"SELECT * FROM catalog_category_entity WHERE entity_id IN ({placeholders(keys)})", keys)
    return answer([_category(call.shop, row) for row in in_order(rows, "entity_id", keys)], criteria, total)


@route("GET", "/V1/categories", resource=CATEGORIES)
def category_tree(call: Call) -> Any:
    rows = call.shop.database.rows("SELECT * FROM catalog_category_entity ORDER BY level, position, entity_id")
    counts = {
        row["category_id"]: row["total"]
        for row in call.shop.database.rows(
            "SELECT category_id, count(*) AS total FROM catalog_category_product GROUP BY category_id"
        )
    }
    nodes: dict[int, dict[str, Any]] = {}
    for row in rows:
        node = {
            "id": row["entity_id"],
            "parent_id": row["parent_id"],
            "name": row["name"],
            "is_active": bool(row["is_active"]),
            "position": row["position"],
            "level": row["level"],
            "product_count": counts.get(row["entity_id"], 0),
            "children_data": [],
        }
        nodes[row["entity_id"]] = node
        if row["parent_id"] in nodes:
            nodes[row["parent_id"]]["children_data"].append(node)
    return nodes[2]


@route("GET", "/V1/categories/{categoryId}", resource=CATEGORIES)
def get_category(call: Call) -> Any:
    return _category(call.shop, _row(call.shop, call.number("categoryId")))


def _row(shop: Shop, identity: int) -> Row:
    found = shop.database.row("SELECT * FROM catalog_category_entity WHERE entity_id = ?", [identity])
    if found is None:
        raise NoSuchEntityException.single("id", identity)
    return found


@route("POST", "/V1/categories", resource=CATEGORIES)
def create_category(call: Call) -> Any:
    shop, given = call.shop, call.body["category"]
    if not given.get("name"):
        raise InputException('The "Name" attribute value is empty. Set the attribute and try again.')
    parent = _row(shop, given.get("parent_id") or 2)
    identity = shop.database.insert(
        "catalog_category_entity",
        {
            "parent_id": parent["entity_id"],
            "name": given["name"],
            "path": "",
            "level": parent["level"] + 1,
            "position": given.get("position") or 0,
            "is_active": int(given.get("is_active", True)),
        },
    )
    shop.database.update("catalog_category_entity", {"entity_id": identity}, {"path": f"{parent['path']}/{identity}"})
    shop.wrote("category", identity)
    return _category(shop, _row(shop, identity))
