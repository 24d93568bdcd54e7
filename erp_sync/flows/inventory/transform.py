"""From stock levels of the ERP to offers of the store. Pure: no network, no ledger.

Rules of the flow (YAML ``rules``):

``safety_stock``      {default: 0, skus: {SKU: 3}, locations: {code: 1}, sku_locations: {"SKU@code": 2}}; the closest
                      one counts, locations by the store's source code
``backorders``        SKUs that may be sold at zero, or true for all; items that say so themselves may always

Where the target keeps how a SKU may be sold when there is none of it (`StockTerms`), these are rows of their own: the
backorder flag where the ERP or a rule says something of it, and the date of the next supply, which is none once it
is past.

Look-ups: ``locations`` (the ERP's location to the store's source; one without a row is not offered) and
``sku_map`` (the store's SKU to the ERP's, turned round here: one level may be offered under several SKUs, and what is
sold under one of them is gone for all).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.flows.guards import Share, jumped
from erp_sync.flows.inventory.availability import NO_DEMAND, StoreDemand, aggregated, offered
from erp_sync.flows.state_flow import Booked, Desired, LeftByHand, Sold, Surroundings, Unusable, microseconds
from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.stock import NO_DATE, StockLevel, StockOffer, StockTerms
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.raw import MappingProblem, RawRecord

# Of a SKU's terms only those are compared of which the ERP says something.
PARTIAL = True
GUARDS = {"max_zeroed_share": 0.2, "max_missing_share": 0.1}


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The flow's rules as YAML gives them; see the module."""

    safety_stock: dict[str, Any] = {}
    backorders: bool | list[str] = False

    def safety(self, sku: str, source: str) -> Decimal:
        """Raises ValueError for a figure that is none."""
        stock = self.safety_stock
        if not stock:
            return ZERO
        for table, key in (("sku_locations", f"{sku}@{source}"), ("skus", sku), ("locations", source)):
            found = (stock.get(table) or {}).get(key)
            if found is not None:
                return decimal_of(found)
        return decimal_of(stock.get("default", 0))

    def may_backorder(self, level: StockLevel) -> bool:
        if isinstance(self.backorders, bool):
            return bool(level.backorders) or self.backorders
        return bool(level.backorders) or level.sku in self.backorders

    def backorder_flag(self, level: StockLevel) -> bool | None:
        """None: neither the ERP nor a rule says anything."""
        return None if level.backorders is None and not self.backorders else self.may_backorder(level)


def identity(level: StockLevel) -> tuple[str, ...]:
    """What may be in the ERP once only."""
    return (level.sku, level.location)


def order(level: StockLevel, record: RawRecord) -> int:
    """Place in the order of values: when the read started."""
    return microseconds(level.read_at)


def desired(levels: Sequence[StockLevel], around: Surroundings) -> Desired:
    """What the store should hold.

    Levels of several locations that are one source are added; for targets that net their own orders each is floored at
    zero for itself, for the others the sum is. Orders that the ERP does not know are taken off the sum; one that it
    came to know counts for what was read before that.
    """
    unusable: list[Unusable] = []
    found: dict[tuple[str, str], list[tuple[Decimal, bool, int]]] = {}
    open_here, by_hand = _by_place(around.booked), _by_hand(around.booked)
    sold = _by_sku(around)
    rules: Rules = around.rules
    lookups = around.lookups
    sources: dict[str, str | None] = {}
    channel_skus: dict[str, list[str]] = {}  # a SKU comes once for every location
    terms: dict[str, tuple[StockTerms, int]] = {}
    left_out = 0
    for position, level in enumerate(levels):
        try:
            if level.location not in sources:
                sources[level.location] = lookups.get("locations", level.location)
            source = sources[level.location]
            if source is None:
                left_out += 1
                continue
            demand = _demand(level, around, open_here, by_hand)
            if level.sku not in channel_skus:
                channel_skus[level.sku] = lookups.reverse("sku_map", level.sku)
            for sku in channel_skus[level.sku]:
                quantity = offered(
                    level,
                    demand,
                    safety_stock=rules.safety(sku, source),
                    target_nets_own_orders=around.nets_own_orders,
                )
                found.setdefault((sku, source), []).append((quantity, rules.may_backorder(level), position))
                if around.keeps_terms and sku not in terms:
                    _add_terms(terms, sku, level, position, around)
        except MappingProblem as problem:
            unusable.append(Unusable(position=position, rule=problem.code, problem=str(problem)))
    return Desired(
        rows=[
            # A product's rows stand together: those who write some of them ask for few products.
            *(_offer(levels, *place, found[place], sold) for place in sorted(found)),
            *terms.values(),
        ],
        unusable=unusable,
        left_out={"location_not_offered": left_out} if left_out else {},
    )


