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
    write_all(client, rows, (), operation=operation)


def write_all(client: ShopwareClient, puts: Sequence[Rows], takes: Sequence[Rows], *, operation: str) -> None:
    """Create or change records and then delete others, in one transaction. What is not there is deleted already. Rows
    of a mapping (``customer_tag``) have no id, and the answer does not name them. Raises as `upsert_all`."""
    body = [
        {"action": action, "entity": one.entity, "payload": list(one.payload)}
        for action, rows in (("upsert", puts), ("delete", takes))
        for one in rows
        if one.payload
    ]
    answer = client.write("POST", PATH, body, operation=operation)
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(answer, Mapping):
        raise UnexpectedAnswer("a sync was answered without an object", operation=operation)
    for one in puts:
        if one.payload and "id" not in one.payload[0]:
            continue
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
