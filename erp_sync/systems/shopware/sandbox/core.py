"""Shopware as a `SandboxCore`: routing, authentication, one transaction per call, background work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.core import Commit, Endpoint, Handled, Request, Response
from erp_sync.systems.shopware.sandbox import apps, auth, bootstrap, errors, indexing, rooms, seed, sync
from erp_sync.systems.shopware.sandbox.courier import Courier
from erp_sync.systems.shopware.sandbox.database import Database
from erp_sync.systems.shopware.sandbox.errors import Counted, ShopwareError
from erp_sync.systems.shopware.sandbox.options import Options
from erp_sync.systems.shopware.sandbox.routing import Call, Route, Router, answer
from erp_sync.systems.shopware.sandbox.schema import by_path
from erp_sync.systems.shopware.sandbox.shop import Shop

STORE_API = "store-api"
_KEYS = {"order": "orderNumber", "product": "productNumber", "customer": "customerNumber"}


class ShopwareSandbox:
    """One Shopware installation over its own database. See `options.Options` for the options."""

    vendor = "shopware"

    def __init__(self, database: Path | str, clock: Clock, options: dict[str, Any]) -> None:
        self.shop = Shop(Database(database), clock, Options.of(options))
        every = rooms.routes()
        self.router = Router([one for one in every if self.shop.options.commercial or not one.commercial])
        if not self.shop.database.row("SELECT name FROM sqlite_master WHERE name = 'sandbox_config'"):
            self._install()
        with self.shop.database.transaction():
            self.shop.options.keep(self.shop.configure)
        self.courier = Courier()

    def _install(self) -> None:
        with self.shop.database.transaction():
            bootstrap.install(self.shop, rooms.tables())

    # -- the kit's interface -------------------------------------------------------------------------------------

    def classify(self, request: Request) -> Endpoint:
        found = self.router.find(request.method, request.segments)
        if found is None:
            return Endpoint("unknown", "read")
        route, path = found
        flow = sync.flow(request.body) if route.name == "sync" else route.flow
        return Endpoint(route.name, route.kind, route.writes, route.kind != "auth", self._document(route, path), flow)

    def authenticate(self, request: Request) -> Response | None:
        if request.path == auth.TOKEN_PATH or self.router.find(request.method, request.segments) is None:
            return None  # the router answers before anybody asks who calls
        try:
            if request.segments[0] == STORE_API:
                rooms.sales_channel(self.shop, request)
            else:
                auth.check(self.shop, request)
        except ShopwareError as error:
            return self._refusal(error)
        return None

    def admit(self, request: Request, slots_in_use: int) -> Response | None:
        """Shopware's core has no general limit."""
        return None

    def handle(self, request: Request) -> Handled:
        self.run_due_work()
        shop, before = self.shop, self.shop.database.changes
        found = self.router.find(request.method, request.segments)
        shop.begin(self._privileges(request) if found else None)
        if found is None:
            return Handled(self._lost(request))
        route, path = found
        try:
            if route.kind == "auth":  # attempts are counted whatever comes of them
                return Handled(route.handler(Call(shop, request, path)))
            entity = by_path(self._resource(request, path))
            call = Call(shop, request, path, entity)
            with shop.database.transaction():
                try:
                    response = route.handler(call)
                except Counted as error:  # what it has counted stays
                    response = self._refusal(error)
                rooms.record_events(shop)
        except ShopwareError as error:
            return Handled(self._refusal(error))
        rooms.after(shop, self.courier)
        commits = list(dict.fromkeys(shop.commits))
        document = call.document or self._document(route, path)
        return Handled(response, bool(commits) and shop.database.changes > before, document, commits)

    def _resource(self, request: Request, path: dict[str, str]) -> str:
        """The path of an entity: after ``/api/``, or after ``/api/search/``."""
        parts = request.segments
        return (
            parts[2] if len(parts) > 2 and parts[1] in ("search", "search-ids") else parts[1] if len(parts) > 1 else ""
        )

    def tick(self) -> Iterable[Commit] | None:
        """The queue: indexer messages and webhooks that are due."""
        self.run_due_work()
        rooms.run_due(self.shop, self.courier)
        return None

    def run_due_work(self) -> None:
        """What readers could see."""
        indexing.run_due(self.shop)

    def close(self) -> None:
        """Let deliveries under way end, and close the database."""
        self.courier.close()
        self.shop.database.close()

    def status(self) -> dict[str, Any]:
        lag = self.shop.options.index_lag_seconds
        return {
            "vendor": self.vendor,
            "database": self.shop.database.path,
            "release": self.shop.options.release,
            "currency": self.shop.options.currency,
            "credentials": auth.credentials(self.shop),
            "sales_channel_id": bootstrap.SALES_CHANNEL,
            "customer_password": seed.password(self.shop),
            "shop_id": apps.shop_id(self.shop),
            "apps": apps.shown(self.shop),
            # A write is visible to readers when its call has ended; listings and updatedAt trail by the indexer.
            "settle_seconds": {"*": 0, "product.listing": lag},
        }

    def seed(self, data: dict[str, Any]) -> dict[str, Any]:
        """Load master data and opening stock; see `seed.load` for the keys."""
        return seed.load(self.shop, data)

    def reset(self) -> None:
        database = self.shop.database
        with database.transaction():
            for name in database.column(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ):
                if name != "sandbox_config":  # secrets stay
                    database.run(f'DROP TABLE "{name}"')
            bootstrap.install(self.shop, rooms.tables())
        self.shop.rules.forget()

    def fault_response(self, kind: str, request: Request) -> Response | None:
        """What Shopware or the web tier before it says when a fault is injected."""
        if kind == "too_many_requests":
            return self._refusal(errors.plain(429, "Too Many Requests"))
        if kind == "server_error":
            return self._refusal(errors.plain(500, "An internal error occurred."))
        if kind == "maintenance":
            return Response(
                503, {"content-type": "text/html; charset=UTF-8"}, b"<html><body>Service Unavailable</body></html>"
            )
        return None

    # -- parts ---------------------------------------------------------------------------------------------------

    def _document(self, route: Route, path: dict[str, str]) -> str | None:
        """The business key of the row that a path names by its id."""
        entity = route.name.partition(".")[0]
        field = _KEYS.get(entity)
        if field is None or "id" not in path:
            return path.get("id")
        row = self.shop.raw(entity, path["id"])
        return str(row[field]) if row and row[field] else path["id"]

    def _lost(self, request: Request) -> Response:
        """Nothing is there, or not for this method."""
        allowed = self.router.allowed(request.segments)
        if not allowed:
            return self._refusal(errors.no_route(request.method, request.url))
        response = self._refusal(errors.no_method(request.method, request.url, allowed))
        response.headers["allow"] = ", ".join(allowed)
        return response

    def _privileges(self, request: Request) -> tuple[str, ...] | None:
        """Rights of the caller: of the integration, of an app, or all of them."""
        if request.path.startswith(f"/{STORE_API}") or request.path == auth.TOKEN_PATH:
            return None
        return auth.privileges(self.shop, request)

    def _refusal(self, error: ShopwareError) -> Response:
        return answer(error.body(), error.status)
