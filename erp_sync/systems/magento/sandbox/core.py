"""Magento as a `SandboxCore`: routing, authentication, one transaction per call, background work."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.core import BadJson, Commit, Endpoint, Handled, Request, Response
from erp_sync.systems.magento.sandbox import auth, bulk, directory, events, inventory, rooms, schema, seed
from erp_sync.systems.magento.sandbox.contract.book import asynchronous_name
from erp_sync.systems.magento.sandbox.database import Database
from erp_sync.systems.magento.sandbox.errors import InputException, InternalError, MagentoError, NoRoute
from erp_sync.systems.magento.sandbox.rendering import encode, fields_filter, shape
from erp_sync.systems.magento.sandbox.routing import Call, Route, Router, User
from erp_sync.systems.magento.sandbox.search_criteria import nested
from erp_sync.systems.magento.sandbox.shop import Options, Shop

ALL_STORES = "all"
SYNCHRONOUS_LIMIT = 20  # list items in a synchronous call, with input limits on
ASYNCHRONOUS_LIMIT = 5000
_ORDER_PLACEMENT = ("payment-information", "/order")


@dataclass(frozen=True)
class Target:
    """What a path means: the route, its parameters, the store view, and how it is to be called."""

    route: Route
    path: dict[str, str]
    store_id: int
    mode: str = ""  # "", "async" or "async/bulk"


class MagentoSandbox:
    """One Magento installation over its own database. See `shop.Options` for the options."""

    vendor = "magento"

    def __init__(self, database: Path | str, clock: Clock, options: dict[str, Any]) -> None:
        self.shop = Shop(Database(database), clock, Options.of(options))
        self.refused_resources: frozenset[str] = frozenset(self.shop.options.refused_resources)
        available = [entry for entry in rooms.routes() if self.shop.options.commerce or not entry.commerce]
        self.router = Router(available)
        writing = [entry for entry in available if entry.asynchronous]
        self._bulk_routes = {asynchronous_name(entry, "async/bulk"): entry for entry in writing}
        self._recent_orders: list[float] = []
        self.courier: events.Courier | None = None
        if self.shop.options.commerce and self.shop.options.events_url:
            self.courier = events.Courier(self.shop.options.events_url)
        if not self.shop.database.rows("SELECT name FROM sqlite_master WHERE name = 'sales_order'"):
            self._install()

    def _install(self) -> None:
        with self.shop.database.transaction():
            self.shop.database.script(schema.statements(self.shop.contract))
            directory.install(self.shop)

    # -- the kit's interface -------------------------------------------------------------------------------------

    def classify(self, request: Request) -> Endpoint:
        if request.path in events.KEY_PATHS:
            return Endpoint(name="events.public-key", kind="read", slot=False)
        try:
            target = self._target(request)
        except MagentoError:
            return Endpoint(name="unknown", kind="read", slot=True)
        entry = target.route
        if target.mode:
            return Endpoint(asynchronous_name(entry, target.mode), "bulk", True, True)
        return Endpoint(entry.name, entry.kind, entry.writes, True, self._document(entry, target.path, request))

    def authenticate(self, request: Request) -> Response | None:
        if request.path in events.KEY_PATHS:
            return None
        try:
            with self.shop.database.transaction():
                auth.spend_nonce(self.shop, request)
            user = auth.identify(self.shop, request)
            auth.allowed(user, self._target(request).route, self.refused_resources)
        except NoRoute:
            return None  # the router answers before anybody asks who calls
        except MagentoError as error:
            return self._refusal(error)
        return None

    def admit(self, request: Request, slots_in_use: int) -> Response | None:
        """Magento has no general limit; with backpressure on, order placement is refused beyond the rate."""
        limit = self.shop.options.backpressure_orders_per_minute
        if not limit or request.method == "GET" or not request.path.endswith(_ORDER_PLACEMENT):
            return None
        now = self.shop.clock.wall().timestamp()
        self._recent_orders = [moment for moment in self._recent_orders if moment > now - 60]
        if len(self._recent_orders) >= limit:
            return self._json({"message": "Too Many Requests", "trace": None}, 429)
        self._recent_orders.append(now)
        return None

    def handle(self, request: Request) -> Handled:
        key = events.public_key(self.shop, request.path)
        if key is not None:
            return Handled(Response(200, {"content-type": "application/x-pem-file"}, key))
        self.run_due_work()
        before, self.shop.commits = self.shop.database.changes, []
        try:
            with self.shop.database.transaction():
                target = self._target(request)
                user = auth.identify(self.shop, request)
                auth.allowed(user, target.route, self.refused_resources)
                answer, document, status = self._answer(request, target, user or User("guest"))
                self._record_events()
        except MagentoError as error:
            return Handled(self._refusal(error))
        except InternalError as error:
            return Handled(self._internal(error))
        changed = self.shop.database.changes > before
        commits = list(dict.fromkeys(self.shop.commits)) if changed else []
        document = document or self._document(target.route, target.path, request)
        return Handled(
            self._shaped(request, answer, status), changed and target.route.kind != "auth", document, commits
        )

    def tick(self) -> Iterable[Commit] | None:
        """Stock index, asynchronous operations, events that are due; returns what they committed."""
        commits = self.run_due_work()
        if self.courier is not None:
            events.run_due(self.shop, self.courier)
        return commits

    def run_due_work(self) -> list[Commit]:
        inventory.run_due_indexing(self.shop)
        self.shop.commits = []
        if bulk.run_due(self.shop, self.router):
            inventory.run_due_indexing(self.shop)
            with self.shop.database.transaction():
                self._record_events()
        return list(dict.fromkeys(self.shop.commits))

    def _record_events(self) -> None:
        if self.courier is not None:
            events.record(self.shop, list(dict.fromkeys(self.shop.commits)))

    def close(self) -> None:
        """Let deliveries under way end, and close the database."""
        if self.courier is not None:
            self.courier.close()
        self.shop.database.close()

    def status(self) -> dict[str, Any]:
        options = self.shop.options
        return {
            "vendor": self.vendor,
            "database": self.shop.database.path,
            "edition": options.edition,
            "credentials": {**auth.credentials(self.shop), "otp_secret": auth.otp_secret(self.shop)},
            "events": {"client_id": events.client_id(self.shop), "public_key_paths": list(events.KEY_PATHS)},
            "customer_password": self.shop.secret("customer_password", 16),
            "rest": "/rest/default/V1",
            # A write is visible to readers when its call has ended; the stock index trails by its lag.
            "settle_seconds": {
                "*": 0,
                "inventory_source_item": options.index_lag_seconds,
                "async": options.consumer_lag_seconds + options.index_lag_seconds,
            },
        }

    def seed(self, data: dict[str, Any]) -> dict[str, Any]:
        """Load master data and opening stock; see `seed.load` for the keys."""
        return seed.load(self.shop, data)

    def reset(self) -> None:
        database = self.shop.database
        database.script(["PRAGMA foreign_keys = OFF"])
        with database.transaction():
            for name in database.column(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ):
                database.run(f"DROP TABLE {name}")
            database.script(schema.statements(self.shop.contract))
            directory.install(self.shop)
        database.script(["PRAGMA foreign_keys = ON"])

    def fault_response(self, kind: str, request: Request) -> Response | None:
        """What Magento or the web tier before it says when a fault is injected."""
        if kind == "too_many_requests":
            return self._json({"message": "Too Many Requests", "trace": None}, 429)
        if kind == "maintenance":
            html = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body></body></html>"
            return Response(503, {"content-type": "text/html; charset=UTF-8"}, html)
        if kind == "server_error":
            report = "webapi-" + secrets.token_hex(7)[:13]
            return self._json(
                {"message": f"Internal Error. Details are available in Magento log file. Report ID: {report}"}, 500
            )
        return None

    # -- one call ------------------------------------------------------------------------------------------------

    def _target(self, request: Request) -> Target:
        """Raises NoRoute."""
        raw = [part for part in request.path.split("/") if part]
        if raw[:1] == ["index.php"]:
            raw = raw[1:]
        if raw[:1] != ["rest"]:
            raise NoRoute
        raw = raw[1:]
        if not self.shop.options.allow_encoded_slashes and any("%2f" in part.lower() for part in raw):
            raise NoRoute
        store_id, mode = self.shop.default_store_id(), ""
        if raw and raw[0] == ALL_STORES:
            store_id, raw = 0, raw[1:]
        elif raw and raw[0] not in ("V1", "V2", "async"):
            found = self.shop.database.value("SELECT store_id FROM store WHERE code = ?", [raw[0]])
            if found is None:
                raise NoRoute
            store_id, raw = found, raw[1:]
        if raw[:2] == ["async", "bulk"]:
            mode, raw = "async/bulk", raw[2:]
        elif raw[:1] == ["async"]:
            mode, raw = "async", raw[1:]
        found_route = self._find(request.method, raw, mode)
        if found_route is None:
            raise NoRoute
        return Target(found_route[0], found_route[1], store_id, mode)

    def _find(self, method: str, raw: list[str], mode: str) -> tuple[Route, dict[str, str]] | None:
        if mode == "async/bulk":
            entry = self._bulk_routes.get(f"{method} /async/bulk/{'/'.join(raw)}")
            return (entry, {}) if entry else None
        found = self.router.find(method, raw)
        if mode and (found is None or not found[0].asynchronous):
            return None
        return found

    def _answer(self, request: Request, target: Target, user: User) -> tuple[Any, str | None, int]:
        query = nested(request.query)
        body = self._body(request, target.mode)
        if target.mode:
            return self._scheduled(target, body, user)
        call = Call(self.shop, target.route, target.path, query, {}, target.store_id, user)
        call.body = self.arguments(target.route, body, target.path)
        self._within_limits(call.body, SYNCHRONOUS_LIMIT)
        answer = target.route.handler(call)
        return answer, call.document, 200

    def _scheduled(self, target: Target, body: Any, user: User) -> tuple[Any, str | None, int]:
        entry = target.route
        if target.mode == "async":
            bodies, paths = [body], [target.path]
        else:
            bodies = body if isinstance(body, list) else [body]
            paths = [bulk.body_path(entry, one) for one in bodies]
        if self.shop.options.input_limits and len(bodies) > ASYNCHRONOUS_LIMIT:
            raise InputException('Maximum items of type "%type" is %max', {"type": "array", "max": ASYNCHRONOUS_LIMIT})
        answer = bulk.schedule(self.shop, entry, bodies, paths, target.store_id, user)
        return answer, answer["bulk_uuid"], 202

    def arguments(self, entry: Route, body: Any, path: dict[str, str]) -> dict[str, Any]:
        """Arguments of a service from a body. Raises InputException, InternalError."""
        return self.shop.contract.convert(entry.method, entry.template, body, path)

    def _body(self, request: Request, mode: str) -> Any:
        if (request.method not in ("POST", "PUT") and not mode) or not request.body.strip():
            return {}
        kind = request.headers.get("content-type", "")
        if "json" not in kind:
            raise MagentoError(
                "Server cannot understand Content-Type HTTP header media type %1"
                if kind
                else "Content-Type header is empty.",
                [kind] if kind else None,
            )
        try:
            return request.json()
        except BadJson as error:
            raise MagentoError(f"Decoding error: {error}") from error

    def _within_limits(self, arguments: dict[str, Any], limit: int) -> None:
        if not self.shop.options.input_limits:
            return
        for value in arguments.values():
            if isinstance(value, list) and len(value) > limit:
                raise InputException('Maximum items of type "%type" is %max', {"type": "array", "max": limit})

    def _document(self, entry: Route, path: dict[str, str], request: Request) -> str | None:
        """The business key that a request itself tells: an order's increment id, a SKU, an e-mail."""
        for name in ("sku", "productSku"):
            if name in path:
                return path[name]
        if "order" in entry.template and entry.template.startswith(("/V1/orders/{id}", "/V1/order/{orderId}")):
            order_id = path.get("id") or path.get("orderId") or ""
            number = self.shop.database.value(
                "SELECT increment_id FROM sales_order WHERE entity_id = ?", [int(order_id) if order_id.isdigit() else 0]
            )
            return str(number) if number else None
        if entry.document and request.body:
            try:
                place: Any = request.json()
            except BadJson:
                return None
            for part in entry.document.split("."):
                place = place.get(part) if isinstance(place, dict) else None
            return str(place) if place else None
        return None

    # -- answers -------------------------------------------------------------------------------------------------

    def _json(self, value: Any, status: int = 200) -> Response:
        return Response(
            status,
            {"content-type": "application/json; charset=utf-8"},
            encode(value, float_noise=self.shop.options.float_noise),
        )

    def _shaped(self, request: Request, answer: Any, status: int) -> Response:
        wanted = request.parameter("fields")
        if wanted is not None and isinstance(answer, dict | list):
            fields = fields_filter(wanted)
            answer = [] if fields is None else shape(answer, fields)
        return self._json(answer, status)

    def _refusal(self, error: MagentoError) -> Response:
        return self._json(error.body(), error.status)

    def _internal(self, error: InternalError) -> Response:
        if self.shop.options.developer_mode:
            return self._json({"message": str(error), "trace": "#0 {main}"}, 500)
        with self.shop.database.transaction():
            report = self.shop.report(str(error))
        return self._json(
            {"message": f"Internal Error. Details are available in Magento log file. Report ID: {report}"}, 500
        )
