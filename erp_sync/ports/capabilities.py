"""What a system can do, declared as data by its `systems/<vendor>/capabilities.py`."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Guarantee(StrEnum):
    """How sure an operation can be after an unknown outcome (README: "How sure each operation is")."""

    UNIQUE_KEY = "A"  # the vendor refuses a second with our key: send again
    IDEMPOTENCY_TOKEN = "B"  # send again with the same token
    SEARCHABLE = "C"  # wait the settle time, search by our field, then send once
    NONE = "D"  # never again by itself: found by content, or a case for an operator


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One writing operation of a system.

    Attributes:
        name: e.g. ``sales_order.create``. Also the operation's name in the exchange log.
        settle_seconds: how long after a send a write may still become visible: longest execution
            plus index lag. Until then 'not found' proves nothing.
        settle_source: where that figure comes from, or 'unconfirmed'.
        moves: entities whose known state this write changes besides its own key.
        source: citation of the vendor fact behind `guarantee`.
    """

    name: str
    guarantee: Guarantee
    batch_size: int = 1
    settle_seconds: float = 0.0
    settle_source: str = ""
    moves: tuple[str, ...] = ()
    source: str = ""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How changes of one entity are found.

    Attributes:
        updated_time: the source has a time of last change that it can be filtered by.
        lateness_seconds: how late a change may appear below an already read time; windows overlap by it.
        lag_seconds: how long after a write was answered a read may still not show it.
        resolution_seconds: resolution of the updated time.
        page_size: rows a call.
        tells_reason: it says why a document was cancelled; where it does not, nobody knows what was cancelled for what.
    """

    entity: str
    updated_time: bool = True
    lateness_seconds: float = 0.0
    lag_seconds: float = 0.0
    resolution_seconds: float = 1.0
    page_size: int = 100
    tells_reason: bool = False
    source: str = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a connection; they hold for the whole installation.

    Attributes:
        concurrency: calls under way at once.
        rate_per_second: calls started a second, with `burst` at once; points, where a call costs points.
        quota_per_day: calls a day.
        sessions: logins that may be open at once, where the system counts them (seats, licences); see
            `erp_sync.transport.sessions`.
        lane_shares: share of the concurrency reserved for a lane; idle shares are lent.
    """

    concurrency: int | None = None
    rate_per_second: float | None = None
    burst: int = 1
    quota_per_day: int | None = None
    sessions: int | None = None
    lane_shares: dict[str, float] = {}


class Notifications(msgspec.Struct, frozen=True, kw_only=True):
    """How a system tells of changes by itself; `verify` in its ``events`` module checks them.

    Attributes:
        entities: canonical entities that events are about.
        body_bytes: the largest body taken.
        oldest_seconds: an event made longer ago is refused as a replay; as long as the sender tries again.
        ahead_seconds: how far the sender's clock may be ahead of ours.
        delay_seconds: how long after an event a read may still not show the change.
        challenge: query parameter of a GET that the address must echo to be registered; "" for none.
        challenge_header: header of that GET, in lower case, where it is in a header; `challenge` then names it in the
            answer only.
    """

    entities: tuple[str, ...]
    body_bytes: int = 65_536
    oldest_seconds: float = 300.0
    ahead_seconds: float = 120.0
    delay_seconds: float = 0.0
    challenge: str = ""
    challenge_header: str = ""
    source: str = ""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """`notifications` is None where the vendor sends none."""

    vendor: str
    operations: tuple[Operation, ...]
    readings: tuple[Reading, ...]
    limits: Limits
    notifications: Notifications | None = None

    def operation(self, name: str) -> Operation:
        """The declared operation. Raises KeyError that lists what is declared."""
        for operation in self.operations:
            if operation.name == name:
                return operation
        known = ", ".join(operation.name for operation in self.operations)
        raise KeyError(f"{self.vendor} declares no operation {name}; it has: {known}")

    def reading(self, entity: str) -> Reading:
        for reading in self.readings:
            if reading.entity == entity:
                return reading
        known = ", ".join(reading.entity for reading in self.readings)
        raise KeyError(f"{self.vendor} declares no reading of {entity}; it has: {known}")
