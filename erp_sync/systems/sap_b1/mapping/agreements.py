"""A blanket agreement of a customer: a row for each of its lines that names an item.

- Prices count while it is approved; a general one takes prices from outside, one with IgnorePricesInAgreement has none,
  and a monetary one is about amounts (each unconfirmed: fact sheet section 11). Their lines are given, not active.
- It ends with EndDate, or with TerminateDate where that is before.
- UnitPrice is before LineDiscount (contract 1.27 has both; unconfirmed): the row's price is after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.price_terms import Agreement
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import COPY, Direction, Field, RecordMapping, is_empty
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.company import MANUAL
from erp_sync.systems.sap_b1.mapping.item_prices import HUNDRED, number
from erp_sync.systems.sap_b1.mapping.price_terms import (
    amount,
    code,
    currency_in,
    of,
    percent,
    rows_in,
    unit_code,
    whole,
)
from erp_sync.systems.sap_b1.mapping.special_prices import day

Record = Mapping[str, Any]

LINES = "BlanketAgreements_ItemsLines[]"
AGREEMENT = RecordMapping(
    "agreement",
    Direction.TO_CANONICAL,
    (
        Field("AgreementNo", "agreement", code(), required=True),
        Field("BPCode", "account", code(), required=True),
        Field("ItemNo", "item", of(code(), f"{LINES}.ItemNo"), required=True),
        Field("unit", "unit", of(code(), f"{LINES}.UoMEntry"), default="", note="its code; none is the item's own"),
        Field("price", "price", of(number, f"{LINES}.UnitPrice", f"{LINES}.LineDiscount"), required=True,
              note="UnitPrice less LineDiscount"),
        Field("currency", "currency", of(rules.text(), f"{LINES}.PriceCurrency", "BPCurrency"), required=True,
              note="ISO code of PriceCurrency, else of BPCurrency"),
        Field("StartDate", "valid_from", day),
        Field("until", "valid_to", of(day, "EndDate", "TerminateDate"), note="the earlier of both"),
        Field("active", "active", of(COPY, "Status", "AgreementType", "AgreementMethod", "IgnorePricesInAgreement"),
              required=True,
              note="asApproved, not atGeneral, not amMonetary, not IgnorePricesInAgreement"),
    ),
    Agreement,
)  # fmt: skip


def lines_of(record: Record) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each line stands, and the line. One of an agreement about amounts may name no item: it is no price."""
    whole_of = {
        "AgreementNo": record.get("AgreementNo"),
        "BPCode": record.get("BPCode"),
        "StartDate": record.get("StartDate"),
        "until": _until(record),
        "active": (
            record.get("Status") == "asApproved"
            and record.get("AgreementType") != "atGeneral"
            and record.get("AgreementMethod") != "amMonetary"
            and record.get("IgnorePricesInAgreement") != "tYES"
        ),
    }
    for at, line in enumerate(rows_in(record, "BlanketAgreements_ItemsLines")):
        if is_empty(line.get("ItemNo")) and record.get("AgreementMethod") == "amMonetary":
            continue
        entry = line.get("UoMEntry")
        yield (
            f"BlanketAgreements_ItemsLines[{at}]",
            {
                **whole_of,
                "ItemNo": line.get("ItemNo"),
                "unit": "" if is_empty(entry) or whole(entry) == MANUAL else unit_code(record, entry),
                "price": _net(line),
                "currency": currency_in(record, line.get("PriceCurrency") or record.get("BPCurrency")),
            },
        )


def _until(record: Record) -> Any:
    days = [record[name] for name in ("EndDate", "TerminateDate") if record.get(name)]
    return min(days, key=odata.day_of, default=None)


def _net(line: Record) -> Decimal | None:
    if is_empty(line.get("UnitPrice")):
        return None
    price, discount = amount(line["UnitPrice"]), percent(line.get("LineDiscount") or 0)
    return price * (HUNDRED - discount) / HUNDRED if discount else price
