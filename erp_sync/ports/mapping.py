"""Mappings as declared data.

A `RecordMapping` is a list of `Field` declarations. It executes (`apply`, record by record), it prints
(`rows`), and a connection's YAML may overlay it (`erp_sync.ports.mapping_overlay`). The declarations
are the only place that knows which field becomes which, so the printed document cannot drift.

Two directions exist. `TO_CANONICAL` reads a vendor's record and reports what is wrong with it as
`BadRecord` (that record is quarantined). `TO_VENDOR` reads a canonical struct and reports
`MappingProblem` (that document waits as a dead letter). Rules live in `erp_sync.ports.mapping_rules`,
the path language in `erp_sync.ports.paths`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from erp_sync.model.advice import Advice
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Lookups, Passthrough
from erp_sync.ports.paths import MISSING, Getter, getter, leaves, plain_name, setter
from erp_sync.ports.raw import BadRecord, MappingProblem


class Direction(StrEnum):
    TO_CANONICAL = "to_canonical"
    TO_VENDOR = "to_vendor"


@dataclass(frozen=True)
class Context:
    """What rules may look at besides the record: look-up tables, the connection, values of the caller.

    `values` carries what the connector knows and the record does not, e.g. resolved target ids.
    """

    connection: ConnectionSettings
    lookups: Lookups = field(default_factory=Passthrough)
    values: Mapping[str, Any] = field(default_factory=dict)

    def setting(self, name: str, default: Any = None) -> Any:
        return self.connection.settings.get(name, default)


@dataclass(frozen=True)
class Scope:
    """Where a rule stands: the record, those around it, and the path so far (for error messages)."""

    record: Any
    context: Context
    native_id: str
    direction: Direction
    parent: Scope | None = None
    path: str = ""

    @property
    def root(self) -> Any:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope.record

    def get(self, path: str) -> Any:
        """The value at a path (see `erp_sync.ports.paths`), `MISSING` where there is none."""
        return scoped_getter(path)(self)

    def nested(self, record: Any, path: str) -> Scope:
        return Scope(record, self.context, self.native_id, self.direction, self, self.path + path)

    def problem(self, path: str, text: str, value: Any = "", code: str = "invalid_value") -> ValueError:
        """The error of this direction, naming record and field."""
        where = self.path + path
        if self.direction is Direction.TO_CANONICAL:
            return BadRecord(self.native_id, where, text)
        return MappingProblem(code, where, str(value), text)


_MOST_REMEMBERED = 10_000
_REMEMBERED = frozenset({str, type(None), type(MISSING)})

_scoped: dict[str, Callable[[Scope], Any]] = {}


def scoped_getter(path: str) -> Callable[[Scope], Any]:
    """Compile a path that may start with ``$.`` (outermost record) or ``^.`` (record around). Raises BadPath."""
    known = _scoped.get(path)
    if known is None:
        if path.startswith("$."):
            from_root: Getter = getter(path[2:])
            known = lambda scope: from_root(scope.root)  # noqa: E731
        elif path.startswith("^."):
            around = scoped_getter(path[2:])
            known = lambda scope: around(scope.parent) if scope.parent else MISSING  # noqa: E731
        else:
            plain = getter(path)
            known = lambda scope: plain(scope.record)  # noqa: E731
        _scoped[path] = known
    return known


@dataclass(frozen=True)
class Rule:
    """How a value becomes another.

    Attributes:
        name: as the mapping document prints it, e.g. ``lookup(carriers)``.
        apply: value and scope in, value out; MISSING leaves the field out. Raises ValueError with
            what is wrong in words, or BadRecord or MappingProblem directly.
        nested: the mapping it applies to the value or to each of its elements.
        many: the value is a list of records.
        reads: further source paths it looks at, for the document.
        fills: further target paths below the field's that it fills besides those of `nested`.
        always: called for empty values too (constants, settings, computed values).
        pure: the answer depends on the value and the context only, so that it may be remembered.
        rebuild: the same rule around an overlaid `nested`.
        code: changes with what `apply` does, where its name does not: a company's own function.
    """

    name: str
    apply: Callable[[Any, Scope], Any]
    nested: RecordMapping | None = None
    many: bool = False
    reads: tuple[str, ...] = ()
    fills: tuple[str, ...] = ()
    always: bool = False
    pure: bool = False
    rebuild: Callable[[RecordMapping], Rule] | None = None
    code: str = ""


@dataclass(frozen=True)
class Validation:
    """A test of the mapped value; `name` completes the sentence 'must ...'."""

    name: str
    holds: Callable[[Any], bool]


COPY = Rule("copy", lambda value, scope: value)


@dataclass(frozen=True)
class Field:
    """One declared field.

    Attributes:
        source: path in the source record; empty where the rule makes the value.
        target: path in the target record; names only.
        rule: how the value changes on the way.
        default: what is written when the source is empty; MISSING leaves the field out.
        required: empty and without default is an error.
        validation: tests of the mapped value.
        note: for the reader of the document, with the source of a vendor fact.
    """

    source: str
    target: str
    rule: Rule = COPY
    default: Any = MISSING
    required: bool = False
    validation: tuple[Validation, ...] = ()
    note: str = ""


def is_empty(value: Any) -> bool:
    """Missing, None or empty text. Zero and False are values."""
    return value is MISSING or value is None or value == ""


@dataclass(frozen=True)
class MappingRow:
    """One row of the mapping document."""

    mapping: str
    direction: str
    source: str
    target: str
    rule: str
    default: str
    required: bool
    validation: str
    note: str


class MappingMistake(ValueError):
    """A mapping declaration that cannot be executed. Attributes: mapping, problem."""

    advice = Advice(
        means="A mapping of the YAML cannot be carried out: the route is not loaded.",
        look=("erp-sync mapping",),
        do="Correct the connection's mapping overlay as the message says.",
    )

    def __init__(self, mapping: str, problem: str) -> None:
        self.mapping, self.problem = mapping, problem
        super().__init__(f"mapping {mapping}: {problem}")


@dataclass(frozen=True)
class RecordMapping:
    """Declared fields between a vendor's record and a canonical entity.

    Attributes:
        name: e.g. ``sales_order`` or ``sales_order.lines``; overlays address it by this name.
        build: canonical struct to build from the result; None keeps the dictionary.
        stands_for: where the record read is not the canonical entity itself, how its paths begin and what that is
            in the entity, e.g. ``("payment.", "payments.")``.
    """

    name: str
    direction: Direction
    fields: tuple[Field, ...]
    build: type[Any] | None = None
    stands_for: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for declared in self.fields:
            if declared.target in seen:
                raise MappingMistake(self.name, f"two fields write {declared.target}")
            seen.add(declared.target)
        _ = self._compiled

    @cached_property
    def _compiled(self) -> list[tuple[Field, Callable[[Scope], Any], Callable[[dict[str, Any], Any], None]]]:
        return [(one, scoped_getter(one.source), setter(one.target)) for one in self.fields]

    def apply(self, record: Any, context: Context, native_id: str = "") -> Any:
        """Map one record. Raises BadRecord or MappingProblem, by direction; changes nothing."""
        return self.apply_in(Scope(record, context, native_id, self.direction))

    def apply_in(self, scope: Scope) -> Any:
        """Map the record of a scope: for rules that nest mappings."""
        result: dict[str, Any] = {}
        for declared, get, put in self._compiled:
            value = self._value(declared, get(scope), scope)
            if value is not MISSING:
                put(result, value)
        return self._built(result, scope)

    def _built(self, result: dict[str, Any], scope: Scope) -> Any:
        if self.build is None:
            return result
        try:
            return msgspec.convert(result, self.build)
        except msgspec.ValidationError as error:
            raise scope.problem("", f"is no {self.build.__name__}: {error}") from error

    def repeated(self, context: Context) -> Callable[[Any, str], Any]:
        """`apply` for many records of one context: answers of pure rules are remembered. Not for threads."""
        # Where source and target are plain names, the dictionaries are asked without a detour.
        compiled: list[tuple[Field, str, Callable[[Scope], Any], str, Callable[..., None], dict[Any, Any], bool]]
        compiled = [
            (declared, plain_name(declared.source), get, plain_name(declared.target), put, {}, declared.rule.pure)
            for declared, get, put in self._compiled
        ]
        unseen: Any = object()

        def apply(record: Any, native_id: str = "") -> Any:
            scope = Scope(record, context, native_id, self.direction)
            result: dict[str, Any] = {}
            simple = type(record) is dict
            for declared, source, get, target, put, memory, pure in compiled:
                value = record.get(source, MISSING) if simple and source else get(scope)
                # Numbers and flags are not remembered: 1, 1.0 and True are one key of a dictionary.
                if pure and type(value) in _REMEMBERED:
                    mapped = memory.get(value, unseen)
                    if mapped is unseen:
                        mapped = self._value(declared, value, scope)
                        if len(memory) < _MOST_REMEMBERED:
                            memory[value] = mapped
                else:
                    mapped = self._value(declared, value, scope)
                if mapped is MISSING:
                    continue
                if target:
                    result[target] = mapped
                else:
                    put(result, mapped)
            return self._built(result, scope)

        return apply

    def _value(self, declared: Field, value: Any, scope: Scope) -> Any:
        where = declared.source or declared.target
        empty = is_empty(value)
        if not empty or declared.rule.always:
            try:
                value = declared.rule.apply(MISSING if empty else value, scope)
            except (BadRecord, MappingProblem):
                raise
            except ValueError as error:
                raise scope.problem(where, str(error), value) from error
            empty = is_empty(value)
        if empty:
            if declared.default is not MISSING:
                return declared.default
            if declared.required:
                raise scope.problem(where, "is empty", code="missing_value")
            return MISSING
        for check in declared.validation:
            if not check.holds(value):
                raise scope.problem(where, f"{value!r} must {check.name}", value)
        return value

    def with_fields(self, fields: tuple[Field, ...]) -> RecordMapping:
        return replace(self, fields=fields)

    def rows(self, source_prefix: str = "", target_prefix: str = "") -> Iterator[MappingRow]:
        """The mapping document, nested mappings after their field."""
        for one in self.fields:
            reads = [one.source, *one.rule.reads] if one.source else list(one.rule.reads)
            yield MappingRow(
                mapping=self.name,
                direction=str(self.direction),
                source=", ".join(joined_path(source_prefix, path) for path in reads),
                target=joined_path(target_prefix, one.target),
                rule=one.rule.name,
                default="" if one.default is MISSING else repr(one.default),
                required=one.required,
                validation="; ".join(check.name for check in one.validation),
                note=one.note,
            )
            if one.rule.nested is not None:
                many = "[]" if one.rule.many else ""
                yield from one.rule.nested.rows(
                    joined_path(source_prefix, one.source) + many, joined_path(target_prefix, one.target) + many
                )

    @property
    def version(self) -> str:
        """Changes when any declaration changes."""
        text = "\n".join([*(repr(row) for row in self.rows()), *self._codes()])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _codes(self) -> Iterator[str]:
        for one in self.fields:
            if one.rule.code:
                yield one.rule.code
            if one.rule.nested is not None:
                yield from one.rule.nested._codes()

    def target_paths(self) -> set[str]:
        return {row.target for row in self.rows()}

    def sources_of(self, path: str) -> tuple[str, ...]:
        """Paths in the source record of what is written to this target path: several where the value is made of them,
        none where it is not declared or stands in a list."""
        for one in self.fields:
            if one.target == path:
                return (one.source, *one.rule.reads) if one.source else one.rule.reads
            if one.rule.nested is not None and not one.rule.many and path.startswith(f"{one.target}."):
                inner = one.rule.nested.sources_of(path.removeprefix(f"{one.target}."))
                return tuple(joined_path(joined_path("", one.source), each) for each in inner)
        return ()

    def unread(self, record: Any) -> list[str]:
        """Paths that this record has and no field reads: what the mapping drops.

        Elements chosen by a key (``attributes[code=color]``) count as read as a whole list.
        """
        read = {form for path in self.read_paths() for form in _forms(path)}

        def is_read(path: str) -> bool:
            return any(path == known or path.startswith((known + ".", known + "[]")) for known in read)

        return [path for path in leaves(record) if not is_read(path)]

    def read_paths(self, prefix: str = "") -> Iterator[str]:
        """Source paths that the fields look at; of a nested mapping those of its fields."""
        for one in self.fields:
            yield from (joined_path(prefix, path) for path in one.rule.reads)
            if one.rule.nested is not None:
                yield from one.rule.nested.read_paths(joined_path(prefix, one.source) + ("[]" if one.rule.many else ""))
            elif one.source:
                yield joined_path(prefix, one.source)


def joined_path(prefix: str, path: str) -> str:
    """A path below another, ``$.`` and ``^.`` resolved."""
    if path.startswith("$."):
        return path
    if path.startswith("^."):
        return joined_path(prefix.rpartition(".")[0], path[2:])
    if path in ("", "@"):
        return prefix
    return f"{prefix}.{path}" if prefix else path


def _forms(path: str) -> Iterator[str]:
    """The path as `leaves` writes it, and the keys that its selectors look at."""
    out, selector = "", None
    for character in path.removeprefix("$.").replace('"', ""):
        if character == "[":
            selector, out = "", out + "[]"
        elif selector is None:
            out += character
        elif character == "]":
            if "=" in selector:
                yield f"{out}.{selector.partition('=')[0]}"
            selector = None
        else:
            selector += character
    yield out
