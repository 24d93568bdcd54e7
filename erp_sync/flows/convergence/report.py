"""What a drain of plans works on, and what it says that it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from erp_sync.ledger import Ledger
from erp_sync.ledger.rows import ClaimedRow
from erp_sync.ports.documents import Requirement


class ConvergenceTask(msgspec.Struct, frozen=True, kw_only=True):
    """One flow's way to one target. `source`: the connection that rows come from, for what is quarantined."""

    ledger: Ledger
    target: Any
    route: str
    flow: str
    entity: str
    connection: str
    source: str
    run_id: str
    clock: Callable[[], datetime]


def waiting_code(need: Requirement) -> str:
    """How a row that waits for something says so in the ledger."""
    return f"missing_{need.entity}:{need.key}"


class ConvergenceReport(msgspec.Struct, kw_only=True):
    """What a drain did, by number of rows; `reasons` counts the codes of what was not written."""

    applied: int = 0
    already: int = 0
    waiting: int = 0
    later: int = 0
    refused: int = 0
    unknown: int = 0
    accepted: int = 0
    lost_claims: int = 0
    batches: int = 0
    reasons: dict[str, int] = {}
    applied_keys: list[str] = []
    created: list[str] = []
    seconds: float = 0.0


class Sent(msgspec.Struct):
    """A claimed row with the canonical row that is sent for it and what the target will keep of it.

    `value` is None where the row is taken away. `agreed`: what both sides agreed on, where the write leaves an
    edit at the target as it is. `replaces`: keys that must be gone first.
    """

    claimed: ClaimedRow
    row: Any
    value: str | None
    agreed: str | None = None
    replaces: tuple[str, ...] = ()
