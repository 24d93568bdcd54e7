"""A loopback HTTP server that answers what a test scripted, and keeps what it was sent.

No SAP: it knows no documents. It opens sessions, and checks every call against the published contract; what SAP would
do beyond that is written in each test, from the vendor's documents.
"""

from __future__ import annotations

import itertools
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

from erp_sync_tests.systems.sap_b1.published import problems

ROOT = "/b1s/v2/"


@dataclass
class Sent:
    method: str
    path: str  # below the service's root
    query: dict[str, str]
    headers: dict[str, str]
    body: Any

    @property
    def where(self) -> str:
        return self.query.get("$filter", "")


@dataclass
class Answer:
    """What to answer; `drop` closes the connection instead. `text`: a body that is no JSON."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    text: str = ""


Handler = Callable[[Sent], Answer | None]


@dataclass
class Scripted:
    """Rules are asked in order, the last added first; the first answer that is not None is given.

    Attributes:
        open: sessions that are known; a call with another one is answered 401, code 301.
        timeout: minutes, as the log-in tells them.
    """

    base_url: str = ""
    sent: list[Sent] = field(default_factory=list)
    rules: list[tuple[str, str, Handler]] = field(default_factory=list)
    open: set[str] = field(default_factory=set)
    logins: list[Sent] = field(default_factory=list)
    timeout: int = 30
    complaints: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def on(self, method: str, pattern: str, *answers: Answer | Handler) -> None:
        """Answer calls whose path and filter match: in turn, the last one for ever."""
        queue = list(answers)

        def handle(sent: Sent) -> Answer | None:
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
            return answer(sent) if callable(answer) else answer

        self.rules.insert(0, (method, pattern, handle))

    def rows(self, entity_set: str, *rows: dict[str, Any], where: str = "") -> None:
        """Reads of the set get these rows, one page."""
        self.on("GET", rf"^{entity_set}\?.*{where}", Answer(body={"value": list(rows)}))

    def answer(self, sent: Sent) -> Answer:
        with self.lock:
            session = self._session(sent)
            if session is not None:
                return session
            self.sent.append(sent)
            self.complaints += problems(sent.method, sent.path, sent.query, sent.body)
            subject = f"{sent.path}?{sent.where}"
            for method, pattern, handle in self.rules:
                if method == sent.method and re.search(pattern, subject):
                    answer = handle(sent)
                    if answer is not None:
                        return answer
        raise AssertionError(f"nothing scripted for {sent.method} {subject}")

    def _session(self, sent: Sent) -> Answer | None:
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
        """A preview is none: it saves nothing."""
        return [one for one in self.sent if one.method != "GET" and one.path != "OrdersService_Preview"]

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

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(raw, parse_float=Decimal) if raw else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = unquote(url.path).removeprefix(ROOT)
            sent = Sent(self.command, path, dict(parse_qsl(url.query)), headers, body)
            try:
                answer = scripted.answer(sent)
            except AssertionError as error:
                answer = Answer(599, text=str(error))
            if answer.drop:
                self.close_connection = True
                self.connection.close()
                return
            content = answer.text.encode() if answer.body is None else json.dumps(answer.body, default=float).encode()
            self.send_response(answer.status)
            kind = "text/html" if answer.text else "application/json;odata.metadata=minimal"
            for name, value in {"Content-Type": kind, **answer.headers}.items():
                for one in value.split("\n"):
                    self.send_header(name, one)
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
    assert scripted.complaints == []
