"""The scripted server as tests of SAP Business One speak to it.

No SAP: it knows no documents. It opens sessions, and checks every call against the published contract.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from erp_sync_tests.systems.sap_b1.published import FUNCTIONS, problems
from erp_sync_tests.systems.scripted import Answer, Handler, Script, served
from erp_sync_tests.systems.scripted import Sent as AnySent

ROOT = "/b1s/v2/"

__all__ = ["NO_MATCH", "ROOT", "Answer", "Handler", "Scripted", "Sent", "created", "refused", "serving"]


class Sent(AnySent):
    @property
    def where(self) -> str:
        return self.query.get("$filter", "")


@dataclass
class Scripted(Script):
    """A rule matches path and filter of a call.

    Attributes:
        open: sessions that are known; a call with another one is answered 401, code 301.
        timeout: minutes, as the log-in tells them.
    """

    open: set[str] = field(default_factory=set)
    logins: list[Sent] = field(default_factory=list)
    timeout: int = 30
    complaints: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    root = ROOT
    kind = "application/json;odata.metadata=minimal"
    sent_type = Sent

    def rows(self, entity_set: str, *rows: dict[str, Any], where: str = "") -> None:
        """Reads of the set get these rows, one page."""
        self.on("GET", rf"^{entity_set}\?.*{where}", Answer(body={"value": list(rows)}))

    def subject(self, sent: Sent) -> tuple[str, str]:
        return sent.method, f"{sent.path}?{sent.where}"

    def keep(self, sent: Sent) -> None:
        super().keep(sent)
        self.complaints += problems(sent.method, sent.path, sent.query, sent.body)

    def first(self, sent: Sent) -> Answer | None:
        if sent.path == "Login":
            self.logins.append(sent)
            name = f"s{next(self.numbers)}"
            self.open.add(name)
            body = {"SessionId": name, "Version": "1000110", "SessionTimeout": self.timeout}
            cookies = [f"B1SESSION={name};HttpOnly;", "ROUTEID=.node1; path=/b1s"]
            return Answer(200, body, {"Set-Cookie": "\n".join(cookies)})
        name = dict(part.split("=", 1) for part in sent.headers.get("cookie", "=").split("; ")).get("B1SESSION", "")
        if name not in self.open:
            return refused(301, "Invalid session or session already timeout.", status=401)
        if sent.path == "Logout":
            self.open.discard(name)
            return Answer(204)
        return None

    def writes(self) -> list[Sent]:
        """A preview is none, nor are functions: they save nothing."""
        asking = ("OrdersService_Preview", *FUNCTIONS)
        return [one for one in self.sent if one.method != "GET" and one.path not in asking]

    def previews(self) -> list[Sent]:
        return [one for one in self.sent if one.path == "OrdersService_Preview"]


def created(body: dict[str, Any]) -> Answer:
    return Answer(201, body)


def refused(code: int, message: str, status: int = 400) -> Answer:
    """The error body of v2."""
    error = {"code": str(code), "details": [{"code": "", "message": ""}], "message": message}
    return Answer(status, {"error": error})


NO_MATCH = refused(-2028, "No matching records found (ODBC -2028)", status=404)


@contextmanager
def serving() -> Iterator[Scripted]:
    """Fails at its end where a call was not of the published contract."""
    scripted = Scripted()
    with served(scripted):
        yield scripted
    assert scripted.complaints == []
