"""Routes: a name that stays, a method, a template, and what answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.core import BadJson, Kind, Request, Response, json_response
from erp_sync.systems.shopware.sandbox import errors, names
from erp_sync.systems.shopware.sandbox.schema.fields import Entity, plain
from erp_sync.systems.shopware.sandbox.shop import Shop


@dataclass
class Call:
    """One call of a route.

    Attributes:
        path: values of the template's parameters.
        entity: of a resource's routes.
        document: business key, where the handler learns it.
    """

    shop: Shop
    request: Request
    path: Mapping[str, str]
    entity: Entity | None = None
    document: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> Any:
        """The decoded body; nothing is an empty object. Raises ShopwareError."""
        if not self.request.body.strip():
            return {}
        try:
            return self.request.json()
        except BadJson as error:
            raise errors.plain(400, f"The JSON payload is malformed. {error}") from error

    def fields(self) -> dict[str, Any]:
        """The decoded body as an object. Raises ShopwareError."""
        given = self.body()
        if not isinstance(given, dict):
            raise errors.plain(400, "Invalid payload. Should be associative array")
        return given

    @property
    def base_url(self) -> str:
        """``https://HOST/api``."""
        scheme, _, rest = self.request.url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}/api"

    def header(self, name: str) -> str | None:
        return self.request.headers.get(name)

    @property
    def version(self) -> str:
        given = self.header("sw-version-id")
        return given if given and names.is_id(given) else names.LIVE_VERSION


Handler = Callable[[Call], Response]


@dataclass(frozen=True)
class Route:
    """`flow` is what the call is for in reports; `document` the path parameter that is a business key."""

    name: str
    method: str
    template: str
    kind: Kind
    handler: Handler
    writes: bool = False
    flow: str = ""
    commercial: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in self.template.split("/") if part)


class Router:
    """Finds the route of a request; of several that match, the one with the fewest parameters."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes: dict[tuple[str, int], list[Route]] = {}
        for one in sorted(routes, key=lambda route: route.template.count("{")):
            self._routes.setdefault((one.method, len(one.parts)), []).append(one)

    def allowed(self, segments: Sequence[str]) -> list[str]:
        """Methods that an address has."""
        return sorted(method for method in ("DELETE", "GET", "PATCH", "POST") if self.find(method, segments))

    def find(self, method: str, segments: Sequence[str]) -> tuple[Route, dict[str, str]] | None:
        for one in self._routes.get((method, len(segments)), ()):
            found: dict[str, str] = {}
            for part, segment in zip(one.parts, segments, strict=True):
                if part.startswith("{"):
                    found[part[1:-1]] = segment
                elif part != segment:
                    break
            else:
                return one, found
        return None


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Plain JSON; numbers as PHP prints them."""
    return json_response(shown(body), status, headers, content_type="application/json")


def shown(value: Any) -> Any:
    """The value with decimals as PHP prints its floats."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {name: shown(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shown(part) for part in value]
    return value
