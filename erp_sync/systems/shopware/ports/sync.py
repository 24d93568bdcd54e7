"""The sync endpoint: many records in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.errors import UnexpectedAnswer

PATH = "_action/sync"


class Rows(NamedTuple):
    """Records of one entity (snake_case), each with its id."""

    entity: str
    payload: Sequence[Mapping[str, Any]]


def upsert_all(client: ShopwareClient, rows: Sequence[Rows], *, operation: str) -> None:
    """Create or change records by their ids, in this order: all of them, or none (since 6.5).

    Raises Rejected with ``whole_batch`` where one of them is bad; UnexpectedAnswer where the answer does not name all:
    what it does not name may be written.
    """
    body = [{"action": "upsert", "entity": one.entity, "payload": list(one.payload)} for one in rows]
    answer = client.write("POST", PATH, body, operation=operation)
    data = answer.get("data") if isinstance(answer, Mapping) else None
    for one in rows:
        written = data.get(one.entity) if isinstance(data, Mapping) else None
        ids = {str(identity) for identity in written} if isinstance(written, list) else set()
        missing = sum(1 for row in one.payload if str(row["id"]) not in ids)
        if missing:
            raise UnexpectedAnswer(
                f"a sync of {len(one.payload)} {one.entity} was answered without {missing} of them",
                operation=operation,
            )


def upsert(client: ShopwareClient, entity: str, payload: Sequence[Mapping[str, Any]], *, operation: str) -> None:
    """`upsert_all` of one entity."""
    upsert_all(client, [Rows(entity, payload)], operation=operation)
