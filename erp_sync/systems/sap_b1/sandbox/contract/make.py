"""Cut the entities in use out of the published contract; run after the published files change.

    python make.py entities_1.27.json.gz service_layer_reference_1.27.json.gz

The first file holds every type of Service Layer 1.27 with its properties, the second which methods each entity set
takes. What comes out (`entities.json`) is what the sandbox accepts and answers: simple properties, enumerations
with their members, and the complex collections that come with an entity. Navigation properties (a customer's
orders) are left out: they are other entities, and never in a body.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any

ORIGIN = (
    "operator-ita/b1sl-python@9acbf5d, metadata/1.27 (MIT): types, properties and enumerations of Service Layer 1.27 "
    "and the methods of its entity sets"
)

#: Type to the properties that hold other types (complex values, not navigation), all of which are cut too.
TYPES: dict[str, tuple[str, ...]] = {
    "Document": ("DocumentLines", "DocumentAdditionalExpenses", "AddressExtension", "Document_ApprovalRequests",
                 "TaxExtension"),
    "DocumentLine": ("SerialNumbers", "BatchNumbers", "DocumentLinesBinAllocations"),
    "DocumentAdditionalExpense": (),
    "Document_ApprovalRequest": (),
    "AddressExtension": (),
    "TaxExtension": (),
    "SerialNumber": (),
    "BatchNumber": (),
    "DocumentLinesBinAllocation": (),
    "DocumentParams": (),
    "Item": ("ItemPrices", "ItemWarehouseInfoCollection", "ItemBarCodeCollection", "ItemUnitOfMeasurementCollection"),
    "ItemPrice": ("UoMPrices",),
    "UoMPrice": (),
    "ItemWarehouseInfo": (),
    "ItemBarCode": (),
    "ItemUnitOfMeasurement": (),
    "ItemGroups": (),
    "Manufacturer": (),
    "BusinessPartner": ("BPAddresses", "ContactEmployees"),
    "BPAddress": (),
    "ContactEmployee": (),
    "BusinessPartnerGroup": (),
    "PaymentTermsType": (),
    "PriceList": (),
    "Warehouse": (),
    "Currency": (),
    "VatGroup": ("VatGroups_Lines",),
    "VatGroups_Line": (),
    "UnitOfMeasurement": (),
    "UnitOfMeasurementGroup": ("UoMGroupDefinitionCollection",),
    "UoMGroupDefinition": (),
    "UserFieldMD": ("ValidValuesMD",),
    "ValidValueMD": (),
    "ApprovalRequest": ("ApprovalRequestLines", "ApprovalRequestDecisions"),
    "ApprovalRequestLine": (),
    "ApprovalRequestDecision": (),
    "SpecialPrice": ("SpecialPriceDataAreas",),
    "SpecialPriceDataArea": ("SpecialPriceQuantityAreas",),
    "SpecialPriceQuantityArea": (),
    "BlanketAgreement": ("BlanketAgreements_ItemsLines",),
    "BlanketAgreements_ItemsLine": (),
    "EnhancedDiscountGroup": ("DiscountGroupLineCollection",),
    "DiscountGroupLine": (),
    "ItemPriceParams": (),
    "ItemPriceReturnParams": (),
    "SQLQuery": (),
    "PickList": ("PickListsLines",),
    "PickListsLine": (),
    "PickListParams": (),
    "StockTransfer": ("StockTransferLines",),
    "StockTransferLine": ("SerialNumbers", "BatchNumbers"),
    "CompanyInfo": (),
    "AdminInfo": (),
}  # fmt: skip

#: Types of entity sets whose methods are published and whose properties are not in the published file; names as in
#: the SAP Business One SDK help (ProductTrees, ProductTrees_Lines).
OWN_TYPES: dict[str, dict[str, str]] = {
    "ProductTree": {
        "TreeCode": "string", "TreeType": "BoItemTreeTypes", "Quantity": "number", "PriceList": "integer",
        "Warehouse": "string", "ProductDescription": "string", "ProductTreeLines": "ProductTreeLine[]",
    },
    "ProductTreeLine": {
        "ItemCode": "string", "ItemName": "string", "Quantity": "number", "Warehouse": "string", "Price": "number",
        "Currency": "string", "PriceList": "integer", "ParentItem": "string", "ChildNum": "integer",
        "VisualOrder": "integer",
    },
}  # fmt: skip

SETS = (
    "Orders", "Drafts", "DeliveryNotes", "Invoices", "Returns", "CreditNotes", "PurchaseDeliveryNotes",
    "InventoryGenEntries", "InventoryGenExits", "StockTransfers", "Items", "ItemGroups", "ProductTrees",
    "Manufacturers", "BusinessPartners", "BusinessPartnerGroups", "PaymentTermsTypes", "PriceLists", "Warehouses",
    "Currencies", "VatGroups", "UnitOfMeasurements", "UnitOfMeasurementGroups", "UserFieldsMD", "ApprovalRequests",
    "SpecialPrices", "BlanketAgreements", "EnhancedDiscountGroups", "Login", "Logout", "OrdersService", "PickLists",
    "PickListsService",
    "DraftsService", "CompanyService", "SBOBobService",
)  # fmt: skip

_SIMPLE = {"str": "string", "int": "integer", "float": "number", "SapBool": "BoYesNoEnum"}
_ENUM = re.compile(r"^(\w+) \| Literal\[(.*)\]$")


def cut(entities: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """The contract of the types and sets in use, as `entities.json` holds it."""
    enums: dict[str, list[str]] = {"BoYesNoEnum": ["tYES", "tNO"]}
    types = {}
    for name, held in TYPES.items():
        properties = {}
        for prop, kind in entities[name].items():
            enum = _ENUM.match(kind)
            if kind in _SIMPLE:
                properties[prop] = _SIMPLE[kind]
            elif enum is not None:
                enums[enum[1]] = [member.strip("' ") for member in enum[2].split(",")]
                properties[prop] = enum[1]
            elif prop in held:
                properties[prop] = f"{kind[5:-1]}[]" if kind.startswith("list[") else kind
            elif kind == "BoObjectTypes":  # its members are not in the published file
                properties[prop] = "string"
        if missing := set(held) - set(properties):
            raise KeyError(f"{name} has no {sorted(missing)}")
        types[name] = properties
    return {
        "origin": ORIGIN,
        "types": types | OWN_TYPES,
        "own": sorted(OWN_TYPES),
        "enums": enums,
        "methods": {name: reference[name]["methods"] for name in SETS},
    }


def main(entities_file: str, reference_file: str) -> None:
    entities, reference = (
        json.loads(gzip.decompress(Path(file).read_bytes())) for file in (entities_file, reference_file)
    )
    target = Path(__file__).parent / "entities.json"
    target.write_text(json.dumps(cut(entities, reference), indent=1, sort_keys=True) + "\n")
    print(f"{target}: {len(TYPES)} types")


if __name__ == "__main__":
    main(*sys.argv[1:])
