"""Corrections of letters: checked like any other document, kept beside the original with who and why, and due next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from erp_sync.components.documents import flow_module, judged_facts, suite_of
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.ledger import Delivery, codec
from erp_sync.ledger.quarantine import Quarantined
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.finding import found
from erp_sync.operations.record_fields import RecordFields, in_record, no_field, refuse_unread
from erp_sync.ports.raw import BadRecord, MappingProblem

#: Where a document holds fields that no flow declares.
_CUSTOM = "custom"
_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class Edited(msgspec.Struct, frozen=True, kw_only=True):
    """`changed`: paths with their values before and after."""

    id: str
    number: str
    changed: dict[str, tuple[Any, Any]]


def edit(
    here: Installation,
    word: str,
    *,
    changes: Mapping[str, str] | None = None,
    payload: bytes | None = None,
    who: str,
    why: str,
) -> Edited:
    """Correct a letter; the next run takes it. A later version from the source takes the correction's place.

    Args:
        changes: path in the payload to its new value, e.g. ``shipping_address.postcode``, ``lines[0].sku``. A record
            in quarantine takes the document's paths, by the mapping that its source declares, and its own.
        payload: the whole of it, instead.
    Raises CannotDo for what is no letter, a field that it does not have, and what would be refused again, with the
    reason.
    """
    if not why.strip():
        raise CannotDo("a correction needs a reason: --why TEXT")
    one = found(here, word)
    fields = RecordFields(here)
    if isinstance(one, Delivery):
        before = _whole(one.flow, one.payload)
        after = _given(payload) if payload is not None else changed(before, changes or {}, closed=True)
        _refuse_unknown(after, _whole(one.flow, codec.to_bytes(after)))
    else:
        before, mapping = _record(here, one), fields.mapping(one)
        own = in_record(mapping, before, changes or {}) if mapping is not None else changes or {}
        after = _given(payload) if payload is not None else changed(before, own)
        if mapping is not None:
            refuse_unread(mapping, before, after)
    differing = _differing(before, after)
    if not differing:
        raise CannotDo("nothing would change: give --set FIELD=VALUE or --file FILE")
    if isinstance(one, Delivery):
        check_document(here, one, codec.to_bytes(after))
        here.ledger.dead_letters.edit(one.id, codec.to_bytes(after), who, why, go=True)
        return Edited(id=f"d{one.id}", number=one.number, changed=differing)
    _correct_record(here, one, after, who, why)
    return Edited(id=f"q{one.id}", number=fields.number(one), changed=differing)


def changed(document: Any, changes: Mapping[str, str], *, closed: bool = False) -> Any:
    """A copy of the document with other values at these paths; texts stay texts. Raises CannotDo for a wrong path.

    Args:
        closed: it has all its fields: no other is put into it, but custom ones.
    """
    copy = codec.from_json(codec.to_bytes(document))
    for path, value in changes.items():
        steps = [int(index) if index else name for name, index in _PART.findall(path)]
        place = copy
        try:
            for step in steps[:-1]:
                place = place[step]
            if not steps or not isinstance(place, dict | list):
                raise KeyError(path)
            if closed and isinstance(place, dict) and steps[-1] not in place and _CUSTOM not in steps[:-1]:
                stem = path.removesuffix(str(steps[-1]))
                raise no_field(path, [f"{stem}{name}" for name in place])
            known = place[steps[-1]] if isinstance(place, list) else place.get(steps[-1])
            place[steps[-1]] = _value(value, known)
        except (KeyError, IndexError, TypeError) as error:
            raise CannotDo(f"{path} is no field of it; `erp-sync deadletters show` prints all of them") from error
    return copy


def _whole(flow: str, payload: bytes) -> Any:
    """The document with every field that its flow knows and no other; as it stands where it cannot be read."""
    try:
        return codec.from_json(codec.to_bytes(flow_module(flow, "transform").decode(payload)))
    except msgspec.DecodeError:
        return codec.from_json(payload)


def _refuse_unknown(given: Any, known: Any) -> None:
    """Raises CannotDo for the first field that decoding leaves out: nothing would be corrected by it."""
    for path, siblings in _dropped(given, known):
        raise no_field(path, siblings)


def _dropped(given: Any, known: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    if isinstance(given, dict) and isinstance(known, dict):
        stem = f"{path}." if path else ""
        for name, value in given.items():
            if name in known:
                yield from _dropped(value, known[name], stem + name)
            else:
                yield stem + name, [stem + one for one in known]
    elif isinstance(given, list) and isinstance(known, list):
        for index, pair in enumerate(zip(given, known, strict=False)):
            yield from _dropped(*pair, f"{path}[{index}]")


def _value(text: str, known: Any) -> Any:
    if isinstance(known, str):
        return text
    try:
        return codec.from_json(text)
    except msgspec.DecodeError:
        return text


def check_document(here: Installation, one: Delivery, payload: bytes) -> None:
    """Would the flow take this? Decoded, judged by its rules, mapped for its target. Raises CannotDo: the reason."""
    logic, checks = flow_module(one.flow, "transform"), flow_module(one.flow, "checks")
    try:
        document = logic.decode(payload)
    except msgspec.DecodeError as error:
        raise CannotDo(f"the corrected payload is no document of {one.flow}: {error}") from error
    identity = getattr(document, "native_id", one.key.native_id)
    if identity != one.key.native_id:
        raise CannotDo(f"native_id {identity} is another document; it is {one.key.native_id}")
    _judge(here, one.route, one.flow, document)
    route = here.configuration.routes[one.route]
    try:
        getattr(checks, "check_corrected", _nothing)(document)
        logic.target(here.connector_for(route, FLOWS[one.flow].target)).steps(document)
    except MappingProblem as problem:
        raise CannotDo(f"it would be refused again: {problem.code}: {problem}") from problem


def _judge(here: Installation, route: str, flow: str, document: Any) -> None:
    from erp_sync.quality.gate import judge

    holding: frozenset[str] = getattr(flow_module(flow, "checks"), "HOLDING", frozenset())
    custom = here.configuration.routes[route].flows[flow].checks
    facts = judged_facts(flow, document, custom)
    judgement = judge(suite_of(flow, custom), [facts])
    broken = [item.rule.told(facts) for item in judgement.broken if item.rule.name not in holding]
    if broken:
        raise CannotDo(f"it would be refused again: {'; '.join(broken)}")


def _nothing(document: Any) -> None:
    """Of flows whose rules are all there is to check."""


def _record(here: Installation, row: Quarantined) -> Any:
    rows = here.ledger.received.rows([row.received_id] if row.received_id is not None else [])
    if not rows or rows[0].payload is None:
        raise CannotDo(f"q{row.id}: the record is older than what is kept; correct it at the source")
    return codec.from_json(here.ledger.corrections.applied(rows, row.route, row.flow)[0].payload or b"null")


def _correct_record(here: Installation, row: Quarantined, after: Any, who: str, why: str) -> None:
    assert row.received_id is not None
    (received,) = here.ledger.received.rows([row.received_id])
    route, corrected = here.configuration.routes[row.route], codec.to_bytes(after)
    source = here.source(route, row.flow)
    record = msgspec.structs.replace(received, payload=corrected).record()
    try:
        document = source.to_canonical(record, here.lookups(route))
    except (BadRecord, MappingProblem) as problem:
        raise CannotDo(f"it would be refused again: {problem}") from problem
    if FLOWS[row.flow].delivers:
        _judge(here, row.route, row.flow, document)
    here.ledger.corrections.add(row.route, row.flow, received, corrected, who=who, why=why)
    here.ledger.received.rewind(row.route, row.flow, [row.received_id])


def _given(payload: bytes) -> Any:
    try:
        return codec.from_json(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CannotDo(f"the corrected payload is no JSON: {error}") from error


def _differing(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for name in {**before, **after}:
            found |= _differing(before.get(name), after.get(name), f"{path}.{name}" if path else name)
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        found = {}
        for index, pair in enumerate(zip(before, after, strict=True)):
            found |= _differing(*pair, f"{path}[{index}]")
        return found
    return {} if before == after else {path: (before, after)}
