"""Stock that a store has sold and its ERP does not know of: it is taken off what the ERP says.

Only for stores that net nothing of their own orders (`StateTarget.nets_own_orders`); the others do it by themselves,
and nothing of them is counted here. Counted are orders of the store that go to the ERP whose stock it is, by any route
with the flow ``orders`` switched on between these two connections; where none has it on, nothing is counted: nobody
here knows of the orders then.

An order counts from when it is accepted until the ERP's figures have it: from the link to its record there on, for what
was read after that (`Reading.lag_seconds` later, where reads lag behind). Meanwhile it counts whatever becomes of it:
due, under way, waiting, held, dead, its outcome unknown. Where the ERP has it already and we do not know, it is taken
off twice until we do: too little is offered rather than too much. It does not count any more, or never did:

- dismissed or rejected by a person: whoever says that it is not to be sent answers for the goods;
- cancelled in the store, but for units that have left: the store sells the others again. Of one that is partly
  cancelled or refunded, what is left of its lines counts (`model.remaining.kept`);
- dropped by a rule of the flow, such as ``before_start``: it never came to the ledger's deliveries;
- refused at the door (quarantine): its lines are not known.

Units are counted by the store's SKU, of lines that stock is taken for: items and components of bundles, not the
bundle's header. A kit that only the ERP takes apart is counted as the kit.

What is counted is remembered (`ledger.unknown_orders`). Each run that reads stock, and each look whether one should
start, compares that with what counts now: SKUs of orders that came, went or changed are doubted, so that both sides are
read again and the run, or the next one, makes of them what the comparison of everything would. So are those of orders
that came and went in between: the store has lowered its stock by them, by itself; and those of orders that were
cancelled before the ledger held them (`gave_up`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.components.configuration import Mode, RouteSpec
from erp_sync.components.flow_modules import flow_module
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation
from erp_sync.flows.state_flow import Sold, microseconds
from erp_sync.ledger.unknown_orders import OrderVersion, Reckoned, UnknownOrder
from erp_sync.model.keys import Entity
from erp_sync.model.order import LineKind, SalesOrder
from erp_sync.model.remaining import kept

log = logging.getLogger(__name__)

# What ended longer ago than this was met by a look, or by the comparison of everything.
ENDED_FOR = timedelta(days=1)
WHY = "orders that the ERP does not know came, went or changed"
INVENTORY = "inventory"
_STOCKED = (LineKind.ITEM, LineKind.COMPONENT)
_units = msgspec.json.Decoder(dict[str, Decimal])
_encode = msgspec.json.Encoder(decimal_format="string", order="sorted").encode


def unknown_to_erp(
    here: Installation, route: RouteSpec, kind: FlowKind, target: Any, read_at: Collection[datetime]
) -> tuple[Sold, ...]:
    """What the route's store sold and its ERP did not know when figures of it were read at these times. It is
    remembered: whoever reckons with it makes its plan after this.
    """
    if not read_at or not _counts(kind, target):
        return ()
    lag = _lag(here, route, kind)
    since = min(read_at) - lag
    found = here.ledger.unknown_orders.of(route.store, route.erp, _routes(here, route), since)
    known = here.ledger.unknown_orders.reckoned(route.store, route.erp)
    units = _units_of(here, found, known)
    new = [
        Reckoned(order=one.order, units=_text(units[one.order]), told=False) for one in found if one.order not in known
    ]
    here.ledger.unknown_orders.remember(route.store, route.erp, new)
    return tuple(
        Sold(sku=sku, quantity=quantity, known_at=one.known_at and one.known_at + lag)
        for one in found
        for sku, quantity in units[one.order].items()
    )


def doubt_sold(here: Installation, routes: Sequence[RouteSpec], kind: FlowKind) -> None:
    """Doubt the stock of what came to count, counts no more or counts otherwise since the last look. Comes before
    either side is read; what was planned from earlier reads is not written any more."""
    if kind.entity != Entity.STOCK_LEVEL:
        return
    for route in _one_a_store(route for route in routes if route.flows[kind.name].mode is not Mode.OFF):
        target = here.connector_for(route, kind.target).port(kind.entity, "target")
        if not _counts(kind, target):
            continue
        untold, gone, before = _differing(here, route, kind)
        units = _units_of(here, untold, before)
        skus = {sku for some in units.values() for sku in some}
        skus.update(sku for one in gone if not one.order.ended for sku in _units.decode(one.units))
        if keys := _keys_of(here, route, kind, target, skus):
            # The order of values is that of reads: what began before this moment may have been reckoned without them.
            order = microseconds(datetime.now(UTC))
            here.ledger.known.doubt(getattr(route, kind.target), kind.entity, keys, WHY, order=order)
        # Only now: what a crash leaves is found again.
        told = [Reckoned(order=one.order, units=_text(units[one.order]), told=True) for one in untold]
        here.ledger.unknown_orders.remember(route.store, route.erp, told)
        here.ledger.unknown_orders.forget(route.store, route.erp, [one.order for one in gone])


def gave_up(here: Installation, route: RouteSpec, orders: Iterable[tuple[Any, SalesOrder]]) -> None:
    """Orders (received record and document) that the store took and cancelled before the ledger held them: it has
    lowered its stock and raised it again, perhaps around a figure of ours. The next look doubts their articles."""
    if INVENTORY not in route.flows or route.flows[INVENTORY].mode is Mode.OFF:
        return  # nobody would look
    kind = FLOWS[INVENTORY]
    if not _counts(kind, here.connector_for(route, kind.target).port(kind.entity, "target")):
        return
    came = []
    for row, order in orders:
        units: dict[str, Decimal] = {}
        for line in order.lines:
            if line.kind in _STOCKED:
                sku = line.store_sku or line.sku
                units[sku] = units.get(sku, Decimal(0)) + line.quantity
        version = OrderVersion(row.scope, row.native_id, f"{row.version} given up")
        came.append(Reckoned(order=version, units=_text(units), told=True))
    here.ledger.unknown_orders.remember(route.store, route.erp, came)


def sold(here: Installation, route: RouteSpec, kind: FlowKind) -> str | None:
    """Why a run should start; None where nothing came, went or changed."""
    if kind.entity != Entity.STOCK_LEVEL:
        return None
    if not _counts(kind, here.connector_for(route, kind.target).port(kind.entity, "target")):
        return None
    untold, gone, _ = _differing(here, route, kind)
    differing = {one.order[:2] for one in untold} | {one.order[:2] for one in gone if not one.order.ended}
    return f"{len(differing)} orders that the ERP does not know, or did not" if differing else None


def _counts(kind: FlowKind, target: Any) -> bool:
    return kind.entity == Entity.STOCK_LEVEL and not target.nets_own_orders


def _one_a_store(routes: Iterable[RouteSpec]) -> list[RouteSpec]:
    return list({(route.store, route.erp): route for route in routes}.values())


def _routes(here: Installation, route: RouteSpec) -> list[str]:
    """Routes that bring orders of the same store to the same ERP."""
    return [
        one.name
        for one in here.configuration.routes.values()
        if (one.store, one.erp) == (route.store, route.erp)
        and "orders" in one.flows
        and one.flows["orders"].mode is Mode.ON
    ]


def _lag(here: Installation, route: RouteSpec, kind: FlowKind) -> timedelta:
    return timedelta(seconds=here.source(route, kind.name).capabilities.reading(kind.entity).lag_seconds)


def _differing(
    here: Installation, route: RouteSpec, kind: FlowKind
) -> tuple[list[UnknownOrder], list[Reckoned], Mapping[OrderVersion, Reckoned]]:
    """What counts for a read that begins now, or has ended, and was not told; what was counted and does not count any
    more; and all that was counted."""
    orders, now = here.ledger.unknown_orders, here.ledger.now()
    mine = (route.store, route.erp, _routes(here, route))
    there = [*orders.of(*mine, now - _lag(here, route, kind)), *orders.ended(*mine, now - ENDED_FOR)]
    before = orders.reckoned(route.store, route.erp)
    untold = [one for one in there if one.order not in before or not before[one.order].told]
    return untold, [before[order] for order in before.keys() - {one.order for one in there}], before


def _units_of(
    here: Installation, orders: Sequence[UnknownOrder], known: Mapping[OrderVersion, Reckoned]
) -> dict[OrderVersion, dict[str, Decimal]]:
    """By order, its units by the store's SKU; of those that are remembered, as they are remembered."""
    units = {one.order: _units.decode(known[one.order].units) for one in orders if one.order in known}
    contents = here.ledger.unknown_orders.contents(one.delivery for one in orders if one.order not in known)
    for one in orders:
        if one.order not in units:
            units[one.order] = _units_in(one, contents.get(one.delivery, b""))
    return units


