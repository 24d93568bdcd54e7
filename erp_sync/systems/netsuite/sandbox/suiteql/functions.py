"""Functions that compiled SuiteQL calls inside SQLite.

Numbers with a fraction are whole numbers of 10^-8 there, so that sums and comparisons are exact.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from erp_sync.systems.netsuite.sandbox.store import Store
from erp_sync.systems.netsuite.sandbox.suiteql import dates
from erp_sync.systems.netsuite.sandbox.transactions import STATUS, TYPES

SCALE = 8
UNIT = 10**SCALE

ITEM_TYPES = {
    "InvtPart": "Inventory Item", "NonInvtPart": "Non-inventory Item", "Assembly": "Assembly/Bill of Materials",
    "Kit": "Kit/Package", "Group": "Item Group", "GiftCert": "Gift Certificate", "Discount": "Discount",
    "OthCharge": "Other Charge", "Service": "Service", "Markup": "Markup", "Description": "Description",
    "ShipItem": "Shipping Cost Item", "TaxGroup": "Tax Group",
}  # fmt: skip


def number_text(value: int | None) -> str | None:
    """Shortest text of a scaled number: 2550000000 is "25.5"."""
    if value is None:
        return None
    if value % UNIT == 0:
        return str(value // UNIT)
    sign, whole = ("-", -value) if value < 0 else ("", value)
    head, tail = divmod(whole, UNIT)
    fraction = f"{tail:0{SCALE}}".rstrip("0")
    return f"{sign}{head}.{fraction}" if fraction else f"{sign}{head}"


def _multiply(left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return None
    with localcontext() as context:
        context.prec = 60
        return int((Decimal(left) * right / UNIT).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _divide(left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return None
    if right == 0:
        raise ValueError("divisor is equal to zero")
    with localcontext() as context:
        context.prec = 60
        return int((Decimal(left) * UNIT / right).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _rounded(rounding: str) -> Any:
    def apply(value: int | None, digits: int | None) -> int | None:
        if value is None or digits is None:
            return None
        step = Decimal(10) ** (SCALE - int(digits))
        with localcontext() as context:
            context.prec = 60
            return int((Decimal(value) / step).quantize(Decimal(1), rounding=rounding) * step)

    return apply


def _to_number(text: Any) -> int | None:
    if text is None:
        return None
    try:
        return int((Decimal(str(text).strip()) * UNIT).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    except InvalidOperation as error:
        raise ValueError(f"'{text}' is not a number") from error


def _status_label(kind: str | None, status: str | None) -> str | None:
    if kind is None or status is None:
        return None
    label = TYPES[kind][2] if kind in TYPES else kind
    return f"{label} : {STATUS.get(kind, {}).get(status, status)}"


def install(store: Store, zone: ZoneInfo, date_format: str) -> None:
    """Register the functions on the store's connection."""

    @lru_cache(maxsize=65536)  # the same moments come again and again
    def to_char(stored: str | None, model: str) -> str | None:
        return None if stored is None else dates.to_char(dates.local(stored, zone), model)

    def to_moment(text: str | None, model: str) -> str | None:
        return None if text is None else dates.as_stored(dates.parse(text, model, zone), "datetime", zone)

    def local_day(stored: str | None) -> str | None:
        return None if stored is None else dates.local(stored, zone).strftime("%Y-%m-%d")

    def midnight(day: str | None) -> str | None:
        return None if day is None else dates.as_stored(dates.local(day, zone), "datetime", zone)

    def add_days(stored: str | None, scaled: int | None) -> str | None:
        if stored is None or scaled is None:
            return None
        moved = dates.local(stored, zone).replace(tzinfo=None) + timedelta(seconds=scaled * 86400 / UNIT)
        return dates.as_stored(moved.replace(tzinfo=zone), "date" if len(stored) == 10 else "datetime", zone)

    def shown(stored: str | None) -> str | None:
        return None if stored is None else dates.account_date(dates.local(stored, zone).date(), date_format)

    functions: dict[str, tuple[int, Any]] = {
        "ns_to_char": (2, to_char),
        "ns_to_moment": (2, to_moment),
        "ns_local_day": (1, local_day),
        "ns_midnight": (1, midnight),
        "ns_add_days": (2, add_days),
        "ns_shown": (1, shown),
        "ns_multiply": (2, _multiply),
        "ns_divide": (2, _divide),
        "ns_round": (2, _rounded(ROUND_HALF_UP)),
        "ns_trunc": (2, _rounded(ROUND_DOWN)),
        "ns_floor": (2, _rounded("ROUND_FLOOR")),
        "ns_ceil": (2, _rounded("ROUND_CEILING")),
        "ns_number_text": (1, number_text),
        "ns_to_number": (1, _to_number),
        "ns_status": (2, _status_label),
        "ns_itemtype": (1, lambda kind: ITEM_TYPES.get(kind, kind)),
        "ns_initcap": (1, lambda text: None if text is None else str(text).title()),
        "ns_lpad": (3, lambda t, n, p: None if t is None else str(t)[:n].rjust(n, (p or " ")[0])),
        "ns_rpad": (3, lambda t, n, p: None if t is None else str(t)[:n].ljust(n, (p or " ")[0])),
    }
    for name, (count, function) in functions.items():
        store.connection.create_function(name, count, function, deterministic=True)
