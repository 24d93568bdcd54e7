"""Cut the entities in use out of the published contract; run after the published files change.

    python make.py entities_1.27.json.gz service_layer_reference_1.27.json.gz

What comes out (`entities.json`): fields of the entities below with their types, values of the enumerations among them,
and paths with their verb. The reference names one verb a path, the last one of its page: reading an entity or a set by
GET stands in the manual (Working with SAP Business One Service Layer 1.29), not there.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any

ORIGIN = "operator-ita/b1sl-python@9acbf5d (MIT), metadata of the Service Layer 1.27: names and types only"
ENTITIES = (
    "Document",
    "DocumentLine",
    "DocumentAdditionalExpense",
    "AddressExtension",
    "BusinessPartner",
    "BPAddress",
    "Item",
    "ItemWarehouseInfo",
    "Currency",
    "ApprovalRequest",
    "ApprovalRequestLine",
    "Document_ApprovalRequest",
    "User",
    "StockTransfer",
    "StockTransferLine",
    *("ItemGroups", "Manufacturer", "ProductTreeLine", "Warehouse"),
    *("PriceList", "ItemPrice", "UoMPrice", "SpecialPrice", "SpecialPriceDataArea", "SpecialPriceQuantityArea"),
    *("EnhancedDiscountGroup", "DiscountGroupLine", "BlanketAgreement", "BlanketAgreements_ItemsLine"),
    *("BusinessPartnerGroup", "UnitOfMeasurement", "UnitOfMeasurementGroup", "UoMGroupDefinition"),
    *("ItemUnitOfMeasurement", "ItemPriceParams", "ItemPriceReturnParams"),
)
PARTS = (
    "Document_ApprovalRequest",
    *("DocumentLine", "DocumentAdditionalExpense", "AddressExtension", "BPAddress", "ItemWarehouseInfo"),
    *("ApprovalRequestLine", "StockTransferLine"),
    *("ItemPrice", "UoMPrice", "SpecialPriceDataArea", "SpecialPriceQuantityArea", "DiscountGroupLine"),
    *("BlanketAgreements_ItemsLine", "UoMGroupDefinition", "ItemUnitOfMeasurement"),
)
_ENUMERATIONS: set[str] = set()
SETS = (
    *("Login", "Logout", "Orders", "Drafts", "BusinessPartners", "Items", "Currencies", "ApprovalRequests", "Users"),
    *("DeliveryNotes", "Returns", "Invoices", "CreditNotes", "PurchaseDeliveryNotes", "InventoryGenEntries"),
    *("InventoryGenExits", "StockTransfers", "ItemGroups", "Manufacturers", "ProductTrees"),
    "Warehouses",
    *("PriceLists", "SpecialPrices", "EnhancedDiscountGroups", "BlanketAgreements", "BusinessPartnerGroups"),
    *("UnitOfMeasurements", "UnitOfMeasurementGroups"),
)
ACTIONS = (
    *("OrdersService_Preview", "DraftsService_SaveDraftToDocument", "CompanyService_GetAdminInfo"),
    *("CompanyService_GetItemPrice", "SBOBobService_GetCurrencyRate", "CompanyService_GetCurrentServerTime"),
)
_LITERALS = re.compile(r"^\w+ \| Literal\[(.*)\]$")


def cut(entities: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, dict[str, str]] = {}
    values: dict[str, list[str]] = {}
    for name in ENTITIES:
        fields[name] = {}
        for field, kind in entities[name].items():
            found = _LITERALS.match(kind)
            if found:
                kind = kind.partition(" ")[0]
                values[kind] = re.findall(r"'([^']*)'", found[1])
                _ENUMERATIONS.add(kind)
            if not _leads_away(kind):
                fields[name][field] = kind
    methods = {path: verb for one in reference.values() for path, verb in one["methods"].items()}
    paths = {path: verb for path, verb in methods.items() if re.split(r"\W", path)[0] in SETS or path in ACTIONS}
    return {"origin": ORIGIN, "entities": fields, "enumerations": values, "paths": dict(sorted(paths.items()))}


def _leads_away(kind: str) -> bool:
    """To another entity: only what is written and read together with its own is kept."""
    inner = kind.removeprefix("list[").removesuffix("]")
    plain = inner in ("int", "str", "float", "bool", "SapBool") or inner.endswith(("Enum", "ObjectTypes"))
    return not plain and inner not in PARTS and inner not in _ENUMERATIONS


if __name__ == "__main__":
    sources = [json.loads(gzip.decompress(Path(name).read_bytes())) for name in sys.argv[1:3]]
    target = Path(__file__).with_name("entities.json")
    target.write_text(json.dumps(cut(*sources), indent=1) + "\n")
