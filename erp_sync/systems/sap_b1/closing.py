"""What is to be changed of a sales order so that nothing which the store cancelled can still leave. No I/O.

An order of which nothing stays open is cancelled where nothing has left, else closed. Else rows of which nothing has
left and nothing is kept are removed, by a PATCH whose rows replace SAP's (Service Layer 1.29,
B1S-ReplaceCollectionsOnPatch) and therefore stand in it with all that they say; of other rows the quantity is lowered,
to what has left at least: then nothing of them is open. (Public code closes rows by `LineStatus`; whether that may be
written is unconfirmed.) Unit prices and discounts go along, since SAP may work them out anew with a quantity. Rows that
the store has not sold are a person's, and are left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.order import OrderLine, SalesOrder
from erp_sync.model.remaining import kept
from erp_sync.systems.sap_b1.mapping.common import plain
from erp_sync.systems.sap_b1.mapping.order_lines import expanded

Row = Mapping[str, Any]


#: Of a row that stays as it is.
FIELDS_OF_ROW = ("ItemCode", "Quantity", "UnitPrice", "DiscountPercent", "WarehouseCode", "VatGroup", "TaxCode")
PRICES_OF_ROW = ("UnitPrice", "DiscountPercent")


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, of which one thing at a time: cancel, or close, or remove rows, or lower quantities.

    Attributes:
        cancels: the whole order.
        ends: what is open of the whole order.
        removes: LineNum of rows.
        cuts: quantity by LineNum.
        beyond: of every row of which more has left than the store keeps: both quantities.
    """

    cancels: bool = False
    ends: bool = False
    removes: tuple[int, ...] = ()
    cuts: tuple[tuple[int, Decimal], ...] = ()
    beyond: tuple[tuple[Decimal, Decimal], ...] = ()

    @property
    def nothing(self) -> bool:
        return not (self.cancels or self.ends or self.removes or self.cuts)

    def body(self, record: Row) -> dict[str, Any]:
        """Of the next PATCH; with rows to remove it replaces all rows."""
        rows = record.get("DocumentLines") or ()
        if self.removes:
            return {"DocumentLines": list(self._staying(rows))}
        cuts = dict(self.cuts)
        return {
            "DocumentLines": [
                {"LineNum": row["LineNum"], **_given(row, PRICES_OF_ROW), "Quantity": plain(cuts[row["LineNum"]])}
                for row in rows
                if row["LineNum"] in cuts
            ]
        }

    def _staying(self, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
        removed = False
        for row in rows:
            # Components that SAP added stand below their row, and go with it.
            removed = removed if row.get("TreeType") == "iIngredient" else row["LineNum"] in self.removes
            if not removed:
                yield {"LineNum": row["LineNum"], **_given(row, FIELDS_OF_ROW)}


def _given(row: Row, names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if row.get(name) is not None}


def closing(order: SalesOrder, record: Row, left: Mapping[int, Decimal]) -> Closing:
    """Compare what the store keeps with the order as SAP has it. `left`: units by LineNum on delivery notes."""
    sold = sold_rows(record)
    wanted = _wanted(order, sold)
    delivered = {number: max(left.get(number, ZERO), _taken(row)) for number, row in sold.items()}
    beyond = tuple(
        (delivered[number], wanted[number])
        for number in sold
        if number in wanted and delivered[number] > wanted[number]
    )
    is_open = record.get("DocumentStatus") == "bost_Open" and record.get("Cancelled") != "tYES"
    if not is_open:
        return Closing(beyond=beyond)
    removes, cuts, stays_open = [], [], False
    for number, row in sold.items():
        if row.get("LineStatus") != "bost_Open":
            continue
        keeps = max(wanted.get(number, quantity(row)), delivered[number])
        stays_open = stays_open or keeps > delivered[number]
        if not keeps:
            removes.append(number)
        elif keeps < quantity(row):
            cuts.append((number, keeps))
    if not removes and not cuts:
        return Closing(beyond=beyond)
    if not stays_open:
        untouched = not any(delivered.values())
        return Closing(cancels=untouched, ends=not untouched, beyond=beyond)
    return Closing(removes=tuple(removes), cuts=tuple(cuts), beyond=beyond)


def may_have_left(record: Row) -> bool:
    """Whether delivery notes have to be asked: a row of an open order is not whole any more, or the order ended."""
    if record.get("Cancelled") == "tYES":
        return False
    return any(row.get("LineStatus") != "bost_Open" or _taken(row) for row in sold_rows(record).values())


def sold_rows(record: Row) -> dict[int, Row]:
    """Rows by LineNum, without the components that SAP adds to a sales bill of materials."""
    rows = record.get("DocumentLines") or ()
    return {int(row["LineNum"]): row for row in rows if row.get("TreeType") != "iIngredient"}


def quantity(row: Row) -> Decimal:
    return decimal_of(row.get("Quantity") or 0, scale=6)


def _taken(row: Row) -> Decimal:
    """Units that left an open row, on whatever document. What a closed one says is open is unconfirmed."""
    if row.get("LineStatus") != "bost_Open":
        return ZERO
    return quantity(row) - decimal_of(row.get("RemainingOpenQuantity") or 0, scale=6)


def _wanted(order: SalesOrder, sold: Mapping[int, Row]) -> dict[int, Decimal]:
    """Units that the store keeps, by row. Rows and lines of one item belong together in their order where there are as
    many of both, since they were made so; else the rows of an item share what is kept of it, the first ones first."""
    keeps = kept(order)
    lines: dict[str, list[OrderLine]] = defaultdict(list)
    for line in expanded(order):
        lines[line.sku.casefold()].append(line)
    rows: dict[str, list[int]] = defaultdict(list)
    for number, row in sold.items():
        rows[str(row.get("ItemCode")).casefold()].append(number)
    found: dict[int, Decimal] = {}
    for item, numbers in rows.items():
        if item not in lines:
            continue
        of_lines = [keeps[line.line_id] for line in lines[item]]
        if len(of_lines) == len(numbers):
            found |= dict(zip(numbers, of_lines, strict=True))
        else:
            found |= _shared(sum(of_lines, ZERO), numbers, sold)
    return found


def _shared(units: Decimal, numbers: Sequence[int], sold: Mapping[int, Row]) -> dict[int, Decimal]:
    shares = {}
    for number in numbers:
        shares[number] = min(units, quantity(sold[number]))
        units -= shares[number]
    return shares
