"""How long a stale value of stock or price stood in the target, by the journals of both systems.

What a value depends on changes at moments that both journals know: an adjustment, a fulfillment, a new price at the
source; a shipment or a credit memo that takes from the target's own shelf. Every write of erp_sync was needed, so until
it came the target was wrong: since the first such moment that no earlier write had seen, or, where there is none, since
the last one, which an older value had gone over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from erp_sync.components.flow_table import FLOWS
from erp_sync.ports.capabilities import Capabilities
from erp_sync.sandbox.evidence import ErpEvidence, Moments, StoreEvidence, erp_evidence, store_evidence
from erp_sync.sandbox.files import SystemFiles, reading

# A worker that is busy with another flow first, and the run itself.
RUN_SECONDS = 60.0


@dataclass(frozen=True)
class Stale:
    """One value that was not the newest: seconds since 1970 until it was written over.

    Attributes:
        flow: whose value it is.
        since: when the newer one came to be at the source.
        undisturbed: seconds without anything that went wrong, up to its end.
    """

    flow: str
    key: str
    since: float
    until: float
    undisturbed: float

    @property
    def seconds(self) -> float:
        return self.until - self.since


def stale_values(store: SystemFiles, erp: SystemFiles, disturbed: Sequence[float] = ()) -> list[Stale]:
    """Every stretch of every key that a write ended.

    Args:
        disturbed: moments at which a process died, or until which one stood still or the ledger was locked.
    """
    troubles = sorted([*disturbed, *_faults(store), *_faults(erp)])
    shop, books = store_evidence(store), erp_evidence(erp)
    return [
        Stale(flow, key, since, until, until - max([since, *(one for one in troubles if since <= one <= until)]))
        for flow, changed, written in (
            ("inventory", _stock_changes(shop, books), _by_name(shop.stock_writes())),
            ("prices", books.price_changes(), shop.price_writes()),
        )
        for key, moments in written.items()
        for since, until in stretches(changed.get(key, ()), moments)
    ]


def allowed(flow: str, source: Capabilities, target: Capabilities, pause: float) -> float:
    """Seconds for which a value of the flow may be stale while nothing goes wrong: the declared settle time of its
    write, how late the source may show a change, the pause between two looks, and a run that was waited for.

    Of several writes the quickest counts: what takes longer concerns other columns.
    """
    entity = FLOWS[flow].entity
    settle = min(one.settle_seconds for one in target.operations if one.name.startswith(f"{entity}.write"))
    late = max((one.lateness_seconds for one in source.readings if one.entity == entity), default=0.0)
    return settle + late + pause + RUN_SECONDS


def overstayed(values: Iterable[Stale], most: Mapping[str, float]) -> list[str]:
    """In words, each key that was stale for longer than its flow is allowed; the longest stretch of each."""
    worst: dict[tuple[str, str], Stale] = {}
    for one in values:
        known = worst.get((one.flow, one.key))
        if one.flow in most and (known is None or one.undisturbed > known.undisturbed):
            worst[one.flow, one.key] = one
    return [
        f"{flow} {key} was stale for {one.seconds:.0f} s, {one.undisturbed:.0f} s of them with nothing in the way; "
        f"{most[flow]:.0f} s are allowed"
        for (flow, key), one in worst.items()
        if one.undisturbed > most[flow]
    ]


def stretches(changes: Iterable[float], writes: Iterable[float]) -> list[tuple[float, float]]:
    """For each write since when the value was wrong; none for writes before the first change."""
    moments, found, before = sorted(changes), [], float("-inf")
    for write in sorted(writes):
        seen = [one for one in moments if one <= write]
        if seen:
            found.append((next((one for one in seen if one > before), seen[-1]), write))
        before = write
    return found


def _faults(files: SystemFiles) -> list[float]:
    """When what went wrong with a call was over."""
    with reading(files.journal) as journal:
        rows = journal.execute(
            "SELECT arrived_at + duration AS ended, committed_at FROM calls WHERE fault IS NOT NULL OR client_gone"
        ).fetchall()
    return [max(row["ended"], row["committed_at"] or 0.0) for row in rows]


def _stock_changes(store: StoreEvidence, erp: ErpEvidence) -> dict[str, list[float]]:
    """Moments by "SKU|source": of the source's movements, and those at which the store itself took off or put back."""
    found = _by_name(store.own_stock_writes())
    places = erp.places()
    for change in (*erp.adjustments(), *erp.withdrawals()):
        if change.place in places:
            found.setdefault(f"{change.sku}|{places[change.place]}", []).extend(change.moments)
    return found


def _by_name(moments: Moments) -> dict[str, list[float]]:
    return {f"{sku}|{source}": there for (sku, source), there in moments.items()}
