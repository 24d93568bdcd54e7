"""What every account has before anything is loaded: lists, special items, accounting periods."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import PERCENT, RATE, text_of
from erp_sync.systems.netsuite.sandbox.transactions import open_periods

FIRST_ITEM = 1000
# Items that orders need besides goods. Internal ids are those of this sandbox.
SPECIAL_ITEMS = (
    (501, "Shop Discount", "Discount", "F"),
    (502, "Coupon", "Discount", "F"),
    (503, "Sales Tax (Shop)", "OthCharge", "F"),
    (504, "Gift Wrapping", "OthCharge", "T"),
    (505, "Gift Certificate", "GiftCert", "F"),
    (506, "Shipping (Line)", "OthCharge", "F"),
)
SHIP_ITEMS = (
    (601, "UPS Ground", "ups"),
    (602, "UPS Next Day Air", "ups"),
    (603, "FedEx Ground", "nonups"),
    (604, "FedEx 2Day", "nonups"),
    (605, "USPS Priority Mail", "nonups"),
    (606, "Flat Rate", "nonups"),
    (607, "Free Shipping", "nonups"),
    (608, "DHL Express", "nonups"),
)
PAYMENT_METHODS = (
    (1, "Cash"), (2, "Check"), (3, "Discover"), (4, "Master Card"), (5, "VISA"), (6, "American Express"),
    (7, "PayPal"), (8, "Gift Certificate"), (9, "Store Credit"), (10, "Bank Transfer"),
)  # fmt: skip
ACCOUNTS = (
    (1, "1000", "Checking", "Bank"), (122, "1100", "Accounts Receivable", "AcctRec"),
    (123, "1500", "Undeposited Funds", "OthCurrAsset"), (124, "1200", "Inventory Asset", "OthCurrAsset"),
    (54, "4000", "Sales", "Income"), (125, "5000", "Cost of Goods Sold", "COGS"),
    (126, "5100", "Inventory Adjustment", "COGS"), (127, "2200", "Customer Deposits", "OthCurrLiab"),
)  # fmt: skip
CURRENCIES = ((1, "USA", "USD", "1"), (2, "British pound", "GBP", "1.27"), (3, "Canadian Dollar", "CAD", "0.73"),
              (4, "Euro", "EUR", "1.08"))  # fmt: skip
PRICE_LEVELS = (
    (1, "Base Price", "0"),
    (2, "Wholesale", "-20"),
    (3, "Employee", "-30"),
    (5, "Online Price", "0"),
    (6, "Special Price", "0"),
)
# Rates of the account's own tax engine, in percent; the shop's may differ.
TAX_CODES = (
    (701, "CA_STATE", "7.25", "US", "CA"), (702, "NY_STATE", "4", "US", "NY"), (703, "TX_STATE", "6.25", "US", "TX"),
    (704, "OH_STATE", "5.75", "US", "OH"), (705, "KY_STATE", "6", "US", "KY"), (706, "IN_STATE", "7", "US", "IN"),
    (707, "IL_STATE", "6.25", "US", "IL"), (708, "TN_STATE", "7", "US", "TN"), (790, "SHOP_TAX", "0", "US", "-"),
    (791, "EXEMPT", "0", "US", "-"),
)  # fmt: skip


def fill(session: Session) -> None:
    """Fill an empty database."""
    store, now = session.store, session.now
    changed = {"isinactive": "F", "lastmodifieddate": now}
    for number, name, symbol, rate in CURRENCIES:
        store.insert(
            "currency",
            id=number,
            name=name,
            symbol=symbol,
            displaysymbol=symbol,
            exchangerate=text_of(Decimal(rate), RATE),
            currencyprecision=2,
            isbasecurrency="T" if number == 1 else "F",
            **changed,
        )
    store.insert(
        "subsidiary",
        id=1,
        name="Parent Company",
        fullname="Parent Company",
        currency=1,
        country="US",
        iselimination="F",
        legalname="Parent Company Inc.",
        **changed,
    )
    for number, name, discount in PRICE_LEVELS:
        store.insert(
            "pricelevel", id=number, name=name, discountpct=text_of(Decimal(discount), PERCENT), isonline="F", **changed
        )
    for number, name, days in ((1, "Net 15", 15), (2, "Net 30", 30), (3, "Net 60", 60), (4, "Due on receipt", 0)):
        store.insert("term", id=number, name=name, daysuntilnetdue=days, **changed)
    for number, name in PAYMENT_METHODS:
        card = "T" if name in ("Discover", "Master Card", "VISA", "American Express") else "F"
        store.insert("paymentmethod", id=number, name=name, creditcard=card, undepfunds="T", **changed)
    for number, name, carrier in SHIP_ITEMS:
        store.insert("shipitem", id=number, itemid=name, displayname=name, carrier=carrier, **changed)
    for number, code, name, kind in ACCOUNTS:
        store.insert(
            "account", id=number, acctnumber=code, fullname=name, accountsearchdisplayname=f"{code} {name}",
            accountsearchdisplaynamecopy=name, displaynamewithhierarchy=name, accttype=kind, **changed,
        )  # fmt: skip
    for number, name, rate, country, state in TAX_CODES:
        store.insert(
            "salestaxitem", id=number, itemid=name, displayname=name, rate=text_of(Decimal(rate), PERCENT),
            taxtype="Sales Tax", country=country, state=state, **changed,
        )  # fmt: skip
        store.insert(
            "customrecord_ste_taxrate",
            id=number,
            name=name,
            custrecord_ste_taxrate_taxcode=number,
            custrecord_ste_taxrate_rate=store.value("SELECT rate FROM salestaxitem WHERE id = ?", number),
            lastmodified=now,
        )
    for number, name, kind, taxable in SPECIAL_ITEMS:
        store.insert(
            "item",
            id=number,
            itemid=name,
            displayname=name,
            fullname=name,
            itemtype=kind,
            isonline="F",
            istaxable=taxable,
            isfulfillable="F",
            createddate=now,
            **changed,
        )
    first = session.moment.date()
    open_periods(session, date(first.year - 4, 1, 1), date(first.year + 2, 12, 31))
