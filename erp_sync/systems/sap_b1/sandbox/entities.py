"""The entity sets of this sandbox: type, keys, what is read-only, how the rows of collections are told apart."""

from __future__ import annotations

from dataclasses import dataclass

from erp_sync.systems.sap_b1.sandbox import contract


@dataclass(frozen=True)
class EntitySet:
    """One entity set.

    Attributes:
        keys: key property to "integer" or "string"; a composite key is written ``Set(A='x',B='y')``.
        counter: the only key is a number that the system gives.
        read_only: properties that a body may carry and that are ignored (fact sheet, section 4).
        etag: answers carry an ETag of DataVersion (section 6).
        stamps: names of the properties for creation date, creation time, update date and update time; "" where the
            type has none (section 3: documents have no creation time, prices no stamp at all).
        user_table: database table of its user-defined fields, e.g. ORDR; None where this sandbox has none.
        indexed: properties that filters are quick on.
    """

    name: str
    type_name: str
    keys: dict[str, str]
    counter: bool = False
    read_only: frozenset[str] = frozenset()
    etag: bool = False
    stamps: tuple[str, str, str, str] = ("", "", "", "")
    user_table: str | None = None
    indexed: tuple[str, ...] = ()

    @property
    def key_columns(self) -> tuple[str, ...]:
        return tuple(f"k{number}" for number, _ in enumerate(self.keys, 1))


_DOCUMENT_READ_ONLY = frozenset(
    ["DocEntry", "DocNum", "CreationDate", "UpdateDate", "UpdateTime", "DocTime", "DocTotal", "DocTotalFc",
     "DocTotalSys", "VatSum", "VatSumFc", "VatSumSys", "DocumentStatus", "Cancelled", "CancelStatus", "DataVersion",
     "TransNum", "UserSign", "AuthorizationStatus", "TotalDiscount", "TotalDiscountFC", "CancelDate", "ClosingDate",
     "FinancialPeriod", "PaidToDate", "Printed"]
)  # fmt: skip
_DOCUMENT_STAMPS = ("CreationDate", "", "UpdateDate", "UpdateTime")
_MASTER_STAMPS = ("CreateDate", "CreateTime", "UpdateDate", "UpdateTime")
#: Which properties tell the rows of a collection apart, in the order tried: a sent row with an equal key changes that
#: row, any other is appended (fact sheet, section 4: "row by LineNum/key"). Which it is beyond LineNum: unconfirmed.
ROW_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "DocumentLines": (("LineNum",),),
    "StockTransferLines": (("LineNum",),),
    "DocumentAdditionalExpenses": (("LineNum",),),
    "ItemPrices": (("PriceList",),),
    "UoMPrices": (("UoMEntry",),),
    "ItemWarehouseInfoCollection": (("WarehouseCode",),),
    "ItemBarCodeCollection": (("AbsEntry",),),
    "BPAddresses": (("RowNum",), ("AddressName", "AddressType")),
    "ContactEmployees": (("InternalCode",),),
    "SpecialPriceDataAreas": (("RowNumber",),),
    "SpecialPriceQuantityAreas": (("RowNumber",),),
    "BlanketAgreements_ItemsLines": (("AgreementRowNumber",),),
    "DiscountGroupLineCollection": (("ObjectType", "ObjectCode"),),
    "VatGroups_Lines": (("Effectivefrom",),),
    "UoMGroupDefinitionCollection": (("AlternateUoM",),),
    "ProductTreeLines": (("ChildNum",), ("ItemCode",)),
    "ValidValuesMD": (("Value",),),
    "PickListsLines": (("LineNumber",),),
}


def _document(name: str, table: str) -> EntitySet:
    return EntitySet(
        name,
        "Document",
        {"DocEntry": "integer"},
        counter=True,
        read_only=_DOCUMENT_READ_ONLY,
        etag=True,
        stamps=_DOCUMENT_STAMPS,
        user_table=table,
        indexed=("NumAtCard", "CardCode", "UpdateDate", "DocumentStatus"),
    )


