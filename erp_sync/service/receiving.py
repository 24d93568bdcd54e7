"""Takes notifications into the ledger's inbox. Knows no vendor and no web framework.

Order: signature over the raw body, then parsing, then the time window, then storing. What was stored before
is recognised by its id; the sender is told the same either way, so that it stops trying.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from erp_sync.components.configuration import Configuration, WrongConfiguration
from erp_sync.components.events import refusal, rules_of, starts_runs, verifier
from erp_sync.ledger.inbox import InboxEvent, PendingEvents
from erp_sync.model.advice import Advice
from erp_sync.ports.capabilities import Notifications
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.notifications import Notification, NotificationRefused, Verify

log = logging.getLogger(__name__)


class OutOfWindow(NotificationRefused):
    """Made too long ago, or in the future: a replay, or a clock that is wrong."""

    advice = Advice(
        means="An event is too old or from the future: a replay, or a clock that is wrong. Its change is found by "
        "polling.",
        look=("date -u",),
        do="Set the clocks of both sides by NTP.",
    )

    code = "out_of_window"


class UnknownConnection(NotificationRefused):
    """No connection of this name takes notifications."""

    advice = Advice(
        means="Events come under the name of a connection that does not exist here.",
        look=("erp-sync status",),
        do="Correct the address in the system's subscription: /events/CONNECTION.",
    )

    code = "unknown_connection"


class InboxPort(Protocol):
    """`Ledger.inbox`."""

    def put_all(self, events: list[InboxEvent]) -> int: ...

    def pending(self) -> list[PendingEvents]: ...


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a notification, by inbox rows. Stored ones and duplicates are durable; `ignored` ones would start
    no run by the connection's setting, and are found by the next poll with or without a row."""

    stored: int
    duplicates: int
    ignored: int = 0


class Gate(msgspec.Struct, frozen=True):
    """What one connection's notifications have to pass."""

    settings: ConnectionSettings
    rules: Notifications
    verify: Verify

    def reads(self, entity: str) -> bool:
        """Whether events of this entity may start a run (setting ``events``)."""
        return starts_runs(self.settings.settings, entity)


class Receiver:
    """One for the process. Thread-safe: what it keeps is built once per connection and never changes.

    Raises WrongConfiguration only when a connection is first used: one that lacks its secrets must not keep
    the events of the others out.
    """

    def __init__(
        self,
        configuration: Configuration,
        inbox: InboxPort,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._configuration, self._inbox, self._clock = configuration, inbox, clock
        self._gates: dict[str, Gate] = {}

    def connections(self) -> dict[str, str]:
        """For each connection whose vendor sends notifications: "ready", or why it takes none."""
        found: dict[str, str] = {}
        for name, spec in self._configuration.connections.items():
            if rules_of(spec) is None:
                continue
            try:
                gate = self.gate(name)
                found[name] = refusal(gate.verify, gate.settings) or "ready"
            except WrongConfiguration as wrong:
                found[name] = wrong.problem
        return found

    def waiting(self) -> int:
        """Events that no run has processed yet. Raises LedgerError and database errors."""
        return sum(one.count for one in self._inbox.pending())

    def gate(self, connection: str) -> Gate:
        """Raises UnknownConnection, WrongConfiguration."""
        if connection not in self._gates:
            spec = self._configuration.connections.get(connection)
            rules = rules_of(spec) if spec is not None else None
            if spec is None or rules is None:
                raise UnknownConnection(f"no connection {connection!r} takes notifications")
            self._gates[connection] = Gate(spec.resolve(), rules, verifier(spec.vendor))
        return self._gates[connection]

    def take(self, connection: str, headers: Mapping[str, str], body: bytes) -> Taken:
        """Verify and store what may start a run. Returns once it is durable; safe to repeat.

        Raises NotificationRefused (nothing was stored), LedgerBusy and database errors (try again).
        """
        gate = self.gate(connection)
        notifications = gate.verify(headers, body, gate.settings)
        now = self._clock()
        for notification in notifications:
            _check_window(notification, gate.rules, now)
        rows = [row for notification in notifications for row in inbox_rows(connection, notification)]
        came, rows = len(rows), [row for row in rows if gate.reads(row.entity)]
        stored = self._inbox.put_all(rows) if rows else 0
        log.info(
            "notification stored",
            extra={
                "connection": connection,
                "event_ids": [notification.event_id for notification in notifications],
                "topic": notifications[0].topic if notifications else "",
                "stored": stored,
                "duplicates": len(rows) - stored,
                "ignored": came - len(rows),
            },
        )
        return Taken(stored=stored, duplicates=len(rows) - stored, ignored=came - len(rows))


def inbox_rows(connection: str, notification: Notification) -> list[InboxEvent]:
    """A row for each record that is named; one without a record where none is. Ids follow from the event's."""
    payload = msgspec.json.encode({**notification.detail, "sent_at": notification.sent_at})
    common: dict[str, Any] = {
        "connection": connection,
        "topic": notification.topic,
        "entity": notification.entity,
        "scope": notification.scope,
        "payload": payload,
    }
    ids = notification.native_ids
    if len(ids) < 2:
        return [InboxEvent(event_id=notification.event_id, native_id=ids[0] if ids else "", **common)]
    return [InboxEvent(event_id=f"{notification.event_id}#{one}", native_id=one, **common) for one in ids]


def _check_window(notification: Notification, rules: Notifications, now: datetime) -> None:
    age = now - notification.sent_at
    if age > timedelta(seconds=rules.oldest_seconds):
        raise OutOfWindow(f"made {age.total_seconds():.0f} s ago; taken up to {rules.oldest_seconds:.0f} s")
    if -age > timedelta(seconds=rules.ahead_seconds):
        raise OutOfWindow(f"made {-age.total_seconds():.0f} s in the future; taken up to {rules.ahead_seconds:.0f} s")