def _add_terms(
    terms: dict[str, tuple[StockTerms, int]], sku: str, level: StockLevel, position: int, around: Surroundings
) -> None:
    flag, date = around.rules.backorder_flag(level), level.restock_date
    if flag is None and date is None:
        return
    if date == NO_DATE or (date and date < around.now.date().isoformat()):
        date = ""
    row = StockTerms(
        connection="", sku=sku, backorders=flag, restock_date=date, version=level.version, read_at=level.read_at
    )
    terms[sku] = (row, position)


def incomplete(levels: Sequence[StockLevel], lookups: Lookups) -> set[str]:
    """SKUs of the ERP of which more rows are needed: their source is several locations, and not all are here."""
    here = {(level.sku, level.location) for level in levels}
    partners: dict[str, list[str]] = {}
    lacking = set()
    for level in levels:
        if level.location not in partners:
            source = lookups.get("locations", level.location)
            partners[level.location] = lookups.reverse("locations", source) if source is not None else []
        if any((level.sku, other) not in here for other in partners[level.location]):
            lacking.add(level.sku)
    return lacking


def _offer(
    levels: Sequence[StockLevel],
    sku: str,
    source: str,
    parts: list[tuple[Decimal, bool, int]],
    sold: Mapping[str, Sequence[Sold]],
) -> tuple[StockOffer, int]:
    if len(parts) == 1:
        quantity, backorders, position = aggregated([parts[0][0]]), *parts[0][1:]
    else:
        quantity = aggregated([part[0] for part in parts])
        backorders = any(part[1] for part in parts)
        # The oldest read decides the order of the whole.
        position = min((part[2] for part in parts), key=lambda at: levels[at].read_at)
    level = levels[position]
    if level.sku in sold:
        quantity = aggregated([quantity], _unknown_to_erp(sold[level.sku], level.read_at))
    offer = StockOffer(
        connection="",
        sku=sku,
        source=source,
        quantity=quantity,
        in_stock=quantity > 0 or backorders,
        version=level.version,
        read_at=level.read_at,
    )
    return offer, position


def _by_sku(around: Surroundings) -> dict[str, list[Sold]]:
    """By the ERP's SKU, what the store sold of it under whichever of its own."""
    found: dict[str, list[Sold]] = {}
    for one in around.unknown_to_erp if not around.nets_own_orders else ():
        found.setdefault(erp_sku(around.lookups, one.sku), []).append(one)
    return found


def erp_sku(lookups: Lookups, sku: str) -> str:
    """What the ERP calls a SKU of the store. Where the table answers twice, no order of it goes, and it stays as it is:
    that is said of the order."""
    try:
        return lookups.get("sku_map", sku) or sku
    except MappingProblem:
        return sku


def _unknown_to_erp(sold: Sequence[Sold], read_at: datetime) -> Decimal:
    """Units that figures of the ERP do not have in them, read at this time."""
    return sum((one.quantity for one in sold if one.known_at is None or read_at < one.known_at), ZERO)


def _by_place(booked: Booked) -> dict[tuple[str, str], dict[str, Decimal]]:
    places: dict[tuple[str, str], dict[str, Decimal]] = {}
    for shipment, lines in booked.open.items():
        for place, quantity in lines.items():
            places.setdefault(place, {})[shipment] = quantity
    return places


