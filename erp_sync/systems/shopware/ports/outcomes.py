"""Errors of the transport as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from erp_sync.ports.outcomes import Finding, Later, NotSent, Outcome, Refused
from erp_sync.transport.errors import TransportError

Row = TypeVar("Row")
LOOK_AGAIN_SECONDS = 5.0


def attempted(send: Callable[[], Outcome]) -> Outcome:
    """What became of one request: the error tree of the transport as an outcome."""
    try:
        return send()
    except TransportError as error:
        return error.as_outcome()


def looked(find: Callable[[], list[Finding]], count: int) -> list[Finding]:
    """What was found, or for all of them that it cannot be told now."""
    try:
        return find()
    except TransportError as error:
        return [Later(seconds=error.retry_after_seconds or LOOK_AGAIN_SECONDS, why=str(error))] * count


def not_sent(error: TransportError) -> Outcome:
    """A read before the write failed: the write certainly never left.

    A read that the vendor refused stays a refusal: repeating it cannot help.
    """
    outcome = error.as_outcome()
    if isinstance(outcome, Refused):
        return msgspec.structs.replace(outcome, whole_batch=False)
    return NotSent(why=str(error), retry_after_seconds=error.retry_after_seconds)


def in_batches(rows: Sequence[Row], size: int, send: Callable[[list[Row]], list[Outcome]]) -> list[Outcome]:
    """Outcomes of rows sent in batches, in order. A batch that fails as a whole fails for each of its rows; a row that
    stood alone was refused for what it is."""
    outcomes: list[Outcome] = []
    for start in range(0, len(rows), size):
        batch = list(rows[start : start + size])
        try:
            outcomes += send(batch)
        except TransportError as error:
            outcome = error.as_outcome()
            if isinstance(outcome, Refused):
                outcome = msgspec.structs.replace(outcome, whole_batch=len(batch) > 1)
            outcomes += [outcome] * len(batch)
    return outcomes
