"""From prices of the ERP to prices of the store. Pure: no network, no ledger.

Rules of the flow (YAML ``rules``):

``rounding``   {currency: {digits: 2, mode: half_up}}; modes half_up, half_even, half_down, up, down. Without a
               row: half up, to the currency's own digits (ISO 4217)

Look-up: ``sku_map`` (the store's SKU to the ERP's, turned round here). Prices in another currency than the
store's are none of its business and are left out, counted. A special price that has ended is taken away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.flows.guards import Share, jumped
from erp_sync.flows.state_flow import Desired, Surroundings, Unusable, microseconds
from erp_sync.model.money import decimal_of
from erp_sync.model.price import Price, PriceKind
from erp_sync.ports.pricing import Rounding, rounded
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord

GUARDS = {"max_changed_share": 0.5, "max_missing_share": 0.1}
# Three quarters off is the deepest sale that nobody has to be asked about. Nine tenths off, rounded to cents, is less
# than ten times apart for half of all prices (3.37 becomes 0.34), and for 0.05 only five times.
DEFAULT_JUMP = 4.0


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The flow's rules as YAML gives them; see the module."""

    rounding: dict[str, Rounding] = {}

    def rounded(self, amount: Decimal, currency: str) -> Decimal:
        """The amount, rounded once."""
        return rounded(amount, currency, self.rounding)


def convert_rules(rules: Mapping[str, Any]) -> Rules:
    """Raises ValueError (msgspec.ValidationError) naming the rule that is wrong."""
    return msgspec.convert(dict(rules), Rules)


def identity(price: Price) -> tuple[str, ...]:
    """What may be in the ERP once only."""
    return (price.sku, str(price.kind), price.price_list, price.group, f"{price.quantity:f}", price.currency)


def order(price: Price, record: RawRecord) -> int:
    """Place in the order of values: when the read started."""
    if price.read_at is None:
        raise BadRecord(record.native_id, "read_at", "a price does not say when it was read")
    return microseconds(price.read_at)


def desired(prices: Sequence[Price], around: Surroundings) -> Desired:
    """What the store should hold."""
    rows: list[tuple[Price, int]] = []
    unusable: list[Unusable] = []
    left_out: dict[str, int] = {}
    ended: list[tuple[Price, int]] = []
    rules: Rules = around.rules
    for position, price in enumerate(prices):
        reason = _left_out(price, around)
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        amount = rules.rounded(price.amount, price.currency)
        if amount <= 0:
            words = f"{price.sku}: {price.amount} {price.currency} rounds to nothing"
            unusable.append(Unusable(position=position, rule="price_is_zero", problem=words))
            continue
        try:
            for sku in around.lookups.reverse("sku_map", price.sku):
                row = msgspec.structs.replace(price, sku=sku, amount=amount)
                if price.valid_to is not None and price.valid_to <= around.now:
                    ended.append((row, position))
                else:
                    rows.append((row, position))
        except MappingProblem as problem:
            unusable.append(Unusable(position=position, rule=problem.code, problem=str(problem)))
    if ended:
        left_out["ended"] = len(ended)
    return Desired(rows=rows, unusable=unusable, left_out=left_out, ended=ended)


def _left_out(price: Price, around: Surroundings) -> str:
    if price.kind is PriceKind.COST:
        return "cost"
    if around.currency and price.currency != around.currency:
        return "other_currency"
    return ""


# -- missing, guards, words ----------------------------------------------------------------------


def realm(price: Price) -> str:
    """Kinds of prices that the ERP has none of are none of the flow's business."""
    return str(price.kind)


def missing_row(key: str, values: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None] | None:
    """A special or tier price that the ERP has no more is taken away; a base price stays: none would be free."""
    return None if key.startswith("base/") else ("remove", None)


def action(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    return "create" if before is None else "update"


def reason(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    """Why the row is written, in words."""
    if before is None:
        return f"not there yet; {after['amount']}"
    if before.get("amount") == after["amount"]:
        return f"{after['amount']}, valid {after.get('valid_from')} to {after.get('valid_to')}"
    return f"{before.get('amount')} becomes {after['amount']}"


def alone(before: Mapping[str, Any] | None, after: Mapping[str, Any], limits: Mapping[str, float]) -> str | None:
    """Why a single row must wait for a person while the others go; None where it need not."""
    if before is None:
        return None
    factor = float(limits.get("max_jump_factor", DEFAULT_JUMP))
    old, new = decimal_of(before.get("amount", 0)), decimal_of(after["amount"])
    if old > 0 and (jumped(old, new, factor, floor=0) or jumped(new, old, factor, floor=0)):
        return f"{before.get('amount')} becomes {after['amount']}: more than {factor:g} times apart"
    return None


def shares(
    pairs: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any]]], *, whole: int, missing: int, base: int
) -> list[Share]:
    """Figures for the guards. `whole`: rows compared, or all that the store has where only changes were read."""
    changed = sum(before is not None for before, _ in pairs)
    return [
        Share(guard="max_changed_share", part=changed, whole=whole, words="prices change"),
        Share(guard="max_missing_share", part=missing, whole=base, words="prices are missing from the extract"),
    ]
