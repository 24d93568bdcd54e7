"""A loopback HTTP server that answers what a test scripted, and keeps what it was sent.

It knows no vendor. What a vendor would do is written in each test, from the vendor's documents; what all calls of one
have in common is in that vendor's own `scripted`.
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
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass
class Sent:
    """`path` is decoded, below the vendor's root; `body` is JSON, numbers as Decimal."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """What to answer; `drop` closes the connection instead. `text`: a body that is no JSON."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    text: str = ""


Handler = Callable[[Any], Answer | None]


@dataclass
class Script:
    """Rules are asked in order, the last added first; the first answer that is not None is given.

    A vendor's subclass says what rules match (`subject`), and what it answers before any rule (`first`).
    """

    base_url: str = ""
    sent: list[Any] = field(default_factory=list)
    rules: list[tuple[str, str, Handler]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    #: What paths begin with, the kind of JSON, and the type of what is kept.
    root = ""
    kind = "application/json"
    sent_type: ClassVar[type[Sent]] = Sent

    def on(self, method: str, pattern: str, *answers: Answer | Handler) -> None:
        """Answer calls that match: in turn, the last one for ever."""
        queue = list(answers)

        def handle(sent: Any) -> Answer | None:
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
            return answer(sent) if callable(answer) else answer

        self.rules.insert(0, (method, pattern, handle))

    def subject(self, sent: Any) -> tuple[str, str]:
        """Method and text that rules are held against."""
        return sent.method, sent.path

    def first(self, sent: Any) -> Answer | None:
        """An answer that no rule gives; such a call is not kept."""
        return None

    def keep(self, sent: Any) -> None:
        self.sent.append(sent)

    def answer(self, sent: Any) -> Answer:
        with self.lock:
            early = self.first(sent)
            if early is not None:
                return early
            self.keep(sent)
            method, subject = self.subject(sent)
            for wanted, pattern, handle in self.rules:
                if wanted == method and re.search(pattern, subject):
                    answer = handle(sent)
                    if answer is not None:
                        return answer
        return Answer(599, text=f"nothing scripted for {sent.method} {subject}")


@contextmanager
def served(script: Script) -> Iterator[None]:
    """Let the script answer at its `base_url`. Several values of a header are on lines of their own."""

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(raw, parse_float=Decimal) if raw else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = unquote(url.path).removeprefix(script.root)
            answer = script.answer(script.sent_type(self.command, path, dict(parse_qsl(url.query)), headers, body))
            if answer.drop:
                self.close_connection = True
                self.connection.close()
                return
            content = answer.text.encode() if answer.body is None else json.dumps(answer.body, default=float).encode()
            self.send_response(answer.status)
            kind = "text/html" if answer.text else script.kind
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
    script.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
