"""On whose behalf a call is made: read by the exchange log and, for the lane, by the limiter.

Values travel in a context variable. A thread pool does not inherit it: wrap what is submitted in
`carried`, which takes the caller's context along.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import msgspec

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

LANES = ("now", "normal", "bulk")


class CallContext(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    run_id: Dagster run, or another name of what is going on.
    lane: now, normal or bulk.
    route: name of the route.
    flow: name of the flow.
    document: key of the document; a call's own `document` wins over it.
    look: nothing is taken from what is read: it only says whether to start a run, which reads it again.
    """

    run_id: str = ""
    lane: str = "normal"
    route: str = ""
    flow: str = ""
    document: str = ""
    look: bool = False


_EMPTY = CallContext()
_current: contextvars.ContextVar[CallContext] = contextvars.ContextVar("erp_sync_call_context", default=_EMPTY)


def current() -> CallContext:
    """The context in force; an empty one in lane ``normal`` where none was set."""
    return _current.get()


@contextmanager
def call_context(
    *,
    run_id: str | None = None,
    lane: str | None = None,
    route: str | None = None,
    flow: str | None = None,
    document: str | None = None,
    look: bool | None = None,
) -> Iterator[CallContext]:
    """Calls inside are made on this behalf. Nested: what is not given is kept from outside.

    Raises ValueError for a lane that does not exist.
    """
    if lane is not None and lane not in LANES:
        raise ValueError(f"lane {lane!r} does not exist; lanes are {', '.join(LANES)}")
    given: dict[str, Any] = {
        "run_id": run_id,
        "lane": lane,
        "route": route,
        "flow": flow,
        "document": document,
        "look": look,
    }
    context = msgspec.structs.replace(
        _current.get(), **{name: value for name, value in given.items() if value is not None}
    )
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


def carried(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """`function`, to be called in another thread with the context of now.

    Each call runs in its own copy: one context cannot be entered by two threads at once.
    """
    snapshot = contextvars.copy_context()

    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return snapshot.copy().run(function, *args, **kwargs)

    return call
