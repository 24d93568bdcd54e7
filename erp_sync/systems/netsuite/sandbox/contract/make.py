"""Cut the records in use out of the published contract; run after the published files change.

    python make.py suitetalk_records.json.gz rest_names.json

The first file holds SuiteTalk (SOAP) types, the second how their names read in REST. What comes out
(`records.json`) is what the sandbox accepts and answers: per record its properties, sublists and
subrecords, with the SOAP type, or "unknown" where only the REST browser knows the property.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

ORIGIN = (
    "SuiteTalk types: netsuitephp/netsuite-php@c3cfa07 (Apache-2.0); REST names: NetSuite REST API Browser 2026.1 "
    "as listed in wsjmnh/netsuite-record-rest-docs@be3ff5a (names and types only)"
)

RECORDS = {
    "salesOrder": "SalesOrder",
    "customer": "Customer",
    "itemFulfillment": "ItemFulfillment",
    "inventoryItem": "InventoryItem",
    "assemblyItem": "AssemblyItem",
    "kitItem": "KitItem",
    "nonInventorySaleItem": "NonInventorySaleItem",
    "cashSale": "CashSale",
    "invoice": "Invoice",
    "creditMemo": "CreditMemo",
    "returnAuthorization": "ReturnAuthorization",
    "customerDeposit": "CustomerDeposit",
    "customerRefund": "CustomerRefund",
    "itemReceipt": "ItemReceipt",
    "priceLevel": "PriceLevel",
    "location": "Location",
    "subsidiary": "Subsidiary",
    "inventoryAdjustment": "InventoryAdjustment",
}
# Compared with the browser for inventoryItem only; its sibling without stock is taken to read alike.
_NAMES_OF = {"nonInventorySaleItem": "inventoryItem"}

_SOAP_ONLY = ("internalId", "customFieldList", "nullFieldList")

# Sublists whose lines have another shape in REST than in SOAP.
_OWN_SHAPES = {
    "price": {
        "currencyPage": "RecordRef", "priceLevel": "RecordRef", "quantity": "quantity", "price": "float",
        "discountDisplay": "float", "isInactive": "boolean", "priceLevelName": "string", "priceQty": "float",
    },
}  # fmt: skip

# Line fields with another type in REST (fact sheet, section 11: the REST browser's taxDetails).
_OWN_TYPES = {"taxDetails.taxType": "string"}


def cut(soap: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """The contract of the records in use, as `records.json` holds it."""
    records = {}
    for rest, type_name in RECORDS.items():
        known_as = _NAMES_OF.get(rest, rest)
        sublists, fields = names["sublists"].get(known_as, {}), names["fields"].get(known_as, {})
        absent = set(names["absent_in_rest"].get(known_as, []))
        record: dict[str, Any] = {"fields": {}, "sublists": {}, "subrecords": {}}
        for name, kind in _fields(soap, type_name).items():
            if name in absent or name in ("customFieldList", "nullFieldList"):
                continue
            if name in sublists or name == "pricingMatrix":
                sublist = sublists.get(name, "price")
                record["sublists"][sublist] = _OWN_SHAPES.get(sublist) or _lines(soap, name, kind, fields, absent)
            elif kind in ("Address", "InventoryDetail"):
                record["subrecords"][fields.get(name, name)] = kind
            else:
                record["fields"][fields.get(name, name)] = kind
        for name in names["rest_only"].get(known_as, []):
            head, _, tail = name.partition(".")
            if not tail:
                if head not in record["sublists"]:
                    record["fields"].setdefault(head, "unknown")
            elif head in record["sublists"]:
                record["sublists"][head].setdefault(tail.partition(".")[0], "unknown")
            elif known_as == rest:
                record["fields"].pop(head, None)
                record["sublists"][head] = {tail.partition(".")[0]: "unknown"}
        record["fields"].setdefault("id", "string")
        records[rest] = record
    subrecords = {
        "Address": {**_fields(soap, "Address"), "id": "string"},
        "InventoryDetail": {
            "inventoryAssignment": "sublist",
            "quantity": "float",
            "unit": "string",
            "item": "RecordRef",
        },
    }
    subrecords["Address"] = {name: kind for name, kind in subrecords["Address"].items() if name not in _SOAP_ONLY}
    return {"origin": ORIGIN, "records": records, "subrecords": subrecords}


def _fields(soap: dict[str, Any], type_name: str) -> dict[str, str]:
    own = soap[type_name]
    base = _fields(soap, own["extends"]) if own["extends"] in soap else {}
    return {**base, **own["fields"]}


def _lines(soap: dict[str, Any], name: str, kind: str, fields: dict[str, str], absent: set[str]) -> dict[str, str]:
    if kind == "RecordRefList":
        return {"id": "string"}
    (line_type,) = [value for value in soap[kind]["fields"].values() if value.endswith("[]")]
    lines = {}
    for field, field_kind in _fields(soap, line_type.removesuffix("[]")).items():
        dotted = f"{name}.{field}"
        if dotted in absent or field in ("customFieldList", "nullFieldList"):
            continue
        rest = fields.get(dotted, f".{field}").rpartition(".")[2]
        own = _OWN_TYPES.get(f"{name.removesuffix('List')}.{rest}", field_kind)
        lines["id" if rest == "internalId" else rest] = own
    return lines


def main(soap_file: str, names_file: str) -> None:
    soap = json.loads(gzip.decompress(Path(soap_file).read_bytes()))
    names = json.loads(Path(names_file).read_text())
    target = Path(__file__).parent / "records.json"
    target.write_text(json.dumps(cut(soap, names), indent=1, sort_keys=True) + "\n")
    print(f"{target}: {len(RECORDS)} records")


if __name__ == "__main__":
    main(*sys.argv[1:])
