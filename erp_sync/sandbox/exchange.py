"""The HTTP side of one call to a sandbox: the request as it came, the answer, and a client that may hang up."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

from erp_sync.sandbox.core import Request, Response


class Exchange:
    """The HTTP side of one call. `gone` turns true when the client hangs up."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.transport = scope.get("extensions", {}).get("erp_sync.transport")
        self.query = scope["query_string"].decode("latin-1")
        self._watch: asyncio.Future[None] | None = None
        self.request: Request

    @property
    def gone(self) -> bool:
        closing = self.transport is not None and self.transport.is_closing()
        return closing or (self._watch is not None and self._watch.done())

    async def read(self) -> bool:
        """Read the whole request; False when the client left before it was complete."""
        parts = []
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return False
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        headers: dict[str, str] = {}
        for raw_name, raw_value in self.scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        path = self.scope["raw_path"].decode("latin-1")
        url = f"{self.scope['scheme']}://{headers.get('host', '')}{path}"
        self.request = Request(
            method=self.scope["method"],
            path=path,
            query=parse_qsl(self.query, keep_blank_values=True),
            headers=headers,
            body=b"".join(parts),
            url=f"{url}?{self.query}" if self.query else url,
        )
        return True

    def _watching(self) -> asyncio.Future[None]:
        if self._watch is None:
            self._watch = asyncio.ensure_future(self._disconnected())
        return self._watch

    async def _disconnected(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def wait_until_gone(self) -> None:
        await self._watching()

    async def gone_within(self, seconds: float) -> bool:
        done, _ = await asyncio.wait([self._watching()], timeout=seconds)
        return bool(done)


async def respond(send: Any, response: Response, cut: bool = False) -> None:
    body = response.body
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    if response.status not in (204, 304):
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if cut:
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    else:
        await send({"type": "http.response.body", "body": body})
