"""Overlays: a connection's YAML changes the mapping that ships with the vendor.

.. code-block:: yaml

    mapping:
      sales_order:                       # name of the mapping, nested ones too: sales_order.lines
        drop: [memo]
        replace:
          - {target: otherRefNum, source: custom.purchase_order, type: text}
        add:
          - {target: custbody_gift_message, source: custom.gift_message, type: text, max_length: 300}
          - {target: custbody_channel, constant: web}
          - {target: custbody_cost_center, source: custom.department, function: "acme_rules:cost_center"}

Keys of a field: ``target``; ``source`` or ``constant``; ``type`` (text, integer, decimal, boolean, date,
time), ``lookup`` (a table) or ``function`` (`erp_sync.ports.own_functions`); ``default``, ``required``,
``max_length``, ``note``. Everything else is refused when the connection is loaded, with the place and the valid
choices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.mapping import COPY, Context, Direction, Field, MappingMistake, RecordMapping, Rule, Scope
from erp_sync.ports.own_functions import OwnFunctionMistake, own_function
from erp_sync.ports.paths import MISSING, BadPath

_TO_CANONICAL: dict[str, Rule] = {
    "text": rules.text(),
    "integer": rules.integer(),
    "decimal": rules.decimal(scale=8),
    "boolean": rules.boolean(),
    "date": rules.text(),
    "time": rules.timestamp(),
}
_TO_VENDOR: dict[str, Rule] = {**_TO_CANONICAL, "date": rules.local_date(), "time": rules.utc_text()}
FIELD_KEYS = ("target", "source", "constant", "type", "lookup", "function", "default", "required", "max_length", "note")
CHANGES = ("add", "replace", "drop")


def overlaid(mapping: RecordMapping, overlays: Mapping[str, Any]) -> RecordMapping:
    """The mapping with the overlays of its name and of its nested mappings applied.

    Raises MappingMistake that names mapping and entry. Names that no mapping has are found by `check_names`.
    """
    if not overlays:
        return mapping
    fields = tuple(_overlay_nested(one, overlays) for one in mapping.fields)
    changes = overlays.get(mapping.name)
    if changes is None:
        return mapping if fields == mapping.fields else mapping.with_fields(fields)
    if not isinstance(changes, Mapping):
        raise MappingMistake(mapping.name, f"overlay is {type(changes).__name__}, expected {', '.join(CHANGES)}")
    unknown = set(changes) - set(CHANGES)
    if unknown:
        raise MappingMistake(mapping.name, f"unknown change {sorted(unknown)[0]!r}; known: {', '.join(CHANGES)}")
    for name, entries in changes.items():
        if entries is not None and not isinstance(entries, list | tuple):
            raise MappingMistake(mapping.name, f"{name}: expected a list, each entry with a dash, not {entries!r}")
    declared = {one.target: one for one in fields}
    for target in changes.get("drop") or ():
        if declared.pop(target, None) is None:
            raise MappingMistake(mapping.name, f"drop: no field {target!r}; it has: {', '.join(declared)}")
    for entry in changes.get("replace") or ():
        one = field_of(mapping, entry)
        if one.target not in declared:
            raise MappingMistake(mapping.name, f"replace: no field {one.target!r}; it has: {', '.join(declared)}")
        declared[one.target] = one
    for entry in changes.get("add") or ():
        one = field_of(mapping, entry)
        if one.target in declared:
            raise MappingMistake(mapping.name, f"add: {one.target!r} is there already; use replace")
        declared[one.target] = one
    return mapping.with_fields(tuple(declared.values()))


def _overlay_nested(one: Field, overlays: Mapping[str, Any]) -> Field:
    nested = one.rule.nested
    if nested is None:
        return one
    changed = overlaid(nested, overlays)
    if changed is nested:
        return one
    if one.rule.rebuild is None:
        raise MappingMistake(nested.name, "cannot be overlaid: its rule does not take another mapping")
    return replace(one, rule=one.rule.rebuild(changed))


def field_of(mapping: RecordMapping, entry: Any) -> Field:
    """One field of an overlay. Raises MappingMistake."""
    if not isinstance(entry, Mapping) or not entry.get("target"):
        raise MappingMistake(mapping.name, f"{entry!r} is no field: it needs at least target and source or constant")
    target = str(entry["target"])
    unknown = set(entry) - set(FIELD_KEYS)
    if unknown:
        known = ", ".join(FIELD_KEYS)
        raise MappingMistake(mapping.name, f"{target}: unknown key {sorted(unknown)[0]!r}; known: {known}")
    if ("source" in entry) == ("constant" in entry):
        raise MappingMistake(mapping.name, f"{target}: needs either source or constant")
    length, required = entry.get("max_length"), entry.get("required", False)
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 1):
        raise MappingMistake(mapping.name, f"{target}: max_length is {length!r}; expected a whole number above 0")
    if not isinstance(required, bool):
        raise MappingMistake(mapping.name, f"{target}: required is {required!r}; expected true or false")
    rule = _rule(mapping, target, entry)
    try:
        one = Field(
            source=str(entry.get("source", "")),
            target=target,
            rule=rule,
            default=_default(mapping, target, entry, rule),
            required=required,
            validation=(rules.at_most(length),) if length is not None else (),
            note=str(entry.get("note", "declared by the connection")),
        )
        mapping.with_fields((one,))
    except BadPath as error:
        raise MappingMistake(mapping.name, f"{target}: {error}") from error
    return one


def _default(mapping: RecordMapping, target: str, entry: Mapping[str, Any], rule: Rule) -> Any:
    """As the rule would have it: YAML reads 0.1 as a binary fraction, which no amount may be."""
    default = entry.get("default", MISSING)
    if entry.get("type") not in ("text", "integer", "decimal", "boolean") or default is None or default is MISSING:
        return default
    plain = str(default) if isinstance(default, float) else default
    nowhere = ConnectionSettings(name="", vendor="", base_url="", credentials={})
    try:
        return rule.apply(plain, Scope({}, Context(nowhere), "", mapping.direction))
    except ValueError as error:
        raise MappingMistake(mapping.name, f"{target}: default {default!r} is no {entry['type']}: {error}") from error


def _rule(mapping: RecordMapping, target: str, entry: Mapping[str, Any]) -> Rule:
    if "constant" in entry:
        return rules.constant(entry["constant"])
    if len({"type", "lookup", "function"} & set(entry)) > 1:
        raise MappingMistake(mapping.name, f"{target}: needs one of type, lookup and function")
    if "function" in entry:
        try:
            return rules.own(own_function(str(entry["function"]), "mapping"))
        except OwnFunctionMistake as mistake:
            raise MappingMistake(mapping.name, f"{target}: {mistake}") from mistake
    if "lookup" in entry:
        return rules.lookup(str(entry["lookup"]))
    if "type" not in entry:
        return COPY
    types = _TO_VENDOR if mapping.direction is Direction.TO_VENDOR else _TO_CANONICAL
    rule = types.get(str(entry["type"]))
    if rule is None:
        raise MappingMistake(mapping.name, f"{target}: unknown type {entry['type']!r}; known: {', '.join(types)}")
    return rule


def names(mapping: RecordMapping) -> set[str]:
    """The mapping's name and those of all nested ones."""
    found = {mapping.name}
    for one in mapping.fields:
        if one.rule.nested is not None:
            found |= names(one.rule.nested)
    return found


def check_names(mappings: Iterable[RecordMapping], overlays: Mapping[str, Any]) -> None:
    """Refuse an overlay of a mapping that does not exist. Raises MappingMistake with the known names."""
    known = set().union(*(names(mapping) for mapping in mappings))
    for name in overlays:
        if name not in known:
            raise MappingMistake(name, f"does not exist; this connection has: {', '.join(sorted(known))}")
