"""Saving products in bulk: handed over at once, done by the store's queue, asked for by the bulk's id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from erp_sync.ports.outcomes import Accepted, Again, Applied, Outcome, Receipt, Refused, Unknown
from erp_sync.systems.magento.client import BadAnswer, MagentoClient, segment
from erp_sync.systems.magento.mapping.common import records
from erp_sync.transport.errors import Rejected, TransportError

COMPLETE, FAILED_RETRIABLE, FAILED, OPEN, REJECTED = 1, 2, 3, 4, 5  # states of a bulk operation
_STATE_WORDS = {FAILED_RETRIABLE: "failed for now", FAILED: "failed", REJECTED: "was rejected"}
_SEPARATOR = "\n"  # in no SKU

# What is left to do for a product that the queue has saved: its SKU and what its handle was given.
Finish = Callable[[str, str], Outcome]


def _saved(sku: str, note: str) -> Outcome:
    return Applied(receipt=Receipt(target_id=sku))


class BulkProducts:
    """Products written at global scope (``/rest/all``): without it only the default view changes.

    Handles hold the bulk's id, the row's number in it, the SKU and a note of the caller.
    """

    def __init__(self, client: MagentoClient, operation: str, settling: str) -> None:
        self._client, self._operation, self._settling = client, operation, settling

    def send(self, products: Sequence[Mapping[str, Any]], notes: Sequence[str] | None = None) -> list[Outcome]:
        """Accepted or refused, one by one. Raises the TransportError tree, BadAnswer."""
        answer = self._client.post(
            "products",
            [{"product": product} for product in products],
            operation=self._operation,
            store="all",
            kind="async/bulk",
        )
        items = records(answer.get("request_items")) if isinstance(answer, Mapping) else []
        uuid = str(answer.get("bulk_uuid") or "") if isinstance(answer, Mapping) else ""
        if not uuid or len(items) != len(products):
            raise BadAnswer("a bulk was answered without its id or with other rows", operation=self._operation)
        return [
            self._taken(uuid, item, str(product["sku"]), note)
            for item, product, note in zip(items, products, notes or [""] * len(products), strict=True)
        ]

    def _taken(self, uuid: str, item: Mapping[str, Any], sku: str, note: str) -> Outcome:
        if item.get("status") != "accepted":
            text = str(item.get("error_message") or "rejected without a reason")
            return Refused(code="product_refused", message=f"{sku}: {text}")
        return Accepted(handle=_SEPARATOR.join((uuid, str(item.get("id")), sku, note)))

    def settle(self, handles: Sequence[str], finish: Finish = _saved) -> list[Outcome]:
        """Asks once per bulk. A bulk whose status cannot be read now leaves its rows accepted; one that
        the store does not know any more leaves them unknown."""
        states: dict[str, dict[str, Mapping[str, Any]] | TransportError] = {}
        outcomes: list[Outcome] = []
        for handle in handles:
            uuid, number, sku, note = handle.split(_SEPARATOR)
            if uuid not in states:
                states[uuid] = self._status(uuid)
            operations = states[uuid]
            if isinstance(operations, Rejected):
                outcomes.append(Unknown(why=f"the store does not tell what became of bulk {uuid}: {operations}"))
            elif isinstance(operations, TransportError):
                outcomes.append(Accepted(handle=handle))
            else:
                ended = _ended(operations.get(number), sku, lambda sku=sku, note=note: finish(sku, note))  # type: ignore[misc]
                outcomes.append(Accepted(handle=handle) if ended is None else ended)
        return outcomes

    def _status(self, uuid: str) -> dict[str, Mapping[str, Any]] | TransportError:
        try:
            answer = self._client.get(f"bulk/{segment(uuid)}/status", operation=self._settling)
        except TransportError as error:
            return error
        return {str(one.get("id")): one for one in records(answer.get("operations_list"))}


def _ended(operation: Mapping[str, Any] | None, sku: str, finish: Callable[[], Outcome]) -> Outcome | None:
    """None: it is not done yet."""
    if operation is None or operation.get("status") == OPEN:
        return None
    if operation.get("status") == COMPLETE:
        done = finish()
        return done if isinstance(done, (Applied, Refused)) else None
    state = int(operation.get("status") or FAILED)
    text = str(operation.get("result_message") or "no reason given")
    return Refused(
        code="product_failed",
        message=f"{sku} {_STATE_WORDS.get(state, 'failed')}: {text}",
        again=Again.LATER if state == FAILED_RETRIABLE else Again.NEVER,
    )