def _demand(
    level: StockLevel,
    around: Surroundings,
    open_here: Mapping[tuple[str, str], Mapping[str, Decimal]],
    by_hand: Mapping[tuple[str, str], Sequence[LeftByHand]],
) -> StoreDemand:
    if not level.demands and not open_here and not by_hand:
        return NO_DEMAND
    channel, booked = around.channel, around.booked
    allocated, left = ZERO, dict(open_here.get((level.sku, level.location), {}))
    for one in level.demands:
        if one.channel == channel:
            allocated = one.allocated
            left.update((shipment, quantity) for shipment, quantity in one.shipped if shipment not in booked.booked)
    shipped = sum(left.values(), ZERO) if booked.counted else ZERO
    seen = {name for one in level.demands if one.channel == channel for name, _ in one.shipped}
    place = (level.sku, level.location)
    hand = sum((one.lines[place] for one in by_hand.get(place, ()) if not _in_figures(one, level, seen)), ZERO)
    return StoreDemand(allocated=allocated, shipped_not_booked=shipped, left_by_hand=hand)


def _in_figures(left: LeftByHand, level: StockLevel, seen: Collection[str]) -> bool:
    """Whether the ERP's figure is without the goods already: it was read with their fulfillment, or after that was
    known."""
    if left.known_at is None:
        return False
    return left.fulfillment in seen or left.known_at <= level.read_at


def _by_hand(booked: Booked) -> dict[tuple[str, str], list[LeftByHand]]:
    places: dict[tuple[str, str], list[LeftByHand]] = {}
    for one in booked.by_hand:
        for place in one.lines:
            places.setdefault(place, []).append(one)
    return places


def shipments_of(levels: Iterable[StockLevel], channel: str) -> set[str]:
    """Shipments that left lately for the channel's orders."""
    return {
        shipment for level in levels for one in level.demands if one.channel == channel for shipment, _ in one.shipped
    }


# -- missing, guards, words ----------------------------------------------------------------------


def realm(row: StockOffer | StockTerms) -> str:
    """Offers of a source that none of the ERP's stock goes to are none of the flow's business."""
    return row.source if isinstance(row, StockOffer) else ""


def missing_row(key: str, values: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None] | None:
    """What becomes of a row that the ERP has no more: nothing to sell. None where that is so already."""
    if "quantity" not in values:
        return None  # terms of a SKU that is sold no more do no harm
    if decimal_of(values["quantity"]) == 0 and not values.get("in_stock"):
        return None
    return "disable", {**values, "quantity": ZERO, "in_stock": False}


def action(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    return "create" if before is None else "update"


def reason(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    """Why the row is written, in words."""
    if "quantity" not in after:
        names = [name for name, value in after.items() if before is None or before.get(name) != value]
        return "; ".join(f"{name}: {(before or {}).get(name)} becomes {after[name]}" for name in names)
    if before is None:
        return f"not there yet; {after['quantity']} to offer"
    if before.get("quantity") == after["quantity"]:
        return "in stock" if after.get("in_stock") else "out of stock"
    return f"{before.get('quantity')} becomes {after['quantity']}"


def goes_to_zero(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    if before is None or "quantity" not in after:
        return False
    return decimal_of(before.get("quantity", 0)) > 0 and decimal_of(after["quantity"]) <= 0


def alone(before: Mapping[str, Any] | None, after: Mapping[str, Any], limits: Mapping[str, float]) -> str | None:
    """Why a single row must wait for a person while the others go; None where it need not."""
    factor = limits.get("max_jump_factor")
    if factor is None or before is None or "quantity" not in after:
        return None
    old, new = decimal_of(before.get("quantity", 0)), decimal_of(after["quantity"])
    if not jumped(old, new, factor, floor=float(limits.get("jump_floor", 10))):
        return None
    return f"{before.get('quantity')} becomes {after['quantity']}: more than {factor:g} times as much"


def shares(
    pairs: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any]]], *, whole: int, missing: int, base: int
) -> list[Share]:
    """Figures for the guards. `whole`: rows compared, or all that the store has where only changes were read."""
    zeroed = sum(goes_to_zero(before, after) for before, after in pairs)
    return [
        Share(guard="max_zeroed_share", part=zeroed, whole=whole, words="rows go to zero", summed=True),
        Share(guard="max_missing_share", part=missing, whole=base, words="rows are missing from the extract"),
    ]


def convert_rules(rules: Mapping[str, Any]) -> Rules:
    """Raises ValueError (msgspec.ValidationError) naming the rule that is wrong."""
    return msgspec.convert(dict(rules), Rules)
