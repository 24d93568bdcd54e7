"""Rules and validations for mapping declarations (`erp_sync.ports.mapping`).

Every function returns a `Rule` whose name is what the mapping document prints. Money and quantities
become Decimal, times aware UTC. A rule says what is wrong with a value by raising ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from erp_sync.model.money import decimal_of, round_money
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import COPY, RecordMapping, Rule, Scope, Validation, is_empty
from erp_sync.ports.own_functions import OwnFunction
from erp_sync.ports.paths import MISSING
from erp_sync.ports.raw import MappingProblem

copy = COPY


def text(*, strip: bool = True) -> Rule:
    """Text, of text or of a number; lists, records and booleans are refused."""

    def apply(value: Any, scope: Scope) -> Any:
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            raise ValueError(f"{value!r} is not text")
        return str(value).strip() if strip else str(value)

    return Rule("text", apply, pure=True)


def integer() -> Rule:
    def apply(value: Any, scope: Scope) -> int:
        number = decimal_of(value, scale=6)
        if number != number.to_integral_value():
            raise ValueError(f"{value!r} is not a whole number")
        return int(number)

    return Rule("integer", apply, pure=True)


def decimal(scale: int = 4, sign: int = 1) -> Rule:
    """A number at the vendor field's storage scale; `sign=-1` turns it round."""
    name = f"decimal({scale})" if sign == 1 else f"decimal({scale}), sign reversed"
    if sign == 1:
        return Rule(name, lambda value, scope: decimal_of(value, scale), pure=True)
    return Rule(name, lambda value, scope: sign * decimal_of(value, scale), pure=True)


def money(currency: str, scale: int = 4) -> Rule:
    """A number at storage scale, then rounded once to the digits of the currency at path `currency`."""

    def apply(value: Any, scope: Scope) -> Decimal:
        code = scope.get(currency)
        if is_empty(code):
            raise ValueError(f"no currency at {currency}")
        return round_money(decimal_of(value, scale), str(code))

    return Rule(f"money in {currency}", apply, reads=(currency,))


def boolean(true: Sequence[Any] = (True, 1, "1", "T", "true"), false: Sequence[Any] = (False, 0, "0", "F", "false")) -> Rule:  # fmt: skip  # noqa: E501
    def apply(value: Any, scope: Scope) -> bool:
        if value in true:
            return True
        if value in false:
            return False
        raise ValueError(f"{value!r} is neither true nor false")

    return Rule("boolean", apply, pure=True)


def timestamp(pattern: str | None = None, zone: str | None = None) -> Rule:
    """Aware UTC time of text.

    `pattern` is for strptime, None is ISO 8601. Times without an offset are in `zone`; None means
    the connection's time zone.
    """

    def apply(value: Any, scope: Scope) -> datetime:
        if isinstance(value, datetime):
            parsed = value
        else:
            words = str(value).strip()
            parsed = datetime.strptime(words, pattern) if pattern else datetime.fromisoformat(words)  # noqa: DTZ007
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=ZoneInfo(zone or scope.context.connection.time_zone))
        return parsed.astimezone(UTC)

    name = f"time, {pattern or 'ISO 8601'}, in {zone or 'the time zone of the connection'}, to UTC"
    return Rule(name, apply, pure=True)


def local_date() -> Rule:
    """ISO date on which a time falls in the connection's time zone."""

    def apply(value: Any, scope: Scope) -> str:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError(f"{value} has no time zone")
            return value.astimezone(ZoneInfo(scope.context.connection.time_zone)).date().isoformat()
        if isinstance(value, date):
            return value.isoformat()
        return date.fromisoformat(str(value)).isoformat()

    return Rule("date in the time zone of the connection", apply)


def utc_text() -> Rule:
    """``2017-07-21T17:32:28Z`` of an aware time, or of its ISO text, as custom fields carry it."""

    def apply(value: Any, scope: Scope) -> str:
        if not isinstance(value, datetime):
            value = datetime.fromisoformat(str(value))
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    return Rule("ISO 8601 in UTC", apply)


def lookup(table: str, *, required: bool = True) -> Rule:
    """The value of a look-up table; without an answer a MappingProblem, or nothing if not `required`."""

    def apply(value: Any, scope: Scope) -> Any:
        tables: Lookups = scope.context.lookups
        if required:
            return tables.require(table, str(value))
        found = tables.get(table, str(value))
        return MISSING if found is None else found

    return Rule(f"lookup({table})" + ("" if required else ", left out where unknown"), apply)


def choice(values: Mapping[str, Any], *, code: str, otherwise: Any = MISSING) -> Rule:
    """One of a fixed set, keyed by text; anything else is `otherwise`, or MappingProblem(code)."""

    def apply(value: Any, scope: Scope) -> Any:
        found = values.get(str(value), otherwise)
        if found is MISSING:
            raise MappingProblem(code, scope.path, str(value), f"is none of {', '.join(values)}")
        return found

    listing = ", ".join(f"{key}→{value}" for key, value in values.items())
    return Rule(f"choice({listing})" + ("" if otherwise is MISSING else f", else {otherwise}"), apply)


