"""Whether a write that cannot be repeated may leave at this moment.

Between the moment at which a flow decides to send and the moment at which the request leaves lie reads, slots
that are waited for, and pauses of the whole process. Who holds the right to send by a lease says here, at the
last possible moment, whether it still holds it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_check: contextvars.ContextVar[Callable[[], bool] | None] = contextvars.ContextVar("erp_sync_may_leave", default=None)


@contextmanager
def while_held(check: Callable[[], bool]) -> Iterator[None]:
    """Writes inside leave only while `check` says so. It is asked often and must not block."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def may_leave() -> bool:
    """True where nobody set a check."""
    check = _check.get()
    return check is None or check()
