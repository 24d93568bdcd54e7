"""The wire between the product's clients and the sandboxes' cores: no sockets, virtual time, faults by the seed.

A request that has left is carried out by the vendor whatever becomes of who sent it. Order per call as in
`erp_sync.sandbox.server`: classify, authenticate, admit, fault, handle, answer.
"""

from __future__ import annotations

import random
import urllib.parse
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx

from erp_sync.ports.capabilities import Capabilities, Guarantee, Operation
from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.core import Commit, Endpoint, Handled, Request, Response, SandboxCore, json_response
from erp_sync.sandbox.journal import Call, Entry, Journal, iso
from erp_sync.sandbox.latency import Latency
from erp_sync.transport.auth import ATTEMPT
from erp_sync.transport.context import current
from erp_sync.transport.wire import _ReadToTheEnd
from erp_sync_tests.chaos.simulation import Simulation

# After a time-out the vendor may take this long at most to commit; with its execution it stays below what any
# connector declares as settle time.
LATEST_COMMIT = 40.0
_PLAIN = {"too_many_requests": 429, "server_error": 500, "maintenance": 503, "bad_gateway": 502, "gateway_timeout": 504}
# No fault of a call: people of the system do something as soon as it is answered.
LIST_CHANGES = "list_changes"
READ_ON_SECONDS = 15.0  # who asks later has begun anew
# Of these the vendor knows nothing: whatever stands before it says so.
_GATEWAY = {"bad_gateway": "502 Bad Gateway", "gateway_timeout": "504 Gateway Time-out"}


class SkewedClock(Clock):
    """A vendor's calendar that is ahead of ours, or behind."""

    def __init__(self, skew: timedelta = timedelta(0)) -> None:
        self.skew = skew
        super().__init__()

    def now(self) -> datetime:
        return self.wall() + self.skew


@dataclass
class Trouble:
    """One fault of the schedule: from when until when, on which calls, how often at most."""

    kind: str
    system: str
    begin: float
    end: float
    writes: bool | None  # None: reads and writes
    times: int
    chance: float = 1.0
    seconds: float = 0.0
    after: bool = False
    flow: str = ""  # only calls on behalf of this flow
    guarantee: str = ""  # only operations of which the connector declares this
    entity: str = ""  # only operations on this
    then: tuple[str, str] | None = None  # whose people do what as it strikes
    made: int = 0
    frozen: Any = None  # stale_read: a core over the state at `begin`

    def fires(self, now: float, writes: bool, draw: random.Random) -> bool:
        if self.made >= self.times or not self.begin <= now < self.end:
            return False
        if self.writes is not None and self.writes != writes:
            return False
        if self.kind == "stale_read" and (writes or self.frozen is None):
            return False
        return self.chance >= 1 or draw.random() < self.chance


@dataclass
class System:
    """One sandbox of the route: its core over its own file, its journal, its latency and what is wrong with it."""

    name: str
    vendor: str
    core: SandboxCore
    clock: Clock
    database: Path
    journal: Journal
    latency: Latency
    capabilities: Capabilities
    troubles: list[Trouble] = field(default_factory=list)
    slots: int = 0
    changed: float = 0.0  # when people last did something in it


