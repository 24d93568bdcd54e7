"""Reading and writing entities: one implementation for every set, with its `Kind` for what differs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from erp_sync.sandbox.core import BadJson, Commit, Request, Response, json_response
from erp_sync.systems.sap_b1.sandbox import add_on, contract, odata_query, rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import (
    CHANGED_MEANWHILE,
    JSON,
    ServiceLayerError,
    malformed,
    not_found,
    unsupported,
    wrong_property,
)
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.merging import merged
from erp_sync.systems.sap_b1.sandbox.odata_query import Query
from erp_sync.systems.sap_b1.sandbox.paths import Resource, unrecognized
from erp_sync.systems.sap_b1.sandbox.rows import Key
from erp_sync.systems.sap_b1.sandbox.store import loads
from erp_sync.systems.sap_b1.sandbox.values import kind_of, normalised, rendered


def body_of(request: Request) -> Any:
    """The JSON of a request. Raises ServiceLayerError."""
    try:
        return request.json()
    except BadJson as error:
        raise malformed("Invalid JSON") from error


def etag(entity: Mapping[str, Any]) -> str:
    """Weak, SHA1 of DataVersion in hex (fact sheet, section 6)."""
    text = str(entity.get("DataVersion", 0))
    return f'W/"{hashlib.sha1(text.encode()).hexdigest().upper()}"'


class Entities:
    """The entity sets behind one company."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.kinds = kinds

    def handle(self, context: Context, request: Request, resource: Resource) -> Response:
        """Raises ServiceLayerError."""
        kind = self.kinds.get(resource.name)
        if kind is None:
            raise unrecognized()
        if resource.key is None:
            if resource.tail == "$count" and request.method == "GET":
                return self._count(context, request, kind)
            if resource.tail:
                raise unrecognized()
            if request.method == "GET":
                return self.list(context, request, kind)
            if request.method == "POST":
                return self.create(context, request, kind)
            raise unsupported()
        if resource.tail:
            return self._act(context, request, kind, resource.key, resource.tail)
        match request.method:
            case "GET":
                return self.read(context, request, kind, resource.key)
            case "PATCH" | "PUT":
                return self.change(context, request, kind, resource.key)
            case "DELETE":
                return self._delete(context, request, kind, resource.key)
        raise unsupported()

    # -- reading ---------------------------------------------------------------------------------------

    def list(self, context: Context, request: Request, kind: Kind) -> Response:
        query = Query.of(request, kind.entity, context)
        counted = odata_query.count(kind.entity, query, context) if query.counted else None
        texts, more = odata_query.page(kind.entity, query, context)
        values: list[object] = [self._out(context, kind, loads(text), query.select) for text in texts]
        name = kind.entity.name
        link = odata_query.next_link(request, name, len(values), query, context) if more else None
        return odata_query.collection(values, name, context, link=link, counted=counted, applied=query.applied)

    def _count(self, context: Context, request: Request, kind: Kind) -> Response:
        query = Query.of(request, kind.entity, context)
        text = str(odata_query.count(kind.entity, query, context))
        return Response(200, {"content-type": "text/plain"}, text.encode())

    def read(self, context: Context, request: Request, kind: Kind, key: Key) -> Response:
        entity = self.stored(context, kind, key)
        select = Query.of(request, kind.entity, context).select
        return self._answer(context, kind, entity, 200, select=select)

    def _property(self, context: Context, kind: Kind, key: Key, name: str) -> Response:
        """``GET Orders(1)/DocEntry``: one value, or that it is null (manual v1.29, section 3.11)."""
        if kind_of(kind.entity.type_name, name, context.user_fields) is None:
            raise wrong_property(name, kind.entity.type_name)
        shown = kind.shown(context, self.stored(context, kind, key))
        out = rendered(kind.entity.type_name, {name: shown.get(name)}, context.version, context.user_fields)
        mark = "odata.null" if context.version == "v1" else "@odata.null"
        return json_response({mark: True} if out[name] is None else {"value": out[name]}, 200, content_type=JSON)

    def stored(self, context: Context, kind: Kind, key: Key) -> Entity:
        """The entity of a key. Raises ServiceLayerError (404 -2028)."""
        entity = rows.read(context.store, kind.entity.name, *key)
        if entity is None:
            raise not_found()
        return entity

    def _out(
        self, context: Context, kind: Kind, entity: Entity, select: tuple[str, ...] | None = None
    ) -> dict[str, Any]:
        shown = kind.shown(context, entity)
        if select is not None:
            shown = {name: shown.get(name) for name in select}
        found = {}
        if kind.entity.etag:
            # Taken from what is selected: without DataVersion it is wrong (fact sheet, section 6).
            found["odata.etag" if context.version == "v1" else "@odata.etag"] = etag(shown)
        out = rendered(kind.entity.type_name, shown, context.version, context.user_fields)
        return found | (out if select is None else {name: out[name] for name in select})

    def _answer(
        self,
        context: Context,
        kind: Kind,
        entity: Entity,
        status: int,
        headers: dict[str, str] | None = None,
        select: tuple[str, ...] | None = None,
    ) -> Response:
        name, v1 = kind.entity.name, context.version == "v1"
        mark = f"{context.origin}{context.root}/$metadata#{name}"
        body = {("odata.metadata" if v1 else "@odata.context"): f"{mark}/@Element" if v1 else f"{mark}/$entity"}
        body |= self._out(context, kind, entity, select)
        found = dict(headers or {})
        if kind.entity.etag:
            found["etag"] = etag(entity)
        return json_response(body, status, found, JSON)

    # -- writing ---------------------------------------------------------------------------------------

    def create(self, context: Context, request: Request, kind: Kind) -> Response:
        entity = self.add(context, kind, body_of(request))
        location = f"{context.root}/{kind.entity.name}({self.key_text(kind, entity)})"
        if "return-no-content" in request.headers.get("prefer", ""):
            # From the host here, absolute below: so the manual shows them (v1.29, sections 3.5.5 and 5.2).
            return Response(204, {"location": location, "preference-applied": "return-no-content"})
        return self._answer(context, kind, entity, 201, {"location": f"{context.origin}{location}"})

    def add(self, context: Context, kind: Kind, body: Any, *, administrator: bool = False) -> Entity:
        """Make an entity of a body, as a POST does.

        An administrator's `body` is in the inner form already; it may set read-only values, and number keys.
        """
        sent = body if administrator else normalised(kind.entity.type_name, body, context.user_fields)
        if not administrator:
            ignored = kind.entity.read_only | (set(kind.entity.keys) if kind.entity.counter else set())
            sent = {name: value for name, value in sent.items() if name not in ignored}
        entity = kind.new(context, sent)
        created, created_time, _, _ = kind.entity.stamps
        entity |= {name: value for name, value in ((created, context.today), (created_time, context.time)) if name}
        self._stamp(context, kind, entity)
        rows.write(context.store, kind.entity.name, entity)
        kind.added(context, entity)
        add_on.check(context, kind.entity.name, "A", entity)
        self._committed(context, kind, entity, "create")
        return entity

    def change(self, context: Context, request: Request, kind: Kind, key: Key) -> Response:
        before = self.stored(context, kind, key)
        self._check_match(request, kind, before)
        sent = normalised(kind.entity.type_name, body_of(request), context.user_fields)
        ignored = kind.entity.read_only | set(kind.entity.keys)
        sent = {name: value for name, value in sent.items() if name not in ignored}
        replace = request.headers.get("b1s-replacecollectionsonpatch", "").lower() == "true"
        base = before
        if request.method == "PUT":
            # What was not sent is reset (section 4); what the system keeps stays.
            base = {name: value for name, value in before.items() if self._kept(kind, name, value)}
            replace = True
        after = merged(kind.entity.type_name, base, sent, replace=replace)
        after = kind.changed(context, before, after, sent)
        self._stamp(context, kind, after)
        rows.write(context.store, kind.entity.name, after)
        add_on.check(context, kind.entity.name, "U", after)
        self._committed(context, kind, after, "update")
        return Response(204)

    @staticmethod
    def _kept(kind: Kind, name: str, value: Any) -> bool:
        known = contract.properties(kind.entity.type_name)
        return name in kind.entity.read_only or name in kind.entity.keys or name not in known or isinstance(value, list)

    def _check_match(self, request: Request, kind: Kind, entity: Entity) -> None:
        """A stale weak ETag is refused, for actions too (manual v1.29, section 5.2); anything else than ``W/…`` writes
        blindly (fact sheet, section 6)."""
        wanted = request.headers.get("if-match", "")
        if kind.entity.etag and wanted.startswith("W/") and wanted != etag(entity):
            raise ServiceLayerError(
                CHANGED_MEANWHILE,
                "Another user or another operation modified data; to continue, open the window again (ODBC -2039)",
                412,
            )

    def _delete(self, context: Context, request: Request, kind: Kind, key: Key) -> Response:
        entity = self.stored(context, kind, key)
        self._check_match(request, kind, entity)
        kind.removable(context, entity)
        add_on.check(context, kind.entity.name, "D", entity)
        rows.delete(context.store, kind.entity.name, *key)
        self._committed(context, kind, entity, "delete")
        return Response(204)

    def _act(self, context: Context, request: Request, kind: Kind, key: Key, action: str) -> Response:
        if request.method == "GET":
            return self._property(context, kind, key, action)
        if action not in kind.actions or request.method != "POST":
            raise unrecognized()
        entity = self.stored(context, kind, key)
        self._check_match(request, kind, entity)
        return kind.act(context, entity, action, body_of(request) if request.body else None)

    def save(self, context: Context, kind: Kind, entity: Entity, change: str = "update") -> None:
        """Store an entity that the system itself changed, as a change that others see."""
        self._stamp(context, kind, entity)
        rows.write(context.store, kind.entity.name, entity)
        self._committed(context, kind, entity, change)

    def _stamp(self, context: Context, kind: Kind, entity: Entity) -> None:
        _, _, updated, updated_time = kind.entity.stamps
        if updated:
            entity[updated] = context.today
        if updated_time:
            entity[updated_time] = context.time
        if kind.entity.etag:
            entity["DataVersion"] = int(entity.get("DataVersion", 0)) + 1

    def _committed(self, context: Context, kind: Kind, entity: Entity, change: str) -> None:
        context.commits.append(Commit(kind.entity.name, kind.document(context, entity), change))
        words = {"create": "Created", "update": "Updated", "delete": "Deleted"}
        key = {name: entity[name] for name in kind.entity.keys}
        context.events.append((kind.entity.name, words[change], key))

    def key_text(self, kind: Kind, entity: Entity) -> str:
        return rows.key_text(kind.entity, rows.key_of(kind.entity, entity))
