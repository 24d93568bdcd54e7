"""Cut the parts in use out of Shopware's published OpenAPI file.

    python -m erp_sync.systems.shopware.sandbox.contract.make PATH_TO_SCHEMA[.gz]

writes `admin-6.7.10.1.json` beside this file: the entities that the sandbox keeps, the shared schemas, and the
actions. What an entity refers to outside of them is left out. Descriptions are not in the source and are not added.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

ORIGIN = "npm @shopware/api-client 1.6.0, adminApiSchema.json of Admin API 6.7.10.1, MIT"
TARGET = Path(__file__).with_name("admin-6.7.10.1.json")

#: Schema name of every entity that the sandbox keeps, by the name that sync calls it.
ENTITIES = {
    "b2b_components_individual_pricing": "B2bComponentsIndividualPricing",
    "b2b_components_individual_pricing_company_assignment": "B2bComponentsIndividualPricingCompanyAssignment",
    "b2b_components_individual_pricing_tier": "B2bComponentsIndividualPricingTier",
    "category": "Category",
    "country": "Country",
    "country_state": "CountryState",
    "currency": "Currency",
    "currency_country_rounding": "CurrencyCountryRounding",
    "custom_price": "CustomPrice",
    "customer": "Customer",
    "customer_address": "CustomerAddress",
    "customer_group": "CustomerGroup",
    "language": "Language",
    "number_range": "NumberRange",
    "order": "Order",
    "order_address": "OrderAddress",
    "order_customer": "OrderCustomer",
    "order_delivery": "OrderDelivery",
    "order_delivery_position": "OrderDeliveryPosition",
    "order_line_item": "OrderLineItem",
    "order_transaction": "OrderTransaction",
    "payment_method": "PaymentMethod",
    "product": "Product",
    "product_configurator_setting": "ProductConfiguratorSetting",
    "product_manufacturer": "ProductManufacturer",
    "product_price": "ProductPrice",
    "product_visibility": "ProductVisibility",
    "property_group": "PropertyGroup",
    "property_group_option": "PropertyGroupOption",
    "rule": "Rule",
    "rule_condition": "RuleCondition",
    "sales_channel": "SalesChannel",
    "sales_channel_domain": "SalesChannelDomain",
    "salutation": "Salutation",
    "shipping_method": "ShippingMethod",
    "state_machine": "StateMachine",
    "state_machine_state": "StateMachineState",
    "tag": "Tag",
    "tax": "Tax",
    "unit": "Unit",
    "webhook": "Webhook",
}
SHARED = (
    "Aggregation", "Associations", "Criteria", "CustomPricingDeleteOperation", "CustomPricingPrice",
    "CustomPricingResponse", "CustomPricingUpsertOperation", "EqualsFilter", "Excludes", "Filters", "Includes",
    "MultiNotFilter", "OAuthClientCredentialsGrant", "OAuthGrant", "OAuthScopes", "Price", "RangeFilter",
    "SimpleFilter", "Sort", "attributes", "data", "error", "failure", "link", "linkage", "links", "meta", "pagination",
    "relationshipLinks", "relationshipToMany", "relationshipToOne", "relationships", "resource", "success",
)  # fmt: skip
ACTIONS = (
    ("post", "/oauth/token"),
    ("post", "/_action/sync"),
    ("post", "/_action/custom-price"),
    ("post", "/_action/index-products"),
    ("get", "/_action/number-range/reserve/{type}/{saleschannel}"),
    ("post", "/_action/order/{orderId}/state/{transition}"),
    ("post", "/_action/order_delivery/{orderDeliveryId}/state/{transition}"),
    ("post", "/_action/order_transaction/{orderTransactionId}/state/{transition}"),
    ("get", "/_info/version"),
)
#: The operations that every entity has in the published file, with the same shapes for all.
RESOURCE = (
    ("post", "/search/{entity}"), ("get", "/{entity}"), ("post", "/{entity}"), ("get", "/{entity}/{id}"),
    ("patch", "/{entity}/{id}"), ("delete", "/{entity}/{id}"),
)  # fmt: skip
_GONE = object()


def paths_of(entity: str) -> list[tuple[str, str]]:
    """Methods and published paths of an entity's operations."""
    kebab = entity.replace("_", "-")
    return [(method, path.replace("{entity}", kebab)) for method, path in RESOURCE]


def pruned(node: Any, kept: set[str]) -> Any:
    """The node without references to schemas that are not kept; extensions of plugins are an open object."""
    if isinstance(node, list):
        return [part for part in (pruned(one, kept) for one in node) if part is not _GONE]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str) and node["$ref"].rpartition("/")[2] not in kept:
        return _GONE
    out = {}
    for name, value in node.items():
        if name == "properties":
            parts = {key: pruned(part, kept) for key, part in value.items()}
            if "extensions" in parts:
                parts["extensions"] = {"type": "object"}
            out[name] = {key: part for key, part in parts.items() if part is not _GONE}
            continue
        part = pruned(value, kept)
        if part is _GONE:
            if name == "items":
                return _GONE
            continue
        out[name] = part
    return out


def cut(published: dict[str, Any]) -> dict[str, Any]:
    """The contract of the sandbox. Raises KeyError for a schema or an operation that the file does not have."""
    schemas, kept = published["components"]["schemas"], {*ENTITIES.values(), *SHARED}
    for entity in ENTITIES:
        for method, path in paths_of(entity):
            published["paths"][path][method]
    return {
        "info": {**published["info"], "x-origin": ORIGIN},
        "resources": list(ENTITIES),
        "actions": {
            f"{method} {path}": pruned(
                {part: value for part, value in published["paths"][path][method].items() if part != "parameters"}, kept
            )
            for method, path in ACTIONS
        },
        "schemas": {name: pruned(schemas[name], kept) for name in sorted(kept) if name in schemas},
    }


def printed(contract: dict[str, Any]) -> str:
    """One action or schema a line, so that a new version shows as a readable difference."""
    lines = ["{", f'"info": {json.dumps(contract["info"], sort_keys=True)},']
    lines.append(f'"resources": {json.dumps(contract["resources"])},')
    for part, end in (("actions", ","), ("schemas", "")):
        rows = [f" {json.dumps(name)}: {json.dumps(value, sort_keys=True)}" for name, value in contract[part].items()]
        lines += [f'"{part}": {{', ",\n".join(rows), "}" + end]
    return "\n".join([*lines, "}", ""])


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m erp_sync.systems.shopware.sandbox.contract.make PATH_TO_SCHEMA[.gz]", file=sys.stderr)
        return 2
    source = Path(arguments[0])
    content = gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()
    try:
        contract = cut(json.loads(content))
    except KeyError as error:
        print(f"not in the contract: {error}", file=sys.stderr)
        return 1
    TARGET.write_text(printed(contract), encoding="utf-8")
    print(f"{TARGET}: {len(contract['resources'])} entities, {len(contract['actions'])} actions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
