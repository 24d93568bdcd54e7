"""Stock per item and location: on hand, committed to orders, available, backordered.

Approved orders commit what is available, line by line; what is not there is backordered and gets its share
when stock arrives, oldest order first. Only a shipped fulfillment lowers what is on hand. Kits hold no stock:
their members are committed and leave.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import QUANTITY, RATE, ZERO, Row, decimal, text_of

STOCKED = ("InvtPart", "Assembly")
_ZERO = text_of(0, QUANTITY)


def components(session: Session, item: int) -> list[tuple[int, Decimal]]:
    """Stocked items behind an item, each with its quantity per unit; empty for services and the like."""
    kind = session.store.value("SELECT itemtype FROM item WHERE id = ?", item)
    if kind in STOCKED:
        return [(item, Decimal(1))]
    if kind != "Kit":
        return []
    members = session.store.all(
        "SELECT m.item, m.quantity FROM itemmember m JOIN item i ON i.id = m.item "
        "WHERE m.parentitem = ? AND i.itemtype IN ('InvtPart', 'Assembly') ORDER BY m.linenumber",
        item,
    )
    return [(row["item"], decimal(row["quantity"])) for row in members]


def level(session: Session, item: int, location: int) -> Row | None:
    return session.store.one("SELECT * FROM aggregateitemlocation WHERE item = ? AND location = ?", item, location)


def available(session: Session, item: int, location: int) -> Decimal:
    row = level(session, item, location)
    return ZERO if row is None else decimal(row["quantityonhand"]) - decimal(row["quantitycommitted"])


def change(
    session: Session,
    item: int,
    location: int,
    *,
    on_hand: Decimal = ZERO,
    committed: Decimal = ZERO,
    backordered: Decimal = ZERO,
    picked: Decimal = ZERO,
    unit_cost: Decimal | None = None,
) -> None:
    """Move the figures of one item at one location. What arrives with a cost moves the average cost."""
    row = level(session, item, location)
    if row is None:
        session.store.insert(
            "aggregateitemlocation", item=item, location=location, quantityonhand=_ZERO, quantityavailable=_ZERO,
            quantitycommitted=_ZERO, quantitybackordered=_ZERO, quantityonorder=_ZERO, quantityintransit=_ZERO,
            quantitypicked=_ZERO, averagecostmli=text_of(0, RATE), onhandvaluemli="0.00",
            lastquantityavailablechange=session.now,
        )  # fmt: skip
        row = level(session, item, location)
        assert row is not None
    held = decimal(row["quantityonhand"])
    figures = {
        "quantityonhand": held + on_hand,
        "quantitycommitted": decimal(row["quantitycommitted"]) + committed,
        "quantitybackordered": decimal(row["quantitybackordered"]) + backordered,
        "quantitypicked": decimal(row["quantitypicked"]) + picked,
    }
    figures["quantityavailable"] = figures["quantityonhand"] - figures["quantitycommitted"]
    columns = {name: text_of(value, QUANTITY) for name, value in figures.items()}
    cost = decimal(row["averagecostmli"])
    if unit_cost is not None and on_hand > 0 and held + on_hand > 0:
        cost = (max(held, ZERO) * cost + on_hand * unit_cost) / (max(held, ZERO) + on_hand)
    columns["averagecostmli"] = text_of(cost, RATE)
    columns["onhandvaluemli"] = text_of(figures["quantityonhand"] * cost, 2)
    if columns["quantityavailable"] != row["quantityavailable"] or columns["quantityonhand"] != row["quantityonhand"]:
        columns["lastquantityavailablechange"] = session.now
    session.store.update("aggregateitemlocation", {"item": item, "location": location}, **columns)


def open_quantity(line: Row) -> Decimal:
    """What is ordered and neither picked, shipped nor closed."""
    if line["isclosed"] == "T" or line["quantity"] is None:
        return ZERO
    return max(abs(decimal(line["quantity"])) - decimal(line["quantitypicked"]), ZERO)


def unshipped_quantity(line: Row) -> Decimal:
    """What has not left yet; nothing of a closed line."""
    if line["isclosed"] == "T" or line["quantity"] is None:
        return ZERO
    return max(abs(decimal(line["quantity"])) - decimal(line["quantityshiprecv"]), ZERO)


def commit_line(session: Session, line: Row, wanted: Decimal) -> None:
    """Bring a line's commitment to what `wanted` and the stock allow; `wanted` zero releases it.

    Available Qty (1) takes what is there, Complete Qty (2) all or nothing, Do Not Commit (3) nothing.
    What a line already has it keeps, up to `wanted`.
    """
    before, waiting = decimal(line["quantitycommitted"]), decimal(line["quantitybackordered"])
    location, parts = line["location"], components(session, line["item"])
    if not parts or line["fulfillable"] != "T":
        return
    if location is None or line["commitinventory"] == 3:
        committed = ZERO
    else:
        room = min(_floor(available(session, part, location) / per, parts) for part, per in parts)
        committed = min(wanted, before + max(room, ZERO))
        if line["commitinventory"] == 2 and committed < wanted:
            committed = ZERO
    backordered = wanted - committed if line["commitinventory"] != 3 else ZERO
    if committed == before and backordered == waiting:
        return
    if location is not None:
        for part, per in parts:
            change(
                session, part, location,
                committed=(committed - before) * per, backordered=(backordered - waiting) * per,
            )  # fmt: skip
    session.store.update(
        "transactionline", {"transaction": line["transaction"], "id": line["id"]},
        quantitycommitted=text_of(committed, QUANTITY), quantitybackordered=text_of(backordered, QUANTITY),
        linelastmodifieddate=session.now,
    )  # fmt: skip


def _floor(room: Decimal, parts: list[tuple[int, Decimal]]) -> Decimal:
    return room if len(parts) == 1 and parts[0][1] == 1 else room.to_integral_value(rounding=ROUND_FLOOR)


def commit_order(session: Session, order: int, *, approved: bool) -> None:
    """Commit an order's open lines, or release them all when it is not approved."""
    for line in session.store.all(
        "SELECT * FROM transactionline WHERE \"transaction\" = ? AND mainline = 'F' AND item IS NOT NULL ORDER BY id",
        order,
    ):
        commit_line(session, line, open_quantity(line) if approved else ZERO)


def arrived(session: Session, item: int, location: int) -> None:
    """Give what became available to backordered lines of approved orders, oldest first."""
    holders = [item, *(row["parentitem"] for row in session.store.all(
        "SELECT DISTINCT parentitem FROM itemmember WHERE item = ?", item
    ))]  # fmt: skip
    for holder in holders:
        for line in session.store.all(
            """SELECT l.* FROM transactionline l JOIN "transaction" t ON t.id = l."transaction"
               WHERE l.item = ? AND l.location = ? AND l.quantitybackordered <> '0.00000'
                 AND l.quantitybackordered IS NOT NULL AND t.type = 'SalesOrd' AND t.status IN ('B', 'D', 'E')
               ORDER BY t.trandate, t.id, l.id""",
            holder, location,
        ):  # fmt: skip
            if available(session, item, location) <= 0:
                return
            commit_line(session, line, open_quantity(line))