_SETS = (
    _document("Orders", "ORDR"),
    # Drafts of orders carry the user-defined fields of ORDR: marketing documents share them.
    _document("Drafts", "ORDR"),
    _document("DeliveryNotes", "ORDR"),
    _document("Invoices", "ORDR"),
    _document("Returns", "ORDR"),
    _document("CreditNotes", "ORDR"),
    _document("PurchaseDeliveryNotes", "ORDR"),
    _document("InventoryGenEntries", "ORDR"),
    _document("InventoryGenExits", "ORDR"),
    EntitySet(
        "StockTransfers", "StockTransfer", {"DocEntry": "integer"}, counter=True,
        stamps=("CreationDate", "", "UpdateDate", ""), indexed=("UpdateDate",),
        read_only=frozenset(["DocEntry", "DocNum", "CreationDate", "UpdateDate", "DocumentStatus", "TransNum",
                             "AuthorizationStatus", "DocObjectCode"]),
    ),
    EntitySet(
        "Items", "Item", {"ItemCode": "string"}, etag=True, stamps=_MASTER_STAMPS, user_table="OITM",
        read_only=frozenset(["QuantityOnStock", "QuantityOrderedFromVendors", "QuantityOrderedByCustomers",
                             "CreateDate", "CreateTime", "UpdateDate", "UpdateTime", "DataVersion", "AvgStdPrice",
                             "MovingAveragePrice"]),
        indexed=("UpdateDate",),
    ),
    EntitySet(
        "BusinessPartners", "BusinessPartner", {"CardCode": "string"}, etag=True, stamps=_MASTER_STAMPS,
        user_table="OCRD",
        read_only=frozenset(["CurrentAccountBalance", "OpenDeliveryNotesBalance", "OpenOrdersBalance",
                             "OpenChecksBalance", "CreateDate", "CreateTime", "UpdateDate", "UpdateTime",
                             "DataVersion"]),
        indexed=("UpdateDate", "EmailAddress"),
    ),
    EntitySet("ProductTrees", "ProductTree", {"TreeCode": "string"}),
    EntitySet("BusinessPartnerGroups", "BusinessPartnerGroup", {"Code": "integer"}, counter=True),
    EntitySet("PaymentTermsTypes", "PaymentTermsType", {"GroupNumber": "integer"}, counter=True),
    EntitySet("ItemGroups", "ItemGroups", {"Number": "integer"}, counter=True),
    EntitySet("Manufacturers", "Manufacturer", {"Code": "integer"}, counter=True),
    EntitySet("PriceLists", "PriceList", {"PriceListNo": "integer"}, counter=True),
    EntitySet("Warehouses", "Warehouse", {"WarehouseCode": "string"}),
    EntitySet("Currencies", "Currency", {"Code": "string"}),
    EntitySet("VatGroups", "VatGroup", {"Code": "string"}),
    EntitySet("UnitOfMeasurements", "UnitOfMeasurement", {"AbsEntry": "integer"}, counter=True),
    EntitySet("UnitOfMeasurementGroups", "UnitOfMeasurementGroup", {"AbsEntry": "integer"}, counter=True),
    EntitySet(
        "UserFieldsMD", "UserFieldMD", {"TableName": "string", "FieldID": "integer"}, read_only=frozenset(["FieldID"])
    ),
    EntitySet(
        "ApprovalRequests", "ApprovalRequest", {"Code": "integer"}, counter=True,
        read_only=frozenset(contract.properties("ApprovalRequest")) - {"ApprovalRequestDecisions", "Remarks"},
        indexed=("DraftEntry",),
    ),
    EntitySet("SpecialPrices", "SpecialPrice", {"CardCode": "string", "ItemCode": "string"}, indexed=("ItemCode",)),
    EntitySet("BlanketAgreements", "BlanketAgreement", {"AgreementNo": "integer"}, counter=True,
              read_only=frozenset(["AgreementNo", "BPName"]), indexed=("BPCode",)),
    EntitySet("EnhancedDiscountGroups", "EnhancedDiscountGroup", {"AbsEntry": "integer"}, counter=True),
    EntitySet(
        "PickLists", "PickList", {"Absoluteentry": "integer"}, counter=True,
        read_only=frozenset(["Status", "ObjectType", "OwnerName"]), indexed=("Status",),
    ),
    EntitySet("SQLQueries", "SQLQuery", {"SqlCode": "string"},
              read_only=frozenset(["CreateDate", "UpdateDate", "ParamList"]),
              stamps=("CreateDate", "", "UpdateDate", "")),
)  # fmt: skip

SETS: dict[str, EntitySet] = {entity.name: entity for entity in _SETS}
DOCUMENTS = (
    "Orders", "Drafts", "DeliveryNotes", "Invoices", "Returns", "CreditNotes", "PurchaseDeliveryNotes"
)  # fmt: skip
