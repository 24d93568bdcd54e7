"""What is to be changed of a sales order so that nothing which the store cancelled can still leave. No I/O.

An order of which nothing has left is cancelled as a whole. Else single rows are closed (``LineStatus`` bost_Close in a
PATCH that changes nothing else: seen in public code, which was refused with -5002 where it changed more at once), and
rows of which a part is still to leave are cut to that quantity. Unit prices stay, so that a row's amount is its share.
Rows that the store has not sold are a person's, and are left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.order import OrderLine, SalesOrder
from erp_sync.model.remaining import ended, kept
from erp_sync.systems.sap_b1.mapping.order_lines import expanded

Row = Mapping[str, Any]


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, of which one thing at a time: cancel, else close rows, else cut them.

    Attributes:
        cancels: the whole order.
        closes: LineNum of rows.
        cuts: quantity by LineNum.
        beyond: of every row of which more has left than the store keeps: both quantities.
    """

    cancels: bool = False
    closes: tuple[int, ...] = ()
    cuts: tuple[tuple[int, Decimal], ...] = ()
    beyond: tuple[tuple[Decimal, Decimal], ...] = ()

    @property
    def nothing(self) -> bool:
        return not (self.cancels or self.closes or self.cuts)

    def body(self) -> dict[str, Any]:
        """Of the next PATCH."""
        if self.closes:
            return {"DocumentLines": [{"LineNum": number, "LineStatus": "bost_Close"} for number in self.closes]}
        return {"DocumentLines": [{"LineNum": number, "Quantity": quantity} for number, quantity in self.cuts]}


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
    untouched = not any(delivered.values())
    if ended(order) and untouched and all(wanted.get(number) == ZERO for number in sold):
        return Closing(cancels=True)
    closes, cuts = [], []
    for number, row in sold.items():
        if number not in wanted or row.get("LineStatus") != "bost_Open":
            continue
        if wanted[number] <= delivered[number]:
            closes.append(number)
        elif wanted[number] < quantity(row):
            cuts.append((number, wanted[number]))
    return Closing(closes=tuple(closes), cuts=tuple(cuts), beyond=beyond)


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
