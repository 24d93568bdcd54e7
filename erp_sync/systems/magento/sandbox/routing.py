"""Which function answers which route of Magento's web API.

Rooms declare their routes beside the functions (`@route`); templates are those of the published Swagger,
so that the contract of an operation is found by the same key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from erp_sync.sandbox.core import Kind

if TYPE_CHECKING:
    from erp_sync.systems.magento.sandbox.shop import Shop

ANONYMOUS = "anonymous"
SELF = "self"  # the customer whose token it is

Handler = Callable[["Call"], Any]


@dataclass(frozen=True)
class User:
    """Who calls: kind is "integration", "admin", "customer" or "guest"; id is its own, 0 for a guest."""

    kind: str
    id: int = 0


@dataclass(frozen=True)
class Route:
    """One operation.

    Attributes:
        template: path as the Swagger has it, e.g. ``/V1/order/{orderId}/ship``.
        resource: what the caller must be allowed, `ANONYMOUS` or `SELF`.
        commerce: exists in Adobe Commerce only.
        kind: chooses the latency.
        document: path parameter or body path that names the document in the journal.
    """

    method: str
    template: str
    handler: Handler
    resource: str
    kind: Kind
    commerce: bool = False
    listing: bool = False
    document: str = ""

    @property
    def name(self) -> str:
        """Stable operation name: ``POST /V1/order/{orderId}/ship``."""
        return f"{self.method} {self.template}"

    @property
    def asynchronous(self) -> bool:
        """Can be called under ``/async``: what writes, except a shopper's own cart and signing in."""
        return self.writes and self.kind != "auth" and self.resource != SELF and "guest-carts" not in self.template

    @property
    def writes(self) -> bool:
        return self.kind not in ("read", "search")


@dataclass
class Call:
    """One call of a service: converted arguments and who asks.

    Attributes:
        path: decoded path parameters.
        query: nested query parameters, as PHP reads them (``a[b][0]=1``).
        body: arguments of the service by name, converted to the contract's types.
        store_id: store view of the URL; 0 for ``/rest/all``.
    """

    shop: Shop
    route: Route
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    store_id: int
    user: User
    document: str | None = None
    path_list: list[str] = field(default_factory=list)

    def number(self, name: str) -> int:
        """A path parameter that must be an integer; PHP casts what is not to 0."""
        match = re.match(r"\s*-?\d+", self.path[name])
        return int(match.group()) if match else 0


_routes: list[Route] = []


def route(
    method: str,
    template: str,
    *,
    resource: str,
    kind: Kind | None = None,
    commerce: bool = False,
    listing: bool = False,
    document: str = "",
) -> Callable[[Handler], Handler]:
    """Declare the function as the answer to a route. Without `kind`, GET reads, POST creates, others update."""
    chosen: Kind = kind or {"GET": "read", "POST": "create", "DELETE": "delete"}.get(method, "update")  # type: ignore[assignment]

    def declare(handler: Handler) -> Handler:
        _routes.append(
            Route(method, template, handler, resource, "search" if listing else chosen, commerce, listing, document)
        )
        return handler

    return declare


def declared() -> list[Route]:
    """All routes declared by the rooms that have been imported."""
    return list(_routes)


_PARAMETER = re.compile(r"\{(\w+)\}")


class Router:
    """Finds the route of a path; of several that match, the one with the fewest parameters."""

    def __init__(self, routes: Iterable[Route]) -> None:
        # Of each part of a template: the text itself, and the name of the parameter that it is, if it is one.
        self._by_shape: dict[tuple[str, int], list[tuple[list[tuple[str, str]], Route]]] = {}
        for entry in sorted(routes, key=lambda entry: entry.template.count("{")):
            texts = [part for part in entry.template.split("/") if part]
            parts = [(text, found[1] if (found := _PARAMETER.fullmatch(text)) else "") for text in texts]
            self._by_shape.setdefault((entry.method, len(parts)), []).append((parts, entry))
        self._by_name = {entry.name: entry for entries in self._by_shape.values() for _, entry in entries}

    def named(self, name: str) -> Route:
        return self._by_name[name]

    def find(self, method: str, raw_segments: list[str]) -> tuple[Route, dict[str, str]] | None:
        """`raw_segments` are still percent-encoded, from ``V1`` on."""
        for parts, entry in self._by_shape.get((method, len(raw_segments)), ()):
            found: dict[str, str] = {}
            for (text, parameter), raw in zip(parts, raw_segments, strict=True):
                if parameter:
                    found[parameter] = unquote(raw)
                elif text != raw:
                    break
            else:
                return entry, found
        return None
