"""SAP Business One's Service Layer as one object: requests in, answers out, over a database of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.core import Commit, Endpoint, Handled, Request, Response
from erp_sync.systems.sap_b1.sandbox import batch, bootstrap, faults, rows, seed, user_fields, webhooks
from erp_sync.systems.sap_b1.sandbox.classify import classify
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.courier import Courier
from erp_sync.systems.sap_b1.sandbox.errors import ServiceLayerError, Version, unsupported
from erp_sync.systems.sap_b1.sandbox.options import Options
from erp_sync.systems.sap_b1.sandbox.paths import parse, unrecognized
from erp_sync.systems.sap_b1.sandbox.registry import Registry
from erp_sync.systems.sap_b1.sandbox.sessions import Sessions, cookies
from erp_sync.systems.sap_b1.sandbox.store import Store


class SapB1Sandbox:
    """The sandbox core of vendor sap_b1; see `erp_sync.sandbox.core.SandboxCore`."""

    vendor = "sap_b1"

    def __init__(self, database: Path | str, clock: Clock, options: dict[str, Any]) -> None:
        self.clock, self.options = clock, Options.of(options)
        self.store = Store(database)
        rows.create(self.store)
        webhooks.create(self.store)
        with self.store.transaction():
            bootstrap.fill(self._context())
            user_fields.restart(self.store)
            self.options.keep(self.store)
        self.sessions = Sessions(self.options)
        self.courier = Courier(
            self.options.webhook_retries, self.options.webhook_retry_seconds, self.options.webhook_duplicate_every
        )
        self.registry = Registry(self.courier)

    def _context(self, version: Version = "v2", request: Request | None = None) -> Context:
        moment = self.clock.now().astimezone(self.options.zone)
        context = Context(self.store, self.options, moment, version, user=self.options.user_name)
        if request is not None:
            url = urlsplit(request.url)
            context.origin = f"{url.scheme}://{url.netloc}"
        return context

    # -- what a request is -----------------------------------------------------------------------------

    def classify(self, request: Request) -> Endpoint:
        request = overridden(request)
        return classify(self.store, request, self.options.document_field)

    def authenticate(self, request: Request) -> Response | None:
        version = version_of(request)
        if version is None or self._below(request) in ("Login", "Logout"):
            return None
        try:
            self.sessions.use(request, self.clock.wall())
        except ServiceLayerError as error:
            return error.response(version)
        return None

    def admit(self, request: Request, slots_in_use: int) -> Response | None:
        """Beyond the nodes' workers the proxy answers by itself (fact sheet, section 6; unconfirmed)."""
        if self.options.capacity is None or slots_in_use < self.options.capacity:
            return None
        return faults.proxy(503)

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def fault_response(self, kind: str, request: Request) -> Response | None:
        """What the proxy in front of Service Layer says; none of it is JSON."""
        return faults.response(kind)

    # -- doing it --------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Handled:
        request = overridden(request)
        version = version_of(request)
        if version is None:
            return Handled(faults.proxy(404))
        if cookies(request).get("ROUTEID") == self.setting("sick_node") is not None:
            return Handled(faults.sick_node(version))
        if self.options.empty_expect and "expect" in request.headers:
            return Handled(Response(500))
        context = self._context(version, request)
        try:
            below = self._below(request)
            if below == "Login" and request.method == "POST":
                return Handled(self.sessions.login(request, version, self.clock.wall()))
            if below == "Logout" and request.method == "POST":
                return Handled(self.sessions.logout(request))
            if request.method == "GET":
                return Handled(self.registry.handle(context, request, parse(below)))
            if below == "$batch":
                return self._batch(context, request)
            return self._write(context, request, below)
        except ServiceLayerError as error:
            return Handled(error.response(version))

    def _write(self, context: Context, request: Request, below: str) -> Handled:
        try:
            with self.store.transaction():
                response = self.registry.handle(context, request, parse(below))
                webhooks.queue(context, self.clock.wall())
        except ServiceLayerError as error:
            response = error.response(context.version)
            if not error.keep:
                return Handled(response)
            with self.store.transaction():
                webhooks.queue(context, self.clock.wall())
        own = [commit for commit in context.commits if commit.entity == below.partition("(")[0]]
        document = (own or context.commits)[0].document if context.commits else None
        return Handled(response, bool(context.commits), document, context.commits)

    def _batch(self, context: Context, request: Request) -> Handled:
        if request.method != "POST":
            raise unsupported()
        try:
            parts = batch.parse(request, context)
        except ServiceLayerError as error:
            return Handled(error.response(context.version, batch=True))

        def one(inner: Context, part: Request) -> Response:
            if version_of(part) != context.version:
                raise unrecognized()
            return self.registry.handle(inner, part, parse(self._below(part)))

        response = batch.run(context, parts, one, go_on="odata.continue-on-error" in request.headers.get("prefer", ""))
        with self.store.transaction():
            webhooks.queue(context, self.clock.wall())
        return Handled(response, bool(context.commits), commits=context.commits)

    def setting(self, name: str) -> Any:
        return self.store.state(f"setting {name}", getattr(self.options, name))

    @staticmethod
    def _below(request: Request) -> str:
        return request.path.strip("/").removeprefix("b1s/")[2:].strip("/")

    # -- an administrator ------------------------------------------------------------------------------

    def tick(self) -> Iterable[Commit] | None:
        """Deliver what webhooks have waiting."""
        if self.store.value("SELECT 1 FROM subscriptions") is not None:
            with self.store.transaction():
                self.courier.run(self.store, self.clock.wall())
        return None

    def status(self) -> dict[str, Any]:
        counts = {name: self.store.value(f'SELECT COUNT(*) FROM "{name}"') for name in ("Orders", "Drafts", "Items")}
        return {
            "database": self.store.path,
            "credentials": {
                "company_db": self.options.company_db,
                "user_name": self.options.user_name,
                "password": self.options.password,
            },
            "settle_seconds": {
                name: self.options.settle_seconds
                for name in ("Orders.create", "BusinessPartners.create", "Items.create", "DeliveryNotes.create")
            },
            "sessions": self.sessions.count,
            "counts": counts,
        }

    def seed(self, data: dict[str, Any]) -> dict[str, Any]:
        """Load what is given; see `seed.load`. ``{"restart": true}`` restarts Service Layer, which ends sessions."""
        context = self._context()
        context.administrator = True
        with self.store.transaction():
            counts = seed.load(context, self.registry, data)
        if data.get("restart"):
            self.sessions.end_all()
        return counts

    def reset(self) -> None:
        with self.store.transaction():
            rows.empty(self.store)
            bootstrap.fill(self._context())
        self.sessions.end_all()


def overridden(request: Request) -> Request:
    """A client without PATCH posts with ``X-HTTP-Method-Override`` (manual v1.29, pages 27 and 227)."""
    wanted = request.headers.get("x-http-method-override", "").upper()
    if request.method != "POST" or wanted not in ("PATCH", "MERGE", "PUT", "DELETE"):
        return request
    return replace(request, method="PATCH" if wanted == "MERGE" else wanted)


def version_of(request: Request) -> Version | None:
    """Which of the two services is called, or None for a path that the proxy does not know."""
    segments = request.segments
    if len(segments) < 2 or segments[0] != "b1s":
        return None
    if segments[1] == "v1":
        return "v1"
    return "v2" if segments[1] == "v2" else None
