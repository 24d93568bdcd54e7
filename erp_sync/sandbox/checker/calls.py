"""Calls: how many erp_sync made, to what, how they ended, and how much of the vendor's time they took."""

from __future__ import annotations

from collections import Counter
from typing import Any

from erp_sync.sandbox.checker.sources import Conventions
from erp_sync.sandbox.files import SystemFiles, reading


def check_calls(files: SystemFiles, conventions: Conventions) -> dict[str, Any]:
    """Figures of one system.

    total, by_flow, by_endpoint: calls that are not people's. vendor_seconds: sum of their service times, which
    divided by the number of slots bounds any makespan. refused: answered 429 or the like before any work.
    failed: answered with 4xx or 5xx, or not at all. people: calls of shoppers and warehouses. contract_violations:
    None where the contract check was off: nothing is known then.
    """
    flows: Counter[str] = Counter()
    endpoints: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    people = refused = failed = faulted = checked = 0
    seconds, most_slots, first, last = 0.0, 0, None, None
    with reading(files.journal) as database:
        for call in database.execute(
            "SELECT endpoint, kind, flow, agent, status, service, slots_in_use, fault, arrived_at, duration, "
            "request_class FROM calls"
        ):
            checked += call["request_class"] is not None
            most_slots = max(most_slots, call["slots_in_use"])
            if call["agent"] in conventions.people:
                people += 1
                continue
            flows[conventions.flow(call["endpoint"], call["flow"], call["agent"])] += 1
            endpoints[call["endpoint"]] += 1
            kinds[call["kind"]] += 1
            seconds += call["service"]
            refused += call["status"] == 429
            failed += call["status"] is None or call["status"] >= 400
            faulted += call["fault"] is not None
            first = call["arrived_at"] if first is None else min(first, call["arrived_at"])
            end = call["arrived_at"] + call["duration"]
            last = end if last is None else max(last, end)
        violations = database.execute("SELECT count(*) AS count FROM violations").fetchone()["count"]
    return {
        "total": sum(flows.values()),
        "by_flow": dict(sorted(flows.items())),
        "by_kind": dict(sorted(kinds.items())),
        "by_endpoint": dict(endpoints.most_common()),
        "refused": refused,
        "failed": failed,
        "faults_made": faulted,
        "vendor_seconds": round(seconds, 3),
        "makespan_s": None if first is None or last is None else round(last - first, 3),
        "slots_in_use_max": most_slots,
        "contract_violations": violations if checked else None,
        "people": people,
    }
