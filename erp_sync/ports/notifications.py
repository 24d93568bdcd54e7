"""Notifications: what a system tells by itself, and what stands in its way.

A vendor's package that has them offers a module ``events`` with one pure function,
``verify(headers, body, connection) -> list[Notification]``; what holds for all of them is data
(`capabilities.Notifications`). An event only triggers a read: nothing in it but ids is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from erp_sync.model.advice import Advice
from erp_sync.ports.connection import ConnectionSettings


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One event, its signature verified. Everything in it was signed.

    Attributes:
        event_id: the sender's id; a retry or replay has the same.
        topic: what happened, in the vendor's words.
        entity: canonical entity; "" where the event is about nothing that is read here.
        native_ids: the system's own ids of what changed; empty where the event does not say.
        sent_at: when the sender made it, UTC.
        detail: facts worth keeping for tracing; no personal data.
    """

    event_id: str
    topic: str
    entity: str
    native_ids: tuple[str, ...] = ()
    scope: str = ""
    sent_at: datetime
    detail: dict[str, Any] = {}


class Verify(Protocol):
    """``verify`` of a vendor's ``events`` module. No I/O, no clock.

    Args:
        headers: names in lower case; the values of a repeated header joined by ", ".
        body: as received, not parsed by anybody before.

    Raises a `NotificationRefused`. The signature is checked before anything of the body is read.
    """

    def __call__(
        self, headers: Mapping[str, str], body: bytes, connection: ConnectionSettings
    ) -> list[Notification]: ...


class NotificationRefused(ValueError):
    """A notification that is not taken. Attributes: code (stable), problem (fit for the sender to read)."""

    advice = Advice(
        means="A message to the event service was not taken. Nothing is lost: every change is found by polling, too.",
        look=("tail -n 50 $ERP_SYNC_HOME/logs/*.log",),
        do="See the entry of the error named.",
    )

    code = "refused"

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


class NotExpected(NotificationRefused):
    """This connection takes none: the edition sends none, or no key to check them with is configured."""

    advice = Advice(
        means="A system sends events, and the connection takes none. Changes are found by polling, a little later.",
        look=("erp-sync doctor ROUTE",),
        do="Put the key by which events are checked into the connection's credentials, or end the subscription.",
    )

    code = "not_expected"


class BadSignature(NotificationRefused):
    """The signature is missing, or does not fit the body."""

    advice = Advice(
        means="An event is not signed by the system that it claims to come from: a wrong key, or somebody else.",
        look=("tail -n 50 $ERP_SYNC_HOME/logs/*.log",),
        do="Compare the keys on both sides. Where they agree, somebody tries: let the firewall pass the vendor only.",
    )

    code = "bad_signature"


class Malformed(NotificationRefused):
    """Signed, and not understood."""

    advice = Advice(
        means="An event is signed and not understood. Its change is found by polling.",
        look=("tail -n 50 $ERP_SYNC_HOME/logs/*.log",),
        do="Compare the version of the script or subscription in the system with INSTALL.md.",
    )

    code = "malformed"
