"""Everything that ever happened to a document or a SKU, in order, with what was said to whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger.identifying import KnownValue, PlannedChange
from erp_sync.ledger.trace import Trace
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.operations.choosing import CannotDo
from erp_sync.transport.exchange_store import Exchange
from erp_sync.transport.segments import BodyLost

# Exchanges of one document; of a run that read it, those that are looked through for it.
MOST_EXCHANGES = 500
MOST_READS = 100
# What is told of a SKU by plans and known state.
_OF_SKUS = (Entity.PRODUCT, Entity.STOCK_LEVEL, Entity.PRICE)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. Time UTC.

    Attributes:
        kind: received, quarantined, left_out, notified, accepted, planned, sending, confirmed, delivered, dead,
            approved ... (events of the ledger), exchange, planned_change, known_state.
        about: the document in words.
        facts: of the kind; of an exchange: connection, operation, method, path, status, ms, verdict, error.
        request, response: bodies of an exchange as stored, redacted; JSON is decoded.
        payload: of received: the record as received; of accepted: what is to be delivered.
    """

    at: datetime
    kind: str
    about: str = ""
    delivery: int = 0
    step: str = ""
    actor: str = ""
    run_id: str = ""
    facts: dict[str, Any] = {}
    request: Any = None
    response: Any = None
    payload: Any = None


