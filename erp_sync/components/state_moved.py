"""Keys that rows of the source had at the target before: where they moved from, and where they have ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from erp_sync.components.state_rows import Entry, canonical, snapshot_of, surroundings
from erp_sync.components.state_task import StateTask
from erp_sync.flows.comparison import Comparison
from erp_sync.flows.state_flow import Desired


def moved_from(
    task: StateTask, comparison: Comparison, desired: Desired, good: Sequence[Entry], base: str
) -> dict[str, dict[str, str]]:
    """By key that the target does not hold yet, the keys under which it holds the same row of the source still,
    with what it holds there.

    A special price whose first day changes gets another key, and so does an item that is renamed: the target
    would hold both. Only what the target got from this very row is meant; a key that another row has taken over
    since is left alone.
    """
    keys, befores, positions = (comparison.rows.column(name).to_pylist() for name in ("key", "before", "position"))
    new = {
        key: good[desired.rows[position][1]].record.native_id
        for key, before, position in zip(keys, befores, positions, strict=True)
        if before is None
    }
    if not new or not base:
        return {}
    wanted = {task.target.key(row) for row, _ in desired.rows}
    had = former_keys(task, set(new.values()), base)
    by_key = _held(task, {key for keys in had.values() for key in keys} - wanted, had)
    found: dict[str, dict[str, str]] = {}
    for key, native_id in new.items():
        here = {one: by_key[one] for one in sorted(had.get(native_id, ())) if one in by_key}
        if here:
            found[key] = here
    return found


def ended(task: StateTask, desired: Desired, good: Sequence[Entry], base: str) -> dict[str, str]:
    """What the target still holds of rows that it should hold no more, also under a key that they had before."""
    if not desired.ended:
        return {}
    wanted = {task.target.key(row) for row, _ in desired.rows}
    keys = {task.target.key(row) for row, _ in desired.ended}
    held = _held(task, keys - wanted, {})
    if base:
        had = former_keys(task, {good[position].record.native_id for _, position in desired.ended}, base)
        held |= _held(task, {key for some in had.values() for key in some} - wanted, had)
    return held


def former_keys(task: StateTask, native_ids: Collection[str], base: str) -> dict[str, dict[str, set[str]]]:
    """By native id, the keys at the target that its earlier versions had, each with those versions.

    Versions are those of the snapshot that was planned from last and those received one by one.
    """
    entries = [
        Entry(record=row.record())
        for row in task.here.ledger.received.of(task.source, task.kind.source_entity, sorted(native_ids))
        if row.payload is not None
    ]
    entries += snapshot_of(task.here, task.source, task.kind, base, native_ids)
    canonical(task.here, task.route, task.kind, entries)
    entries = [entry for entry in entries if entry.problem is None]
    around = surroundings(task.here, task.route, task.kind, task.target, entries)
    then = task.logic.desired([entry.row for entry in entries], around)
    found: dict[str, dict[str, set[str]]] = {}
    for row, position in (*then.rows, *then.ended):
        record = entries[position].record
        found.setdefault(record.native_id, {}).setdefault(task.target.key(row), set()).add(record.version)
    return found


def _held(task: StateTask, keys: Collection[str], had: dict[str, dict[str, set[str]]]) -> dict[str, str]:
    """What the target surely holds of these keys, without those that it got from another row since."""
    versions: dict[str, set[str]] = {}
    for some in had.values():
        for key, own in some.items():
            versions.setdefault(key, {""}).update(own)
    known = task.here.ledger.known.get(task.target_name, task.kind.entity, sorted(keys))
    return {
        row.key: row.value
        for row in known.values()
        if row.value is not None and row.sure and row.source_version in versions.get(row.key, {row.source_version})
    }
