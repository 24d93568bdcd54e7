"""Whether a call may leave at this moment.

Between the moment at which a flow decides to send and the moment at which the request leaves lie reads, slots
that are waited for, and pauses of the whole process. Who holds the right to send by a lease says here, at the
last possible moment, whether it still holds it.

A document whose write can be repeated (a unique key, a token) may leave late: sent twice it is there once. A value
may not: late, it would take the place of a newer one.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_Check = tuple[Callable[[], bool], bool]
_check: contextvars.ContextVar[_Check | None] = contextvars.ContextVar("erp_sync_may_leave", default=None)


@contextmanager
def while_held(check: Callable[[], bool], *, everything: bool = False) -> Iterator[None]:
    """Writes inside that cannot be repeated leave only while `check` says so; with `everything` no call does else.

    `check` is asked often and must not block.
    """
    token = _check.set((check, everything))
    try:
        yield
    finally:
        _check.reset(token)


def may_leave(*, repeatable: bool = False) -> bool:
    """True where nobody set a check that concerns such a call."""
    found = _check.get()
    if found is None:
        return True
    check, everything = found
    return (repeatable and not everything) or check()
