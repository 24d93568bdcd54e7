"""The company's tables as SQLQueries see them: names of SAP Business One's database over the stored entities.

Column names: SAP Business One SDK help, database tables reference. Dates are ``YYYYMMDD`` text (fact sheet, section 3),
times whole numbers (UpdateTS HHMMSS, DocTime HHMM), flags and states their one-letter values. Which tables a query may
read is in the fact sheet; OSPP, SPP1 and SPP2 are not among them.
"""

from __future__ import annotations

from erp_sync.systems.sap_b1.sandbox.enum_values import VALUES
from erp_sync.systems.sap_b1.sandbox.user_fields import UserFields

#: Column to what it shows: a property, or ``date:``, ``time:``, ``clock:`` (HHMM) or ``ENUM:`` before one.
_DOCUMENT = {
    "DocEntry": "DocEntry", "DocNum": "DocNum", "CardCode": "CardCode", "CardName": "CardName",
    "NumAtCard": "NumAtCard", "DocStatus": "BoStatus:DocumentStatus", "CANCELED": "BoYesNoEnum:Cancelled",
    "DocDate": "date:DocDate", "DocDueDate": "date:DocDueDate", "TaxDate": "date:TaxDate", "DocCur": "DocCurrency",
    "DocRate": "DocRate", "DocTotal": "DocTotal", "DocTotalFC": "DocTotalFc", "VatSum": "VatSum",
    "DiscPrcnt": "DiscountPercent", "Comments": "Comments", "CreateDate": "date:CreationDate",
    "UpdateDate": "date:UpdateDate", "UpdateTS": "time:UpdateTime", "DocTime": "clock:DocTime",
    "TrackNo": "TrackingNumber", "GroupNum": "PaymentGroupCode",
    "WddStatus": "DocumentAuthorizationStatusEnum:AuthorizationStatus",
}  # fmt: skip
_LINE = {
    "DocEntry": "DocEntry", "LineNum": "LineNum", "VisOrder": "VisualOrder", "ItemCode": "ItemCode",
    "Dscription": "ItemDescription", "Quantity": "Quantity", "OpenQty": "RemainingOpenQuantity", "Price": "Price",
    "PriceBefDi": "UnitPrice", "DiscPrcnt": "DiscountPercent", "LineTotal": "LineTotal", "WhsCode": "WarehouseCode",
    "LineStatus": "BoStatus:LineStatus", "Currency": "Currency", "VatGroup": "VatGroup", "VatPrcnt":
    "TaxPercentagePerRow", "BaseType": "BaseType", "BaseEntry": "BaseEntry", "BaseLine": "BaseLine",
    "UomEntry": "UoMEntry",
}  # fmt: skip
_ITEM = {
    "ItemCode": "ItemCode", "ItemName": "ItemName", "FrgnName": "ForeignName", "ItmsGrpCod": "ItemsGroupCode",
    "CodeBars": "BarCode", "validFor": "BoYesNoEnum:Valid", "frozenFor": "BoYesNoEnum:Frozen",
    "InvntItem": "BoYesNoEnum:InventoryItem", "SellItem": "BoYesNoEnum:SalesItem", "FirmCode": "Manufacturer",
    "UgpEntry": "UoMGroupEntry", "AvgPrice": "AvgStdPrice", "CreateDate": "date:CreateDate",
    "UpdateDate": "date:UpdateDate", "UpdateTS": "time:UpdateTime",
}  # fmt: skip
_PARTNER = {
    "CardCode": "CardCode", "CardName": "CardName", "CardType": "BoCardTypes:CardType", "GroupCode": "GroupCode",
    "E_Mail": "EmailAddress", "Phone1": "Phone1", "ListNum": "PriceListNum", "Currency": "Currency",
    "GroupNum": "PayTermsGrpCode", "CreditLine": "CreditLimit", "validFor": "BoYesNoEnum:Valid",
    "frozenFor": "BoYesNoEnum:Frozen", "LicTradNum": "FederalTaxID", "Discount": "DiscountPercent",
    "CreateDate": "date:CreateDate", "UpdateDate": "date:UpdateDate", "UpdateTS": "time:UpdateTime",
}  # fmt: skip
_ADDRESS = {
    "CardCode": "BPCode", "Address": "AddressName", "AdresType": "BoAddressType:AddressType", "Street": "Street",
    "City": "City", "ZipCode": "ZipCode", "Country": "Country", "State": "State", "LineNum": "RowNum",
}  # fmt: skip
_LIST = {
    "ListNum": "PriceListNo", "ListName": "PriceListName", "BASE_NUM": "BasePriceList", "Factor": "Factor",
    "ValidFor": "BoYesNoEnum:Active", "isGrossPrc": "BoYesNoEnum:IsGrossPrice",
}  # fmt: skip

