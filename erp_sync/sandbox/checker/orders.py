"""Orders: what was placed, what the ERP has, what is claimed, and whether amounts agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_sync.sandbox.checker.amounts import Difference, compare_amounts
from erp_sync.sandbox.checker.sides import Books, Shop, beyond
from erp_sync.sandbox.checker.sources import Claim, Conventions, Row, SystemFiles, commit_times, spread

_DONE_IN_STORE = ("canceled", "closed", "complete")


@dataclass
class Orders:
    """What is known of orders. Lists hold order numbers of the store."""

    placed: list[str] = field(default_factory=list)
    in_erp: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    cancelled_open_in_erp: list[str] = field(default_factory=list)  # or a part of it: the ERP could ship it
    cancelled_after_shipping: list[str] = field(default_factory=list)  # and erp_sync says so: a person decides
    open_but_closed_in_erp: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    dead_lettered: dict[str, str] = field(default_factory=dict)
    false_claims: dict[str, str] = field(default_factory=dict)
    not_from_store: list[str] = field(default_factory=list)
    deposits_duplicated: list[str] = field(default_factory=list)
    customers_duplicated: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    whole_though_less_is_left: list[str] = field(default_factory=list)  # units were cancelled since, or it was sent so
    latencies: dict[str, float] = field(default_factory=dict)
    without_time: list[str] = field(default_factory=list)
    erp_ids: dict[int, str] = field(default_factory=dict)  # internal id of the ERP's order to order number

    def figures(self) -> dict[str, Any]:
        parts = {part: 0 for part in ("header", "lines", "tax", "payments")}
        wrong = {(one.order, "header" if one.part == "shipping" else one.part) for one in self.differences}
        for _, part in wrong:
            parts[part] += 1
        return {
            "orders_placed": len(self.placed),
            "orders_in_erp": len(self.in_erp),
            "orders_held": len(self.held),
            "orders_dead_lettered": len(self.dead_lettered),
            "orders_cancelled": len(self.cancelled),
            "orders_duplicated": len(self.duplicated),
            "orders_lost": len(self.lost),
            "order_latency_s": spread(self.latencies.values()),
            "order_total_mismatches": {**parts, "orders": len({difference.order for difference in self.differences})},
            "false_claims": len(self.false_claims),
            "deposits_duplicated": len(self.deposits_duplicated),
            "customers_duplicated": len(self.customers_duplicated),
            "orders_not_from_store": len(self.not_from_store),
            "orders_cancelled_open_in_erp": len(self.cancelled_open_in_erp),
            "orders_cancelled_after_shipping": len(self.cancelled_after_shipping),
            "orders_open_but_closed_in_erp": len(self.open_but_closed_in_erp),
            "orders_whole_though_less_is_left": len(self.whole_though_less_is_left),
            "orders_without_time": len(self.without_time),
        }


def check_orders(store: SystemFiles, erp: SystemFiles, claims: Sequence[Claim], conventions: Conventions) -> Orders:
    """All figures about orders."""
    found = Orders()
    shop, books = Shop.read(store, conventions), Books.read(erp)
    matched: dict[str, list[Row]] = {}
    used: set[int] = set()
    for order in shop.orders:
        key, reference = conventions.external_id.format(**order), conventions.reference.format(**order)
        candidates = books.by_external.get(key, []) + books.by_reference.get(reference, [])
        by_id = {row["id"]: row for row in candidates}
        matched[order["increment_id"]] = list(by_id.values())
        found.erp_ids |= dict.fromkeys(by_id, order["increment_id"])
        used |= set(by_id)
    found.not_from_store = [row["tranid"] for row in books.orders if row["id"] not in used]
    _presence(found, shop, books, matched, claims, conventions)
    updated = commit_times(erp.journal, "salesOrder", "update")
    for order in shop.orders:
        rows = matched[order["increment_id"]]
        for row in rows:
            if order["state"] != "canceled":
                changed = row["externalid"] in updated or str(row["id"]) in updated
                compared = compare_amounts(order, row, shop, books, conventions, changed=changed)
                found.differences += compared.differences
                if compared.whole_though_less_is_left:
                    found.whole_though_less_is_left.append(order["increment_id"])
            deposits = books.deposits.get(row["id"], [])
            if len({deposit["externalid"] or deposit["id"] for deposit in deposits}) > shop.most_deposits(order):
                found.deposits_duplicated.append(order["increment_id"])
    found.customers_duplicated = books.customers_twice
    _latencies(found, store, erp, matched)
    return found


def _presence(
    found: Orders,
    shop: Shop,
    books: Books,
    matched: dict[str, list[Row]],
    claims: Sequence[Claim],
    conventions: Conventions,
) -> None:
    claimed = {claim.order: claim for claim in claims}
    for order in shop.orders:
        name, rows = order["increment_id"], matched[order["increment_id"]]
        found.placed.append(name)
        if rows:
            found.in_erp.append(name)
        if len(rows) > 1:
            found.duplicated.append(name)
        claim = claimed.pop(name, None)
        if order["state"] == "canceled":
            found.cancelled.append(name)
            known = shop.shipped_units(order, conventions)
            told = claim is not None and claim.claim == "already_shipped"
            too_much = any(beyond(books.shipped_units(row), known) for row in rows)
            being_packed = any(beyond(books.picked_units(row), known) for row in rows)
            if any(map(books.open_units, rows)) or (too_much and not told):
                found.cancelled_open_in_erp.append(name)
            elif too_much or (told and being_packed):
                found.cancelled_after_shipping.append(name)
                continue
        elif shop.lost_any(order) and any(
            beyond(books.open_units(row), shop.open_units(order, conventions)) for row in rows
        ):
            found.cancelled_open_in_erp.append(name)
        elif rows and order["state"] not in _DONE_IN_STORE and all(map(books.given_up, rows)):
            found.open_but_closed_in_erp.append(name)
        if claim is not None and rows:
            found.false_claims[name] = f"claimed {claim.claim}, but the ERP has {rows[0]['tranid']}"
        elif claim is not None and claim.claim == "cancelled_pending" and order["state"] != "canceled":
            found.false_claims[name] = "claimed cancelled, but the store has it open"
            found.lost.append(name)
        elif claim is not None and claim.claim == "already_shipped":
            found.false_claims[name] = "claimed shipped, but the ERP has no such order"
            if order["state"] != "canceled":
                found.lost.append(name)
        elif claim is not None and claim.claim == "held":
            found.held[name] = claim.reason
        elif claim is not None and claim.claim == "dead_lettered":
            found.dead_lettered[name] = claim.reason
        elif claim is None and not rows and order["state"] != "canceled" and shop.anything_left(order):
            found.lost.append(name)
    for name, claim in claimed.items():
        found.false_claims[name] = f"claimed {claim.claim}, but the store has no such order"


def _latencies(found: Orders, store: SystemFiles, erp: SystemFiles, matched: dict[str, list[Row]]) -> None:
    placed = commit_times(store.journal, "sales_order")
    created = commit_times(erp.journal, "salesOrder")
    for name, rows in matched.items():
        if not rows:
            continue
        begin = placed.get(name)
        ends = [
            moment
            for row in rows
            for key in (row["externalid"], str(row["id"]))
            if key
            for moment in created.get(key, ())
        ]
        if begin and ends:
            found.latencies[name] = min(ends) - begin[0]
        else:
            found.without_time.append(name)
