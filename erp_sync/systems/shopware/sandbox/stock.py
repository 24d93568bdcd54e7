"""Stock that moves by itself: orders take it when they are written, a cancelled order gives it back.

Facts: shopware/shopware src/Core/Content/Product/Stock (OrderStockSubscriber, StockStorage): a plain UPDATE that sets
no updatedAt, tells nobody and writes no event; only the live version of an order moves stock; availableStock is stock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from erp_sync.systems.shopware.sandbox import names
from erp_sync.systems.shopware.sandbox.database import Database, marks
from erp_sync.systems.shopware.sandbox.writing.writer import Command


def lines_written(database: Database, commands: Iterable[Command]) -> None:
    """Move stock for order lines that were inserted, changed or deleted; of orders that are not cancelled."""
    taken: Counter[str] = Counter()
    for command in commands:
        if command.entity.name != "order_line_item" or command.key[1] != names.LIVE_VERSION:
            continue
        before = command.before or {}
        after = {**before, **command.columns} if command.operation != "delete" else {}
        order = after.get("orderId") or before.get("orderId")
        if order is None or _cancelled(database, order):
            continue
        _count(taken, before, -1)
        _count(taken, after, 1)
    take(database, taken)


def _count(taken: Counter[str], line: Mapping[str, Any], sign: int) -> None:
    if line.get("type") == "product" and line.get("referencedId"):
        taken[line["referencedId"]] += sign * (line.get("quantity") or 0)


def order_entered(database: Database, order: str, before: str, after: str) -> None:
    """A cancelled order gives its stock back; one that leaves the state takes it again."""
    if "cancelled" not in (before, after) or before == after:
        return
    sign = 1 if before == "cancelled" else -1
    lines = database.rows(
        'SELECT "referencedId", quantity FROM order_line_item WHERE type = ? AND "orderId" = ? AND "versionId" = ?',
        ["product", order, names.LIVE_VERSION],
    )
    taken: Counter[str] = Counter()
    for line in lines:
        if line["referencedId"]:
            taken[line["referencedId"]] += sign * line["quantity"]
    take(database, taken)


def take(database: Database, taken: Mapping[str, int]) -> None:
    """Lower stock by these quantities, and count them as sold."""
    moved = {product: quantity for product, quantity in taken.items() if quantity}
    for product, quantity in moved.items():
        database.run(
            'UPDATE product SET stock = stock - ?, "availableStock" = stock - ?, sales = COALESCE(sales, 0) + ? '
            'WHERE id = ? AND "versionId" = ?',
            [quantity, quantity, quantity, product, names.LIVE_VERSION],
        )
    flag_available(database, list(moved))


def flag_available(database: Database, products: list[str]) -> None:
    """`available`: a close-out product has at least its least quantity left; others always."""
    if not products:
        return
    database.run(
        f"""UPDATE product SET available = COALESCE((
                SELECT COALESCE(product."isCloseout", p."isCloseout", 0) * product.stock
                    >= COALESCE(product."isCloseout", p."isCloseout", 0)
                       * COALESCE(product."minPurchase", p."minPurchase", 1)
                FROM (SELECT 1) LEFT JOIN product p
                    ON p.id = product."parentId" AND p."versionId" = product."versionId"), 0)
            WHERE id IN ({marks(products)}) AND "versionId" = ?""",
        [*products, names.LIVE_VERSION],
    )


def _cancelled(database: Database, order: str) -> bool:
    state = database.value(
        'SELECT s."technicalName" FROM "order" o JOIN state_machine_state s ON s.id = o."stateId" '
        'WHERE o.id = ? AND o."versionId" = ?',
        [order, names.LIVE_VERSION],
    )
    return state in (None, "cancelled")
