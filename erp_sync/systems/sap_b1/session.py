"""Logging in to the Service Layer and out again.

`POST Login` gives the cookies B1SESSION (mandatory on every call) and ROUTEID (keeps the session on its node), and
after how many idle minutes the session ends (Working with SAP Business One Service Layer 1.29). That every call makes
it last as long again is unconfirmed; where it does not, a call meets code 301, and who may repeat it logs in anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import httpx
import msgspec

from erp_sync.model.advice import Advice
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.systems.sap_b1.errors import SICK_NODE, error_of
from erp_sync.transport.errors import NotAuthenticated, NotSentError, Throttled
from erp_sync.transport.sessions import Ticket

ROOT = "b1s/v2"
CREDENTIALS = ("company_db", "user_name", "password")
IDLE_MINUTES = 30.0
_EARLIER_SECONDS = 30.0  # a session is given up so long before the system ends it
_FULL = re.compile(r"(maximum|too many|exceed|no more).{0,60}(session|licen[sc]e|user)", re.IGNORECASE | re.DOTALL)


class IncompleteLogin(ValueError):
    """The connection lacks a part of its credentials."""

    advice = Advice(
        means="The connection has no complete set of credentials: nothing is read from this system or sent to it.",
        look=("erp-sync doctor ROUTE",),
        do="Set the variables that the connection's YAML names, then `erp-sync down`, `erp-sync up`.",
    )

    def __init__(self, connection: str, given: Iterable[str]) -> None:
        self.connection = connection
        names = ", ".join(sorted(given)) or "none"
        super().__init__(f"{connection}: credentials given: {names}; SAP Business One needs {', '.join(CREDENTIALS)}")


class ServiceLayerSession:
    """`LoginWords` of one company database. `idle_seconds` is the setting's until a login has told its own."""

    def __init__(self, connection: ConnectionSettings) -> None:
        """Raises IncompleteLogin."""
        given = {name: value for name, value in connection.credentials.items() if value}
        if any(name not in given for name in CREDENTIALS):
            raise IncompleteLogin(connection.name, given)
        self._root = f"{connection.base_url.rstrip('/')}/{ROOT}"
        self._body = {
            "CompanyDB": given["company_db"],
            "UserName": given["user_name"],
            "Password": given["password"],
        }
        self.idle_seconds = _idle_seconds(float(connection.settings.get("session_minutes", IDLE_MINUTES)))

    def login(self) -> httpx.Request:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return httpx.Request("POST", f"{self._root}/Login", headers=headers, content=msgspec.json.encode(self._body))

    def ticket(self, response: httpx.Response) -> Ticket:
        """The cookies. Raises NotAuthenticated, Throttled where all licences are in use (wording unconfirmed), or
        NotSentError where no trustworthy answer came."""
        status = response.status_code
        if status != 200:
            raise _refused(status, response)
        try:
            answer = msgspec.json.decode(response.content, type=_Login)
        except msgspec.DecodeError as problem:
            raise NotSentError(f"the log-in was answered with something else than a session: {problem}") from problem
        cookies = cookies_of(response.headers.get_list("Set-Cookie"))
        cookies.setdefault("B1SESSION", answer.SessionId)
        if answer.SessionTimeout:
            self.idle_seconds = _idle_seconds(answer.SessionTimeout)
        return Ticket({"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())})

    def logout(self, ticket: Ticket) -> httpx.Request:
        return httpx.Request("POST", f"{self._root}/Logout", headers=ticket.headers)

    def serves_no_more(self, response: httpx.Response) -> bool:
        """A broken node answers 500 code 407 to the sessions that ROUTEID keeps on it, and to no other (obs.)."""
        if response.status_code != 500:
            return False
        error = error_of(response)
        return error is not None and error.code == SICK_NODE


class _Login(msgspec.Struct):
    SessionId: str
    SessionTimeout: float | None = None  # minutes


def cookies_of(headers: Iterable[str]) -> dict[str, str]:
    """B1SESSION and ROUTEID out of Set-Cookie headers. B1SESSION comes without a path: a cookie jar would send it to
    ``/b1s/v2/`` only, which is right by chance."""
    found = {}
    for header in headers:
        name, _, value = header.partition(";")[0].strip().partition("=")
        if name in ("B1SESSION", "ROUTEID") and value:
            found[name] = value
    return found


def _refused(status: int, response: httpx.Response) -> NotSentError:
    error = error_of(response)
    words = error.message if error is not None else f"HTTP {status}"
    if error is not None and _FULL.search(error.message):
        return Throttled(f"SAP Business One opens no further session: {words}")
    if status in (400, 401, 403) and error is not None:
        return NotAuthenticated(
            f"SAP Business One refused the log-in: {words} (code {error.code}); check company database, user and "
            "password, and that the user is neither locked nor without a licence"
        )
    return NotSentError(f"the log-in was answered with HTTP {status}: {words}")


def _idle_seconds(minutes: float) -> float:
    return max(minutes * 60.0 - _EARLIER_SECONDS, 30.0)
