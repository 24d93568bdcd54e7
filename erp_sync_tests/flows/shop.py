"""A store that keeps quantities, and a port to it that answers as a test scripts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from erp_sync.flows.comparison import value_text
from erp_sync.ledger import Ledger
from erp_sync.ledger.known_state import KnownRow
from erp_sync.ledger.plans import NewPlan, PlanRow
from erp_sync.ports.capabilities import Capabilities, Guarantee, Limits, Operation
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Accepted, Applied, Outcome, Receipt, Refused

ROUTE, FLOW, ENTITY, STORE, ERP = "us", "inventory", "stock_level", "magento_us", "netsuite_us"
SETTLE = 60.0


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    quantity: int


class Shop:
    """`StateTarget` whose `held` is what it really holds.

    Attributes:
        batches: SKUs of every submit.
        products: SKUs that exist; None: all.
        poison: SKUs that make the store refuse their whole batch.
        script: outcomes by SKU, instead of writing.
        slow: SKUs that are accepted and done after so many questions.
    """

    nets_own_orders = True

    def __init__(self, batch_size: int = 10) -> None:
        self.capabilities = Capabilities(
            vendor="shop",
            operations=(
                Operation(
                    name="stock_level.write",
                    guarantee=Guarantee.UNIQUE_KEY,
                    batch_size=batch_size,
                    settle_seconds=SETTLE,
                ),
            ),
            readings=(),
            limits=Limits(),
        )
        self.held: dict[str, int] = {}
        self.batches: list[list[str]] = []
        self.products: set[str] | None = None
        self.poison: set[str] = set()
        self.script: dict[str, Callable[[Offer], Outcome]] = {}
        self.slow: dict[str, int] = {}

    def operation(self, row: Offer) -> str:
        return "stock_level.write"

    def key(self, row: Offer) -> str:
        return row.sku

    def sku(self, key: str) -> str:
        return key

    def values(self, row: Offer) -> dict[str, Any]:
        return {"quantity": row.quantity}

    def row(self, key: str, values: dict[str, Any] | None) -> Offer:
        return Offer(sku=key, quantity=(values or {"quantity": 0})["quantity"])

    def gone(self, key: str, values: dict[str, Any]) -> Offer:
        return Offer(sku=key, quantity=0)

    def requirements(self, row: Offer) -> list[Requirement]:
        return [Requirement("product", row.sku)]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        return {one: one.key for one in requirements if self.products is None or one.key in self.products}

    def read(self, skus: Sequence[str]) -> Iterator[list[Offer]]:
        yield [Offer(sku=sku, quantity=self.held[sku]) for sku in skus if sku in self.held]

    def submit(self, rows: Sequence[Offer]) -> list[Outcome]:
        self.batches.append([row.sku for row in rows])
        if any(row.sku in self.poison for row in rows):
            return [Refused(code="bad_row", message="the batch was refused", whole_batch=len(rows) > 1)] * len(rows)
        return [self._one(row) for row in rows]

    def _one(self, row: Offer) -> Outcome:
        if row.sku in self.script:
            return self.script[row.sku](row)
        if row.sku in self.slow:
            return Accepted(handle=f"{row.sku}={row.quantity}")
        return self.write(row)

    def write(self, row: Offer) -> Outcome:
        self.held[row.sku] = row.quantity
        return Applied(receipt=Receipt(target_id=row.sku))

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for handle in handles:
            sku, _, quantity = handle.partition("=")
            self.slow[sku] -= 1
            if self.slow[sku] > 0:
                outcomes.append(Accepted(handle=handle))
            else:
                outcomes.append(self.write(Offer(sku=sku, quantity=int(quantity))))
        return outcomes


def plan(ledger: Ledger, wanted: dict[str, int], order: int = 1, lane: str = "normal", **more: Any) -> int | None:
    """A plan that sets these quantities, from what is known."""
    known = ledger.known.get(STORE, ENTITY, list(wanted))
    rows = [
        PlanRow(
            key=sku,
            before=known[("", sku)].value if ("", sku) in known else None,
            after=value_text({"quantity": quantity}),
            source_order=order,
        )
        for sku, quantity in wanted.items()
    ]
    with ledger.handling(ROUTE, FLOW) as work:
        added = work.add_plan(
            NewPlan(entity=ENTITY, target=STORE, rows=rows, compared=list(wanted), lane=lane, order=order, **more)
        )
    return added.id


def know(ledger: Ledger, held: dict[str, int], order: int = 0) -> None:
    """The ledger has written these to the store."""
    ledger.known.write(
        STORE,
        ENTITY,
        [
            KnownRow(key=sku, value=value_text({"quantity": quantity}), source_order=order)
            for sku, quantity in held.items()
        ],
    )


def known(ledger: Ledger, sku: str) -> KnownRow:
    return ledger.known.get(STORE, ENTITY, [sku])["", sku]
