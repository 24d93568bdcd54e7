"""What the UI says of an asset before it ever ran: what it is, how it behaves, what to do when it stands still."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from datetime import timedelta

from erp_sync.components.configuration import ConnectionSpec, FlowSpec, Mode, RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.ownership import in_words
from erp_sync.ports.capabilities import Guarantee, Operation

AFTER_UNKNOWN = {
    Guarantee.UNIQUE_KEY: "sent again: the vendor refuses a second",
    Guarantee.IDEMPOTENCY_TOKEN: "sent again with the same token",
    Guarantee.SEARCHABLE: "waits the settle time, searches our mark, then sends once",
    Guarantee.NONE: "never sent again by itself: found by content, or a person is asked",
}


def vendor_of(connection: str, connections: Mapping[str, ConnectionSpec]) -> str | None:
    return connections[connection].vendor if connection in connections else None


def extracted(connection: str, kind: FlowKind, routes: list[str]) -> str:
    shared = f" Read once for {len(routes)} routes: {', '.join(f'`{name}`' for name in routes)}." if routes[1:] else ""
    found = (
        "Changes are found by updated time, overlapping by what the source shows late; that the last days are complete "
        "is proved every day by the set of ids on *created* time."
        if kind.delivers
        else "Changes are found by updated time; a full comparison reads everything."
    )
    return (
        f"{kind.title.capitalize()} of `{connection}` as received, redacted, in the lake as Parquet.{shared}\n\n"
        f"{found} The cursor moves in the transaction that records the received ids: what a crash interrupts is read "
        "again, and nothing is skipped. Changes nothing in the system."
    )


def transformed(kind: FlowKind, flow: FlowSpec, source: str, target: str) -> str:
    """`source` and `target`: names of connections."""
    if kind.delivers:
        return (
            f"{kind.description}\n\n"
            "Received records that were not handled yet become documents in the ledger. A record that cannot be "
            "understood, or that breaks a rule of the suite, goes to quarantine by name and with its reason; the "
            "others pass. Calls no system.\n\n"
            f"`erp-sync deadletters --flow {kind.name}` lists what was refused, `erp-sync plan {kind.name}` what a run "
            "would do."
        )
    limits = "".join(f"\n- `{name}`: {limit:g}" for name, limit in sorted(flow.guards.items()))
    wait = "Every plan waits for approval. " if flow.approval == "required" else ""
    return (
        f"{kind.description}\n\n"
        "What the source says is compared with what the target is known to have; the difference is a plan (key, "
        "before, after, reason), judged by a suite and by guards before it may load. Running again does nothing.\n\n"
        f"{in_words(kind, flow.system_of_record, source, target)}\n\n"
        f"{wait}A held plan is a warning of check `plan`, not a failed run: `erp-sync plan {kind.name}` shows it, "
        "`erp-sync approve` or `reject` decides." + (f"\n\nGuards:\n{limits}" if limits else "")
    )


def loaded(route: RouteSpec, kind: FlowKind, flow: FlowSpec, connections: Mapping[str, ConnectionSpec]) -> str:
    shadow = "**Shadow mode: shows what it would do and writes nothing.**\n\n" if flow.mode is Mode.SHADOW else ""
    target = getattr(route, kind.target)
    rows = "\n".join(
        f"| `{one.name}` | {one.guarantee.value} | {AFTER_UNKNOWN[one.guarantee]} |"
        for one in operations(kind, vendor_of(target, connections))
    )
    table = f"\n\n| operation | class | after an unknown outcome |\n|---|---|---|\n{rows}" if rows else ""
    return (
        f"{shadow}{kind.title.capitalize()} in `{target}`. Drains whatever is due for this flow, whatever made it due: "
        "new work, an approval, a released dependency, a retry, a closed circuit breaker. What cannot be delivered "
        f"stops alone, with its reason.\n\n{when(flow)} `erp-sync trace NUMBER` tells everything about one document."
        f"{table}"
    )


def job(route: RouteSpec) -> str:
    return (
        f"All flows between `{route.store}` and `{route.erp}`. A run moves one flow inside today's partition: its tags "
        "`erp_sync/flow` and `erp_sync/why` say which and why. Started by hand for a range of days it completes what "
        "they lack; running it twice changes nothing."
    )


def operations(kind: FlowKind, vendor: str | None) -> Iterator[Operation]:
    """Writing operations of the target that the flow uses, as the vendor declares them."""
    if vendor is None:
        return
    declared = importlib.import_module(f"erp_sync.systems.{vendor}.capabilities").CAPABILITIES
    for operation in declared.operations:
        if operation.name.split(".")[0] in kind.writes:
            yield operation


def when(flow: FlowSpec) -> str:
    """How often the flow looks and compares, in one sentence."""
    parts = [f"The source is looked at every {words(flow.every)}"]
    if flow.fast is not None:
        chosen = f"{len(flow.fast.skus)} chosen" if flow.fast.skus else f"{flow.fast.best_sellers} best selling"
        parts.append(f"for the {chosen} SKUs every {words(flow.fast.every)}")
    if flow.full is not None:
        parts.append(f"everything is compared every {words(flow.full)}")
    latest = f"; older than {words(flow.latest)} is late" if flow.latest else ""
    return f"{', '.join(parts)}{latest}."


def words(span: timedelta) -> str:
    """``5 minutes``, ``hour``, ``90 s``: to be read after "every"."""
    seconds = span.total_seconds()
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return unit if count == 1 else f"{count} {unit}s"
    return f"{seconds:g} s"
