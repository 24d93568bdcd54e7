"""The whole report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from erp_sync.sandbox.checker.calls import check_calls
from erp_sync.sandbox.checker.orders import Orders, check_orders
from erp_sync.sandbox.checker.shipments import Shipments, check_shipments
from erp_sync.sandbox.checker.sources import Claim, Conventions
from erp_sync.sandbox.checker.stock import Stock, check_stock
from erp_sync.sandbox.evidence import erp_evidence, store_evidence
from erp_sync.sandbox.files import SystemFiles

_EXAMPLES = 50


@dataclass
class Report:
    """Everything the checker found. `figures` is JSON-able and complete; `details` names the first offenders."""

    orders: Orders
    shipments: Shipments
    stock: Stock
    calls: dict[str, dict[str, Any]]

    def figures(self) -> dict[str, Any]:
        return {
            **self.orders.figures(),
            **self.shipments.figures(),
            **self.stock.figures(),
            "api_calls": self.calls,
        }

    def details(self) -> dict[str, Any]:
        """Order numbers behind the figures that should be zero, at most 50 each, and reasons of claims."""
        orders = self.orders
        return {
            "orders_lost": orders.lost[:_EXAMPLES],
            "orders_duplicated": orders.duplicated[:_EXAMPLES],
            "orders_held": dict(list(orders.held.items())[:_EXAMPLES]),
            "orders_dead_lettered": dict(list(orders.dead_lettered.items())[:_EXAMPLES]),
            "false_claims": dict(list(orders.false_claims.items())[:_EXAMPLES]),
            "orders_cancelled_open_in_erp": orders.cancelled_open_in_erp[:_EXAMPLES],
            "orders_cancelled_after_shipping": orders.cancelled_after_shipping[:_EXAMPLES],
            "orders_open_but_closed_in_erp": orders.open_but_closed_in_erp[:_EXAMPLES],
            "orders_not_from_store": orders.not_from_store[:_EXAMPLES],
            "orders_without_time": orders.without_time[:_EXAMPLES],
            "deposits_duplicated": orders.deposits_duplicated[:_EXAMPLES],
            "customers_duplicated": orders.customers_duplicated[:_EXAMPLES],
            "differences": [asdict(difference) for difference in orders.differences[:_EXAMPLES]],
            "shipments_missing": self.shipments.missing[:_EXAMPLES],
            "shipments_of_cancelled_orders": self.shipments.of_cancelled[:_EXAMPLES],
            "shipments_twice": self.shipments.booked_twice[:_EXAMPLES],
            "shipments_differing": dict(list(self.shipments.differing.items())[:_EXAMPLES]),
            "shipments_unexplained": self.shipments.unexplained[:_EXAMPLES],
            "shipping_emails_early": self.shipments.mails_early[:_EXAMPLES],
            "shipping_emails_twice": self.shipments.mails_twice[:_EXAMPLES],
            "shipping_emails_missing": self.shipments.mails_missing[:_EXAMPLES],
            "stock_mismatches": dict(list(self.stock.mismatches.items())[:_EXAMPLES]),
            "stock_changes_unseen": self.stock.unseen[:_EXAMPLES],
            "oversold": dict(list(self.stock.oversold.items())[:_EXAMPLES]),
            "price_mismatches": dict(list(self.stock.price_mismatches.items())[:_EXAMPLES]),
            "slowest_orders": dict(sorted(orders.latencies.items(), key=lambda pair: -pair[1])[:10]),
        }


def check(
    store: SystemFiles, erp: SystemFiles, claims: Sequence[Claim] = (), conventions: Conventions | None = None
) -> Report:
    """Judge a store and an ERP.

    Arguments:
        claims: what erp_sync says that it holds, has dead-lettered, or need not send because it was cancelled.

    Raises NoEvidence for a system whose sandbox does not tell what it keeps.
    """
    conventions = conventions or Conventions()
    shop, books = store_evidence(store), erp_evidence(erp)
    channels, placed = conventions.channels, shop.orders()
    mine = [order for order in placed if not channels or order.channel in channels]
    orders = check_orders(mine, books.orders(), books.customers_twice(), claims, conventions, store.vendor)
    left = books.shipments()
    cancelled = {order.number for order in placed if order.state == "cancelled"}
    shipments = check_shipments(shop.shipments(), left, orders.erp_ids, cancelled, conventions, mails=shop.keeps_mails)
    unbooked = set(shipments.unbooked)
    stock = check_stock(
        shop,
        books,
        conventions,
        placed=placed,
        store_orders_in_erp=orders.erp_ids,
        unbooked=[units for one in left if one.id in unbooked for units in one.taken],
    )
    return Report(
        orders=orders,
        shipments=shipments,
        stock=stock,
        calls={files.vendor: check_calls(files, conventions) for files in (store, erp)},
    )
