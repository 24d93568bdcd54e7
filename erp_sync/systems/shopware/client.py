"""How to talk to the Admin API of Shopware 6: searches, pages, writes. No business words.

Facts: OpenAPI 6.7.10.1; shopware/docs search-criteria, request-headers, "Bulk Payloads" (sync); core `Api/Controller`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from erp_sync.systems.shopware.criteria import Above, Criteria, is_id
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync.transport.client import Call, Reply

LIVE = "0fa91ce3e96a4bc2be4bd9ce752c3425"  # core: Defaults::LIVE_VERSION; drafts of edited orders have others
# Without it the answer is JSON:API (``*/*`` included).
HEADERS = {"Accept": "application/json", "sw-version-id": LIVE}
CURSOR = "autoIncrement"  # of products, orders, customers: grows, and never changes


class Sender(Protocol):
    """The part of `transport.client.VendorClient` that is used here."""

    behind_seconds: float

    def send(self, call: Call) -> Reply: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Page:
    """Rows of a search, and how many the vendor found for this page: fewer rows are answered where one was deleted
    meanwhile."""

    rows: list[dict[str, Any]]
    found: int


class ShopwareClient:
    """Calls to one shop. Thread-safe as its sender is.

    Every method raises the errors of `erp_sync.transport.errors`.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    @property
    def behind_seconds(self) -> float:
        """By which the shop's clock was behind ours when it answered last."""
        return self._sender.behind_seconds

    def close(self) -> None:
        self._sender.close()

    def search(
        self,
        entity: str,
        criteria: Criteria,
        *,
        operation: str,
        document: str = "",
        found_nothing: Callable[[Reply], bool] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """One page of an entity (kebab-case), live versions only."""
        answer = self._sender.send(
            Call(
                method="POST",
                path=f"/api/search/{entity}",
                json=criteria.body(),
                headers={**HEADERS, **(headers or {})},
                operation=operation,
                document=document,
                repeatable=True,
                found_nothing=found_nothing,
            )
        ).json()
        rows = answer.get("data") if isinstance(answer, Mapping) else None
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise UnexpectedAnswer(f"a search of {entity} was answered without a list of records", operation=operation)
        for row in rows:
            if row.get("versionId", LIVE) != LIVE:
                raise UnexpectedAnswer(f"a search of {entity} was answered with a draft version", operation=operation)
        total = answer.get("total")
        counted = total if isinstance(total, int) and not isinstance(total, bool) else 0
        return Page(rows, max(counted, len(rows)))

    def all(
        self,
        entity: str,
        criteria: Criteria,
        *,
        operation: str,
        page_size: int,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """All records of a search, page by page. None is skipped and none comes twice: each page starts above the last
        cursor, which no change moves. Numbered pages would drift.

        The end is a page that the vendor did not fill: ``total`` counts the rows of the page (total-count-mode none).
        """
        after = 0
        while True:
            search = criteria.where(Above(CURSOR, after)).sorted_by(CURSOR).at_most(page_size)
            page = self.search(entity, search, operation=operation, headers=headers)
            if page.rows:
                yield page.rows
                after = self._last(entity, page.rows, after, operation)
            elif page.found:
                raise UnexpectedAnswer(f"a page of {entity} was answered without its records", operation=operation)
            if page.found < page_size:
                return

    def _last(self, entity: str, rows: Sequence[Mapping[str, Any]], after: int, operation: str) -> int:
        """The cursor of the last row. Raises UnexpectedAnswer where it does not go on: the rest would never be read."""
        last = rows[-1].get(CURSOR)
        if not isinstance(last, int) or isinstance(last, bool) or last <= after:
            raise UnexpectedAnswer(f"a page of {entity} after {after} ends at {CURSOR} {last!r}", operation=operation)
        return last

    def by_ids(
        self, entity: str, ids: Sequence[str], criteria: Criteria, *, operation: str, page_size: int
    ) -> Iterator[list[dict[str, Any]]]:
        """These records, those that exist. What is no id of the vendor cannot exist."""
        known = sorted({one for one in ids if is_id(one)})
        for start in range(0, len(known), page_size):
            # Ids switch the paging off; the limit would cut none of them.
            search = criteria.only(known[start : start + page_size])
            page = self.search(entity, search, operation=operation)
            if page.rows:
                yield page.rows

    def write(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        operation: str,
        document: str = "",
        repeatable: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """A write, or an action. `path` is below ``/api/``, its segments ids or names. Gives the answer, None where it
        has no body (204)."""
        reply = self._sender.send(
            Call(
                method=method,
                path=f"/api/{path}",
                json=body,
                headers={**HEADERS, **(headers or {})},
                operation=operation,
                document=document,
                repeatable=repeatable,
            )
        )
        return reply.json() if reply.content else None


def none_found(reply: Reply) -> bool:
    """For polls: a search that found nothing."""
    answer = reply.json()
    return isinstance(answer, Mapping) and answer.get("data") == []
