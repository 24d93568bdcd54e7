"""Items, business partners and user-defined fields: defaults, rules, and what is computed when they are read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.sap_b1.sandbox import price_lists, rows, stock
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import malformed, not_found, rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.user_fields import table
from erp_sync.systems.sap_b1.sandbox.values import decimal, number

_ITEM_DEFAULTS: Entity = {
    "ItemType": "itItems", "InventoryItem": "tYES", "SalesItem": "tYES", "PurchaseItem": "tYES", "Valid": "tYES",
    "Frozen": "tNO", "ItemsGroupCode": 100, "UoMGroupEntry": -1, "TreeType": "iNotATree", "NoDiscounts": "tNO",
    "ManageBatchNumbers": "tNO", "ManageSerialNumbers": "tNO", "VatLiable": "tYES", "BarCode": None,
    "SalesVATGroup": None, "DefaultWarehouse": None, "Manufacturer": -1, "ForeignName": None,
    "ItemBarCodeCollection": [], "ItemUnitOfMeasurementCollection": [],
}  # fmt: skip
_PARTNER_DEFAULTS: Entity = {
    "CardType": "cCustomer", "GroupCode": 100, "Valid": "tYES", "Frozen": "tNO", "VatLiable": "vLiable",
    "PayTermsGrpCode": -1, "EffectivePrice": "epDefaultPriority", "EffectiveDiscount": "dgrLowestDiscount",
    "EffectivePriceConsidersPriceBeforeDiscount": "tNO", "NoDiscounts": "tNO", "DiscountRelations":
    "dgrLowestDiscount", "CreditLimit": number(0), "MaxCommitment": number(0), "DiscountPercent": number(0),
    "EmailAddress": None, "FederalTaxID": None, "Phone1": None, "VatGroup": None, "BPAddresses": [],
    "ContactEmployees": [], "ShipToDefault": None, "BilltoDefault": None, "DefaultBlanketAgreementNumber": None,
}  # fmt: skip


class Items(Kind):
    def new(self, context: Context, sent: Entity) -> Entity:
        code = sent.get("ItemCode")
        if code and rows.exists(context.store, "Items", code):
            raise rule(f"Item code '{code}' already exists")
        entity = {**_ITEM_DEFAULTS, **super().new(context, sent)}
        self._check(context, sent)
        lists = price_lists.all_lists(context)
        entity = price_lists.overwritten(lists, entity, sent.get("ItemPrices") or [])
        return price_lists.with_prices(context, lists, entity)

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        self._check(context, sent)
        if "ItemPrices" in sent:
            lists = price_lists.all_lists(context)
            after = price_lists.overwritten(lists, after, sent["ItemPrices"] or [])
            after = price_lists.with_prices(context, lists, after)
        return after

    @staticmethod
    def _check(context: Context, sent: Entity) -> None:
        for name, set_name in (("ItemsGroupCode", "ItemGroups"), ("SalesVATGroup", "VatGroups")):
            value = sent.get(name)
            if value is not None and not rows.exists(context.store, set_name, value):
                raise not_found()
        for row in sent.get("ItemPrices") or []:
            if not rows.exists(context.store, "PriceLists", row.get("PriceList", 0)):
                raise not_found()
            if (row.get("Price") or 0) < 0:
                raise rule("Price cannot be negative")

    def removable(self, context: Context, entity: Entity) -> None:
        held = context.store.rows("SELECT on_hand, committed FROM stock WHERE item = ?", entity["ItemCode"])
        if any(Decimal(value) for row in held for value in row):
            raise rule("Cannot remove item; it has transactions or stock")  # words unconfirmed

    def shown(self, context: Context, entity: Entity) -> Entity:
        return stock.shown(context.store, entity)


class BusinessPartners(Kind):
    def new(self, context: Context, sent: Entity) -> Entity:
        code = sent.get("CardCode")
        if not code and sent.get("Series") is not None:
            code = sent["CardCode"] = f"C{context.store.next('CardCode', 10001)}"
        if code and rows.exists(context.store, "BusinessPartners", code):
            raise rule(
                f"1320000140 - Business partner code '{code}' already assigned to a business partner; enter a unique "
                "business partner code"
            )
        entity = {
            **_PARTNER_DEFAULTS,
            "Currency": context.options.local_currency,
            "PriceListNum": context.options.default_price_list,
            **super().new(context, sent),
        }
        self._check(context, sent)
        return self._complete(entity)

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        self._check(context, sent)
        return self._complete(after)

    @staticmethod
    def _check(context: Context, sent: Entity) -> None:
        for name, set_name in (
            ("PriceListNum", "PriceLists"), ("PayTermsGrpCode", "PaymentTermsTypes"), ("VatGroup", "VatGroups"),
            ("GroupCode", "BusinessPartnerGroups"),
        ):  # fmt: skip
            value = sent.get(name)
            if value is not None and not rows.exists(context.store, set_name, value):
                raise not_found()
        currency = sent.get("Currency")
        if currency not in (None, "##") and not rows.exists(context.store, "Currencies", currency):
            raise not_found()

    @staticmethod
    def _complete(entity: Entity) -> Entity:
        """Row numbers of addresses and contacts, and the default addresses (the first of each type)."""
        last = max((row["RowNum"] for row in entity["BPAddresses"] if row.get("RowNum") is not None), default=-1)
        addresses = []
        for row in entity["BPAddresses"]:
            if not row.get("AddressName"):
                raise rule("Address ID is missing")  # words unconfirmed
            if row.get("RowNum") is None:
                last += 1
                row = {**row, "RowNum": last}
            addresses.append({"AddressType": "bo_ShipTo", **row, "BPCode": entity["CardCode"]})
        contacts = []
        number_ = max((row.get("InternalCode") or 0 for row in entity["ContactEmployees"]), default=0)
        for row in entity["ContactEmployees"]:
            if not row.get("InternalCode"):
                number_ += 1
                row = {**row, "InternalCode": number_}
            contacts.append({**row, "CardCode": entity["CardCode"]})
        for name, kind in (("ShipToDefault", "bo_ShipTo"), ("BilltoDefault", "bo_BillTo")):
            names = [row["AddressName"] for row in addresses if row["AddressType"] == kind]
            if entity.get(name) not in names:
                entity[name] = names[0] if names else None
        return {**entity, "BPAddresses": addresses, "ContactEmployees": contacts}

    def removable(self, context: Context, entity: Entity) -> None:
        for name in ("Orders", "DeliveryNotes", "Invoices", "Returns", "CreditNotes", "PurchaseDeliveryNotes"):
            if context.store.value(
                f"SELECT 1 FROM \"{name}\" WHERE json_extract(data, '$.CardCode') = ?", entity["CardCode"]
            ):
                raise rule("Cannot remove business partner; it has transactions")  # words unconfirmed

    def shown(self, context: Context, entity: Entity) -> Entity:
        return entity | balances(context, entity)


def balances(context: Context, entity: Entity) -> Entity:
    """What the customer owes and what is on its way to that: account (set by an administrator, and invoices less
    credit notes: there are no payments here), open deliveries and open orders, each with VAT."""
    code = entity["CardCode"]
    account = decimal(entity.get("CurrentAccountBalance"))
    for sign, name in ((1, "Invoices"), (-1, "CreditNotes")):
        account += sign * _sum(context, name, "DocTotal", "CancelStatus", "csNo", code)
    found = {"CurrentAccountBalance": number(account)}
    for shown, name in (("OpenDeliveryNotesBalance", "DeliveryNotes"), ("OpenOrdersBalance", "Orders")):
        found[shown] = number(_sum(context, name, "sandbox_open", "DocumentStatus", "bost_Open", code))
    return found


def _sum(context: Context, set_name: str, amount: str, state: str, wanted: str, code: str) -> Decimal:
    """An amount of the partner's documents in one state; names are ours."""
    found = context.store.rows(
        f"SELECT json_extract(data, '$.{amount}') FROM \"{set_name}\" "
        f"WHERE json_extract(data, '$.CardCode') = ? AND json_extract(data, '$.{state}') = ?",
        code, wanted,
    )  # fmt: skip
    return sum((Decimal(str(one)) for (one,) in found if one is not None), Decimal(0))


