"""People at work in the demo besides the warehouses: a buyer who keeps articles in the ERP, an operator who approves.

The buyer enters new articles, renames some and ends one; none of it touches what is sold on that day. Each is a row
of a plan that waits. The operator lets the changes of known articles pass and leaves the new ones to somebody else.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from erp_sync.ledger.plan_values import PlanState

if TYPE_CHECKING:
    from erp_sync.sandbox.warehouse import BuyersDesk

NEW = (("Oat Drink 1 L", "2.49"), ("Almond Butter 12 OZ", "6.99"), ("Sourdough Loaf", "4.25"))
RENAMED, NEW_NAME = 4, ", new recipe"
WHO = "demo operator"


def no_more_sold(catalogue: Any, day: Any, by: timedelta) -> list[str]:
    """SKUs of simple articles that both systems have, that no bundle contains and that nobody buys after `by`."""
    parts = {sku for item in catalogue.items for sku, _ in item.members}
    later = {line.sku for basket in day.baskets if basket.at >= by for line in basket.lines}
    return sorted(
        item.sku
        for item in catalogue.items
        if item.kind == "simple" and item.active and item.in_erp and item.parent_sku is None
        and item.sku not in parts and item.sku not in later
    )  # fmt: skip


class Buyer(threading.Thread):
    """Enters the day's changes of articles in the ERP, some time after the day began.

    Attributes:
        new, changed, ended: SKUs, once they are in the ERP.
    """

    def __init__(self, erp: Any, articles: Sequence[str], after: float, closing: threading.Event) -> None:
        super().__init__(name="buyer", daemon=True)
        self._erp, self._articles, self._after, self._closing = erp, articles, after, closing
        self.new: list[str] = []
        self.changed: list[str] = []
        self.ended: list[str] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        from erp_sync.sandbox import warehouse

        if self._closing.wait(self._after):
            return
        desk: BuyersDesk = warehouse.software(self._erp)()
        try:
            self._enter(desk)
        except BaseException as error:
            self.failure = error
            raise
        finally:
            desk.close()

    def _enter(self, desk: BuyersDesk) -> None:
        for number, (name, price) in enumerate(NEW, 1):
            sku = f"NEW-{number:03d}"
            desk.enter(sku, name, Decimal(price))
            self.new.append(sku)
        *renamed, ended = self._articles[: RENAMED + 1]
        for sku in renamed:
            desk.rename(sku, sku + NEW_NAME)
            self.changed.append(sku)
        desk.end(ended)
        self.ended.append(ended)


class Operator(threading.Thread):
    """Looks at plans that wait and lets rows of known articles pass; what is new stays.

    Attributes:
        approved: keys that it let pass, with what becomes of each.
    """

    def __init__(self, installation: Any, closing: threading.Event, pause: float = 2.0) -> None:
        super().__init__(name="operator", daemon=True)
        self._installation, self._closing, self._pause = installation, closing, pause
        self.approved: dict[str, str] = {}

    def run(self) -> None:
        while not self._closing.wait(self._pause):
            self.look()

    def look(self) -> None:
        """Decide on what waits now."""
        from erp_sync.operations.decisions import approve

        plans = self._installation.ledger.plans
        for plan in plans.find(flow="products", states=[PlanState.HELD]):
            rows = plans.table(plan.id, states=[PlanState.HELD.value]).to_pylist()
            known = {row["key"]: row["action"] for row in rows if row["action"] != "create"}
            if known:
                approve(self._installation, f"p{plan.id}", who=WHO, why="known articles", only=list(known))
                self.approved |= known
