"""Telling people: e-mail, Slack, Teams, PagerDuty or any webhook, by URLs of Apprise.

`mailtos://user:password@smtp.example.com?to=ops@example.com`, `slack://...`, `msteams://...`, `pagerduty://...`,
`jsons://host/path`: see https://github.com/caronc/apprise/wiki. Apprise is imported on use.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from erp_sync.model.advice import Advice, Alert, anchor, cause_of
from erp_sync.monitoring import reasons
from erp_sync.settings import RUNBOOK, SEVERITIES

if TYPE_CHECKING:
    from erp_sync.ledger.notices import Notice
    from erp_sync.ledger.owed import OwedMessage

log = logging.getLogger("erp_sync.alerts")

BROKEN = "alerts/channel/"
ALERTS = (
    Alert(
        cause="alerts",
        means="A channel did not take a message: who looks only there has not heard of it.",
        look=("erp-sync alerts list", "erp-sync alerts test"),
        do="Mend the channel's address or key in ERP_SYNC_ALERT_URLS, restart, test again.",
    ),
)


class WrongChannel(ValueError):
    """A channel's URL cannot be used. Its secrets are never told."""

    advice = Advice(
        means="An alert channel cannot be used: nobody is told by it.",
        look=("erp-sync alerts test",),
        do="Correct the URL in ERP_SYNC_ALERT_URLS, restart, test again.",
    )


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is told. `severity` one of SEVERITIES, or ``recovered``."""

    severity: str
    title: str
    text: str


class Channels(Protocol):
    """Where people look."""

    def send(self, message: Message, only: Collection[str] | None = None) -> list[str]:
        """To every channel, or to those of these names; gives the names of those that did not take it."""

    def names(self) -> list[str]:
        """All of them, without secrets."""


class AppriseChannels:
    """All channels of an installation.

    Raises WrongChannel for a URL that Apprise does not know, by its position and scheme.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        import apprise

        self._apprise: Any = apprise.Apprise()
        self._types = {
            "critical": apprise.NotifyType.FAILURE,
            "error": apprise.NotifyType.FAILURE,
            "warning": apprise.NotifyType.WARNING,
            "info": apprise.NotifyType.INFO,
            "recovered": apprise.NotifyType.SUCCESS,
        }
        for position, url in enumerate(urls, 1):
            if not self._apprise.add(url):
                scheme = url.partition("://")[0]
                raise WrongChannel(
                    f"alert channel {position} ({scheme}://...) is no URL that Apprise knows, or lacks a part"
                )

    def __len__(self) -> int:
        return len(self._apprise)

    def names(self) -> list[str]:
        """Where messages go, without secrets."""
        return [channel.url(privacy=True) for channel in self._apprise]

    def send(self, message: Message, only: Collection[str] | None = None) -> list[str]:
        """To every channel, or to those of these names; gives the names of those that did not take it."""
        kind = self._types[message.severity]
        return [
            name
            for channel in self._apprise
            for name in (channel.url(privacy=True),)
            if (only is None or name in only)
            and not channel.notify(title=message.title, body=message.text, notify_type=kind)
        ]


def message_of(notice: Notice, installation: str, base_url: str = "", runbook: str = RUNBOOK) -> Message:
    """A notice in words: what, since when, how often, what to do, and where the runbook says more."""
    settled = notice.cleared_at is not None
    first_line = notice.text.split(". ")[0].split("\n")[0]
    title = f"erp_sync {installation}: {'settled: ' if settled else ''}{first_line}"[:160]
    lines = [notice.text]
    lines.append(f"Since {notice.raised_at:%Y-%m-%d %H:%M} UTC.")
    if settled and notice.cleared_at is not None:
        lines = [f"Settled at {notice.cleared_at:%Y-%m-%d %H:%M} UTC: {notice.text}"]
    if notice.link:
        lines.append(f"{base_url}{notice.link}" if base_url and "://" not in notice.link else notice.link)
    if not settled:
        lines += [f"Runbook: {address}" for address in addresses(notice.key, runbook)]
    return Message(severity="recovered" if settled else notice.severity, title=title, text="\n".join(lines))


