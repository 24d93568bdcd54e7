"""Stock, products or prices: everything that the ERP wants compared with everything that the store holds."""

from __future__ import annotations

from typing import Any

import msgspec

from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.operations.planning_states import StateRow, open_plans, try_states
from erp_sync.operations.reconciliation import Difference, OpenRecord, Reconciliation, sorted_differences


def reconcile_states(here: Installation, route: RouteSpec, kind: FlowKind, flow: FlowSpec) -> Reconciliation:
    """Read both sides whole, map and net as a full comparison does, and name every key that differs.

    What a plan that stands will write, and what is in quarantine, is open. Raises the TransportError tree, CannotDo.
    """
    standing = _standing(here, route, kind)
    tried = try_states(here, route, kind, flow, full=True)
    report = tried.report
    open_records = [
        OpenRecord(key=key, state="quarantine", code=rule, reason=why) for key, rule, why in report.rejected
    ]
    differences = []
    for row in tried.rows:
        waits = standing.get(row.key)
        if waits is not None:
            open_records.append(OpenRecord(key=row.key, state=waits[0], code=f"p{waits[1]}", reason=row.reason))
        else:
            differences.append(_difference(row))
    wanted = {*report.keys, *(row.key for row in tried.rows)}
    only_there = sorted(key for key in tried.held if key not in wanted)
    counts = {
        "in_erp": tried.read,
        "in_store": tried.read_at_target,
        "compared": report.compared,
        "same": report.same,
        "different": len(tried.rows),
        "not_for_the_store": sum(report.left_out.values()),
        "only_in_store": len(only_there),
    }
    return Reconciliation(
        route=route.name,
        flow=kind.name,
        source=getattr(route, kind.source),
        target=getattr(route, kind.target),
        since=None,
        until=here.ledger.now(),
        counts=counts,
        open=open_records,
        differences=sorted_differences(differences),
        only_in_store=only_there,
        agrees=not differences,
    )


def _standing(here: Installation, route: RouteSpec, kind: FlowKind) -> dict[str, tuple[str, int]]:
    """Keys that a plan waits to write, with the plan's state."""
    found: dict[str, tuple[str, int]] = {}
    for plan in open_plans(here, route, kind):
        table = here.ledger.plans.table(plan.plan)
        found |= dict.fromkeys(table.column("key").to_pylist(), (plan.state, plan.plan))
    return found


def _difference(row: StateRow) -> Difference:
    """With the values that differ only."""
    store, erp = _values(row.before), _values(row.after)
    names = sorted(name for name in {**store, **erp} if store.get(name) != erp.get(name))
    kind = "missing" if row.before is None else "gone" if row.after is None else "value"
    return Difference(
        kind=kind,
        key=row.key,
        store=", ".join(f"{name} {_word(store[name])}" for name in names if name in store),
        erp=", ".join(f"{name} {_word(erp[name])}" for name in names if name in erp),
        words=row.reason,
    )


def _values(text: str | None) -> dict[str, Any]:
    found = msgspec.json.decode(text) if text else {}
    return found if isinstance(found, dict) else {"value": found}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
