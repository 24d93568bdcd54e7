"""Rows of state of which another version was read at about the same time: nobody knows which is the newer one.

A value's place in the order of values is when its read began (`flows.state_flow`). That order fails where reads
overlap: one that takes long, because its call was repeated, may hold what is newer than a read that began after it and
was done before it. It fails, too, where the vendor's search lags behind its writes: a later read then holds what is
older. Such keys are read once more, both sides of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.state_rows import Entry, canonical, entry_of
from erp_sync.flows.state_extraction import same_content
from erp_sync.ledger.plan_values import PlannedValue

# (scope, native id) of a record.
Identity = tuple[str, str]


def overlapping(here: Installation, route: RouteSpec, kind: FlowKind, entries: Sequence[Entry]) -> set[Identity]:
    """Records of which another version was received that nobody can order with that of these mapped `entries`.

    Rows that do not say when they were read have another order, and overlap with nothing.
    """
    source, now = getattr(route, kind.source), here.ledger.now()
    reading = here.source(route, kind.name).capabilities.reading(kind.source_entity)
    lateness = timedelta(seconds=reading.lateness_seconds)
    reads: defaultdict[Identity, list[Read]] = defaultdict(list)
    for entry in entries:
        if (one := _read(entry, now)) is not None:
            reads[_identity(entry)].append(one)
    if not reads:
        return set()
    since = min(one.began for some in reads.values() for one in some) - lateness
    landed = here.ledger.received.landed_since(source, kind.source_entity, [native_id for _, native_id in reads], since)
    ids = [
        row.id
        for row in landed
        if any(
            row.received_at > one.began - lateness and not same_content(one.version, row.version)
            for one in reads[row.scope, row.native_id]
        )
    ]
    others = [entry_of(row) for row in here.ledger.received.rows(ids)]
    canonical(here, route, kind, others)
    return {
        _identity(other)
        for other in others
        if (its := _read(other, now)) is not None
        and any(unordered(its, one, lateness) for one in reads[_identity(other)])
    }


class Ours(NamedTuple):
    """A value that the target should hold, as JSON text, its version, its place in the order of values (when its read
    began) and when its read was done, both in microseconds since 1970."""

    value: str
    version: str
    order: int
    done: int


def crossed(ours: Mapping[str, Ours], standing: Iterable[PlannedValue]) -> set[str]:
    """Keys of which another value stands in the ledger, in a plan or as known, whose read began while ours was under
    way: ours may hold what is newer. Rows of a snapshot stand nowhere else.

    Args:
        standing: with an empty version where that is not known.
    """
    return {
        other.key
        for other in standing
        if (one := ours.get(other.key)) is not None
        and one.order < other.order <= one.done
        and other.value != one.value
        and not (other.version and same_content(one.version, other.version))
    }


def done_by_sku(entries: Iterable[Entry], now: datetime) -> dict[str, datetime]:
    """When the last read of each SKU's mapped rows was done, `now` where one is not known to be: a value may be the sum
    of several rows."""
    done: dict[str, datetime] = {}
    for entry in entries:
        done[entry.row.sku] = max(done.get(entry.row.sku, entry.landed or now), entry.landed or now)
    return done


class Read(NamedTuple):
    """When a version was read, from `began` to `done` at the latest, and when the record was last `changed`."""

    version: str
    began: datetime
    done: datetime
    changed: datetime | None = None


def unordered(one: Read, other: Read, lateness: timedelta) -> bool:
    """Whether nobody knows which of two reads of a record holds what is newer.

    Args:
        lateness: so long after a change the source may still show what was before.
    """
    if same_content(one.version, other.version):
        return False
    first, second = sorted((one, other), key=lambda read: read.began)
    if second.began < first.done:
        return True
    back = first.changed is not None and second.changed is not None and second.changed < first.changed
    return back and second.began < first.done + lateness


def _identity(entry: Entry) -> Identity:
    return entry.record.scope, entry.record.native_id


def _read(entry: Entry, now: datetime) -> Read | None:
    """None where it cannot be mapped, or is ordered by something else."""
    began = getattr(entry.row, "read_at", None)
    if began is None:
        return None
    return Read(entry.record.version, began, entry.landed or now, entry.record.source_time)
