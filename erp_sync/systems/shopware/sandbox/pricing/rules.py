"""Which rules match a customer now.

[SW] Content/Rule, Framework/Rule, Checkout/Customer/Rule. A rule is its conditions, joined by "and" at the root
(Content/Rule/DataAbstractionLayer/RulePayloadUpdater::update). One without conditions has no payload and is not
loaded (Checkout/Cart/RuleLoader::load); one with a condition that nobody knows is invalid and is not loaded either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from erp_sync.systems.shopware.sandbox import names
from erp_sync.systems.shopware.sandbox.database import Database, marks
from erp_sync.systems.shopware.sandbox.schema.fields import structure


@dataclass(frozen=True)
class Scope:
    """Who asks, and when (UTC). `customer`, `number`: None for one who is not logged in."""

    group: str
    currency: str
    sales_channel: str
    country: str
    now: datetime
    customer: str | None = None
    number: str | None = None
    tags: frozenset[str] = frozenset()
    cart_amount: Any = 0


Value = Mapping[str, Any]
Condition = Callable[[Value, Scope], bool]


class Unsupported(Exception):
    """An operator that a condition does not know; the vendor throws, here the rule does not match (unconfirmed)."""


def _uuids(found: set[str], wanted: Sequence[str] | None, operator: str) -> bool:
    """Framework/Rule/RuleComparison::uuids: "=" is any of, "!=" is none of."""
    hit = bool(found & set(wanted or ()))
    if operator == "=":
        return hit
    if operator == "!=":
        return not hit
    if operator == "empty":
        return not found
    raise Unsupported(operator)


def _group(value: Value, scope: Scope) -> bool:
    """Checkout/Customer/Rule/CustomerGroupRule: of a guest the sales channel's group."""
    return _uuids({scope.group}, value.get("customerGroupIds"), value.get("operator", "="))


def _number(value: Value, scope: Scope) -> bool:
    """Checkout/Customer/Rule/CustomerNumberRule: without regard to case; nobody is none of them."""
    operator = value.get("operator", "=")
    if scope.number is None:
        return bool(operator == "!=")
    hit = scope.number.lower() in [str(one).lower() for one in value.get("numbers") or ()]
    if operator not in ("=", "!="):
        raise Unsupported(operator)
    return hit == (operator == "=")


def _tag(value: Value, scope: Scope) -> bool:
    """Checkout/Customer/Rule/CustomerTagRule."""
    operator = value.get("operator", "=")
    if scope.customer is None:
        return operator in ("!=", "empty")
    return _uuids(set(scope.tags), value.get("identifiers"), operator)


def _logged_in(value: Value, scope: Scope) -> bool:
    """Checkout/Customer/Rule/CustomerLoggedInRule."""
    return (scope.customer is not None) == bool(value.get("isLoggedIn"))


def _currency(value: Value, scope: Scope) -> bool:
    """System/Currency/Rule/CurrencyRule."""
    return _uuids({scope.currency}, value.get("currencyIds"), value.get("operator", "="))


def _sales_channel(value: Value, scope: Scope) -> bool:
    """Framework/Rule/SalesChannelRule."""
    return _uuids({scope.sales_channel}, value.get("salesChannelIds"), value.get("operator", "="))


def _country(value: Value, scope: Scope) -> bool:
    """Checkout/Customer/Rule/ShippingCountryRule."""
    return _uuids({scope.country}, value.get("countryIds"), value.get("operator", "="))


def _date_range(value: Value, scope: Scope) -> bool:
    """Framework/Rule/DateRangeRule: from inclusive, to exclusive; without times to the end of the last day (UTC)."""
    start, end = (names.read_time(value[key]) if value.get(key) else None for key in ("fromDate", "toDate"))
    if not value.get("useTime"):
        start = _midnight(start) if start else None
        end = _midnight(end + timedelta(days=1)) if end else None
    return not (start is not None and start > scope.now) and not (end is not None and end <= scope.now)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _always(value: Value, scope: Scope) -> bool:
    """Checkout/Cart/Rule/AlwaysValidRule."""
    return True


CONDITIONS: Mapping[str, Condition] = {
    "customerCustomerGroup": _group,
    "customerCustomerNumber": _number,
    "customerTag": _tag,
    "customerLoggedIn": _logged_in,
    "currency": _currency,
    "salesChannel": _sales_channel,
    "customerShippingCountry": _country,
    "dateRange": _date_range,
    "alwaysValid": _always,
}
#: Framework/Rule/Container: how many of the parts hold, of how many.
CONTAINERS: Mapping[str, Callable[[int, int], bool]] = {
    "andContainer": lambda held, of: held == of,
    "orContainer": lambda held, of: held > 0,
    "xorContainer": lambda held, of: held == 1,
    "notContainer": lambda held, of: held == 0,
    "allLineItemsContainer": lambda held, of: held == of,
}


def known(kind: str) -> bool:
    return kind in CONDITIONS or kind in CONTAINERS


def holds(rows: Sequence[Mapping[str, Any]], scope: Scope) -> bool:
    """Whether the conditions of one rule hold: rows of rule_condition, those without a parent joined by "and"."""
    children: dict[str | None, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row["position"] or 0, row["id"])):
        children.setdefault(row["parentId"], []).append(row)

    def holds_one(row: Mapping[str, Any]) -> bool:
        if row["type"] in CONTAINERS:
            parts = children.get(row["id"], [])
            if row["type"] == "notContainer":
                parts = parts[:1]  # NotRule looks at its first part only
            return CONTAINERS[row["type"]](sum(holds_one(one) for one in parts), len(parts))
        value = structure(row["value"]) if row["value"] else {}
        return CONDITIONS[row["type"]](value if isinstance(value, dict) else {}, scope)

    try:
        return all(holds_one(row) for row in children.get(None, []))
    except Unsupported:
        return False


def matching(database: Database, scope: Scope) -> list[str]:
    """Ids of the rules that match, in the order in which prices ask for them: priority descending, then id.

    Checkout/Cart/RuleLoader::load.
    """
    rules = database.column("SELECT id FROM rule WHERE COALESCE(invalid, 0) = 0 ORDER BY priority DESC, id")
    conditions: dict[str, list[Mapping[str, Any]]] = {}
    for row in database.rows("SELECT * FROM rule_condition"):
        conditions.setdefault(row["ruleId"], []).append(row)
    return [rule for rule in rules if rule in conditions and holds(conditions[rule], scope)]


def validate(database: Database, rules: Sequence[str]) -> None:
    """Mark rules as invalid whose conditions nobody knows (RulePayloadUpdater)."""
    for rule in rules:
        kinds = database.column('SELECT type FROM rule_condition WHERE "ruleId" = ?', [rule])
        database.update("rule", {"id": rule}, {"invalid": int(not all(known(kind) for kind in kinds))})


def rules_of(database: Database, conditions: Sequence[str]) -> list[str]:
    if not conditions:
        return []
    return database.column(
        f'SELECT DISTINCT "ruleId" FROM rule_condition WHERE id IN ({marks(conditions)})', list(conditions)
    )
