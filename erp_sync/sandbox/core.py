"""What a vendor's sandbox is made of: requests in, responses out, over a database of its own.

A `SandboxCore` speaks one vendor's API without HTTP, threads or sleeping, so that a test can drive it
on a virtual clock and `erp_sync.sandbox.server` can put it behind a socket with latency and faults.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable
from urllib.parse import parse_qsl, unquote

import msgspec

Kind = Literal["read", "search", "create", "update", "delete", "bulk", "auth"]

_encoder = msgspec.json.Encoder(decimal_format="number")


class BadJson(ValueError):
    """The body of a request is not JSON; the vendor's own error body is the core's business."""


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came.

    Attributes:
        method: upper case.
        path: still percent-encoded, without query; `segments` are decoded.
        query: decoded pairs in the order sent, blanks kept.
        headers: names in lower case; a repeated header's values are joined by ", ".
        url: absolute and as the client sees it (scheme, Host header, raw path and query), which is what
            OAuth base strings are made from.
    """

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = ""

    @classmethod
    def build(cls, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Request:
        """A request from an absolute URL, for tests that drive a core without a socket."""
        _, _, rest = url.partition("://")
        path, _, query = ("/" + rest.partition("/")[2]).partition("?")
        return cls(
            method=method.upper(),
            path=path,
            query=parse_qsl(query, keep_blank_values=True),
            headers={name.lower(): value for name, value in (headers or {}).items()},
            body=body,
            url=url,
        )

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """Decoded parts of the path without empty ones: ``/V1/orders/7`` is ("V1", "orders", "7")."""
        return tuple(unquote(part) for part in self.path.split("/") if part)

    def parameter(self, name: str, default: str | None = None) -> str | None:
        """First value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def json(self) -> Any:
        """The body, with numbers as int or exact Decimal. Raises BadJson."""
        try:
            return json.loads(self.body, parse_float=Decimal)
        except ValueError as error:
            raise BadJson(str(error)) from error

    def form(self) -> dict[str, str]:
        """The body as application/x-www-form-urlencoded."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass
class Response:
    """One HTTP answer. The server adds Content-Length and Date."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def json_response(
    body: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json; charset=utf-8",
) -> Response:
    """A JSON answer; decimals are written as JSON numbers with their own digits."""
    return Response(status, {"content-type": content_type, **(headers or {})}, _encoder.encode(body))


@dataclass(frozen=True)
class Endpoint:
    """What a request asks for, found before it is authenticated.

    Attributes:
        name: stable operation name, e.g. ``salesOrder.create`` or ``guest-carts.payment-information``; fault
            rules, journal and contract book speak of it.
        kind: chooses the latency; "search" counts as a read, "update", "delete" and "bulk" as a write.
        writes: may change something the vendor's users can see.
        slot: holds one of the vendor's concurrency slots while it runs.
        document: business key when the request itself tells it (external id, order number), else None.
        flow: what the call is for in the report, when the path alone tells it; else "".
    """

    name: str
    kind: Kind
    writes: bool = False
    slot: bool = True
    document: str | None = None
    flow: str = ""


@dataclass(frozen=True)
class Commit:
    """A document that became visible to readers of this system, for the journal's `commits` table.

    Attributes:
        entity: vendor's table or record name, e.g. ``salesOrder``, ``sales_order``.
        document: business key (external id or increment id); for a write without one, the internal id.
        change: "create", "update" or "delete".
    """

    entity: str
    document: str
    change: str = "create"


@dataclass
class Handled:
    """What came of a request.

    Attributes:
        committed: its database transaction changed something and is durable.
        document: business key, also when only the answer tells it (a new order's increment id).
        commits: every document written. May be empty when `document` tells all: the server then journals
            one commit (entity = endpoint name, document) for a committed call.
    """

    response: Response
    committed: bool = False
    document: str | None = None
    commits: Sequence[Commit] = ()


@runtime_checkable
class SandboxCore(Protocol):
    """One vendor's system. All methods are called from one thread, never two at a time."""

    vendor: str

    def classify(self, request: Request) -> Endpoint:
        """Name the operation; an unknown route is an endpoint too (its `handle` answers the vendor's 404)."""

    def authenticate(self, request: Request) -> Response | None:
        """The vendor's error answer, or None when the credentials hold. Technical time is `clock.wall()`."""

    def admit(self, request: Request, slots_in_use: int) -> Response | None:
        """The vendor's refusal (e.g. 429), or None. `slots_in_use` does not count this request."""

    def handle(self, request: Request) -> Handled:
        """Do it, in one database transaction."""

    def tick(self) -> Iterable[Commit] | None:
        """Background work that is due (async jobs, indexers, cron); returns what it committed, if anything."""

    def status(self) -> dict[str, Any]:
        """At least: database (path), credentials (dict), settle_seconds (operation to seconds)."""

    def seed(self, data: dict[str, Any]) -> dict[str, Any]:
        """Load master data and opening stock as an administrator would have; answers counts."""

    def reset(self) -> None:
        """Empty the system; credentials stay."""

    # Optional, looked up by name:
    # def fault_response(self, kind: str, request: Request) -> Response | None
    #     the vendor's own body for "too_many_requests", "server_error", "maintenance"; None = a plain one.
