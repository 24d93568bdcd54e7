"""A connection as a connector gets it: settings of one installation of a vendor's system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from erp_sync.model.advice import Advice


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One installation, from YAML, with its secrets already read from the environment.

    Attributes:
        name: e.g. ``netsuite_us``.
        vendor: folder under ``erp_sync/systems``.
        base_url: e.g. ``https://1234567.suitetalk.api.netsuite.com``.
        credentials: names are the vendor's; values must never be logged.
        settings: vendor settings (edition, subsidiary, store codes, custom fields ...).
        verify: path of a CA bundle, or True for the system's.
    """

    name: str
    vendor: str
    base_url: str
    credentials: dict[str, str]
    settings: dict[str, Any] = {}
    time_zone: str = "UTC"
    verify: str | bool = True

    def __repr__(self) -> str:
        return f"ConnectionSettings({self.name!r}, {self.vendor!r}, {self.base_url!r})"


class Connector(Protocol):
    """All ports of one connection. `systems.<vendor>.connector.connect(settings, transport)` builds it.

    `port("sales_order", "source")` gives the port; raises KeyError that lists what exists.
    """

    settings: ConnectionSettings

    def port(self, entity: str, role: str) -> Any: ...

    def close(self) -> None: ...


class Slots(Protocol):
    """A lease on one of a connection's concurrency slots, and its rate and quota."""

    def acquire(self, connection: str, lane: str, deadline: float, cost: float = 1.0) -> Any:
        """Block until a call of so many points of the rate may start, at most until `deadline` (time.monotonic()).

        Returns an opaque lease. Raises `NoSlot` with the time after which to try again.
        """

    def release(self, lease: Any) -> None: ...

    def charge(self, connection: str, more: float) -> None:
        """The answer says that the call cost so many points more than it was let through for; below zero: fewer."""

    def pause(self, connection: str, seconds: float) -> None:
        """The vendor said to wait: nobody of the installation calls before that."""


class Sessions(Protocol):
    """Places for logins of a connection: how many may be open at once, for the whole installation."""

    def open_session(self, connection: str, seconds: float) -> Any:
        """Take a place for a login that the system forgets after so many idle seconds. Never waits.

        Returns an opaque lease. Raises `NoSlot` where all are taken.
        """

    def keep_session(self, lease: Any, seconds: float) -> bool:
        """The login was used: it ends so many seconds from now. False where the place had run out."""

    def close_session(self, lease: Any) -> None:
        """The login was ended at the system: its place is free. Idempotent."""


class NoSlot(Exception):
    """No call may start now. Attributes: connection, retry_after_seconds, why, planned (maintenance)."""

    advice = Advice(
        means="No call may start now: limit, breaker or maintenance. The work waits and goes by itself.",
        look=("erp-sync status",),
        do="Nothing. Where it stays, compare the connection's limits with the contract with the vendor.",
    )

    def __init__(self, connection: str, retry_after_seconds: float, why: str, *, planned: bool = False) -> None:
        self.connection, self.retry_after_seconds, self.why = connection, retry_after_seconds, why
        self.planned = planned
        super().__init__(f"{connection}: no call may start for {retry_after_seconds:.1f} s: {why}")


class Breaker(Protocol):
    """Circuit breaker of a connection, shared by the installation."""

    def check(self, connection: str) -> None:
        """Raises `NoSlot` while open, or in planned maintenance. One caller at a time is let through as probe when
        half-open."""

    def success(self, connection: str) -> None: ...

    def failure(self, connection: str, why: str) -> None: ...


class ExchangeSink(Protocol):
    """Takes exchanges, already redacted. Must not raise for a full queue; must not block for long."""

    def record(self, exchange: Mapping[str, Any]) -> None: ...
