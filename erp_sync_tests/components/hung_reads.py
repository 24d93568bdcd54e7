"""A read of some keys that hangs in a call, and lands while everything is compared."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event, Thread, current_thread
from typing import Any

import pytest

from erp_sync.components import states
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync_tests.components.two_systems import TwoSystems


class HungRead:
    """Begins when it is made, and hangs in its first call of `operation`. Lands once the next comparison has looked for
    what overlaps with it; with `compared` its own comparison ends before that one's."""

    def __init__(
        self,
        systems: TwoSystems,
        monkeypatch: pytest.MonkeyPatch,
        flow: str,
        operation: str,
        keys: Sequence[str],
        *,
        compared: bool,
    ) -> None:
        self._systems, self._flow, self._keys, self._compared = systems, flow, tuple(keys), compared
        self._goes, hangs, self._run_id = Event(), Event(), ""
        self._look, query = states.overlapping, NetSuiteClient.query

        def slow(client: NetSuiteClient, *words: Any, **given: Any) -> Any:
            if current_thread() is self._reader and given["operation"] == operation:
                hangs.set()
                assert self._goes.wait(30)
            return query(client, *words, **given)

        self._reader = Thread(target=self._read)
        monkeypatch.setattr(NetSuiteClient, "query", slow)
        monkeypatch.setattr(states, "overlapping", self._lands)
        self._reader.start()
        assert hangs.wait(30)

    def compare(self) -> None:
        self._systems.transform(self._flow, self._run_id, keys=self._keys)

    def _read(self) -> None:
        self._run_id, _ = self._systems.read(self._flow, keys=self._keys)

    def _lands(self, *words: Any) -> Any:
        found = self._look(*words)
        if not self._goes.is_set():
            self._goes.set()
            self._reader.join()
            if self._compared:
                self.compare()
        return found
