"""How people's software in a company calls Service Layer: a session of its own, queries in pages, plain writes.

Nothing of the project's own client is used. A session that ended, or whose node is broken (HTTP 500 code 407), is
followed by a new one and the call is sent once more: both answers come before anything was done. A full system (503)
is waited out; whatever else goes wrong is the caller's.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from erp_sync.sandbox.caller import Caller, Refused, decoded

_ROOT = "/b1s/v2/"
_PAGE = 200
_QUERY_PAGE = 1000  # every page of a stored query runs it anew
_ATTEMPTS = 200  # of a call answered 503, with a pause of 50 to 250 ms between
_EXISTS = "-2035"


class ServiceLayer:
    """One session, opened with the first call. One per thread.

    `credentials` are company_db, user_name, password; `http` as of a Caller. Raises Refused for what the company says
    no to.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Mapping[str, str],
        agent: str,
        ca_certificate: str | None = None,
        http: Any = None,
    ) -> None:
        self._caller = Caller(base_url, agent, ca_certificate=ca_certificate, http=http)
        self._login = {
            "CompanyDB": credentials["company_db"],
            "UserName": credentials["user_name"],
            "Password": credentials["password"],
        }
        self._cookies = ""  # of the open session
        self._pause = random.Random()
        self._stored: set[str] = set()

    def close(self) -> None:
        """Log out, where there still is somebody to tell."""
        try:
            if self._cookies:
                self._caller.send("POST", f"{_ROOT}Logout", headers={"cookie": self._cookies})
        except (Refused, httpx.TransportError):
            pass  # the session ends by itself
        finally:
            self._caller.close()

    def read(self, path: str) -> Any:
        """One entity; `path` is below the service root, with its query percent-encoded."""
        return decoded(self._send("GET", path))

    def rows(self, path: str, page_size: int | None = None) -> list[dict[str, Any]]:
        """All rows of a collection, page by page; the query must order by something unique."""
        found: list[dict[str, Any]] = []
        following: str | None = path
        headers = {"Prefer": f"odata.maxpagesize={page_size or _PAGE}"}
        while following is not None:
            page = decoded(self._send("GET", following, headers=headers))
            found += page["value"]
            following = page.get("@odata.nextLink")
        return found

    def query(self, code: str, sql: str, **parameters: str | int) -> list[dict[str, Any]]:
        """All rows of a stored query, which must order by something unique; it is stored when it is not there."""
        given = "&".join(f"{name}={literal(value)}" for name, value in parameters.items())
        path = f"SQLQueries({literal(code)})/List?{given}"
        if code in self._stored:
            try:
                return self.rows(path, _QUERY_PAGE)
            except Refused as refused:  # somebody deleted it, or the company was set back to a day before it
                if refused.status != 404:
                    raise
                self._stored.remove(code)
        try:
            self.create("SQLQueries", {"SqlCode": code, "SqlName": code, "SqlText": sql})
        except Refused as refused:
            if number_of(refused) != _EXISTS:
                raise
        self._stored.add(code)
        return self.rows(path, _QUERY_PAGE)

    def create(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST; the answer's body, None where it has none."""
        return decoded(self._send("POST", path, body))

    def change(self, path: str, body: Mapping[str, Any]) -> None:
        self._send("PATCH", path, body)

    def _send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        renewed = False
        for _ in range(_ATTEMPTS):
            try:
                self._open()
                return self._caller.send(
                    method, _ROOT + path, body, headers={"cookie": self._cookies, **(headers or {})}
                )
            except Refused as refused:
                if refused.status == 503:
                    last = refused
                elif not renewed and (refused.status, number_of(refused)) in ((401, "301"), (500, "407")):
                    renewed, self._cookies = True, ""
                    continue
                else:
                    raise
            time.sleep(self._pause.uniform(0.05, 0.25))
        raise last

    def _open(self) -> None:
        """Log in without cookies: with the old ones the balancer would choose the same node."""
        if not self._cookies:
            answer = self._caller.send("POST", f"{_ROOT}Login", self._login, headers={"cookie": ""})
            given = (one.partition(";")[0].strip() for one in answer.headers.get_list("set-cookie"))
            self._cookies = "; ".join(given)


def number_of(refused: Refused) -> str:
    """The error's code as text; "" where the answer is not Service Layer's."""
    error = refused.body.get("error") if isinstance(refused.body, dict) else None
    return str(error.get("code", "")) if isinstance(error, dict) else ""


def literal(value: str | int) -> str:
    """A value in a query or key, percent-encoded."""
    if isinstance(value, int):
        return str(value)
    return quote("'" + value.replace("'", "''") + "'", safe="'")


def condition(text: str) -> str:
    """A $filter, percent-encoded."""
    return quote(text, safe="'(),")