def own(function: OwnFunction) -> Rule:
    """What a company's own function makes of the value, read as the type that it takes; None leaves the field out."""
    reads: Mapping[Any, Rule] = {
        str: text(),
        int: integer(),
        Decimal: decimal(scale=8),
        bool: boolean(),
        datetime: timestamp(),
        Any: COPY,
    }
    read = reads[function.takes]

    def apply(value: Any, scope: Scope) -> Any:
        given = read.apply(value, scope)
        answer = function(given, scope.record) if function.with_record else function(given)
        return MISSING if answer is None else answer

    return Rule(f"function {function.reference} ({function.signature})", apply, code=function.code)


def constant(value: Any) -> Rule:
    return Rule(f"constant {value!r}", lambda _value, scope: value, always=True, pure=True)


def setting(name: str, default: Any = MISSING) -> Rule:
    """A setting of the connection."""

    def apply(_value: Any, scope: Scope) -> Any:
        found = scope.context.connection.settings.get(name)
        return default if is_empty(found) else found

    return Rule(f"setting {name}", apply, always=True, pure=True)


def value_of(name: str, words: str = "") -> Rule:
    """A value that the connector gives for this call (`Context.values`), e.g. a resolved id."""
    return Rule(
        words or f"value {name}",
        lambda _value, scope: scope.context.values.get(name, MISSING),
        always=True,
        pure=True,
    )


def joined(separator: str, *paths: str) -> Rule:
    """The texts at several paths, empty ones left out; a list counts as its elements."""

    def apply(_value: Any, scope: Scope) -> Any:
        parts: list[str] = []
        for path in paths:
            value = scope.get(path)
            for part in value if isinstance(value, (list, tuple)) else [value]:
                if not is_empty(part):
                    parts.append(str(part))
        return separator.join(parts) if parts else MISSING

    return Rule(f"joined with {separator!r}", apply, reads=paths, always=True)


def first_of(*paths: str, then: Rule = COPY) -> Rule:
    """The first of several paths that is not empty."""

    def apply(_value: Any, scope: Scope) -> Any:
        for path in paths:
            value = scope.get(path)
            if not is_empty(value):
                return then.apply(value, scope)
        return MISSING

    return Rule(f"first that is not empty, {then.name}", apply, reads=paths, always=True)


def cut(length: int) -> Rule:
    """Text cut to the vendor's length; say so in the field's note."""
    return Rule(f"cut to {length} characters", lambda value, scope: str(value)[:length])


def wrapped(name: str = "id") -> Rule:
    """``{name: value}``: how some vendors write references."""
    return Rule(f"as {{{name}}}", lambda value, scope: {name: value})


def chain(*rules: Rule) -> Rule:
    """Rules one after the other; stops where one gives nothing."""

    def apply(value: Any, scope: Scope) -> Any:
        for rule in rules:
            if is_empty(value) and not rule.always:
                return MISSING
            value = rule.apply(value, scope)
        return value

    reads = tuple(path for rule in rules for path in rule.reads)
    return Rule(", then ".join(rule.name for rule in rules), apply, reads=reads, always=rules[0].always)


def computed(words: str, function: Callable[[Scope], Any], *, reads: Sequence[str] = ()) -> Rule:
    """A value worked out by a function of the scope; `words` say how, for the document."""
    return Rule(words, lambda _value, scope: function(scope), reads=tuple(reads), always=True)


def record(mapping: RecordMapping) -> Rule:
    """One nested record, by a mapping of its own."""

    def apply(value: Any, scope: Scope) -> Any:
        return mapping.apply_in(scope.nested(value, f"{mapping.name.rpartition('.')[2]}."))

    return Rule(f"record {mapping.name}", apply, nested=mapping, rebuild=record)


def each(mapping: RecordMapping, where: Callable[[Any], bool] | None = None, words: str = "") -> Rule:
    """A list of records, by a mapping of their own; `where` chooses (say how in `words`). Gives a list."""
    label = mapping.name.rpartition(".")[2]

    def apply(value: Any, scope: Scope) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{type(value).__name__} is not a list")
        return [
            mapping.apply_in(scope.nested(element, f"{label}[{position}]."))
            for position, element in enumerate(value)
            if where is None or where(element)
        ]

    name = f"each {mapping.name}" + (f" where {words}" if words else "")
    return Rule(name, apply, nested=mapping, many=True, rebuild=lambda changed: each(changed, where, words))


# Validations ----------------------------------------------------------------------------------

not_negative = Validation("not be negative", lambda value: value >= 0)
positive = Validation("be above zero", lambda value: value > 0)


def at_most(length: int) -> Validation:
    """Text no longer than the vendor's column; longer values are refused, never cut unseen."""
    return Validation(f"have at most {length} characters", lambda value: len(str(value)) <= length)


def matches(pattern: str) -> Validation:
    compiled = re.compile(pattern)
    return Validation(f"match {pattern}", lambda value: compiled.fullmatch(str(value)) is not None)
