"""A loopback HTTP server that does to its callers whatever a test scripts.

It reads each request whole and counts it before it misbehaves: `requests` is what really arrived.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Arrived:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[socket.socket, "Loopback"], bool]
"""Answers on the socket; True keeps the connection."""


def answer(status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> Behaviour:
    content = body if isinstance(body, bytes) else (b"" if body is None else json.dumps(body).encode())
    lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}

    def behave(connection: socket.socket, server: Loopback) -> bool:
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        connection.sendall(head.encode() + content)
        return True

    return behave


def drop(connection: socket.socket, server: Loopback) -> bool:
    """Close without a byte of an answer."""
    return False


def reset(connection: socket.socket, server: Loopback) -> bool:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def truncate(connection: socket.socket, server: Loopback) -> bool:
    """Promise more body than is sent."""
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"id": 1')
    return False


def cut_json(connection: socket.socket, server: Loopback) -> bool:
    """A complete HTTP answer whose JSON is not."""
    return answer(200, b'{"id": 1, "items": [')(connection, server)


def not_http(connection: socket.socket, server: Loopback) -> bool:
    connection.sendall(b"ERROR out of order\r\n\r\n")
    return False


def silence(connection: socket.socket, server: Loopback) -> bool:
    """No answer until the test lets go or the client leaves."""
    server.let_go.wait(30)
    return False


def trickle(connection: socket.socket, server: Loopback) -> bool:
    """A body that comes byte by byte, each well within a time-out per read, until the client leaves."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not server.let_go.wait(0.01):
        connection.sendall(b"1\r\n \r\n")
    return False


FAULTS: dict[str, Behaviour] = {
    "drop": drop,
    "reset": reset,
    "truncate": truncate,
    "cut_json": cut_json,
    "not_http": not_http,
    "silence": silence,
    "trickle": trickle,
}


@dataclass
class Loopback:
    """A target in `routes` has its own behaviour; for others those of `script` are used up in order,
    then `always`."""

    always: Behaviour = field(default_factory=lambda: answer(200, {"ok": True}))
    script: list[Behaviour] = field(default_factory=list)
    routes: dict[str, Behaviour] = field(default_factory=dict)
    requests: list[Arrived] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.let_go = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.let_go.set()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.close()

    def _accept(self) -> None:
        while not self.let_go.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while True:
                    line = reader.readline().decode("latin-1").split()
                    if len(line) < 2:
                        return
                    headers: dict[str, str] = {}
                    while (header := reader.readline().strip()) != b"":
                        name, _, value = header.decode("latin-1").partition(":")
                        headers[name.lower()] = value.strip()
                    body = reader.read(int(headers.get("content-length", 0)))
                    with self._lock:
                        self.requests.append(Arrived(line[0], line[1], headers, body))
                        behaviour = self.routes.get(line[1])
                        behaviour = behaviour or (self.script.pop(0) if self.script else self.always)
                    if not behaviour(connection, self):
                        return
            except OSError:
                return
            finally:
                with self._lock:
                    self._open.discard(connection)
