"""Several reads at once, each in pages, with few pages in memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from erp_sync.transport.context import carried

Page = TypeVar("Page")
_LOOK_SECONDS = 0.1


def at_once(reads: Iterable[Callable[[], Iterable[Page]]], workers: int) -> Iterator[Page]:
    """Pages of all reads, in the order in which they come; those of one read keep theirs.

    At most two pages a worker wait to be taken. What a read raises is raised here, and the others begin nothing more;
    so they do when the caller stops taking.
    """
    return _Reading(reads, workers).pages()


class _Reading(Generic[Page]):
    def __init__(self, reads: Iterable[Callable[[], Iterable[Page]]], workers: int) -> None:
        self._reads, self._workers = iter(reads), max(1, workers)
        self._next = threading.Lock()
        self._over = threading.Event()
        self._ready: queue.Queue[list[Page]] = queue.Queue(maxsize=2 * self._workers)

    def pages(self) -> Iterator[Page]:
        with ThreadPoolExecutor(max_workers=self._workers, thread_name_prefix="read") as pool:
            working = [pool.submit(carried(self._work)) for _ in range(self._workers)]
            try:
                while not all(one.done() for one in working) or not self._ready.empty():
                    try:
                        waiting = self._ready.get(timeout=_LOOK_SECONDS)
                    except queue.Empty:
                        waiting = []
                    yield from waiting
                    self._told(working)
                self._told(working)
            finally:
                self._over.set()

    @staticmethod
    def _told(working: list[Future[None]]) -> None:
        for one in working:
            if one.done():
                one.result()

    def _work(self) -> None:
        while not self._over.is_set():
            with self._next:
                read = next(self._reads, None)
            if read is None:
                return
            for page in read():
                if not self._give(page):
                    return

    def _give(self, page: Page) -> bool:
        """False where nobody takes it any more."""
        while not self._over.is_set():
            try:
                self._ready.put([page], timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
