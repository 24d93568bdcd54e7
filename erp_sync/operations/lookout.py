"""The watchdog where it cannot look: notices live in the ledger, so the ledger's own silence is told without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from erp_sync.ledger.engine import utc_now
from erp_sync.ledger.errors import DatabaseAway, LedgerBusy, answering
from erp_sync.monitoring.alerting import Channels, Message, addresses
from erp_sync.operations.watching import Watchdog
from erp_sync.operations.watching_documents import Condition
from erp_sync.runtime.processes import read_whole, write_whole
from erp_sync.settings import Settings

log = logging.getLogger("erp_sync.alerts")

KEY = "ledger"
#: A database that is restarted is back by then.
PATIENCE = timedelta(minutes=1)


class Gone(msgspec.Struct, frozen=True):
    """Since when the ledger does not answer (UTC), and the channels that were told so."""

    since: datetime
    told: tuple[str, ...] = ()


class Lookout:
    """Looks through a watchdog; tells people itself, once, that the ledger does not answer, and that it does again.

    What it knows is in a file of the home, so that a watchdog that is started anew, or by cron, does not repeat it.

    Args:
        open_watchdog: called until it gives one; may raise DatabaseAway.
        channels: None: nobody is told.
    """

    def __init__(
        self,
        settings: Settings,
        open_watchdog: Callable[[], Watchdog],
        channels: Channels | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings, self._open, self._channels, self._clock = settings, open_watchdog, channels, clock
        self._watchdog: Watchdog | None = None

    @property
    def _file(self) -> Path:
        return self._settings.home / "ledger_gone.json"

    def look(self) -> list[Condition]:
        """What is wrong now: what the watchdog finds, or that the ledger does not answer. Raises nothing for that."""
        try:
            with answering(self._settings.ledger_url):
                self._watchdog = self._watchdog or self._open()
                found = self._watchdog.look()
        except (DatabaseAway, LedgerBusy) as away:
            return [self._gone(away)]
        self._back()
        return found

    def _gone(self, away: DatabaseAway | LedgerBusy) -> Condition:
        now = self._clock()
        known = read_whole(self._file, Gone) or Gone(since=now)
        condition = Condition(
            key=KEY,
            severity="critical",
            text=f"{away}. Nothing is synchronised since {known.since:%Y-%m-%d %H:%M} UTC, and no other alert is told.",
        )
        log.error("the ledger does not answer", extra={"why": str(away)})
        if now - known.since >= PATIENCE and self._channels is not None:
            missed = set(self._channels.names()) - set(known.told)
            if missed:
                refused = self._channels.send(self._message("critical", condition.text), missed)
                known = Gone(since=known.since, told=(*known.told, *sorted(missed - set(refused))))
        with suppress(OSError):  # a full disk is one of the reasons
            write_whole(self._file, msgspec.json.encode(known))
        return condition

    def _back(self) -> None:
        known = read_whole(self._file, Gone)
        if known is None:
            return
        if known.told and self._channels is not None:
            text = f"The ledger answers again; it did not since {known.since:%Y-%m-%d %H:%M} UTC. Work goes on."
            # Who was removed from the settings meanwhile is not asked; who does not take it was told the worse part.
            self._channels.send(self._message("recovered", text), set(known.told))
        self._file.unlink(missing_ok=True)

    def _message(self, severity: str, text: str) -> Message:
        settled = "settled: " if severity == "recovered" else ""
        lines = [text]
        if not settled:
            lines += [f"Runbook: {address}" for address in addresses(KEY, self._settings.runbook_url)]
        title = f"erp_sync {self._settings.home.name}: {settled}the ledger does not answer"
        return Message(severity=severity, title=title, text="\n".join(lines))
