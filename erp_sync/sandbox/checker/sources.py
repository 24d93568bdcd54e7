"""What the checker reads, and the conventions by which two systems' records belong together."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

Row = dict[str, Any]

PEOPLE = ("storefront", "warehouse", "setup")
"""User agents of the simulated people; their calls are not erp_sync's."""
_AGENT_FLOW = re.compile(r"\((?P<flow>\w+)\)$")


@dataclass(frozen=True)
class SystemFiles:
    """Database and journal of one sandbox, as `supervisor.status` names them."""

    database: Path | str
    journal: Path | str

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> SystemFiles:
        return cls(status["database"], status["journal"])


@dataclass(frozen=True)
class Claim:
    """What erp_sync says of one order.

    Attributes:
        order: the store's order number (increment id).
        claim: "held", "dead_lettered", "cancelled_pending" (cancelled before it was sent), or "already_shipped" (its
            cancellation came after goods had left: a person decides).
    """

    order: str
    claim: Literal["held", "dead_lettered", "cancelled_pending", "already_shipped"]
    reason: str = ""


@dataclass(frozen=True)
class Conventions:
    """How one system's records are named in the other, and what is expected of them.

    Attributes:
        external_id: of an order in the ERP, from columns of the store's order row, e.g. ``magento_us_{entity_id}``.
        reference: of an order in the ERP's ``otherrefnum``.
        store_ids: restrict to these store views of the installation; empty: all.
        sku: the ERP's SKU for the store's.
        deposit_states: states of a payment for which the ERP must have a deposit: "pending", "authorised", "captured".
        tolerance: difference of amounts that is none.
        people: user agents whose calls are not erp_sync's.
        call_flows: pattern on an endpoint's name to flow, first match counts, for ``api_calls``.
        location: the store's source code for the ERP's location id or name.
        safety_stock: units kept back per (SKU, source).
        price_level: the ERP's price level id that is the store's base price.
    """

    external_id: str = "magento_us_{entity_id}"
    reference: str = "{increment_id}"
    store_ids: frozenset[int] = frozenset()
    sku: Callable[[str], str] = str
    deposit_states: frozenset[str] = frozenset({"authorised", "captured"})
    tolerance: Decimal = Decimal("0.005")
    people: tuple[str, ...] = PEOPLE
    call_flows: Sequence[tuple[str, str]] = ()
    location: Callable[[str], str] = str
    safety_stock: Callable[[str, str], Decimal] = field(default=lambda sku, source: Decimal(0))
    price_level: int = 1

    def flow(self, endpoint: str, told: str, agent: str = "") -> str:
        """Flow of a call: what its User-Agent says in brackets, else what the endpoint itself tells, else the first
        pattern that matches, else "other".
        """
        if said := _AGENT_FLOW.search(agent):
            return said["flow"]
        if told:
            return told
        return next((flow for pattern, flow in self.call_flows if fnmatchcase(endpoint, pattern)), "other")


@contextmanager
def reading(path: Path | str) -> Iterator[sqlite3.Connection]:
    """A read-only connection whose rows are dicts. Raises FileNotFoundError for a file that is not there."""
    if not Path(path).exists():
        raise FileNotFoundError(f"no sandbox database at {path}")
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    database.row_factory = lambda cursor, values: dict(
        zip((column[0] for column in cursor.description), values, strict=True)
    )
    try:
        yield database
    finally:
        database.close()


def number(value: Any) -> Decimal:
    """A stored amount or quantity; an empty column is zero."""
    return Decimal(0) if value is None else Decimal(str(value))


def grouped(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    out: dict[Any, list[Row]] = {}
    for row in rows:
        out.setdefault(row[key], []).append(row)
    return out


def commit_times(
    journal: Path | str, entity: str, change: str | None = "create", not_beside: Sequence[str] = ()
) -> dict[str, list[float]]:
    """Wall times at which documents of an entity were committed, by document, ascending.

    With `not_beside` without those that came of a call which wrote one of these entities too.
    """
    sql = "SELECT document, committed_at FROM commits WHERE entity = ?"
    parameters: list[Any] = [entity]
    if not_beside:
        places = ", ".join("?" * len(not_beside))
        sql += (
            " AND (call_id IS NULL OR call_id NOT IN "
            f"(SELECT call_id FROM commits WHERE call_id IS NOT NULL AND entity IN ({places})))"
        )
        parameters += not_beside
    if change is not None:
        sql += " AND change = ?"
        parameters.append(change)
    out: dict[str, list[float]] = {}
    with reading(journal) as database:
        for row in database.execute(sql + " ORDER BY committed_at", parameters):
            out.setdefault(row["document"], []).append(row["committed_at"])
    return out


def spread(values: Iterable[float]) -> dict[str, float | int | None]:
    """Count, median, 95th percentile (nearest rank) and maximum of seconds, in milliseconds' precision."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0, "p50": None, "p95": None, "max": None}

    def rank(share: float) -> float:
        return round(ordered[max(0, -(-int(share * 100 * len(ordered)) // 100) - 1)], 3)

    return {"count": len(ordered), "p50": rank(0.5), "p95": rank(0.95), "max": round(ordered[-1], 3)}
