"""The figures of the demo: the checker's, what the store shows of new articles, and erp_sync's own, marked as such."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Literal

from erp_sync.demo.environment import Ends
from erp_sync.demo.people import NEW_NAME, Buyer, Operator
from erp_sync.ledger import State
from erp_sync.ledger.plan_values import PlanState
from erp_sync.model.keys import Entity
from erp_sync.settings import Settings

# How a run's tag says that an event started it.
EVENT = re.compile(r"(an event|\d+ events)\b")
# Why an ERP's order is not closed though the store has cancelled it.
ALREADY_SHIPPED = "already_fulfilled"


def claims(installation: Any) -> list[Any]:
    """What erp_sync says it holds or has dead-lettered, as claims for the checker: by the store's order number, of a
    record that made no document by its id."""
    from erp_sync.sandbox.checker import Claim

    found = []
    ledger, unfinished = installation.ledger, [State.DEAD, State.HELD, State.WAITING, State.DUE, State.CLAIMED]
    deliveries = ledger.deliveries.find(flow="orders", states=unfinished, limit=100_000)
    steps = ledger.steps.of_all([one.id for one in deliveries])
    for delivery in deliveries:
        if delivery.code == ALREADY_SHIPPED and delivery.operation == "cancel":
            found.append(Claim(delivery.number, "already_shipped", delivery.reason))
            continue
        if any(step.name == Entity.SALES_ORDER and step.state == "confirmed" for step in steps[delivery.id]):
            continue  # the order is there; what is held is what comes after it, its payments
        claim: Literal["dead_lettered", "held"] = "dead_lettered" if delivery.state is State.DEAD else "held"
        if delivery.sequence == 1:
            found.append(Claim(delivery.number, claim, f"{delivery.code}: {delivery.reason}"))
    for row in installation.ledger.quarantine.find(flow="orders", limit=100_000):
        found.append(Claim(row.native_id, "dead_lettered", f"{row.rule}: {row.problem}"))
    return found


def judge(settings: Settings, installation: Any, wall_s: float) -> dict[str, Any]:
    """The checker's figures, and erp_sync's own, marked as such."""
    from erp_sync.sandbox import supervisor
    from erp_sync.sandbox.checker import Conventions, SystemFiles, check

    ends = Ends.of(installation.configuration)
    states = supervisor.status(settings.sandboxes)
    store, erp = SystemFiles.of(states[ends.store.vendor]), SystemFiles.of(states[ends.erp.vendor])
    conventions = Conventions(external_id=f"{ends.store.name}_{{id}}")
    report = check(store, erp, claims(installation), conventions)
    figures = dict(report.figures())
    figures["details"] = report.details()
    figures["own"] = own_figures(installation)
    figures["wall_s"] = round(wall_s, 1)
    figures["profile"] = states[ends.erp.vendor]["profile"]
    figures["measured_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    figures["note"] = "latencies are wall seconds; only the sandboxes' calendar is compressed"
    return figures


def own_figures(installation: Any) -> dict[str, Any]:
    """Figures about erp_sync itself, from its own storage."""
    claimed = claims(installation)
    counts = {
        f"{route}/{flow}/{state}": count
        for (route, flow, state), count in sorted(installation.ledger.deliveries.counts().items())
    }
    waiting = installation.ledger.plans.find(states=[PlanState.HELD])
    return {
        "deliveries": counts,
        "dead_letters": dead_letters(installation.ledger),
        "not_in_erp": [
            {"order": one.order, "is": one.claim, "reason": one.reason}
            for one in claimed
            if one.claim != "already_shipped"
        ],
        "products_waiting_approval": sum(plan.row_count for plan in waiting if plan.flow == "products"),
        "plans_held": {f"{plan.id} {plan.flow}": plan.row_count for plan in waiting},
        "runs": count_runs(installation.settings),
        "runs_by_events": count_runs_by_events(installation.settings),
        "events": {
            f"{entity or 'other'}: {outcome or 'not taken yet'}": count
            for (entity, outcome), count in sorted(installation.ledger.inbox.outcomes().items())
        },
    }


def dead_letters(ledger: Any) -> dict[str, int]:
    """All that needs a person, of every flow: dead deliveries and refused records by flow and reason."""
    found: Counter[str] = Counter()
    for one in ledger.dead_letters.groups():
        found[f"{one.flow}/{one.code}"] += one.count
    for one in ledger.quarantine.groups():
        found[f"{one.flow}/{one.rule}"] += one.count
    return dict(found.most_common())


def articles(store: Any, buyer: Buyer, operator: Operator) -> dict[str, Any]:
    """What the buyer entered, what the operator let pass, and what the store shows of it, from its own database."""
    from erp_sync.sandbox.evidence import store_evidence
    from erp_sync.sandbox.files import SystemFiles

    there = store_evidence(SystemFiles.of(store)).articles([*buyer.new, *buyer.changed, *buyer.ended])
    return {
        "new": len(buyer.new),
        "new_in_store": sum(sku in there for sku in buyer.new),
        "changed": len(buyer.changed),
        "changed_in_store": sum(sku in there and there[sku].name.endswith(NEW_NAME) for sku in buyer.changed),
        "ended": len(buyer.ended),
        "ended_disabled_in_store": sum(sku in there and not there[sku].sold for sku in buyer.ended),
        "approved": len(operator.approved),
        "failure": str(buyer.failure) if buyer.failure else "",
    }


def count_runs_by_events(settings: Settings) -> dict[str, int]:
    """Runs that an event started, by flow."""
    import dagster as dg

    found: Counter[str] = Counter()
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        for run in instance.get_runs():
            if EVENT.match(run.tags.get("erp_sync/why", "")):
                found[run.tags.get("erp_sync/flow", "")] += 1
    return dict(found)


def count_runs(settings: Settings) -> dict[str, int]:
    """Runs by status."""
    import dagster as dg

    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        found: dict[str, int] = {}
        for run in instance.get_runs():
            found[run.status.value] = found.get(run.status.value, 0) + 1
        return found
