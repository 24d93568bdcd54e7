"""A ledger that does not answer is told of by a watchdog that cannot write it down there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from dagster_postgres.utils import DagsterPostgresException
from typer.testing import CliRunner

from erp_sync import settings as settings_module
from erp_sync.cli import app
from erp_sync.ledger.errors import DatabaseAway, LedgerBusy
from erp_sync.monitoring.alerting import Message
from erp_sync.operations.lookout import Lookout
from erp_sync.operations.watching import Condition
from erp_sync.runtime import storage

#: Fixture `home` spares the tests of operations Dagster's storage; the commands' own making of it is asked for here.
INITIALISE = storage.initialise
FRIDAY = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
GONE = sa.exc.OperationalError("SELECT 1", {}, Exception("connection refused"))


class Mailbox:
    """Channels that keep what they were told; those in `deaf` take nothing."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.deaf: set[str] = set()

    def names(self) -> list[str]:
        return ["mail", "slack"]

    def send(self, message: Message, only: Collection[str] | None = None) -> list[str]:
        asked = [name for name in self.names() if only is None or name in only]
        self.got += [(name, message.severity) for name in asked if name not in self.deaf]
        self.texts.append(message.text)
        return [name for name in asked if name in self.deaf]


class Town:
    """A watchdog over a ledger that is away while `trouble` is set, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.now = FRIDAY
        self.mailbox = Mailbox()
        self.lookout = self.another()

    def another(self) -> Lookout:
        """As after a restart of the watchdog's process."""
        return Lookout(settings_module.load(), lambda: self, self.mailbox, lambda: self.now)  # type: ignore[arg-type, return-value]

    def look(self) -> list[Condition]:
        if self.trouble is not None:
            raise self.trouble
        return []

    def after(self, **by: float) -> list[str]:
        self.now += timedelta(**by)
        return [f"{one.severity} {one.key}" for one in self.lookout.look()]


@pytest.fixture
def town(home: Path) -> Town:
    return Town()


@pytest.mark.parametrize("trouble", [GONE, LedgerBusy("claim", 30.0)], ids=["no answer", "locked"])
def test_a_ledger_that_is_gone_is_told_once_and_once_more_when_it_is_back(town: Town, trouble: Exception):
    assert town.after(seconds=30) == []
    town.trouble = trouble
    assert town.after(seconds=30) == ["critical ledger"]
    assert town.mailbox.got == []  # a restart of the database is nobody's business
    for _ in range(5):
        assert town.after(seconds=30) == ["critical ledger"]
    assert town.mailbox.got == [("mail", "critical"), ("slack", "critical")]
    assert "Nothing is synchronised since 2026-11-27 16:01 UTC" in town.mailbox.texts[0]
    assert "docs/runbook.md#alert-ledger" in town.mailbox.texts[0]
    town.trouble = None
    assert town.after(seconds=30) == []
    assert town.after(seconds=30) == []
    assert town.mailbox.got[2:] == [("mail", "recovered"), ("slack", "recovered")]


def test_a_channel_that_was_broken_is_told_later_and_the_others_are_not_told_again(town: Town):
    town.trouble, town.mailbox.deaf = GONE, {"slack"}
    for _ in range(4):
        town.after(minutes=1)
    assert town.mailbox.got == [("mail", "critical")]
    town.mailbox.deaf = set()
    town.after(minutes=1)
    town.after(minutes=1)
    assert town.mailbox.got == [("mail", "critical"), ("slack", "critical")]


def test_a_watchdog_that_is_started_anew_does_not_repeat_it(town: Town):
    town.trouble = GONE
    town.after(minutes=1)
    town.after(minutes=2)
    town.lookout = town.another()
    town.after(minutes=1)
    assert town.mailbox.got == [("mail", "critical"), ("slack", "critical")]
    town.trouble = None
    town.lookout = town.another()
    town.after(minutes=1)
    assert town.mailbox.got[2:] == [("mail", "recovered"), ("slack", "recovered")]


def test_a_defect_of_the_watchdog_is_no_ledger_that_is_gone(town: Town):
    town.trouble = sa.exc.IntegrityError("INSERT", {}, Exception("not unique"))
    with pytest.raises(sa.exc.IntegrityError):
        town.after(minutes=1)


@pytest.mark.parametrize("command", [["status"], ["deadletters"], ["alerts", "watch", "--once"], ["init"]])
def test_every_command_says_in_a_sentence_which_database_does_not_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
):
    monkeypatch.setattr(storage, "initialise", INITIALISE)
    monkeypatch.setenv("ERP_SYNC_LEDGER_URL", "postgresql+psycopg://clerk:hidden@127.0.0.1:1/ledger")
    result = CliRunner().invoke(app, command)
    assert result.exit_code in (1, 2)
    assert "the ledger at postgresql+psycopg://clerk:***@127.0.0.1:1/ledger does not answer" in result.output
    assert "correct ERP_SYNC_LEDGER_URL" in result.output
    assert "hidden" not in result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_where_dagsters_storage_does_not_answer_its_setting_is_named(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ERP_SYNC_DAGSTER_POSTGRES_URL", "postgresql+psycopg2://clerk:hidden@127.0.0.1:1/dagster")
    # Dagster itself tries for ten seconds; this is what it raises then.
    with pytest.raises(DatabaseAway) as away, storage.dagster_answers(settings_module.load()):
        raise DagsterPostgresException("too many retries for DB connection") from GONE
    assert str(away.value) == (
        "Dagster's storage at postgresql+psycopg2://clerk:***@127.0.0.1:1/dagster does not answer: connection refused; "
        "next: start the database, or correct ERP_SYNC_DAGSTER_POSTGRES_URL"
    )


def test_what_a_statement_is_to_blame_for_is_no_storage_that_does_not_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ERP_SYNC_DAGSTER_POSTGRES_URL", "postgresql+psycopg2://clerk:hidden@127.0.0.1:1/dagster")
    too_large = sa.exc.OperationalError("SELECT", {}, psycopg.errors.ProgramLimitExceeded("too many columns"))
    with pytest.raises(sa.exc.OperationalError), storage.dagster_answers(settings_module.load()):
        raise too_large
    twice = sa.exc.ProgrammingError("CREATE", {}, psycopg.errors.DuplicateTable("runs is there already"))
    with pytest.raises(DagsterPostgresException), storage.dagster_answers(settings_module.load()):
        raise DagsterPostgresException("too many retries for DB creation") from twice