class UserFieldsMD(Kind):
    """Fields of this installation; one made here is known to Service Layer after a restart (`user_fields`)."""

    def new(self, context: Context, sent: Entity) -> Entity:
        for name in ("TableName", "Name", "Type"):
            if not sent.get(name):
                raise malformed(f"Property '{name}' of 'UserFieldMD' is mandatory")
        sent["TableName"] = sent["TableName"].upper()
        taken = context.store.rows(
            "SELECT k2, json_extract(data, '$.Name') FROM \"UserFieldsMD\" WHERE k1 = ?", sent["TableName"]
        )
        if sent["Name"] in [name for _, name in taken]:
            raise self.exists(sent)
        sent["FieldID"] = max((number_ for number_, _ in taken), default=-1) + 1
        sent = {"SubType": "st_None", "Description": sent["Name"], "Mandatory": "tNO", "Size": 10, **sent}
        return super().new(context, sent)

    def added(self, context: Context, entity: Entity) -> None:
        for one in SETS.values():
            if one.user_table == table(entity["TableName"]):
                rows.index_user_field(context.store, one, f"U_{entity['Name']}")


def partner(context: Context, code: Any) -> Entity:
    """A business partner that documents may name. Raises ServiceLayerError (404 -2028, obs.; inactive: -10)."""
    found = rows.read(context.store, "BusinessPartners", code) if isinstance(code, str) else None
    if found is None:
        raise not_found()
    if inactive(found, context.today):
        raise rule(f"10001071 - Customer {code} is inactive")
    return found


def inactive(entity: Entity, day: str) -> bool:
    """Frozen, or not valid, on a day. With dates the flag counts inside them only (SDK help, Valid and Frozen)."""
    if entity.get("Frozen") == "tYES" and _within(entity.get("FrozenFrom"), entity.get("FrozenTo"), day):
        return True
    if entity.get("Valid") == "tYES":
        return not _within(entity.get("ValidFrom"), entity.get("ValidTo"), day)
    return entity.get("Frozen") != "tYES" and entity.get("Valid") == "tNO"


def _within(first: str | None, last: str | None, day: str) -> bool:
    return (not first or first <= day) and (not last or day <= last)
