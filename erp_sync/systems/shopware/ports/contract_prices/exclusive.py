"""Keeps threads of one process from writing the same thing at once."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any


class Exclusive:
    """Things in hand. Who wants some waits until all of them are free, so that nobody waits for a part."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._taken: set[Any] = set()

    @contextmanager
    def of(self, things: Collection[Any]) -> Iterator[None]:
        wanted = set(things)
        with self._free:
            self._free.wait_for(lambda: not (wanted & self._taken))
            self._taken |= wanted
        try:
            yield
        finally:
            with self._free:
                self._taken -= wanted
                self._free.notify_all()