class Network:
    """All systems of a route, by host name ``NAME.chaos``."""

    def __init__(self, simulation: Simulation, systems: dict[str, System], seed: int) -> None:
        self.simulation, self.systems = simulation, systems
        self.random = random.Random(f"network {seed}")
        self.faults: Counter[str] = Counter()
        self.calls = 0
        self.written: dict[str, float] = {}  # when the product last changed something in a system
        self.struck: Callable[[Trouble], None] = lambda trouble: None
        self.act: Callable[[str, str], None] = lambda name, what: None
        self._pages: dict[Any, tuple[Request, float]] = {}  # what each task read last, and when

    # -- the product's side ------------------------------------------------------------------------

    def pooled(self, verify: Any, connections: int, most_bytes: int) -> httpx.Client:
        """In the place of `erp_sync.transport.wire.pooled`: the same client over this network."""
        return httpx.Client(
            transport=_ReadToTheEnd(_Wire(self), most_bytes), follow_redirects=False, trust_env=False, verify=False
        )

    def exchange(self, request: httpx.Request) -> httpx.Response:
        """One request of the product. Raises httpx's errors, as the socket would."""
        here, system = self.simulation, self.systems[request.url.host.removesuffix(".chaos")]
        here.point("before send")
        deadline = here.now + request.extensions["timeout"]["read"]
        flight = _Flight(self, system, request, deadline)
        flight.leave()
        here.point("after send")
        task = here.current
        assert task is not None
        flight.waiting = lambda: here.wake(task)
        while not flight.over:
            if here.now >= deadline:
                flight.gave_up = True
                raise httpx.ReadTimeout("no answer in time", request=request)
            here.park(deadline)
        here.point("after answer")
        if flight.broken is not None:
            raise flight.broken
        if flight.answer is None:  # whoever waited was suspended past its time
            raise httpx.ReadTimeout("no answer in time", request=request)
        return httpx.Response(
            flight.answer.status,
            headers=flight.answer.headers,
            stream=httpx.ByteStream(flight.answer.body),
            request=request,
        )

    # -- people and their software -----------------------------------------------------------------

    def direct(self, asked: Request) -> Response:
        """A call by somebody else than the product: at once, no faults."""
        system = self.systems[asked.url.split("/", 3)[2].removesuffix(".chaos")]
        endpoint = system.core.classify(asked)
        # They wait in life until a slot is free.
        refusal = system.core.authenticate(asked)
        entry = self.entry(system, asked, endpoint)
        answer = refusal or self.handle(system, system.core, asked, endpoint, entry).response
        assert entry.call is not None
        entry.call.status = answer.status
        system.journal.append(entry)
        return answer

    # -- the vendor's side -------------------------------------------------------------------------

    def entry(self, system: System, request: Request, endpoint: Endpoint) -> Entry:
        call = Call(
            arrived_at=self.simulation.now,
            calendar=iso(system.clock.now()),
            method=request.method,
            path=request.path,
            query="",
            agent=request.headers.get("user-agent", ""),
            endpoint=endpoint.name,
            kind=endpoint.kind,
            flow=endpoint.flow,
            document=endpoint.document,
        )
        return Entry(call)

    def handle(self, system: System, core: SandboxCore, request: Request, endpoint: Endpoint, entry: Entry) -> Handled:
        handled = core.handle(request)
        call = entry.call
        assert call is not None
        call.document = handled.document if handled.document is not None else endpoint.document
        call.committed = handled.committed
        if handled.committed:
            call.committed_at = self.simulation.now
            commits = list(handled.commits)
            if not commits and call.document is not None:
                change = "create" if endpoint.kind in ("create", "bulk") else endpoint.kind
                commits = [Commit(endpoint.name, call.document, change)]
            entry.commits = self.stamped(system, commits)
        return handled

    def stamped(self, system: System, commits: Any) -> list[tuple[float, str, Commit]]:
        calendar = iso(system.clock.now())
        return [(self.simulation.now, calendar, commit) for commit in commits]

    def tick(self) -> None:
        """Background work of the vendors that is due."""
        for system in self.systems.values():
            commits = self.stamped(system, system.core.tick() or ())
            if commits:
                system.journal.append(Entry(None, commits))

    def trouble(self, system: System, endpoint: Endpoint, operation: Operation | None) -> Trouble | None:
        """Args: operation: what the connector says of the call, if it declares it."""
        for one in system.troubles:
            if one.flow and one.flow != current().flow:
                continue
            if one.guarantee and (operation is None or operation.guarantee.value != one.guarantee):
                continue
            if one.entity and (operation is None or not operation.name.startswith(f"{one.entity}.")):
                continue
            if not one.fires(self.simulation.now, endpoint.writes, self.random):
                continue
            if one.kind == "twice" and not _sure(endpoint, operation):
                continue
            one.made += 1
            if one.kind == LIST_CHANGES:
                return one
            self.faults[one.kind + (" after commit" if one.after else "")] += 1
            self.struck(one)
            return one
        return None

    def page_read(self, system: System, reader: Any, asked: Request) -> None:
        """Counts lists that changed between two reads of one reader, who was in the middle of them."""
        before, self._pages[reader] = self._pages.get(reader), (asked, self.simulation.now)
        if before is None or not before[1] < system.changed < self.simulation.now < before[1] + READ_ON_SECONDS:
            return
        if _goes_on(before[0], asked):
            self.faults["list changed while read"] += 1


