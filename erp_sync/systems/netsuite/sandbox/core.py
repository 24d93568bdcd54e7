"""NetSuite's account as one object: requests in, answers out, over a database of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.core import BadJson, Commit, Endpoint, Handled, Kind, Request, Response, json_response
from erp_sync.systems.netsuite.sandbox import bootstrap, bulk, locations, metadata, restlet, schema, seed
from erp_sync.systems.netsuite.sandbox.auth import TOKEN_PATH, Authority
from erp_sync.systems.netsuite.sandbox.custom_records import CustomRecord
from erp_sync.systems.netsuite.sandbox.errors import VendorError
from erp_sync.systems.netsuite.sandbox.lag import SCHEMA, SearchIndex
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.push import Pusher, notifications
from erp_sync.systems.netsuite.sandbox.record_type import RecordType
from erp_sync.systems.netsuite.sandbox.registry import record_types
from erp_sync.systems.netsuite.sandbox.rest import ROOT, SINGULAR, RecordService
from erp_sync.systems.netsuite.sandbox.sales_order import SalesOrder
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import Store
from erp_sync.systems.netsuite.sandbox.suiteql.service import PATH as SUITEQL_PATH
from erp_sync.systems.netsuite.sandbox.suiteql.service import SuiteQLService

LIMITS_PATH = "/services/rest/system/v1/governanceLimits"
_KINDS: dict[str, Kind] = {"POST": "create", "PATCH": "update", "PUT": "update", "DELETE": "delete"}
_FAULTS = {
    "too_many_requests": (
        429, "CONCURRENCY_LIMIT_EXCEEDED", "Concurrent request limit exceeded. Request blocked.",
    ),
    "server_error": (500, "UNEXPECTED_ERROR", "An unexpected error occurred. Error ID: sandbox"),
    "maintenance": (503, "SERVICE_UNAVAILABLE", "NetSuite is down for maintenance."),
}  # fmt: skip
_VERBS = {"POST": "create", "PATCH": "update", "PUT": "upsert", "DELETE": "delete"}
_FLOWS = {
    "salesOrder": "orders", "customerDeposit": "orders", "customer": "customers", "itemFulfillment": "shipments",
    "returnAuthorization": "returns", "inventoryItem": "products", "inventoryAdjustment": "inventory",
}  # fmt: skip


class NetSuiteSandbox:
    """The sandbox core of vendor netsuite; see `erp_sync.sandbox.core.SandboxCore`."""

    vendor = "netsuite"

    def __init__(self, database: Path | str, clock: Clock, options: dict[str, Any]) -> None:
        self.clock, self.options = clock, Options.of(options)
        self.store = Store(database)
        schema.create(self.store)
        self.authority = Authority(self.store, self.options)
        self.index: SearchIndex | None = None
        self._fill()
        if self.options.index_lag_seconds:
            self.index = SearchIndex(self.store, self.options.index_lag_seconds, clock.wall)
        self._standard, transforms = record_types()
        self._records: tuple[int, dict[str, RecordType]] = (-1, {})
        self.service = RecordService(self._standard, transforms)
        self.queries = SuiteQLService(self.store, self.options, SCHEMA if self.index else "")
        self.jobs = bulk.Jobs()
        orders = self._standard["salesOrder"]
        assert isinstance(orders, SalesOrder)
        self.restlets = restlet.Restlets(orders, self.queries)
        self.pusher = Pusher(self.options.push_url, self.options.push_secret) if self.options.push_url else None

    def _fill(self) -> None:
        if self.store.value("SELECT 1 FROM currency") is None:
            with self.store.transaction():
                bootstrap.fill(self._session())

    def _session(self, request: Request | None = None) -> Session:
        moment: datetime = self.clock.now().replace(microsecond=0)
        session = Session(self.store, self.options, moment, search=f"{SCHEMA}." if self.index else "")
        if request is not None:
            url = urlsplit(request.url)
            session.origin = f"{url.scheme}://{url.netloc}"
        return session

    @property
    def records(self) -> dict[str, RecordType]:
        """Standard records and the account's custom ones."""
        if self._records[0] != self.store.version:
            custom = self._session().custom_records()
            found = {**self._standard, **{name: CustomRecord(name, fields) for name, fields in custom.items()}}
            self._records = (self.store.version, found)
        return self._records[1]

    # --- what a request is -------------------------------------------------------------------------------

    def classify(self, request: Request) -> Endpoint:
        path = request.path.rstrip("/")
        if path == TOKEN_PATH:
            return Endpoint("oauth2.token", "auth", slot=False)
        if path == SUITEQL_PATH:
            return Endpoint("suiteql", "search")
        if path == LIMITS_PATH:
            return Endpoint("governanceLimits", "read")
        if path == restlet.PATH:
            return self._classify_restlet(request)
        if request.segments[:5] == tuple(bulk.PATH.split("/")[1:]):
            depth = min(len(request.segments) - 5, 4)
            return Endpoint(("async.job", "async.job", "async.tasks", "async.task", "async.result")[depth], "read")
        if request.segments[: len(ROOT)] == ROOT and len(request.segments) > len(ROOT):
            return self._classify_record(request)
        return Endpoint("unknown", "read")

    def _classify_restlet(self, request: Request) -> Endpoint:
        script = restlet.script_of(request)
        if script is None or request.method not in ("GET", "POST"):
            return Endpoint("restlet.unknown", "read")
        script = script.removeprefix("customscript_")
        if request.method == "GET":
            return Endpoint(f"restlet.{script}.get", "search")
        body = _json(request).get("body")
        document = body.get("externalId") if isinstance(body, dict) else None
        return Endpoint(f"restlet.{script}.post", "create", True, True, document, "orders")

    def _classify_record(self, request: Request) -> Endpoint:
        parts = request.segments[len(ROOT) :]
        if parts[0] == "metadata-catalog":
            if "swagger" in request.headers.get("accept", ""):
                return Endpoint("metadata.openapi", "read")
            return Endpoint("metadata.list" if len(parts) == 1 else "metadata.record", "read")
        record = parts[0] if parts[0] in self.records else "unknown"
        if bulk.wanted(request):
            verb = _VERBS.get(request.method, "unknown")
            return Endpoint(f"{record}.async.{verb}", "bulk", True, True, None, _FLOWS.get(record, ""))
        flow = _FLOWS.get(record, "")
        document = parts[1] if len(parts) > 1 else None
        if document is not None and document.startswith("eid:"):
            document = document.removeprefix("eid:")
        elif document is not None and document.isdigit() and record in self.records:
            document = self._document_of(record, int(document))
        if len(parts) == 4 and parts[2] == "!transform":
            return Endpoint(
                f"{record}.transform.{parts[3]}", "create", True, True, _external_id(request) or document,
                _FLOWS.get(parts[3], ""),
            )  # fmt: skip
        if request.method == "GET":
            name = "list" if len(parts) == 1 else "get" if len(parts) == 2 else "sublist"
            return Endpoint(f"{record}.{name}", "search" if name == "list" else "read", document=document, flow=flow)
        method = _VERBS.get(request.method)
        if method is None:
            return Endpoint(f"{record}.unknown", "read", flow=flow)
        return Endpoint(
            f"{record}.{method}",
            _KINDS[request.method],
            True,
            True,
            document or _external_id(request),
            flow,
        )

    def _document_of(self, record: str, internal_id: int) -> str:
        row = self.records[record].row(self._session(), internal_id)
        return str(internal_id) if row is None else self.records[record].document(row)

    def authenticate(self, request: Request) -> Response | None:
        if request.path.rstrip("/") == TOKEN_PATH:
            return None
        script = request.path == restlet.PATH
        try:
            self.authority.check(request, self.clock.wall(), "restlets" if script else "rest_webservices")
        except VendorError as error:
            if script:
                return restlet.failure("INVALID_LOGIN_ATTEMPT", "Invalid login attempt.", 401)
            return error.response()
        return None

    def admit(self, request: Request, slots_in_use: int) -> Response | None:
        """Refuse beyond what the account, or the integration in it, may do at a time (Oracle help, Concurrency
        Governance Limits)."""
        if slots_in_use < self.options.slots:
            return None
        return self.fault_response("too_many_requests", request)

    def fault_response(self, kind: str, request: Request) -> Response | None:
        """The vendor's own body of a fault."""
        if request.path == restlet.PATH:
            return restlet.FAULTS[kind]() if kind in restlet.FAULTS else None
        fault = _FAULTS.get(kind)
        return None if fault is None else VendorError(fault[1], fault[2], status=fault[0]).response()

    # --- doing it ----------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Handled:
        path = request.path.rstrip("/")
        try:
            if path == TOKEN_PATH:
                return Handled(self.authority.grant(request, self.clock.wall()))
            session = self._session(request)
            if path == SUITEQL_PATH:
                return Handled(self._query(session, request))
            if path == LIMITS_PATH:
                return Handled(self._limits())
            if path == restlet.PATH:
                return self._restlet(session, request)
            if request.segments[:5] == tuple(bulk.PATH.split("/")[1:]):
                return Handled(self.jobs.answer(session, request))
            if request.segments[: len(ROOT) + 1] == (*ROOT, "metadata-catalog"):
                return Handled(metadata.answer(session, self.records, request))
            if request.segments[: len(ROOT)] == ROOT:
                return self._record(session, request)
        except VendorError as error:
            return Handled(error.response())
        return Handled(
            VendorError("NOT_FOUND", "The requested resource does not exist.", status=404, url_path=path).response()
        )

    def _query(self, session: Session, request: Request) -> Response:
        if request.method != "POST":
            raise VendorError("METHOD_NOT_ALLOWED", "SuiteQL takes POST only.", status=405)
        self._catch_up()
        return self.queries.handle(session, request)

    def _catch_up(self) -> None:
        if self.index is not None:
            self.index.catch_up()

    def _record(self, session: Session, request: Request) -> Handled:
        self.service.records = self.records
        if request.method == "GET":
            self._catch_up()
            return Handled(self.service.handle(session, request))
        if bulk.wanted(request):
            with self.store.transaction():
                return Handled(self.jobs.accept(session, request, self.clock.wall()), True)
        with self.store.transaction():
            response = self.service.handle(session, request)
        self._push(session)
        return Handled(response, bool(session.commits), commits=session.commits)

    def _restlet(self, session: Session, request: Request) -> Handled:
        self._catch_up()
        try:
            with self.store.transaction():
                response = self.restlets.handle(session, request)
        except VendorError as error:
            return Handled(restlet.refused(error))
        self._push(session)
        return Handled(response, bool(session.commits), commits=session.commits)

    def _push(self, session: Session) -> None:
        if self.pusher is not None:
            self.pusher.send(notifications(session, self.clock.wall(), self.options.push_records))

    def _limits(self) -> Response:
        """Oracle help, GovernanceLimits Operation: for administrators only (in which words others are refused, and the
        name of the limit's type where none is allocated: unconfirmed)."""
        options = self.options
        if not options.administrator:
            raise VendorError(
                "INSUFFICIENT_PERMISSION", "You need to be an administrator to perform this operation.", status=403
            )
        body = {
            "accountConcurrencyLimit": options.concurrency,
            "accountUnallocatedConcurrencyLimit": options.concurrency
            - options.allocated_elsewhere
            - (options.allocated or 0),
            "integrationConcurrencyLimit": options.allocated,
            "integrationLimitType": "_accountLimit" if options.allocated is None else "_integrationSpecific",
        }
        return json_response(body, content_type=SINGULAR)

    def tick(self) -> Iterable[Commit]:
        """Carry out what asynchronous jobs have due, and assign locations where the account does so."""

        def execute(request: Request) -> tuple[Response, list[Commit]]:
            handled = self.handle(request)
            return handled.response, list(handled.commits)

        if self.options.automatic_locations:
            with self.store.transaction():
                locations.assign(self._session())
        return self.jobs.run_due(self._session(), self.clock.wall(), execute)

    # --- administration ----------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What a person or the simulators need: credentials, internal ids, declared settle times."""
        return {
            "vendor": self.vendor,
            "database": self.store.path,
            "account": self.options.account,
            "tax": self.options.tax,
            "concurrency": self.options.slots,
            "timezone": self.options.timezone,
            "date_format": self.options.date_format,
            "index_lag_seconds": self.options.index_lag_seconds,
            "credentials": self.authority.credentials(),
            # Longest execution of a write plus the lag of the search index; a record read by id is current.
            "settle_seconds": {
                "record.write": 30.0,
                "async": 30.0 + 100 * self.options.async_seconds,
                "search": 30.0 + self.options.index_lag_seconds,
            },
            "internal_ids": self.internal_ids(),
        }

    def internal_ids(self) -> dict[str, dict[str, str]]:
        """Names to internal ids of the lists that settings of a connection point to."""
        named = {
            "location": "externalid", "subsidiary": "name", "pricelevel": "name", "currency": "symbol", "term": "name",
            "paymentmethod": "name", "shipitem": "itemid", "salestaxitem": "itemid", "account": "fullname",
        }  # fmt: skip
        out = {
            table: {
                row[0] or "": str(row[1]) for row in self.store.all(f'SELECT "{name}", id FROM "{table}" ORDER BY id')
            }
            for table, name in named.items()
        }
        specials = self.store.all("SELECT itemid, id FROM item WHERE id < ? ORDER BY id", bootstrap.FIRST_ITEM)
        out["special_items"] = {row["itemid"]: str(row["id"]) for row in specials}
        return out

    def seed(self, data: dict[str, Any]) -> dict[str, Any]:
        """Load master data; see `seed.load`."""
        with self.store.transaction():
            counts = seed.load(self._session(), data)
        if self.index is not None:  # what an administrator loaded has been there for long
            self.index.rebuild()
        return counts

    def close(self) -> None:
        """Let the change push finish, and close the database."""
        if self.pusher is not None:
            self.pusher.close()
        self.store.close()

    def reset(self) -> None:
        with self.store.transaction():
            credentials = self.store.all("SELECT * FROM sandbox_state WHERE name IN ('tokens', 'certificates')")
            schema.empty(self.store, keep=())
            for row in credentials:
                self.store.insert("sandbox_state", name=row["name"], value=row["value"])
        self._fill()
        if self.index is not None:
            self.index.rebuild()


def _json(request: Request) -> dict[str, Any]:
    """The body if it is an object, else an empty one; its errors are found later."""
    try:
        body = request.json()
    except BadJson:
        return {}
    return body if isinstance(body, dict) else {}


def _external_id(request: Request) -> str | None:
    found = _json(request).get("externalId")
    return found if isinstance(found, str) and re.fullmatch(r"[\w-]{1,100}", found) else None
