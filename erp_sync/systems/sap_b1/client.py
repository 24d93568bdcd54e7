"""The Service Layer v2 over HTTP: sessions, entities, pages, actions. No business words.

Source: Working with SAP Business One Service Layer 1.29. JSON only; POST answers 201 and the entity, PATCH 204; a page
has 20 rows unless `Prefer: odata.maxpagesize` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from erp_sync.ports.connection import Breaker, ConnectionSettings, ExchangeSink, Sessions, Slots
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.errors import outcome
from erp_sync.systems.sap_b1.session import ROOT, ServiceLayerSession
from erp_sync.transport.calls import Call, Reply
from erp_sync.transport.client import VendorClient
from erp_sync.transport.errors import OutcomeUnknown
from erp_sync.transport.sessions import SessionAuth

PAGE = 200
#: Keys asked for in one filter: proxies limit the length of a URL (8 KB is usual; unconfirmed of this one).
MOST_IN_FILTER = 25


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of an entity set.

    Attributes:
        key: fields that no two rows have alike; rows come in their order and are read on from the last one.
        where: `$filter`; "" for all.
        select: fields; empty for all.
    """

    entity_set: str
    key: tuple[str, ...]
    where: str = ""
    select: tuple[str, ...] = ()
    page: int = PAGE


class ServiceLayerClient:
    """Calls to one company database. Thread-safe: threads share it and one session.

    Every method raises the TransportError tree. Numbers come back exact: int or Decimal.
    """

    def __init__(
        self,
        connection: ConnectionSettings,
        *,
        slots: Slots,
        breaker: Breaker,
        exchanges: ExchangeSink,
        sessions: Sessions | None = None,
        **transport: Any,
    ) -> None:
        """Places for sessions are those of `slots` where nothing else is given. Raises IncompleteLogin."""
        self.connection = connection
        self._write_timeout = float(connection.settings.get("write_timeout_seconds", 120))
        words = ServiceLayerSession(connection)
        self._client = VendorClient(
            connection,
            auth=SessionAuth(connection.name, sessions or cast(Sessions, slots), words),
            slots=slots,
            breaker=breaker,
            exchanges=exchanges,
            outcome=outcome,
            # The first log-in after a start was seen to take more than 30 s (bgmulinari/B1SLayer#72).
            timeout=float(connection.settings.get("read_timeout_seconds", 60)),
            deadline_seconds=float(connection.settings.get("deadline_seconds", 180)),
            **transport,
        )

    @property
    def behind_seconds(self) -> float:
        """By which the server's clock was behind ours when it answered last."""
        return self._client.behind_seconds

    def close(self) -> None:
        """Log out and close the pool."""
        self._client.close()

    # Reading -------------------------------------------------------------------------------

    def pages(
        self, query: Query, *, operation: str, document: str = "", poll: bool = False
    ) -> Iterator[list[dict[str, Any]]]:
        """Pages in the order of the key, each read on from the last row of the one before.

        Not by the offset of `@odata.nextLink`: rows that come or go while one reads would shift others over the edge
        of a page. The link only says that there is more, since pages were seen to be cut short. A `poll` that finds
        nothing is counted in the exchange log, not kept.
        """
        follow = ""
        while True:
            reply = self._client.send(
                Call(
                    method="GET",
                    path=f"{ROOT}/{query.entity_set}",
                    params=_params(query, follow),
                    headers={"Prefer": f"odata.maxpagesize={query.page}"},
                    operation=operation,
                    document=document,
                    repeatable=True,
                    found_nothing=_no_rows if poll else None,
                )
            )
            rows, more = _rows(reply, operation)
            if rows:
                yield rows
            if not more:
                return
            if not rows:
                raise OutcomeUnknown(f"{operation}: a page without rows says that more follow", status=reply.status)
            following = odata.after(query.key, rows[-1])
            if following == follow:
                raise OutcomeUnknown(f"{operation}: the page after {follow} ends where it began", status=reply.status)
            follow = following

    def rows(self, query: Query, *, operation: str, document: str = "") -> list[dict[str, Any]]:
        """All rows. For look-ups, whose filter lets few through."""
        return [row for page in self.pages(query, operation=operation, document=document) for row in page]

    def get(
        self, entity_set: str, key: int, *, operation: str, document: str = "", select: tuple[str, ...] = ()
    ) -> dict[str, Any] | None:
        """One entity by its number; None where there is none. The most current read."""
        reply = self._client.send(
            Call(
                method="GET",
                path=f"{ROOT}/{odata.path(entity_set, key)}",
                params=[("$select", ",".join(select))] if select else [],
                operation=operation,
                document=document,
                repeatable=True,
                expected=(404,),
            )
        )
        return None if reply.status == 404 else _entity(reply, operation)

    def asked(self, path: str, *, operation: str) -> Any:
        """What a function of a service tells, which changes nothing: decoded, whatever it is."""
        call = Call(method="GET", path=f"{ROOT}/{path}", params=[], operation=operation, document="", repeatable=True)
        reply = self._client.send(call)
        return reply.json() if reply.content else None

    # Writing -------------------------------------------------------------------------------

    def create(
        self, entity_set: str, body: Mapping[str, Any], *, operation: str, document: str, repeatable: bool
    ) -> dict[str, Any]:
        """POST; the entity as SAP keeps it. `repeatable` only with a key of ours that SAP refuses to take twice."""
        return _entity(self._post(entity_set, body, operation, document, repeatable=repeatable), operation)

    def act(
        self, action: str, body: Mapping[str, Any], *, operation: str, document: str, repeatable: bool
    ) -> dict[str, Any]:
        """POST to an action, ``OrdersService_Preview``; its answer, empty where it has none (204)."""
        reply = self._post(action, body, operation, document, repeatable=repeatable)
        return _entity(reply, operation) if reply.content else {}

    def answer(self, function: str, body: Mapping[str, Any], *, operation: str, document: str) -> Any:
        """POST to a function that changes nothing; whatever it answers, a bare number too."""
        return self._post(function, body, operation, document, repeatable=True).json()

    def update(
        self,
        entity_set: str,
        key: int,
        body: Mapping[str, Any],
        *,
        operation: str,
        document: str,
        repeatable: bool,
        etag: str = "",
        replaces: bool = False,
    ) -> None:
        """PATCH: fields left out stay, rows of a collection are merged by their key or appended. `repeatable` only
        where the body appends none.

        Args:
            etag: as the entity was read with its DataVersion: refused where it changed since (412, code
                ``changed_meanwhile``). "" writes whatever stands there.
            replaces: rows of a collection that are not sent are removed.
        """
        headers = {"If-Match": etag} if etag else {}
        headers |= {"B1S-ReplaceCollectionsOnPatch": "true"} if replaces else {}
        self._client.send(
            Call(
                method="PATCH",
                path=f"{ROOT}/{odata.path(entity_set, key)}",
                json=body,
                headers=headers,
                operation=operation,
                document=document,
                repeatable=repeatable,
                timeout=self._write_timeout,
            )
        )

    def remove(self, entity_set: str, key: int, *, operation: str, document: str, etag: str = "") -> bool:
        """DELETE; False where there is none. Doing it twice changes nothing.

        Args:
            etag: see `update`; that DELETE heeds it is unconfirmed.
        """
        reply = self._client.send(
            Call(
                method="DELETE",
                path=f"{ROOT}/{odata.path(entity_set, key)}",
                headers={"If-Match": etag} if etag else {},
                operation=operation,
                document=document,
                repeatable=not etag,  # where it has changed meanwhile, it is read again first
                expected=(404,),
                timeout=self._write_timeout,
            )
        )
        return reply.status != 404

    def _post(self, path: str, body: Mapping[str, Any], operation: str, document: str, *, repeatable: bool) -> Reply:
        return self._client.send(
            Call(
                method="POST",
                path=f"{ROOT}/{path}",
                json=body,
                operation=operation,
                document=document,
                repeatable=repeatable,
                timeout=self._write_timeout,
            )
        )


def _params(query: Query, follow: str) -> list[tuple[str, str]]:
    where = odata.every(query.where, follow) if query.where or follow else ""
    params = [("$filter", where)] if where else []
    if query.select:
        params.append(("$select", ",".join(query.select)))
    return [*params, ("$orderby", ",".join(query.key))]


def _rows(reply: Reply, operation: str) -> tuple[list[dict[str, Any]], bool]:
    body = reply.json()
    rows = body.get("value") if isinstance(body, Mapping) else None
    if not isinstance(rows, list):
        raise OutcomeUnknown(f"{operation}: an answer has no list `value`", status=reply.status)
    return rows, bool(body.get("@odata.nextLink"))


def _no_rows(reply: Reply) -> bool:
    try:
        return not _rows(reply, "")[0]
    except OutcomeUnknown:
        return False


def _entity(reply: Reply, operation: str) -> dict[str, Any]:
    body = reply.json() if reply.content else None
    if not isinstance(body, dict):
        raise OutcomeUnknown(f"{operation}: HTTP {reply.status} came without an entity", status=reply.status)
    return body