def _units_in(order: UnknownOrder, content: bytes) -> dict[str, Decimal]:
    try:
        document = flow_module("orders", "transform").decode(content)
    except msgspec.DecodeError:
        # It cannot be sent either: its delivery is a dead letter that names it.
        log.error("order_unreadable", extra={"flow": "inventory", "order": order.order.native_id})
        return {}
    left = kept(document)
    found: dict[str, Decimal] = {}
    for line in document.lines:
        if line.kind in _STOCKED and left[line.line_id] > 0:
            sku = line.store_sku or line.sku
            found[sku] = found.get(sku, Decimal(0)) + left[line.line_id]
    return found


def _text(units: Mapping[str, Decimal]) -> str:
    return _encode(units).decode()


def _keys_of(here: Installation, route: RouteSpec, kind: FlowKind, target: Any, skus: Collection[str]) -> list[str]:
    """The store's keys of these SKUs, and of those that are the same in the ERP."""
    if not skus:
        return []
    logic, lookups = flow_module(kind.name, "transform"), here.lookups(route)
    same = {*skus, *(other for sku in skus for other in lookups.reverse("sku_map", logic.erp_sku(lookups, sku)))}
    keys = here.ledger.known.table(getattr(route, kind.target), kind.entity, None, ("scope", "key"))
    return [key for key in keys.column("key").to_pylist() if target.sku(key) in same]
