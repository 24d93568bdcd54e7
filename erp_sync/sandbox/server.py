"""Puts a sandbox core behind a socket: latency, slots, faults, journal, contract check, control API.

Order per call: classify, authenticate, admit (takes the slot), fault before, most of the latency, handle, rest of
the latency, fault after, journal, answer. The commit comes late in the service time, so that a client's time-out
may fall before or after it; a client that hangs up does not stop the work, as in life.

Core and journal run in the event loop itself: one transaction at a time, and no thread to wait for. What a
thread would add to a call (three hand-overs) costs more than most calls do.

The control API under ``/__sandbox/`` asks for no credentials and answers loopback clients only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.control import CONTROL, control_app
from erp_sync.sandbox.core import Commit, Endpoint, Handled, Request, Response, SandboxCore, json_response
from erp_sync.sandbox.exchange import Exchange, respond
from erp_sync.sandbox.faults import FaultRule, Faults
from erp_sync.sandbox.journal import Call, Entry, Journal, iso
from erp_sync.sandbox.latency import Latency
from erp_sync.sandbox.stale import StaleReads

log = logging.getLogger("erp_sync.sandbox")

CoreFactory = Callable[[Path | str, Clock, dict[str, Any]], SandboxCore]
Sleep = Callable[[float], Awaitable[None]]

BEFORE_COMMIT = 0.85
"""Share of the service time that passes before the handler runs."""


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which hands the transport to the app: faults must be able to cut the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"erp_sync.transport": self.transport}  # type: ignore[dict-item]


@dataclass
class _Front:
    """What was decided before any vendor work began."""

    endpoint: Endpoint
    refusal: Response | None
    fault: FaultRule | None
    slots: int
    holds_slot: bool


class SandboxApp:
    """ASGI application around one core.

    Arguments:
        core_factory: ``create(database, clock, options)`` of the vendor's package.
        sleep: replaced by tests; real asyncio.sleep otherwise.
        tick_seconds: how often background work of the core is looked after.
    """

    def __init__(
        self,
        core_factory: CoreFactory,
        *,
        vendor: str,
        database: Path | str,
        journal: Path | str,
        latency: Latency,
        clock: Clock | None = None,
        options: dict[str, Any] | None = None,
        contract: ContractCheck | None = None,
        sleep: Sleep = asyncio.sleep,
        tick_seconds: float = 0.1,
    ) -> None:
        self.vendor, self.database, self.latency = vendor, database, latency
        self.clock = clock or Clock()
        self.options = options or {}
        self.contract = contract
        self.faults = Faults()
        self.journal = Journal(journal)
        self.stale = StaleReads(core_factory, database, self.clock, self.options)
        self.tick_seconds = tick_seconds
        self._factory, self._sleep = core_factory, sleep
        self._slots = 0
        self._ticker: asyncio.Task[None] | None = None
        self._control = control_app(self)
        self.core: SandboxCore
        self.on_defect: Callable[[], None] = lambda: None
        self.start_failure: BaseException | None = None

    # -- life ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Create the core and begin its background work."""
        self.core = self._factory(self.database, self.clock, self.options)
        self._ticker = asyncio.create_task(self._tick_forever())

    async def stop(self) -> None:
        if self._ticker:
            self._ticker.cancel()
            await asyncio.wait([self._ticker])
        self.journal.close()

    async def _tick_forever(self) -> None:
        try:
            while True:
                await asyncio.sleep(self.tick_seconds)
                self.tick()
        except asyncio.CancelledError:
            raise
        except BaseException:
            # A sandbox whose background work has a defect must not look alive.
            log.exception("background work failed; the sandbox stops")
            self.on_defect()
            raise

    def tick(self) -> None:
        """Do the core's due background work now and journal what it committed."""
        commits = self._stamped(self.core.tick() or ())
        if commits:
            self.journal.append(Entry(None, commits))

    def _stamped(self, commits: Iterable[Commit]) -> list[tuple[float, str, Commit]]:
        items = list(commits)
        if not items:
            return []
        wall, calendar = time.time(), iso(self.clock.now())
        return [(wall, calendar, commit) for commit in items]

    @property
    def slots_in_use(self) -> int:
        return self._slots

    # -- one call --------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] != "http":
            raise RuntimeError(f"a sandbox speaks HTTP only, not {scope['type']}")
        elif scope["path"].startswith(CONTROL):
            if not _is_loopback(scope):
                await respond(send, json_response({"message": "the control API answers loopback clients only"}, 403))
                return
            await self._control(scope, receive, send)
        else:
            exchange = Exchange(scope, receive, send)
            if await exchange.read():
                await self._serve(exchange)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            self.start_failure = error
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, exchange: Exchange) -> None:
        request, started = exchange.request, time.perf_counter()
        call = Call(
            arrived_at=time.time(),
            calendar=iso(self.clock.now()),
            method=request.method,
            path=request.path,
            query=exchange.query,
            agent=request.headers.get("user-agent", ""),
            endpoint="",
            kind="",
            request_bytes=len(request.body),
        )
        front: _Front | None = None
        entry = Entry(call)
        try:
            front = self._front(request)
            endpoint = front.endpoint
            call.endpoint, call.kind, call.flow = endpoint.name, endpoint.kind, endpoint.flow
            call.document, call.slots_in_use = endpoint.document, front.slots
            if front.refusal is not None:
                response: Response | None = front.refusal
            else:
                response = await self._work(exchange, front, entry, started)
            if response is not None:
                call.status, call.response_bytes = response.status, len(response.body)
            if self.contract is not None:
                entry.violations = self.contract.check(call, request, response)
        except Exception as error:
            # The row must be there even if the core has a defect; uvicorn logs it and answers 500.
            call.status, call.error = 500, f"{type(error).__name__}: {error}"
            raise
        finally:
            if front is not None and front.holds_slot:
                self._slots -= 1
            call.duration = time.perf_counter() - started
            call.client_gone = exchange.gone
            self.journal.append(entry)
        await self._answer(exchange, response, front.fault)

    def _front(self, request: Request) -> _Front:
        """Nothing else is decided between counting the slots and taking one."""
        endpoint = self.core.classify(request)
        refusal = self.core.authenticate(request)
        others = self._slots
        if refusal is None and endpoint.slot:
            refusal = self.core.admit(request, others)
        holds = refusal is None and endpoint.slot
        self._slots += holds
        fault = self.faults.pick(endpoint, request) if refusal is None else None
        return _Front(endpoint, refusal, fault, others + holds, holds)

    async def _work(self, exchange: Exchange, front: _Front, entry: Entry, started: float) -> Response | None:
        """Latency, faults and the handler. None: no answer is to be sent."""
        call, fault, request = entry.call, front.fault, exchange.request
        assert call is not None
        call.fault = fault.kind if fault else None
        before = fault is not None and (
            fault.kind in ("timeout_before", "too_many_requests", "maintenance")
            or (fault.kind in ("drop_connection", "server_error") and fault.when == "before")
        )
        if fault is not None and before:
            if fault.kind == "timeout_before":
                return await self._hang(exchange, fault)
            return None if fault.kind == "drop_connection" else self._fault_response(fault, request)
        service = self.latency.draw(front.endpoint.kind)
        if fault is not None and fault.kind == "late_commit":
            await exchange.wait_until_gone()
            await self._sleep(fault.seconds or 0.0)
        elif service:
            await self._sleep(service * BEFORE_COMMIT)
        core = self.stale.core(fault.id) if fault is not None and fault.kind == "stale_read" else self.core
        handled = self._handle(core, request, front.endpoint, entry)
        if fault is not None and fault.kind == "late_commit":
            call.service = time.perf_counter() - started
            return None
        rest = service - (time.perf_counter() - started)
        if service:
            await self._sleep(max(0.0, min(rest, service * (1 - BEFORE_COMMIT))))
        call.service = max(service, time.perf_counter() - started)
        if fault is not None:
            if fault.kind == "timeout_after_commit":
                return await self._hang(exchange, fault)
            if fault.kind == "drop_connection":
                return None
            if fault.kind == "server_error":
                return self._fault_response(fault, request)
        return handled.response

    def _handle(self, core: SandboxCore, request: Request, endpoint: Endpoint, entry: Entry) -> Handled:
        handled = core.handle(request)
        call = entry.call
        assert call is not None
        call.document = handled.document if handled.document is not None else endpoint.document
        call.committed = handled.committed
        if handled.committed:
            call.committed_at = time.time()
            commits: Iterable[Commit] = handled.commits
            if not handled.commits and call.document is not None:
                change = "create" if endpoint.kind in ("create", "bulk") else endpoint.kind
                commits = [Commit(endpoint.name, call.document, change)]
            entry.commits = self._stamped(commits)
        return handled

    async def _hang(self, exchange: Exchange, fault: FaultRule) -> Response | None:
        if fault.seconds is None:
            await exchange.wait_until_gone()
            return None
        if await exchange.gone_within(fault.seconds):
            return None
        return Response(504, {"content-type": "text/html"}, b"<html><body>504 Gateway Time-out</body></html>")

    def _fault_response(self, fault: FaultRule, request: Request) -> Response:
        hook = getattr(self.core, "fault_response", None)
        response: Response | None = hook(fault.kind, request) if hook else None
        if response is None:
            status = {"too_many_requests": 429, "server_error": 500, "maintenance": 503}[fault.kind]
            response = json_response({"message": fault.kind.replace("_", " ")}, status)
        if fault.seconds is not None and fault.kind != "server_error":
            response.headers["retry-after"] = str(round(fault.seconds))
        return response

    async def _answer(self, exchange: Exchange, response: Response | None, fault: FaultRule | None) -> None:
        cut = fault is not None and fault.kind == "truncate_body"
        if (fault is not None and fault.kind == "drop_connection") or (cut and response and not response.body):
            exchange.transport.abort()
            await exchange.wait_until_gone()
        elif response is None:
            await exchange.wait_until_gone()
        elif cut:
            await respond(exchange.send, response, cut=True)
            exchange.transport.close()
            await exchange.wait_until_gone()
        else:
            await respond(exchange.send, response)


def _is_loopback(scope: Any) -> bool:
    client = scope.get("client")
    return client is None or ipaddress.ip_address(client[0]).is_loopback


def make_server(
    app: SandboxApp, host: str, port: int, *, certificate: Path | None = None, key: Path | None = None
) -> uvicorn.Server:
    """A uvicorn server of the app; `certificate` and `key` (PEM) make it speak TLS."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Protocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        backlog=4096,
        ssl_certfile=str(certificate) if certificate else None,
        ssl_keyfile=str(key) if key else None,
    )
    server = uvicorn.Server(config)

    def stop_on_defect() -> None:
        server.should_exit = True

    app.on_defect = stop_on_defect
    return server


def serve(
    core_factory: CoreFactory,
    host: str,
    port: int,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    **app_options: Any,
) -> None:
    """Serve until SIGTERM or SIGINT. `app_options` are those of `SandboxApp`."""
    make_server(SandboxApp(core_factory, **app_options), host, port, certificate=certificate, key=key).run()
