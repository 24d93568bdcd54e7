"""Log-in, cookies, and sessions that end.

``POST Login`` answers ``SessionId, Version, SessionTimeout`` and sets B1SESSION (without Path) and ROUTEID (fact
sheet, section 2). A session ends `session_minutes` after its last call (sliding: unconfirmed) in technical time. How
a Login beyond the number of sessions is refused is unconfirmed; this sandbox says 500 with code 305.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie

from erp_sync.sandbox.core import BadJson, Request, Response, json_response
from erp_sync.systems.sap_b1.sandbox.errors import JSON, ServiceLayerError, Version, malformed
from erp_sync.systems.sap_b1.sandbox.options import Options

SERVICE_VERSION = "1000110"


@dataclass
class _Session:
    user: str
    used_at: datetime


class Sessions:
    """The sessions of all nodes, in memory: a restart ends them."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._open: dict[str, _Session] = {}
        self._logins = 0

    def login(self, request: Request, version: Version, now: datetime) -> Response:
        """Raises ServiceLayerError: 401 code -304 for wrong credentials (obs.)."""
        try:
            body = request.json()
        except BadJson as error:
            raise malformed("Invalid JSON") from error
        given = [body.get(name) if isinstance(body, dict) else None for name in ("CompanyDB", "UserName", "Password")]
        if given != [self.options.company_db, self.options.user_name, self.options.password]:
            raise ServiceLayerError(-304, "Fail to get DB Credentials from SLD", 401)
        self._forget(now)
        if self.options.max_sessions is not None and len(self._open) >= self.options.max_sessions:
            raise ServiceLayerError(305, "Switch company error: the maximum number of sessions is reached", 500)
        session = secrets.token_hex(16)
        session = "-".join((session[:8], session[8:12], session[12:16], session[16:20], session[20:]))
        self._open[session] = _Session(self.options.user_name, now)
        node = self.options.routes[self._logins % self.options.nodes]
        self._logins += 1
        timeout = self.options.session_minutes
        answer = {
            "SessionId": session,
            "Version": SERVICE_VERSION,
            "SessionTimeout": int(timeout) if timeout == int(timeout) else timeout,
        }
        if version == "v1":
            answer = {"odata.metadata": f"{_origin(request)}/b1s/v1/$metadata#B1Sessions/@Element", **answer}
        else:
            answer = {"@odata.context": f"{_origin(request)}/b1s/v2/$metadata#B1Sessions/$entity", **answer}
        # Two cookies are two Set-Cookie headers; the response keeps one of a name, so the second is spelled apart.
        headers = {
            "set-cookie": f"B1SESSION={session};HttpOnly;",
            "Set-Cookie": f"ROUTEID={node}; path=/b1s",
        }
        return json_response(answer, 200, headers, JSON)

    def logout(self, request: Request) -> Response:
        self._open.pop(cookies(request).get("B1SESSION", ""), None)
        return Response(204)

    def use(self, request: Request, now: datetime) -> str:
        """The user of the request's session, which lives on. Raises ServiceLayerError: 401 code 301."""
        self._forget(now)
        session = self._open.get(cookies(request).get("B1SESSION", ""))
        if session is None:
            raise ServiceLayerError(301, "Invalid session or session already timeout.", 401)
        session.used_at = now
        return session.user

    def end_all(self) -> None:
        self._open.clear()

    @property
    def count(self) -> int:
        return len(self._open)

    def _forget(self, now: datetime) -> None:
        limit = now - timedelta(minutes=self.options.session_minutes)
        self._open = {key: session for key, session in self._open.items() if session.used_at > limit}


def cookies(request: Request) -> dict[str, str]:
    """The request's cookies, also when they came in several headers."""
    jar = SimpleCookie()
    for part in request.headers.get("cookie", "").replace(",", ";").split(";"):
        try:
            jar.load(part.strip())
        except CookieError:
            continue
    return {name: morsel.value for name, morsel in jar.items()}


def _origin(request: Request) -> str:
    scheme, _, rest = request.url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
