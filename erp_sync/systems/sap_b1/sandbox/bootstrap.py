"""What every company has before anything is loaded: a price list, groups, terms, a tax group, its currency."""

from __future__ import annotations

from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.values import number


def fill(context: Context) -> None:
    """Fill an empty database; one that has a price list stays as it is."""
    store, currency = context.store, context.options.local_currency
    if store.value('SELECT 1 FROM "PriceLists"') is not None:
        return
    rows.write(
        store,
        "PriceLists",
        {
            "PriceListNo": 1, "PriceListName": "Base Price", "BasePriceList": 1, "Factor": number(1),
            "IsGrossPrice": "tNO", "Active": "tYES", "RoundingMethod": "borm_NoRounding",
            "RoundingRule": "borrRoundOff", "DefaultPrimeCurrency": currency,
        },
    )  # fmt: skip
    rows.write(store, "Currencies", {"Code": currency, "Name": currency, "Decimals": "cd2Digits"})
    rows.write(store, "ItemGroups", {"Number": 100, "GroupName": "Items"})
    rows.write(store, "Manufacturers", {"Code": -1, "ManufacturerName": "- No Manufacturer -"})
    rows.write(store, "BusinessPartnerGroups", {"Code": 100, "Name": "Customers", "Type": "bbpgt_CustomerGroup"})
    for code, name, days in ((-1, "- Cash Basic -", 0), (1, "Net 30", 30), (2, "Net 60", 60)):
        rows.write(
            store,
            "PaymentTermsTypes",
            {"GroupNumber": code, "PaymentTermsGroupName": name, "NumberOfAdditionalDays": days},
        )
    rows.write(store, "UnitOfMeasurements", {"AbsEntry": -1, "Code": "Manual", "Name": "Manual"})
    rows.write(
        store,
        "UnitOfMeasurementGroups",
        {"AbsEntry": -1, "Code": "Manual", "Name": "Manual", "BaseUoM": -1, "UoMGroupDefinitionCollection": []},
    )
    rows.write(
        store,
        "VatGroups",
        {
            "Code": context.options.default_vat_group,
            "Name": "Exempt",
            "Inactive": "tNO",
            "Category": "bovcOutputTax",
            "VatGroups_Lines": [{"Effectivefrom": "2000-01-01", "Rate": number(0)}],
        },
    )
