"""A loopback HTTP server that answers what a test scripted, and keeps what it was sent.

No NetSuite: it knows no records. What NetSuite would do is written in each test, from the vendor's
documents.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

RECORD_JSON = "application/vnd.oracle.resource+json; type=singular"
ERROR_JSON = "application/vnd.oracle.resource+json; type=error"


@dataclass
class Sent:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """What to answer; `drop` closes the connection instead."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


Handler = Callable[[Sent], Answer | None]


@dataclass
class Scripted:
    """Rules are asked in order, the last added first; the first answer that is not None is given."""

    base_url: str = ""
    sent: list[Sent] = field(default_factory=list)
    rules: list[tuple[str, str, Handler]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, method: str, pattern: str, *answers: Answer | Handler) -> None:
        """Answer calls whose path (or, for SuiteQL, whose query) matches: in turn, the last one for ever."""
        queue = list(answers)

        def handle(sent: Sent) -> Answer | None:
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
            return answer(sent) if callable(answer) else answer

        self.rules.insert(0, (method, pattern, handle))

    def rows(self, pattern: str, *rows: dict[str, Any]) -> None:
        """SuiteQL queries that match get these rows, one page."""
        self.on("SUITEQL", pattern, suiteql_answer(list(rows)))

    def answer(self, sent: Sent) -> Answer:
        with self.lock:
            self.sent.append(sent)
            suiteql = sent.path.endswith("/suiteql")
            subject = sent.body["q"] if suiteql else sent.path
            for method, pattern, handle in self.rules:
                if method == ("SUITEQL" if suiteql else sent.method) and re.search(pattern, subject):
                    answer = handle(sent)
                    if answer is not None:
                        return answer
        raise AssertionError(f"nothing scripted for {sent.method} {subject}")

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

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(raw, parse_float=Decimal) if raw else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent = Sent(self.command, unquote(url.path), dict(parse_qsl(url.query)), headers, body)
            try:
                answer = scripted.answer(sent)
            except AssertionError as error:
                answer = Answer(599, {"title": str(error)})
            if answer.drop:
                self.close_connection = True
                self.connection.close()
                return
            content = b"" if answer.body is None else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": RECORD_JSON, **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    scripted.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