class StepTold(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    operation: str
    key: str
    state: str
    attempts: int
    target_id: str
    number: str
    code: str
    message: str


class DeliveryTold(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as it stands; `attempts` are all sends of all its steps with their outcomes, `mapping` the version of
    the mapping that made it."""

    id: int
    route: str
    flow: str
    document: str
    number: str
    operation: str
    target: str
    state: str
    code: str
    reason: str
    version: str
    mapping: str
    corrected: bool
    steps: list[StepTold]
    attempts: list[dict[str, Any]]


class TraceReport(msgspec.Struct, frozen=True, kw_only=True):
    """`partners`: ids that the documents have elsewhere, by document and connection. `documents`: what the word
    stands for. `left_out`: there are older entries. `older`: of a customer, so many orders and records are not told,
    which are older than those that are."""

    asked: str
    documents: list[str]
    deliveries: list[DeliveryTold]
    partners: dict[str, dict[str, str]]
    known: list[dict[str, Any]]
    entries: list[Entry]
    left_out: bool = False
    older: int = 0


def trace(here: Installation, asked: str) -> TraceReport:
    """By order number, id here or there, external id, id of a delivery, or SKU. Raises CannotDo for an unknown one.

    Of an order, its shipments and status updates are told too; of a SKU, the latest orders that hold it, plans
    and known state.
    """
    looking = here.ledger.identifying
    keys, changes, known = looking.named(asked), [], []
    if all(key.entity in _OF_SKUS for key in keys):
        changes, known = looking.changes(asked), looking.state(asked)
        # A SKU stands in every record as received of its stock, its price and its orders: it is no name of these.
        if changes or known:
            keys = [*keys, *looking.with_sku(asked)]
        else:
            keys = keys or looking.documents(asked) or looking.with_sku(asked)
        if not (keys or changes or known):
            raise CannotDo(
                f"nothing is known of {asked}; give an order number, an id, an external id, a delivery or a SKU"
            )
    if not (changes or known):
        keys = list(dict.fromkeys([*keys, *looking.about(keys)]))
    return report_of(here, asked, keys, changes, known)


def report_of(
    here: Installation,
    asked: str,
    keys: Sequence[EntityKey],
    changes: Sequence[PlannedChange] = (),
    known: Sequence[KnownValue] = (),
) -> TraceReport:
    """Everything about these documents, and about a SKU what plans and known state say of it."""
    traces = [(key, here.ledger.trace(key)) for key in keys]
    entries = [entry for key, one in traces for entry in _events(key, one)]
    deliveries = [told for _, one in traces for told in _deliveries(one)]
    entries += _exchanges(here, traces)
    entries += [
        Entry(
            at=change.changed_at,
            kind="planned_change",
            about=f"{change.entity} {change.key} at {change.target}",
            run_id=change.run_id,
            facts={
                "plan": change.plan_id,
                "action": change.action,
                "state": change.state,
                "before": _decoded(change.before),
                "after": _decoded(change.after),
                "reason": change.reason,
                "message": change.message,
                **({"mapping": change.mapping} if change.mapping else {}),
            },
        )
        for change in changes
    ]
    return TraceReport(
        asked=asked,
        documents=[str(key) for key in keys],
        deliveries=deliveries,
        partners={str(key): one.partners for key, one in traces if one.partners},
        known=[msgspec.to_builtins(value) | {"value": _decoded(value.value)} for value in known],
        entries=sorted(entries, key=lambda entry: entry.at),
    )


def _events(key: EntityKey, one: Trace) -> list[Entry]:
    payloads = {delivery.id: delivery.payload for delivery in one.deliveries}
    entries = []
    for event in one.events:
        payload = None
        if event.kind == "received":
            payload = _decoded(one.payloads.get(event.details["received_id"]))
        elif event.kind == "accepted":
            payload = _decoded(one.originals.get(event.delivery_id) or payloads.get(event.delivery_id))
        entries.append(
            Entry(
                at=event.at,
                kind=event.kind,
                about=str(key),
                delivery=event.delivery_id,
                step=event.step,
                actor=event.actor,
                run_id=event.run_id,
                facts={name: value for name, value in event.details.items() if name != "key" and value is not None},
                payload=payload,
            )
        )
    return entries


def _deliveries(one: Trace) -> list[DeliveryTold]:
    return [
        DeliveryTold(
            id=delivery.id,
            route=delivery.route,
            flow=delivery.flow,
            document=str(delivery.key),
            number=delivery.number,
            operation=delivery.operation,
            target=delivery.target,
            state=delivery.state.value,
            code=delivery.code,
            reason=delivery.reason,
            version=delivery.version,
            mapping=str(delivery.facts.get("mapping", "")),
            corrected=delivery.corrected,
            steps=[
                StepTold(
                    name=step.name,
                    operation=step.operation,
                    key=step.key,
                    state=step.state.value,
                    attempts=step.attempts,
                    target_id=step.receipt.target_id if step.receipt else "",
                    number=step.receipt.number if step.receipt else "",
                    code=step.code,
                    message=step.message,
                )
                for step in one.steps.get(delivery.id, ())
            ],
            attempts=[msgspec.to_builtins(attempt) for attempt in one.attempts if attempt.delivery_id == delivery.id],
        )
        for delivery in one.deliveries
    ]


def _exchanges(here: Installation, traces: Sequence[tuple[EntityKey, Trace]]) -> list[Entry]:
    """Exchanges made for these documents, and the reads that brought them in."""
    found: dict[int, Entry] = {}
    for key, one in traces:
        numbers = {delivery.number for delivery in one.deliveries if delivery.number}
        keys = {step.key for steps in one.steps.values() for step in steps}
        for name in sorted(numbers | keys | {key.native_id}):
            for exchange in here.exchanges.search(document=name, limit=MOST_EXCHANGES, whole=True):
                # An id is one at its own system only; elsewhere the same digits mean another record.
                own = name in numbers or name in keys or exchange.connection == key.connection
                if own and exchange.id not in found:
                    found[exchange.id] = exchange_told(here, exchange, str(key))
        found |= _reads(here, key, one, numbers)
    return list(found.values())


def _reads(here: Installation, key: EntityKey, one: Trace, numbers: Iterable[str]) -> dict[int, Entry]:
    """Of the runs that received versions of the document: the exchanges whose answer holds it.

    Of a page of records only those are told that name the document.
    """
    runs = {event.run_id for event in one.events if event.kind == "received" and event.run_id}
    words = [msgspec.json.encode(word) for word in numbers] or [msgspec.json.encode(key.native_id)]
    found = {}
    for run in sorted(runs):
        for exchange in here.exchanges.search(run=run, connection=key.connection, limit=MOST_READS):
            if exchange.document or exchange.response_length is None:
                continue
            try:
                body = here.exchanges.response_body(exchange)
            except BodyLost:
                continue
            if any(word in body for word in words):
                entry = exchange_told(here, exchange, str(key))
                found[exchange.id] = msgspec.structs.replace(entry, response=_naming(entry.response, words))
    return found


def _naming(body: Any, words: Sequence[bytes]) -> Any:
    """A page with only those records that hold one of the words; how many it had stands beside them."""
    if not isinstance(body, dict):
        return body
    kept = {}
    for name, value in body.items():
        kept[name] = value
        if isinstance(value, list) and len(value) > 1:
            kept[name] = [one for one in value if any(word in msgspec.json.encode(one) for word in words)]
            kept[f"records in {name}"] = len(value)
    return kept


def exchange_told(here: Installation, exchange: Exchange, about: str, *, bodies: bool = True) -> Entry:
    """An exchange as an entry."""
    facts: dict[str, Any] = {
        "connection": exchange.connection,
        "operation": exchange.operation,
        "method": exchange.method,
        "url": exchange.url,
        "status": exchange.status,
        "ms": round(exchange.seconds * 1000),
        "verdict": exchange.verdict,
    }
    facts |= {"error": exchange.error} if exchange.error else {}
    facts |= {"attempt": exchange.attempt} if exchange.attempt > 1 else {}
    return Entry(
        at=exchange.time,
        kind="exchange",
        about=about,
        run_id=exchange.run_id,
        facts=facts,
        request=_body(here.exchanges.request_body, exchange) if bodies else None,
        response=_body(here.exchanges.response_body, exchange) if bodies else None,
    )


def _body(read: Any, exchange: Exchange) -> Any:
    try:
        return _decoded(read(exchange))
    except BodyLost as lost:
        return f"({lost})"


def _decoded(body: bytes | str | None) -> Any:
    """JSON as values, numbers as they stood; what is no JSON as text; None for nothing."""
    if not body:
        return None
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace") if isinstance(body, bytes) else body


# An amount is never rounded on its way to the eye.
_decoder = msgspec.json.Decoder(float_hook=Decimal)
