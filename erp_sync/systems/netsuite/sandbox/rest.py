"""The record service: ``/services/rest/record/v1``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from erp_sync.sandbox.core import BadJson, Request, Response, json_response
from erp_sync.systems.netsuite.sandbox import filters
from erp_sync.systems.netsuite.sandbox.errors import VendorError, not_found
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.record_type import RecordType
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.suiteql.service import COLLECTION_TYPE, page_links, page_of

ROOT = ("services", "rest", "record", "v1")
SINGULAR = "application/vnd.oracle.resource+json; type=singular; charset=UTF-8"
_MODES = ("Error", "Warning", "Ignore")
_MAX_PAGES = 1000

# Permission that guards writing of a record, and the level that a method needs (2 create, 3 edit, 4 full). Keys as in
# Oracle's list of permissions (Permission Names and IDs). That a role without it is answered 403 with
# INSUFFICIENT_PERMISSION, and before the body is looked at, is unconfirmed (fact sheet: also 400 USER_ERROR).
PERMISSIONS = {"customer": "LIST_CUSTJOB", "salesOrder": "TRAN_SALESORD", "customerDeposit": "TRAN_CUSTDEP"}
_NEEDED = {"POST": 2, "PATCH": 3, "PUT": 3, "DELETE": 4}

Transform = Callable[[Session, int, Any], int]


def permitted(options: Options, record: str, method: str) -> None:
    """Raises VendorError where the role may not write records of this kind so."""
    key = PERMISSIONS.get(record)
    if key is not None and options.permission(key) < _NEEDED.get(method, 0):
        raise VendorError(
            "INSUFFICIENT_PERMISSION",
            f"Permission Violation: You need a higher level of the '{key}' permission to access this page. "
            "Please contact your account administrator.",
            status=403,
        )


class RecordService:
    """Routes a request to its record type.

    `transforms` maps (source record, target record) to what makes one from the other and answers the new id.
    """

    def __init__(self, records: dict[str, RecordType], transforms: dict[tuple[str, str], Transform]) -> None:
        self.records, self.transforms = records, transforms

    def handle(self, session: Session, request: Request) -> Response:
        """Answer, or raise VendorError."""
        session.names = _mode(request, "x-netsuite-propertynamevalidation", "Warning")
        session.values = _mode(request, "x-netsuite-propertyvaluevalidation", "Error")
        parts = request.segments[len(ROOT) :]
        record = self.records.get(parts[0]) if parts else None
        if record is None:
            raise VendorError(
                "NOT_FOUND",
                f"Record type '{parts[0] if parts else ''}' does not exist.",
                status=404,
                url_path=request.path,
            )
        permitted(session.options, self.records.get(parts[-1], record).name, request.method)
        if len(parts) == 1:
            return self._collection(session, record, request)
        if len(parts) == 4 and parts[2] == "!transform":
            return self._transform(session, record, parts[1], parts[3], request)
        if len(parts) > 2:
            return self._part(session, record, parts, request)
        return self._instance(session, record, parts[1], request)

    # --- collections -------------------------------------------------------------------------------------

    def _collection(self, session: Session, record: RecordType, request: Request) -> Response:
        if request.method == "GET":
            return self._list(session, record, request)
        if request.method != "POST" or not record.writes:
            raise _not_allowed(request)
        created = record.create(session, _body(request))
        return _created(session, record, created)

    def _list(self, session: Session, record: RecordType, request: Request) -> Response:
        """Ids and links only; search data may lag behind."""
        limit, offset = page_of(request)
        if offset // limit >= _MAX_PAGES:
            raise VendorError("INVALID_PARAMETER", "Only 1000 pages can be read.", query="offset")
        where: str = record.where
        values: list[Any] = []
        query = request.parameter("q")
        if query:
            sql, values = filters.condition(query, record.fields, session.options)
            where = f"{where} AND {sql}"
        table = f'{session.search}"{record.table}"'
        total = session.store.value(f"SELECT COUNT(*) FROM {table} WHERE {where}", *values)
        rows = session.store.all(
            f"SELECT id FROM {table} WHERE {where} ORDER BY id LIMIT {limit} OFFSET {offset}", *values
        )
        items = []
        for row in rows:
            href = f"{session.base}/{record.name}/{row['id']}"
            items.append({"links": [{"rel": "self", "href": href}], "id": str(row["id"])})
        body = {
            "links": page_links(request, limit, offset, total),
            "count": len(items),
            "hasMore": offset + len(items) < total,
            "items": items,
            "offset": offset,
            "totalResults": total,
        }
        return json_response(body, content_type=COLLECTION_TYPE)

    # --- one record --------------------------------------------------------------------------------------

    def _instance(self, session: Session, record: RecordType, key: str, request: Request) -> Response:
        if request.method == "PUT":
            return self._upsert(session, record, key, request)
        internal_id = find(session, record, key, request.path)
        if request.method == "GET":
            return self._read(session, record, internal_id, request)
        if not record.writes:
            raise _not_allowed(request)
        if request.method in ("PATCH", "DELETE"):
            record.editable(session, internal_id)
        if request.method == "PATCH":
            record.update(session, internal_id, _body(request), _replaced(request))
            return _created(session, record, internal_id)
        if request.method == "DELETE":
            record.delete(session, internal_id)
            return Response(204)
        raise _not_allowed(request)

    def _upsert(self, session: Session, record: RecordType, key: str, request: Request) -> Response:
        """PUT by external id only: create it, or change it as PATCH would."""
        if not key.startswith("eid:") or not record.writes:
            raise VendorError(
                "INVALID_URL", "PUT needs an external ID: /{record}/eid:{externalId}.", url_path=request.path
            )
        external_id = key.removeprefix("eid:")
        body = _body(request)
        existing = record.by_external_id(session, external_id)
        if existing is None:
            existing = record.create(session, {**body, "externalId": external_id} if isinstance(body, dict) else body)
        else:
            record.editable(session, existing)
            record.update(session, existing, body, _replaced(request))
        return _created(session, record, existing)

    def _read(self, session: Session, record: RecordType, internal_id: int, request: Request) -> Response:
        expand = _true(request.parameter("expandSubResources"))
        body = record.read(
            session, internal_id, expand=expand, simple_enums=_true(request.parameter("simpleEnumFormat"))
        )
        assert body is not None
        wanted = request.parameter("fields")
        if wanted:
            names = {name.strip().lower() for name in wanted.split(",")} | {"links", "id"}
            body = {name: value for name, value in body.items() if name.lower() in names}
        return json_response(body, content_type=SINGULAR)

    def _part(self, session: Session, record: RecordType, parts: tuple[str, ...], request: Request) -> Response:
        """A sublist, one of its lines, or a subrecord."""
        if request.method != "GET":
            raise _not_allowed(request)
        internal_id = find(session, record, parts[1], request.path)
        current: Any = record.read(session, internal_id, expand=True)
        for part in parts[2:]:
            if isinstance(current, dict) and "items" in current:
                lines = current["items"]
                current = next((line for line in lines if line["links"][0]["href"].rpartition("/")[2] == part), None)
            else:
                current = current.get(part) if isinstance(current, dict) else None
            if not isinstance(current, dict):
                raise not_found(request.path)
        collection = "items" in current
        if collection and not _true(request.parameter("expandSubResources")):
            current = {**current, "items": [{"links": line["links"]} for line in current["items"]]}
        return json_response(current, content_type=COLLECTION_TYPE if collection else SINGULAR)

    def _transform(self, session: Session, record: RecordType, key: str, target: str, request: Request) -> Response:
        if request.method != "POST":
            raise _not_allowed(request)
        transform = self.transforms.get((record.name, target))
        if transform is None:
            raise VendorError(
                "INVALID_URL", f"The record '{record.name}' cannot be transformed to '{target}'.", url_path=request.path
            )
        source = find(session, record, key, request.path)
        session.replace = _replaced(request)
        body = _body(request) if request.body.strip() else {}
        return _created(session, self.records[target], transform(session, source, body))


def _replaced(request: Request) -> frozenset[str]:
    return frozenset(filter(None, (request.parameter("replace") or "").split(",")))


def find(session: Session, record: RecordType, key: str, path: str) -> int:
    """Internal id of ``123`` or ``eid:abc``. Raises VendorError 404."""
    if key.startswith("eid:"):
        found = record.by_external_id(session, key.removeprefix("eid:"))
    else:
        found = int(key) if re.fullmatch(r"\d{1,15}", key) and record.row(session, int(key)) is not None else None
    if found is None:
        raise not_found(path)
    return found


def _created(session: Session, record: RecordType, internal_id: int) -> Response:
    return Response(204, {"location": f"{session.base}/{record.name}/{internal_id}"})


def _body(request: Request) -> Any:
    try:
        return request.json()
    except BadJson as error:
        raise VendorError("INVALID_CONTENT", f"The request body is not valid JSON: {error}") from error


def _mode(request: Request, header: str, default: str) -> str:
    value = request.headers.get(header)
    if value is None:
        return default
    if value.capitalize() not in _MODES:
        raise VendorError(
            "INVALID_HEADER", f"The value of the header must be one of {', '.join(_MODES)}.", header=header
        )
    return value.capitalize()


def _true(value: str | None) -> bool:
    return (value or "").lower() == "true"


def _not_allowed(request: Request) -> VendorError:
    return VendorError(
        "METHOD_NOT_ALLOWED", f"The method {request.method} is not allowed here.", status=405, url_path=request.path
    )
