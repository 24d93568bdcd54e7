"""Stale reads: a second core over a copy of the database, taken when the fault was set."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.core import SandboxCore
from erp_sync.sandbox.faults import WrongFault


class StaleReads:
    """Frozen cores, one per stale_read rule. All methods run in the core's thread."""

    def __init__(
        self,
        factory: Callable[[Path | str, Clock, dict[str, Any]], SandboxCore],
        database: Path | str,
        clock: Clock,
        options: dict[str, Any],
    ) -> None:
        self._factory, self._database, self._clock, self._options = factory, database, clock, options
        self._cores: dict[int, SandboxCore] = {}

    def freeze(self, rule_id: int) -> None:
        """Keep the state of now for this rule. Raises WrongFault for a database in memory."""
        if str(self._database) == ":memory:":
            raise WrongFault("stale_read needs a sandbox whose database is a file")
        copy = self._path(rule_id)
        with sqlite3.connect(str(self._database)) as live, sqlite3.connect(copy) as frozen:
            live.backup(frozen)
        live.close()
        frozen.close()
        self._cores[rule_id] = self._factory(copy, self._clock, self._options)

    def core(self, rule_id: int) -> SandboxCore:
        return self._cores[rule_id]

    def thaw(self, rule_id: int | None = None) -> None:
        """Forget one frozen state, or all."""
        for one in list(self._cores) if rule_id is None else [rule_id]:
            if self._cores.pop(one, None) is not None:
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{self._path(one)}{suffix}").unlink(missing_ok=True)

    def _path(self, rule_id: int) -> Path:
        return Path(f"{self._database}.stale-{rule_id}")
