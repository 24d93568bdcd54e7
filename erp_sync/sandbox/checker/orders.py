"""Orders: what was placed, what the ERP has, what is claimed, and whether amounts agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_sync.sandbox.checker.amounts import Difference, compare_amounts
from erp_sync.sandbox.checker.sides import (
    Books,
    anything_left,
    beyond,
    given_up,
    lost_any,
    most_deposits,
    open_in_erp,
    open_in_store,
    picked_in_erp,
    shipped_in_erp,
    shipped_in_store,
)
from erp_sync.sandbox.checker.sources import Claim, Conventions, spread
from erp_sync.sandbox.evidence import ErpOrder, Id, StoreOrder


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
    erp_ids: dict[Id, str] = field(default_factory=dict)  # the ERP's id of an order to its number

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


def check_orders(
    orders: Sequence[StoreOrder],
    booked: Sequence[ErpOrder],
    customers_twice: Sequence[str],
    claims: Sequence[Claim],
    conventions: Conventions,
    vendor: str,
) -> Orders:
    """All figures about orders: the store's, of this `vendor`, and the ERP's."""
    found = Orders(customers_duplicated=list(customers_twice))
    books = Books.of(list(booked))
    pairs: list[tuple[StoreOrder, list[ErpOrder]]] = []
    for order in orders:
        names = {"vendor": vendor, "id": order.id, "number": order.number}
        there = books.find(conventions.external_id.format(**names), conventions.reference.format(**names))
        pairs.append((order, list(there.values())))
        found.erp_ids |= dict.fromkeys(there, order.number)
    found.not_from_store = [one.name for one in books.orders if one.id not in found.erp_ids]
    _presence(found, pairs, claims, conventions)
    for order, rows in pairs:
        for one in rows:
            if order.state != "cancelled":
                compared = compare_amounts(order, one, conventions)
                found.differences += compared.differences
                if compared.whole_though_less_is_left:
                    found.whole_though_less_is_left.append(order.number)
            if len({deposit.key for deposit in one.deposits}) > most_deposits(order):
                found.deposits_duplicated.append(order.number)
    _latencies(found, pairs)
    return found


def _presence(
    found: Orders,
    pairs: Sequence[tuple[StoreOrder, list[ErpOrder]]],
    claims: Sequence[Claim],
    conventions: Conventions,
) -> None:
    claimed = {claim.order: claim for claim in claims}
    for order, rows in pairs:
        name = order.number
        found.placed.append(name)
        if rows:
            found.in_erp.append(name)
        if len(rows) > 1:
            found.duplicated.append(name)
        by_id = claimed.pop(str(order.id), None)
        claim = claimed.pop(name, None) or by_id
        if order.state == "cancelled":
            found.cancelled.append(name)
            known = shipped_in_store(order, conventions)
            told = claim is not None and claim.claim == "already_shipped"
            too_much = any(beyond(shipped_in_erp(row), known) for row in rows)
            being_packed = any(beyond(picked_in_erp(row), known) for row in rows)
            if any(map(open_in_erp, rows)) or (too_much and not told):
                found.cancelled_open_in_erp.append(name)
            # A store may book what left of an order that it has cancelled: what becomes of the goods is open still.
            elif too_much or (told and (being_packed or any(known.values()))):
                found.cancelled_after_shipping.append(name)
                continue
        elif lost_any(order) and any(beyond(open_in_erp(row), open_in_store(order, conventions)) for row in rows):
            found.cancelled_open_in_erp.append(name)
        elif rows and order.state == "open" and all(map(given_up, rows)):
            found.open_but_closed_in_erp.append(name)
        if claim is not None and rows:
            found.false_claims[name] = f"claimed {claim.claim}, but the ERP has {rows[0].name}"
        elif claim is not None and claim.claim == "cancelled_pending" and order.state != "cancelled":
            found.false_claims[name] = "claimed cancelled, but the store has it open"
            found.lost.append(name)
        elif claim is not None and claim.claim == "already_shipped":
            found.false_claims[name] = "claimed shipped, but the ERP has no such order"
            if order.state != "cancelled":
                found.lost.append(name)
        elif claim is not None and claim.claim == "held":
            found.held[name] = claim.reason
        elif claim is not None and claim.claim == "dead_lettered":
            found.dead_lettered[name] = claim.reason
        elif claim is None and not rows and order.state != "cancelled" and anything_left(order):
            found.lost.append(name)
    for name, claim in claimed.items():
        found.false_claims[name] = f"claimed {claim.claim}, but the store has no such order"


def _latencies(found: Orders, pairs: Sequence[tuple[StoreOrder, list[ErpOrder]]]) -> None:
    for order, rows in pairs:
        if not rows:
            continue
        begin = order.placed_at
        end = min((row.created_at for row in rows if row.created_at is not None), default=None)
        if begin is not None and end is not None:
            found.latencies[order.number] = end - begin
        else:
            found.without_time.append(order.number)
