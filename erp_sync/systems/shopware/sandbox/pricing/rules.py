"""Which rules match a customer now.

[SW] Content/Rule, Framework/Rule, Checkout/Customer/Rule. A rule is its conditions, joined by "and" at the root
(Content/Rule/DataAbstractionLayer/RulePayloadUpdater::update). One without conditions has no payload and is not
loaded (Checkout/Cart/RuleLoader::load); one with a condition that nobody knows is invalid and is not loaded either.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from erp_sync.systems.shopware.sandbox import names
from erp_sync.systems.shopware.sandbox.database import Database
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
    hit = scope.number.lower() in (value.get("numbers") or ())
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


def _prepared(kind: str, value: Value) -> Value:
    """A condition's value as it is compared: a list of thousands of numbers is folded once, not for each shopper."""
    if kind != "customerCustomerNumber":
        return value
    return {**value, "numbers": frozenset(str(one).lower() for one in value.get("numbers") or ())}


def known(kind: str) -> bool:
    return kind in CONDITIONS or kind in CONTAINERS


@dataclass(frozen=True)
class Node:
    """A condition with what is below it; `value` is what it is compared with."""

    type: str
    value: Value
    parts: tuple[Node, ...]

    def holds(self, scope: Scope) -> bool:
        if self.type in CONTAINERS:
            parts = (
                self.parts[:1] if self.type == "notContainer" else self.parts
            )  # NotRule looks at its first part only
            return CONTAINERS[self.type](sum(one.holds(scope) for one in parts), len(parts))
        return CONDITIONS[self.type](self.value, scope)


def tree(rows: Sequence[Mapping[str, Any]]) -> tuple[Node, ...]:
    """The conditions of one rule from rows of rule_condition: those without a parent, in their order."""
    children: dict[str | None, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row["position"] or 0, row["id"])):
        children.setdefault(row["parentId"], []).append(row)

    def made(row: Mapping[str, Any]) -> Node:
        value = structure(row["value"]) if row["value"] else {}
        below = tuple(made(one) for one in children.get(row["id"], ()))
        return Node(row["type"], _prepared(row["type"], value if isinstance(value, dict) else {}), below)

    return tuple(made(row) for row in children.get(None, ()))


def holds(conditions: Sequence[Node], scope: Scope) -> bool:
    """Whether the conditions of one rule hold: all of them."""
    try:
        return all(one.holds(scope) for one in conditions)
    except Unsupported:
        return False


class RuleBook:
    """All rules that can match, in the order in which prices ask for them: priority descending, then id.

    Checkout/Cart/RuleLoader::load. Read once and kept until a rule or a condition is written, as the vendor's cache.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules: list[tuple[str, tuple[Node, ...]]] | None = None

    def forget(self) -> None:
        self._rules = None

    def matching(self, scope: Scope, among: Container[str] | None = None) -> list[str]:
        """Ids of the rules that match, in their order; of those `among` which are asked for."""
        if self._rules is None:
            self._rules = self._read()
        asked = self._rules if among is None else [one for one in self._rules if one[0] in among]
        return [rule for rule, conditions in asked if holds(conditions, scope)]

    def _read(self) -> list[tuple[str, tuple[Node, ...]]]:
        rules = self._database.column("SELECT id FROM rule WHERE COALESCE(invalid, 0) = 0 ORDER BY priority DESC, id")
        rows: dict[str, list[Mapping[str, Any]]] = {}
        for row in self._database.rows("SELECT * FROM rule_condition"):
            rows.setdefault(row["ruleId"], []).append(row)
        return [(rule, tree(rows[rule])) for rule in rules if rule in rows]


def validate(database: Database, rules: Sequence[str]) -> None:
    """Mark rules as invalid whose conditions nobody knows (RulePayloadUpdater)."""
    for rule in rules:
        kinds = database.column('SELECT type FROM rule_condition WHERE "ruleId" = ?', [rule])
        database.update("rule", {"id": rule}, {"invalid": int(not all(known(kind) for kind in kinds))})
