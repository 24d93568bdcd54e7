"""Logins that a system counts: never more at once than it allows, in all of the installation, through real HTTP."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from erp_sync.ledger import Ledger
from erp_sync.ledger.migrate import upgrade
from erp_sync.ports.capabilities import Limits
from erp_sync.transport.errors import NoSession, NotAuthenticated, NotSentError, OutcomeUnknown, TransportError
from erp_sync.transport.sessions import SessionAuth, Ticket
from erp_sync_tests.ledger.world import Clock
from erp_sync_tests.transport.conftest import Rig, read, write
from erp_sync_tests.transport.loopback import Loopback, answer, drop

CONNECTION = "erp_us"
IDLE = 1800.0


class Words:
    """A system with two seats that refuses a third login and forgets nobody before he logs out."""

    idle_seconds = IDLE

    def __init__(self, server: Loopback) -> None:
        self.base, self.open, self.most = server.url, set[str](), 0
        self.numbers, self.broken = itertools.count(1), set[str]()
        server.routes = {"/login": self._login, "/logout": self._logout}
        server.always = self._others

    def _login(self, connection: socket.socket, server: Loopback) -> bool:
        if len(self.open) >= 2:
            return answer(401, {"error": "all seats are taken"})(connection, server)
        name = f"s{next(self.numbers)}"
        self.open.add(name)
        self.most = max(self.most, len(self.open))
        return answer(200, {"session": name})(connection, server)

    def _logout(self, connection: socket.socket, server: Loopback) -> bool:
        self.open.discard(self._session(server))
        return answer(204)(connection, server)

    def _others(self, connection: socket.socket, server: Loopback) -> bool:
        if self._session(server) in self.broken:
            return answer(503, {"error": "this node is broken"})(connection, server)
        known = self._session(server) in self.open
        behaviour = answer(200, {"items": []}) if known else answer(401, {"error": "no such session"})
        return behaviour(connection, server)

    @staticmethod
    def _session(server: Loopback) -> str:
        return server.requests[-1].headers.get("x-session", "")

    def login(self) -> httpx.Request:
        return httpx.Request("POST", f"{self.base}/login")

    def ticket(self, response: httpx.Response) -> Ticket:
        if response.status_code != 200:
            raise NotAuthenticated(f"the login was refused: HTTP {response.status_code}")
        return Ticket({"X-Session": response.json()["session"]})

    def logout(self, ticket: Ticket) -> httpx.Request:
        return httpx.Request("POST", f"{self.base}/logout", headers=ticket.headers)

    def serves_no_more(self, response: httpx.Response) -> bool:
        return response.status_code == 503


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    upgrade(url)
    opened = Ledger.open(url, clock)
    opened.limits.configure(CONNECTION, Limits(concurrency=4, sessions=2))
    yield opened
    opened.close()


@pytest.fixture
def system(server: Loopback) -> Words:
    return Words(server)


@pytest.fixture
def process(rig: Callable[..., Rig], system: Words, ledger: Ledger) -> Callable[[], Rig]:
    """One more process of the installation: a client with a login of its own."""

    def build() -> Rig:
        auth = SessionAuth(CONNECTION, ledger.limits, system, monotonic=lambda: ledger.now().timestamp())
        return rig(system.base, auth=auth, slots=ledger.limits)

    return build


def open_sessions(ledger: Ledger) -> int:
    (state,) = ledger.limits.status()
    assert state.sessions == 2
    return state.sessions_open


def test_calls_of_a_process_share_one_login_and_its_end_frees_the_place(process, system: Words, ledger: Ledger) -> None:
    one = process()
    for _ in range(3):
        one.client.send(read())
    assert (system.most, open_sessions(ledger)) == (1, 1)
    one.client.close()
    assert (system.open, open_sessions(ledger)) == (set(), 0)


def test_a_third_process_is_told_that_all_are_open_without_asking_the_system(
    process, system: Words, server: Loopback, ledger: Ledger
) -> None:
    first, second, third = process(), process(), process()
    first.client.send(read())
    second.client.send(read())
    asked = len(server.requests)
    with pytest.raises(NoSession, match="all 2 sessions are open"):
        third.client.send(write())
    assert len(server.requests) == asked
    assert third.breaker.reports == []  # it says nothing about the system
    assert sum(ledger.limits.status()[0].in_use.values()) == 0
    first.client.close()
    third.client.send(write())
    assert system.most == 2


def test_a_call_that_may_be_repeated_waits_for_a_place_without_holding_a_slot(
    process, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = process(), process(), process()
    first.client.send(read())
    second.client.send(read())
    slots: list[int] = []

    def somebody_ends(_seconds: float) -> None:
        slots.append(sum(ledger.limits.status()[0].in_use.values()))
        first.client.close()

    monkeypatch.setattr(third.client._send, "_sleep", somebody_ends)
    third.client.send(read())
    assert slots == [0]


def test_a_killed_process_keeps_its_place_until_the_system_forgets_its_login(
    process, system: Words, ledger: Ledger, clock: Clock
) -> None:
    process().client.send(read())
    process().client.send(read())
    clock.advance(IDLE - 1)
    with pytest.raises(NoSession):
        process().client.send(write())
    clock.advance(1)
    system.open.clear()
    process().client.send(write())
    assert open_sessions(ledger) == 1


def test_a_login_in_use_keeps_its_place(process, system: Words, ledger: Ledger, clock: Clock) -> None:
    one = process()
    for _ in range(5):
        one.client.send(read())
        clock.advance(IDLE * 0.6)
    assert (system.most, open_sessions(ledger)) == (1, 1)


def test_a_login_that_the_system_ended_gives_its_place_back_and_another_is_made(
    process, system: Words, ledger: Ledger
) -> None:
    one = process()
    one.client.send(read())
    system.open.clear()
    with pytest.raises(NotAuthenticated):
        one.client.send(write())  # leaves once at most
    assert open_sessions(ledger) == 0
    one.client.send(write())
    system.open.clear()
    one.client.send(read())  # another login within the call
    assert open_sessions(ledger) == 1


def test_a_login_that_serves_no_more_keeps_its_place_and_another_is_made(
    process, system: Words, ledger: Ledger
) -> None:
    one = process()
    one.client.send(read())
    system.broken |= system.open
    one.client.send(read())  # another login within the call
    assert (len(system.open), open_sessions(ledger)) == (2, 2)
    system.broken |= system.open
    with pytest.raises(OutcomeUnknown):
        one.client.send(write())  # leaves once at most
    with pytest.raises(NoSession):
        one.client.send(write())  # the system counts both still
    assert system.most == 2


def test_a_refused_login_has_no_place_and_one_whose_answer_was_lost_may_have(
    process, system: Words, server: Loopback, ledger: Ledger
) -> None:
    system.open |= {"ann", "bob"}  # people have the seats
    with pytest.raises(NotAuthenticated):
        process().client.send(write())
    assert open_sessions(ledger) == 0
    server.routes["/login"] = drop
    with pytest.raises(TransportError):
        process().client.send(write())
    assert open_sessions(ledger) == 1


def test_a_login_that_never_left_has_no_place(rig: Callable[..., Rig], system: Words, ledger: Ledger) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        system.base = f"http://127.0.0.1:{gone.getsockname()[1]}"
    lost = rig(system.base, auth=SessionAuth(CONNECTION, ledger.limits, system), slots=ledger.limits)
    with pytest.raises(NotSentError):
        lost.client.send(write())
    assert open_sessions(ledger) == 0
