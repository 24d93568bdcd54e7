"""Control API of a running sandbox, under ``/__sandbox/``: status, faults, clock, seed, reset, journal.

| call | body, answer |
|---|---|
| GET status | vendor, profile, clock, slots_in_use, and what the core says of itself |
| GET faults | rules with how often they were made |
| POST faults | one rule or a list (see `FaultRule`); answers them with their ids |
| DELETE faults, faults/{id} | how many were removed |
| GET, POST clock | {speed?, now? (ISO 8601), offset_seconds?} |
| POST seed | master data and opening stock; the core's counts |
| POST reset | empties the system |
| POST tick | does due background work at once |
| GET journal | calls with ?after=ID&limit=N |
| GET contract | counts per class and violations |
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.core import SandboxCore, json_response
from erp_sync.sandbox.faults import FaultRule, Faults, WrongFault
from erp_sync.sandbox.journal import Journal, iso, read_calls
from erp_sync.sandbox.latency import Latency
from erp_sync.sandbox.stale import StaleReads

CONTROL = "/__sandbox/"


class Controlled(Protocol):
    """What the control API needs of the sandbox that serves it."""

    vendor: str
    core: SandboxCore
    clock: Clock
    latency: Latency
    journal: Journal
    faults: Faults
    stale: StaleReads
    contract: ContractCheck | None
    options: dict[str, Any]

    @property
    def slots_in_use(self) -> int: ...

    def tick(self) -> None: ...


def control_app(app: Controlled) -> Starlette:
    """The Starlette application that serves the control API of `app`."""

    async def status(_: HttpRequest) -> HttpResponse:
        core = app.core.status()
        return _json(
            {
                "vendor": app.vendor,
                "journal": app.journal.path,
                "latency": app.latency.declared(),
                "slots_in_use": app.slots_in_use,
                "clock": _clock(app),
                "options": app.options,
                **core,
            }
        )

    async def faults(request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            data = await _body(request)
            try:
                rules = [FaultRule.of(item) for item in (data if isinstance(data, list) else [data])]
                return _json([_add(app, rule) for rule in rules], 201)
            except WrongFault as error:
                return _json({"message": str(error)}, 400)
        if request.method == "DELETE":
            rule_id = request.path_params.get("id")
            return _json({"removed": _remove(app, rule_id)})
        return _json([rule.describe() for rule in app.faults.rules])

    async def clock(request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            data = await _body(request)
            try:
                now = datetime.fromisoformat(data["now"]) if "now" in data else None
                app.clock.set(speed=_number(data.get("speed")), now=now)
                app.clock.shift(timedelta(seconds=_number(data.get("offset_seconds")) or 0.0))
            except ValueError as error:
                return _json({"message": str(error)}, 400)
        return _json(_clock(app))

    async def seed(request: HttpRequest) -> HttpResponse:
        data = await _body(request)
        return _json(app.core.seed(data))

    async def reset(_: HttpRequest) -> HttpResponse:
        app.core.reset()
        return _json({"reset": True})

    async def tick(_: HttpRequest) -> HttpResponse:
        app.tick()
        return _json({"ticked": True})

    async def journal(request: HttpRequest) -> HttpResponse:
        after, limit = int(request.query_params.get("after", 0)), int(request.query_params.get("limit", 1000))
        return _json(read_calls(app.journal.path, after, limit))

    async def contract(_: HttpRequest) -> HttpResponse:
        return _json(app.contract.report() if app.contract else {"contract": "off"})

    return Starlette(
        routes=[
            Route(CONTROL + "status", status),
            Route(CONTROL + "faults", faults, methods=["GET", "POST", "DELETE"]),
            Route(CONTROL + "faults/{id:int}", faults, methods=["DELETE"]),
            Route(CONTROL + "clock", clock, methods=["GET", "POST"]),
            Route(CONTROL + "seed", seed, methods=["POST"]),
            Route(CONTROL + "reset", reset, methods=["POST"]),
            Route(CONTROL + "tick", tick, methods=["POST"]),
            Route(CONTROL + "journal", journal),
            Route(CONTROL + "contract", contract),
        ]
    )


def _add(app: Controlled, rule: FaultRule) -> dict[str, Any]:
    app.faults.add(rule)
    if rule.kind == "stale_read":
        try:
            app.stale.freeze(rule.id)
        except WrongFault:
            app.faults.remove(rule.id)
            raise
    return rule.describe()


def _remove(app: Controlled, rule_id: int | None) -> int:
    app.stale.thaw(rule_id)
    return app.faults.remove(rule_id)


def _clock(app: Controlled) -> dict[str, Any]:
    return {"now": iso(app.clock.now()), "wall": iso(app.clock.wall()), "speed": app.clock.speed}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


async def _body(request: HttpRequest) -> Any:
    return json.loads(await request.body() or b"{}", parse_float=Decimal)


def _json(data: Any, status: int = 200) -> HttpResponse:
    answer = json_response(data, status)
    return HttpResponse(answer.body, status, media_type="application/json")
