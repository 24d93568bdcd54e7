"""Tracing without a document's name: by customer, by run, by time."""

from __future__ import annotations

from datetime import datetime

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger.identifying import MOST
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.personal_places import email_of
from erp_sync.operations.trace import Entry, TraceReport, exchange_told, report_of

#: Of a run or a span of time: the newest exchanges, and as many other entries.
MOST_ENTRIES = 1000


def trace_customer(here: Installation, what: str) -> TraceReport:
    """The latest documents of a person, by e-mail address or as CONNECTION:CUSTOMER: of their orders and of their
    customer records `MOST` each, the report says how many more there are, and what belongs to these orders. Every
    record as received is looked at. Raises CannotDo for an unknown one."""
    person = here.ledger.privacy.texts(email_of(here, what))
    looking = here.ledger.identifying
    keys: list[EntityKey] = []
    older = 0
    for entity, some in ((Entity.SALES_ORDER, person.orders), (Entity.CUSTOMER, person.customers)):
        older += max(0, len(some) - MOST)
        for connection, native_id in sorted(some, key=lambda one: (one[1].zfill(20), one))[-MOST:]:
            known = [key for key in looking.named(native_id) if (key.connection, key.entity) == (connection, entity)]
            keys += known or [EntityKey(connection, "", entity, native_id)]
    if not keys:
        raise CannotDo(f"nothing is known of customer {what}")
    report = report_of(here, f"customer {what}", list(dict.fromkeys([*keys, *looking.about(keys)])))
    return msgspec.structs.replace(report, left_out=older > 0, older=older)


def search(
    here: Installation,
    *,
    run: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    bodies: bool = False,
) -> TraceReport:
    """Everything that a run did, or that happened since <= time < until (aware): the newest exchanges, and the newest
    of what the ledger tells. Raises CannotDo where there is nothing.

    Args:
        bodies: of exchanges, too: many and long ones.
    """
    found = here.exchanges.search(run=run, since=since, until=until, limit=MOST_ENTRIES)
    calls = here.exchanges.span(run) if run is not None else None
    happened = here.ledger.happenings.of(run=run, since=since, until=until, calls=calls, limit=MOST_ENTRIES)
    entries = []
    for one in found:
        told = exchange_told(here, one, one.document, bodies=bodies)
        entries.append(msgspec.structs.replace(told, facts=told.facts | {"document": one.document}))
    entries += [
        Entry(
            at=event.at,
            kind=event.kind,
            about=str(key or ""),
            delivery=event.delivery_id,
            step=event.step,
            actor=event.actor,
            run_id=event.run_id,
            facts={name: value for name, value in event.details.items() if value not in (None, "")},
        )
        for key, event in happened
    ]
    asked = ", ".join(
        [f"run {run}"] * (run is not None)
        + [f"from {since:%Y-%m-%d %H:%M:%S} UTC" for since in (since,) if since]
        + [f"to {until:%Y-%m-%d %H:%M:%S} UTC" for until in (until,) if until]
    )
    if not entries:
        raise CannotDo(f"nothing is known of {asked}; `erp-sync trace ORDER` names the runs of an order")
    return TraceReport(
        asked=asked,
        documents=sorted({str(key) for key, _ in happened if key is not None}),
        deliveries=[],
        partners={},
        known=[],
        entries=sorted(entries, key=lambda entry: entry.at),
        left_out=MOST_ENTRIES in (len(found), len(happened)),
    )


def within(report: TraceReport, run: str | None, since: datetime | None, until: datetime | None) -> TraceReport:
    """Only the entries of a run, and of a span of time."""
    kept = [
        entry
        for entry in report.entries
        if (run is None or entry.run_id == run)
        and (since is None or entry.at >= since)
        and (until is None or entry.at < until)
    ]
    return msgspec.structs.replace(report, entries=kept)
