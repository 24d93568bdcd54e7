"""What a drain works on, and what it says that it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from erp_sync.ledger import Ledger
from erp_sync.ports.documents import DEPENDENCY_DEADLINE


class DrainTask(msgspec.Struct, frozen=True, kw_only=True):
    """One flow's way to one target. `deadline`: how long a document may wait for what it depends on."""

    ledger: Ledger
    target: Any
    route: str
    flow: str
    connection: str
    clock: Callable[[], datetime]
    deadline: timedelta = DEPENDENCY_DEADLINE


class DrainReport(msgspec.Struct, kw_only=True):
    """What a drain did, by number of documents; `reasons` counts the codes of what did not go. `adopted` were at
    the target already, entered by somebody else; `withdrawn` are not to go after all; `held` wait for a person to let
    their amounts pass."""

    delivered: int = 0
    adopted: int = 0
    withdrawn: int = 0
    held: int = 0
    waiting: int = 0
    later: int = 0
    dead: int = 0
    lost_claims: int = 0
    calls: int = 0
    reasons: dict[str, int] = {}
    seconds: float = 0.0
    delivered_keys: list[str] = []
    delivered_ids: list[int] = []

    def count(self, what: str, code: str = "") -> None:
        setattr(self, what, getattr(self, what) + 1)
        if code:
            self.reasons[code] = self.reasons.get(code, 0) + 1