def addresses(key: str, runbook: str) -> list[str]:
    """Of a notice's entries in the runbook: that of its cause, and of documents that stand still first that of their
    reason: ``watch/held/us/orders/tax_difference``."""
    cause = cause_of(key)
    code = key.removeprefix("watch/").split("/")[3:4] if cause in ("dead", "held", "left_out", "refused") else []
    reason = [reasons.address(one, runbook) for one in code]
    return [*reason, f"{runbook}#{anchor('alert', cause)}"]


def tell(
    ledger: Any,
    channels: Channels,
    *,
    installation: str,
    severity: str = "warning",
    base_url: str = "",
    runbook: str = RUNBOOK,
) -> int:
    """Tell what nobody was told of, from `severity` on; gives how many messages got through to anybody.

    A message that no channel took is told by the next call. One that some took counts as told: a broken channel must
    not make the others repeat themselves. It is owed to the others, which are told it by later calls, in order. That a
    channel is broken is a notice of its own, for the other channels and for `erp-sync status`.

    Who dies in here, or loses the ledger, leaves what was not told to whoever calls a quarter of an hour later; what he
    had just sent then comes twice.
    """
    names = set(channels.names())
    ledger.owed.take_over()
    ledger.owed.keep(names)
    asked, broken = _pay(ledger, channels, names)

    def promised(notice: Notice) -> list[OwedMessage]:
        return _owed(notice, message_of(notice, installation, base_url, runbook), names, ledger.now())

    taken = ledger.notices.take_untold(SEVERITIES[: SEVERITIES.index(severity) + 1], promised)
    sent, failed = 0, []
    for notice in taken:
        settled = notice.cleared_at is not None
        # Who never heard that it began need not hear that it is over.
        hear = {name for name in names if not (settled and ledger.owed.forgive(name, notice.key))}
        message = message_of(notice, installation, base_url, runbook)
        refused = (hear & broken) | (set(channels.send(message, hear - broken)) if hear - broken else set())
        broken |= refused
        if hear and refused >= names:
            failed.append(notice)
            continue
        sent += bool(hear - refused)
        ledger.owed.settle(notice.key, settled, _owed(notice, message, refused, ledger.now()))
    ledger.notices.not_told(failed)
    for notice in failed:
        ledger.owed.settle(notice.key, notice.cleared_at is not None, ())
    for name in sorted(broken):
        log.error("alert channel did not take a message", extra={"channel": name})
        text = f"Alert channel {name} did not take a message. Try it with `erp-sync alerts test`."
        ledger.notices.raise_once(f"{BROKEN}{name}", "error", text)
    for name in sorted((names if taken else asked) - broken):
        ledger.notices.clear(f"{BROKEN}{name}")
    return sent


def _pay(ledger: Any, channels: Channels, names: Collection[str]) -> tuple[set[str], set[str]]:
    """Tell channels what they missed; gives those that were told something, and of them those that took not all."""
    asked, broken = ledger.owed.channels() & set(names), set()
    for name in sorted(asked):
        owed = ledger.owed.take(name)
        for position, one in enumerate(owed):
            if channels.send(Message(severity=one.severity, title=one.title, text=one.text), {name}):
                ledger.owed.give_back(owed[position:])
                broken.add(name)
                break
            ledger.owed.told([one.id])
    return asked, broken


def _owed(notice: Notice, message: Message, refused: Collection[str], now: datetime) -> list[OwedMessage]:
    """Not that a channel is broken to that channel."""
    from erp_sync.ledger.owed import OwedMessage

    return [
        OwedMessage(
            channel=name,
            key=notice.key,
            settled=notice.cleared_at is not None,
            severity=message.severity,
            title=message.title,
            text=message.text,
            since=now,
        )
        for name in sorted(refused)
        if notice.key != f"{BROKEN}{name}"
    ]
