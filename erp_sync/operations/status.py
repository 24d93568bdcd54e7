"""How the installation stands: flows, connections, plans that wait, alerts, services. Calls no vendor."""

from __future__ import annotations

from datetime import datetime

import msgspec

from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.ledger.calendars import Window
from erp_sync.ledger.plans import PlanState
from erp_sync.monitoring.kpis import Shown, shown
from erp_sync.operations.kpis import figures
from erp_sync.transport.exchange_store import EmptyPolls, Exchange

# Looks at sources are made under this name (`erp_sync.components.due`).
SENSOR = "sensor"
LATEST = 500


class FlowStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One flow of one route. Times UTC; counts are documents, for state flows rows of plans.

    Attributes:
        unhandled: received records that are not transformed yet.
        later: due at a later moment: throttled, settling, tried again.
        last_poll: when the source was looked at last; None where it never was, or longer ago than
            exchanges are kept.
        last_loaded: when the last document or plan was finished.
    """

    route: str
    flow: str
    mode: str
    source: str
    target: str
    unhandled: int
    due: int
    later: int
    waiting: int
    claimed: int
    held: int
    dead: int
    quarantined: int
    oldest_due: datetime | None
    last_poll: datetime | None
    last_loaded: datetime | None


class ConnectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A connection's circuit breaker and limiter; slots and waiting calls over all lanes.

    Attributes:
        maintenance: the planned window that is open; `next_maintenance`: the one after.
    """

    name: str
    vendor: str
    breaker: str
    breaker_why: str
    breaker_retry_after_s: float
    slots: int | None
    slots_in_use: int
    calls_waiting: int
    paused_s: float
    paused_why: str
    quota_per_day: int | None
    quota_used: int
    sessions: int | None
    sessions_open: int
    maintenance: Window | None = None
    next_maintenance: Window | None = None


class WaitingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that waits for a person."""

    plan: int
    route: str
    flow: str
    rows: int
    reason: str
    since: datetime


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    state: str
    url: str | None
    restarts: int


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    severity: str
    text: str
    since: datetime


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`running`: a supervisor keeps the services. `kpis` with their unit, window and target."""

    home: str
    at: datetime
    running: bool
    services: list[ServiceStatus]
    flows: list[FlowStatus]
    connections: list[ConnectionStatus]
    plans_waiting: list[WaitingPlan]
    alerts: list[Alert]
    kpis: list[Shown]


def status(here: Installation) -> Status:
    """Read everything from ledger, exchange log and the services' files; a fraction of a second."""
    from erp_sync.runtime import services

    running = services.status(here.settings)
    return Status(
        home=str(here.settings.home),
        at=here.ledger.now(),
        running=running.supervisor is not None,
        services=[
            ServiceStatus(name=name, state=one.state, url=one.url, restarts=one.restarts)
            for name, one in running.services.items()
        ]
        if running.supervisor is not None
        else [],
        flows=flows(here),
        connections=connections(here),
        plans_waiting=[
            WaitingPlan(
                plan=plan.id,
                route=plan.route,
                flow=plan.flow,
                rows=plan.row_count,
                reason=plan.reason,
                since=plan.created_at,
            )
            for plan in here.ledger.plans.find(states=[PlanState.HELD], limit=1000)
        ],
        alerts=[
            Alert(severity=notice.severity, text=notice.text, since=notice.raised_at)
            for notice in here.ledger.notices.open()
        ],
        kpis=[shown(figure) for figure in figures(here)],
    )


def flows(here: Installation) -> list[FlowStatus]:
    """Every flow of every route, also those that are off."""
    chosen = [(route, name, spec) for route in here.configuration.routes.values() for name, spec in route.flows.items()]
    counted = here.ledger.overview.flows([(route.name, name) for route, name, _ in chosen])
    looks = here.exchanges.search(run=SENSOR, limit=LATEST)
    empty = here.exchanges.empty_polls()
    result = []
    for route, name, spec in chosen:
        kind, counts = FLOWS[name], counted[route.name, name]
        source = getattr(route, kind.source)
        result.append(
            FlowStatus(
                route=route.name,
                flow=name,
                mode=spec.mode.value,
                source=source,
                target=getattr(route, kind.target),
                unhandled=here.ledger.received.count_unhandled(route.name, name, source, kind.source_entity),
                due=counts.deliveries.get("due", 0) + counts.rows_due,
                later=counts.deliveries.get("later", 0),
                waiting=counts.deliveries.get("waiting", 0) + counts.rows_waiting,
                claimed=counts.deliveries.get("claimed", 0),
                held=counts.deliveries.get("held", 0) + counts.plans_held,
                dead=counts.deliveries.get("dead", 0),
                quarantined=counts.quarantined,
                oldest_due=counts.oldest_due,
                last_poll=_last_poll(here, route.name, name, source, kind.source_entity, looks, empty),
                last_loaded=counts.last_loaded,
            )
        )
    return result


def _last_poll(
    here: Installation,
    route: str,
    flow: str,
    source: str,
    entity: str,
    looks: list[Exchange],
    empty: list[EmptyPolls],
) -> datetime | None:
    """The latest of: a look of the sensor, a look that found nothing, an extraction that moved the cursor."""
    times = [look.time for look in looks if (look.route, look.flow, look.connection) == (route, flow, source)]
    times += [
        poll.last_at
        for poll in empty
        if poll.connection == source and poll.route == route and poll.operation.split(".")[0] == entity
    ]
    moved = here.ledger.cursors.get(source, entity).changed_at
    return max([*times, *([moved] if moved is not None else [])], default=None)


def connections(here: Installation) -> list[ConnectionStatus]:
    """Breaker and limiter of every configured connection."""
    limits = {one.connection: one for one in here.ledger.limits.status()}
    result = []
    for name, spec in here.configuration.connections.items():
        breaker, limit = here.ledger.breakers.state(name), limits.get(name)
        result.append(
            ConnectionStatus(
                name=name,
                vendor=spec.vendor,
                breaker=breaker.state,
                breaker_why=breaker.why,
                breaker_retry_after_s=round(breaker.retry_after_seconds, 1),
                slots=limit.concurrency if limit else None,
                slots_in_use=sum(limit.in_use.values()) if limit else 0,
                calls_waiting=sum(limit.waiting.values()) if limit else 0,
                paused_s=round(limit.paused_seconds, 1) if limit else 0.0,
                paused_why=limit.paused_why if limit else "",
                quota_per_day=limit.quota_per_day if limit else None,
                quota_used=limit.quota_used if limit else 0,
                sessions=limit.sessions if limit else None,
                sessions_open=limit.sessions_open if limit else 0,
                maintenance=here.ledger.maintenance.window(name),
                next_maintenance=here.ledger.maintenance.following(name),
            )
        )
    return result