class _Wire(httpx.BaseTransport):
    def __init__(self, network: Network) -> None:
        self._network = network

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._network.exchange(request)


class People:
    """In the place of the HTTP client of shoppers and warehouses, whose software lives longer than one network:
    `network` is set anew."""

    network: Network

    def request(self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        answer = self.network.direct(Request.build(method, url, headers=headers, body=content or b""))
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)


class _Flight:
    """One request under way. What the vendor does of it happens by the clock, not by who waits for it."""

    def __init__(self, network: Network, system: System, request: httpx.Request, deadline: float) -> None:
        self.network, self.system, self.request, self.deadline = network, system, request, deadline
        self.asked = _asked(request)
        self.over = self.gave_up = False
        self.answer: Response | None = None
        self.broken: httpx.RequestError | None = None
        self.waiting: Callable[[], None] = lambda: None

    def leave(self) -> None:
        here, system = self.network.simulation, self.system
        self.network.calls += 1
        front = _front(system, self.asked)
        if isinstance(front, Response):
            here.call_at(here.now + 0.02, lambda: self.arrive(front))
            return
        self.endpoint = front
        self.entry = self.network.entry(system, self.asked, front)
        self.trouble = self.network.trouble(system, front, self._operation())
        kind = self.trouble.kind if self.trouble else ""
        assert self.entry.call is not None
        self.entry.call.fault = kind if kind != LIST_CHANGES else None
        self.reader = here.current
        if front.slot:
            system.slots += 1
        service = system.latency.draw(front.kind)
        commit = here.now + service * 0.85
        if self.trouble is not None and not self.trouble.after and self._instead(kind, service):
            return
        if kind == "late_commit":
            assert self.trouble is not None
            commit = self.deadline + self.trouble.seconds
        here.call_at(commit, lambda: self.commit(kind, service * 0.15))

    def _operation(self) -> Operation | None:
        attempt = self.request.extensions.get(ATTEMPT)
        try:
            return self.system.capabilities.operation(attempt.call.operation) if attempt is not None else None
        except KeyError:
            return None

    def _instead(self, kind: str, service: float) -> bool:
        """Faults that come before anything is done."""
        here, trouble = self.network.simulation, self.trouble
        assert trouble is not None
        soon = here.now + min(service, 0.05)
        if kind == "timeout":
            here.call_at(self.deadline + 1, self.end)
        elif kind == "drop_connection":
            here.call_at(soon, lambda: self.break_off(httpx.ReadError("connection reset by peer")))
        elif kind in _PLAIN:
            here.call_at(soon, lambda: self.arrive(self._fault_response(kind)))
        else:
            return False
        return True

    def commit(self, kind: str, rest: float) -> None:
        here, trouble, system = self.network.simulation, self.trouble, self.system
        core = trouble.frozen if kind == "stale_read" and trouble is not None else system.core
        handled = self.network.handle(system, core, self.asked, self.endpoint, self.entry)
        if handled.committed:
            self.network.written[system.name] = here.now
        if kind == "twice":
            second = self.network.entry(system, self.asked, self.endpoint)
            handled = self.network.handle(system, core, self.asked, self.endpoint, second)
            system.journal.append(second)
        elif not self.endpoint.writes:
            self.network.page_read(system, self.reader, self.asked)
        answer, at = handled.response, here.now + rest
        match kind:
            case "timeout" | "late_commit":
                here.call_at(max(at, self.deadline + 1), self.end)
            case "drop_connection":
                here.call_at(at, lambda: self.break_off(httpx.ReadError("connection reset by peer")))
            case "list_changes":
                here.call_at(at, lambda: self.arrive_and_change(answer))
            case "truncate_body":
                cut = httpx.RemoteProtocolError("peer closed connection without sending complete message body")
                here.call_at(at, lambda: self.break_off(cut))
            case "wrong_body":
                page = b"<html><body>Please sign in to the network.</body></html>"
                here.call_at(at, lambda: self.arrive(Response(200, {"content-type": "text/html"}, page)))
            case "double_body":
                double = Response(answer.status, dict(answer.headers), answer.body * 2)
                here.call_at(at, lambda: self.arrive(double))
            case "half_body":
                half = Response(answer.status, dict(answer.headers), answer.body[: len(answer.body) // 2])
                here.call_at(at, lambda: self.arrive(half))
            case _ if kind in _PLAIN:
                here.call_at(at, lambda: self.arrive(self._fault_response(kind)))
            case _:
                here.call_at(at, lambda: self.arrive(answer))

    def _fault_response(self, kind: str) -> Response:
        if kind in _GATEWAY:
            page = f"<html><head><title>{_GATEWAY[kind]}</title></head><body></body></html>".encode()
            return Response(_PLAIN[kind], {"content-type": "text/html"}, page)
        hook = getattr(self.system.core, "fault_response", None)
        response: Response | None = hook(kind, self.asked) if hook else None
        if response is None:
            response = json_response({"message": kind.replace("_", " ")}, _PLAIN[kind])
        if self.trouble is not None and self.trouble.seconds and kind != "server_error":
            response.headers["retry-after"] = str(round(self.trouble.seconds))
        return response

    def arrive(self, answer: Response) -> None:
        answer.headers["date"] = format_datetime(self.system.clock.now().astimezone(UTC), usegmt=True)
        self.answer = answer
        if hasattr(self, "entry"):
            assert self.entry.call is not None
            self.entry.call.status, self.entry.call.response_bytes = answer.status, len(answer.body)
        self.end()

    def arrive_and_change(self, answer: Response) -> None:
        assert self.trouble is not None
        if self.trouble.then is not None:
            self.network.act(*self.trouble.then)
        self.arrive(answer)

    def break_off(self, error: httpx.RequestError) -> None:
        error.request = self.request
        self.broken = error
        self.end()

    def end(self) -> None:
        if hasattr(self, "entry"):
            assert self.entry.call is not None
            self.entry.call.client_gone = self.gave_up
            self.entry.call.duration = self.network.simulation.now - self.entry.call.arrived_at
            self.system.journal.append(self.entry)
            if self.endpoint.slot:
                self.system.slots -= 1
        self.over = True
        self.waiting()


def _sure(endpoint: Endpoint, operation: Operation | None) -> bool:
    """Whether the vendor itself takes care that the request, come twice, is done once."""
    if operation is None:
        return not endpoint.writes
    return operation.guarantee in (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN)


def _goes_on(one: Request, other: Request) -> bool:
    """Whether the other reads on in the list of the one: the same place, asked for something else of it."""
    return (one.method, one.path) == (other.method, other.path) and (one.query, one.body) != (other.query, other.body)


def _front(system: System, asked: Request) -> Endpoint | Response:
    """What the vendor says before it works: what it is, or why not."""
    endpoint = system.core.classify(asked)
    refusal = system.core.authenticate(asked)
    if refusal is None and endpoint.slot:
        refusal = system.core.admit(asked, system.slots)
    return refusal or endpoint


def _asked(request: httpx.Request) -> Request:
    raw = request.url.raw_path.decode("latin-1")
    path, _, query = raw.partition("?")
    return Request(
        method=request.method,
        path=path,
        query=urllib.parse.parse_qsl(query, keep_blank_values=True),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.content,
        url=str(request.url),
    )
