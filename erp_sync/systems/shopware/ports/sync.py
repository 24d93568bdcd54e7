"""The sync endpoint: many records of one entity in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.errors import UnexpectedAnswer

PATH = "_action/sync"


def upsert(
    client: ShopwareClient,
    entity: str,
    payload: Sequence[Mapping[str, Any]],
    *,
    operation: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Create or change records by their ids: all of them, or none (since 6.5).

    Raises Rejected with ``whole_batch`` where one of them is bad; UnexpectedAnswer where the answer does not name all:
    what it does not name may be written.
    """
    body = [{"action": "upsert", "entity": entity, "payload": list(payload)}]
    answer = client.write("POST", PATH, body, operation=operation, headers=headers)
    data = answer.get("data") if isinstance(answer, Mapping) else None
    written = data.get(entity) if isinstance(data, Mapping) else None
    ids = {str(one) for one in written} if isinstance(written, list) else set()
    missing = [str(one["id"]) for one in payload if str(one["id"]) not in ids]
    if missing:
        raise UnexpectedAnswer(
            f"a sync of {len(payload)} {entity} was answered without {len(missing)} of them", operation=operation
        )