_HEADERS = {
    "ORDR": "Orders",
    "ODLN": "DeliveryNotes",
    "ODRF": "Drafts",
    "OINV": "Invoices",
    "ORDN": "Returns",
    "ORIN": "CreditNotes",
}
_LINES = {"RDR1": "Orders", "DLN1": "DeliveryNotes", "DRF1": "Drafts", "INV1": "Invoices", "RDN1": "Returns",
          "RIN1": "CreditNotes"}  # fmt: skip
_MASTERS = {"OITM": ("Items", _ITEM), "OCRD": ("BusinessPartners", _PARTNER), "OPLN": ("PriceLists", _LIST)}
#: Documents that this sandbox does not make: their tables are there and empty.
_EMPTY = {"ORRR": _DOCUMENT, "RRR1": _LINE}
TABLES = frozenset([*_HEADERS, *_LINES, *_MASTERS, *_EMPTY, "OITW", "ITM1", "CRD1"])


def select_of(table: str, user_fields: UserFields) -> str:
    """The SQLite query that stands for a table."""
    if table in _HEADERS:
        return _rows(_HEADERS[table], _DOCUMENT | _own(user_fields, "Document"))
    if table in _LINES:
        columns = _LINE | _own(user_fields, "DocumentLine")
        return _nested(_LINES[table], "DocumentLines", columns)
    if table in _MASTERS:
        source, columns = _MASTERS[table]
        kind = {"OITM": "Item", "OCRD": "BusinessPartner"}.get(table, "")
        return _rows(source, columns | _own(user_fields, kind))
    if table == "CRD1":
        return _nested("BusinessPartners", "BPAddresses", _ADDRESS | _own(user_fields, "BPAddress"))
    if table == "ITM1":
        return (
            'SELECT k1 AS "ItemCode", json_extract(row.value, \'$.PriceList\') AS "PriceList", '
            "json_extract(row.value, '$.Price') AS \"Price\", json_extract(row.value, '$.Currency') AS \"Currency\" "
            "FROM \"Items\", json_each(data, '$.ItemPrices') AS row"
        )
    if table == "OITW":
        # An item has a row in every warehouse, moved or not.
        amounts = ", ".join(
            f'COALESCE(CAST(stock.{own} AS REAL), 0) AS "{column}"'
            for own, column in (("on_hand", "OnHand"), ("committed", "IsCommited"), ("ordered", "OnOrder"))
        )
        return (
            f'SELECT "Items".k1 AS "ItemCode", "Warehouses".k1 AS "WhsCode", {amounts} FROM "Items" '
            'CROSS JOIN "Warehouses" LEFT JOIN stock ON stock.item = "Items".k1 AND stock.warehouse = "Warehouses".k1'
        )
    names = ", ".join(f'NULL AS "{name}"' for name in _EMPTY[table])
    return f"SELECT {names} WHERE 0"


def _own(user_fields: UserFields, type_name: str) -> dict[str, str]:
    return {name: f"date:{name}" if kind == "date" else name for name, kind in user_fields.of(type_name).items()}


def _rows(entity_set: str, columns: dict[str, str]) -> str:
    return f'SELECT {_columns(columns, "data")} FROM "{entity_set}"'


def _nested(entity_set: str, collection: str, columns: dict[str, str]) -> str:
    return f"SELECT {_columns(columns, 'row.value')} FROM \"{entity_set}\", json_each(data, '$.{collection}') AS row"


def _columns(columns: dict[str, str], source: str) -> str:
    return ", ".join(f'{_expression(shown, source)} AS "{name}"' for name, shown in columns.items())


def _expression(shown: str, source: str) -> str:
    kind, _, name = shown.rpartition(":")
    value = f"json_extract({source}, '$.{name}')"
    if not kind:
        return value
    if kind == "date":
        return f"replace({value}, '-', '')"
    if kind == "time":
        return f"CAST(replace({value}, ':', '') AS INTEGER)"
    if kind == "clock":
        return f"CAST(replace(substr({value}, 1, 5), ':', '') AS INTEGER)"
    cases = " ".join(f"WHEN '{member}' THEN '{text}'" for text, member in VALUES[kind].items())
    return f"CASE {value} {cases} END"
