"""The scripted server as tests of NetSuite speak to it. No NetSuite: it knows no records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from erp_sync_tests.systems.scripted import Answer, Script, Sent, served

RECORD_JSON = "application/vnd.oracle.resource+json; type=singular"
ERROR_JSON = "application/vnd.oracle.resource+json; type=error"

__all__ = ["Answer", "Scripted", "Sent", "created", "refused", "serving", "suiteql_answer"]


class Scripted(Script):
    """A rule matches the path of a call or, of SuiteQL, the query (method SUITEQL)."""

    kind = RECORD_JSON

    def subject(self, sent: Sent) -> tuple[str, str]:
        return ("SUITEQL", sent.body["q"]) if sent.path.endswith("/suiteql") else (sent.method, sent.path)

    def rows(self, pattern: str, *rows: dict[str, Any]) -> None:
        """SuiteQL queries that match get these rows, one page."""
        self.on("SUITEQL", pattern, suiteql_answer(list(rows)))

    def writes(self) -> list[Sent]:
        return [one for one in self.sent if one.method in ("POST", "PATCH") and not one.path.endswith("/suiteql")]

    def queries(self) -> list[str]:
        return [one.body["q"] for one in self.sent if one.path.endswith("/suiteql")]


def suiteql_answer(rows: list[dict[str, Any]], more: bool = False) -> Answer:
    items = [{"links": [], **row} for row in rows]
    return Answer(
        body={"links": [], "count": len(rows), "hasMore": more, "items": items, "offset": 0, "totalResults": len(rows)}
    )


def created(record: str, identity: str) -> Answer:
    """204 without a body, the id only in Location (Oracle NetSuite help)."""
    return Answer(204, headers={"Location": f"https://x.suitetalk.api.netsuite.com/services/rest/record/v1/{record}/{identity}"})  # fmt: skip  # noqa: E501


def refused(detail: str, code: str = "USER_ERROR", path: str = "", status: int = 400) -> Answer:
    entry = {"detail": detail, "o:errorCode": code} | ({"o:errorPath": path} if path else {})
    body = {"type": "https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html", "title": "Bad Request", "status": status,
            "o:errorDetails": [entry]}  # fmt: skip
    return Answer(status, body, {"Content-Type": ERROR_JSON})


@contextmanager
def serving() -> Iterator[Scripted]:
    scripted = Scripted()
    with served(scripted):
        yield scripted
