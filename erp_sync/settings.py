"""Settings of an installation, from environment variables; a wrong one is refused with its name.

Every variable starts with ``ERP_SYNC_``. Routes and connections are YAML (`erp_sync/defs`), not here.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import msgspec

from erp_sync.model.advice import Advice

#: Of alerts, most urgent first.
SEVERITIES = ("critical", "error", "warning", "info")
#: Where the runbook is read when nobody says otherwise: in the project.
RUNBOOK = "docs/runbook.md"
_CHECKOUT = Path(__file__).resolve().parent.parent


#: Settings of days by field: variable, days where nothing is said, and the fewest that what reads them can do with. The
#: figures of the watchdog learn from four weeks, those of the KPIs are of a month, and events are looked at for a week.
DAYS = {
    "exchange_days": ("ERP_SYNC_EXCHANGE_DAYS", 30, 1),
    "run_days": ("ERP_SYNC_RUN_DAYS", 30, 1),
    "payload_days": ("ERP_SYNC_PAYLOAD_DAYS", 30, 1),
    "delivery_days": ("ERP_SYNC_DELIVERY_DAYS", 400, 40),
    "plan_days": ("ERP_SYNC_PLAN_DAYS", 90, 30),
    "event_days": ("ERP_SYNC_EVENT_DAYS", 30, 8),
    "quarantine_days": ("ERP_SYNC_QUARANTINE_DAYS", 180, 1),
    "metric_days": ("ERP_SYNC_METRIC_DAYS", 800, 31),
    "snapshot_days": ("ERP_SYNC_SNAPSHOT_DAYS", 7, 1),
}


class WrongSetting(ValueError):
    """A setting is missing or wrong. Attributes: name, expected."""

    advice = Advice(
        means="A setting of the environment is missing or wrong: no command works until it is right.",
        look=("env | grep ERP_SYNC_ | cut -d= -f1",),
        do="Correct the variable that the message names.",
    )

    def __init__(self, name: str, value: object, expected: str) -> None:
        self.name, self.expected = name, expected
        super().__init__(f"setting {name} is {value!r}; expected {expected}")


class Settings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Where this installation keeps its state, and for how long.

    Attributes:
        home: folder of all state (``ERP_SYNC_HOME``, default ``data/home`` of the checkout).
        ledger_url: SQLAlchemy URL (``ERP_SYNC_LEDGER_URL``, default SQLite in `home`).
        defs: folder of connections and routes (``ERP_SYNC_DEFS``).
        exchange_days: how long exchanges are kept (``ERP_SYNC_EXCHANGE_DAYS``, default 30).
        dagster_postgres_url: where Dagster stores runs and events (``ERP_SYNC_DAGSTER_POSTGRES_URL``,
            ``postgresql+psycopg2://...``); None for SQLite in `dagster_home`.
        run_days: how long finished runs and their events are kept (``ERP_SYNC_RUN_DAYS``, default 30).
        payload_days: how long the ledger keeps payloads of received records that every flow has handled
            (``ERP_SYNC_PAYLOAD_DAYS``, default 30); ids stay.
        delivery_days: how long it keeps finished deliveries (``ERP_SYNC_DELIVERY_DAYS``, default 400), 35 days longer
            at least than any route's `reconcile_window`.
        plan_days: how long it keeps plans that are through (``ERP_SYNC_PLAN_DAYS``, default 90).
        event_days: how long it keeps events that were handled (``ERP_SYNC_EVENT_DAYS``, default 30).
        quarantine_days: how long it keeps resolved rows of the quarantine (``ERP_SYNC_QUARANTINE_DAYS``, default 180).
        metric_days: how long it keeps counters by hour (``ERP_SYNC_METRIC_DAYS``, default 800).
        snapshot_days: how long the lake keeps whole snapshots that nothing is compared with any more
            (``ERP_SYNC_SNAPSHOT_DAYS``, default 7).
        alert_urls: who is told, Apprise URLs parted by blanks (``ERP_SYNC_ALERT_URLS``, secret).
        alert_severity: told from this one on: critical, error, warning or info (``ERP_SYNC_ALERT_SEVERITY``).
        document_deaths: a document that so many processes in a row died with is a dead letter
            (``ERP_SYNC_DOCUMENT_DEATHS``, default 5).
        ui_url: of the Dagster UI, for links in alerts (``ERP_SYNC_UI_URL``).
        runbook_url: where your people read docs/runbook.md, for links in alerts, dead letters and the Dagster UI
            (``ERP_SYNC_RUNBOOK_URL``).
    """

    home: Path
    ledger_url: str
    defs: Path
    exchange_days: int = 30
    dagster_postgres_url: str | None = None
    run_days: int = 30
    payload_days: int = 30
    delivery_days: int = 400
    plan_days: int = 90
    event_days: int = 30
    quarantine_days: int = 180
    metric_days: int = 800
    snapshot_days: int = 7
    alert_urls: tuple[str, ...] = ()
    alert_severity: str = "warning"
    document_deaths: int = 5
    ui_url: str = ""
    runbook_url: str = RUNBOOK

    @cached_property
    def lake(self) -> Path:
        return self.home / "lake"

    @cached_property
    def exchanges(self) -> Path:
        return self.home / "exchanges"

    @cached_property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @cached_property
    def sandboxes(self) -> Path:
        return self.home / "sandboxes"

    @property
    def exchange_retention(self) -> timedelta:
        return timedelta(days=self.exchange_days)


def load(environment: dict[str, str] | None = None) -> Settings:
    """Read the settings. Raises WrongSetting for the first wrong one."""
    env = dict(os.environ if environment is None else environment)
    unknown = {name for name in env if name.startswith("ERP_SYNC_")} - _KNOWN
    if unknown:
        name = sorted(unknown)[0]
        # Its value is not told: a secret under a name of ours would stand in a log.
        raise WrongSetting(name, "set", f"no such setting; known are {', '.join(sorted(_KNOWN))}")
    home = Path(env.get("ERP_SYNC_HOME") or _CHECKOUT / "data" / "home").expanduser().absolute()
    if home.exists() and not home.is_dir():
        raise WrongSetting("ERP_SYNC_HOME", str(home), "a folder, or a path where one can be created")
    url = env.get("ERP_SYNC_LEDGER_URL") or f"sqlite:///{home / 'ledger.db'}"
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise WrongSetting("ERP_SYNC_LEDGER_URL", url.split("@")[-1], "sqlite:///PATH or postgresql+psycopg://...")
    defs = Path(env.get("ERP_SYNC_DEFS") or Path(__file__).parent / "defs").expanduser().absolute()
    if not defs.is_dir():
        raise WrongSetting("ERP_SYNC_DEFS", str(defs), "a folder of connection and route YAML files")
    days = {field: _days(env, *setting) for field, setting in DAYS.items()}
    postgres = env.get("ERP_SYNC_DAGSTER_POSTGRES_URL") or None
    if postgres is not None and not postgres.startswith("postgresql+psycopg2://"):
        # Dagster's notifications are written for psycopg2; SQLAlchemy would take psycopg 3 for a plain postgresql://
        shape = "postgresql+psycopg2://USER@HOST/DATABASE"
        raise WrongSetting("ERP_SYNC_DAGSTER_POSTGRES_URL", postgres.split("@")[-1], shape)
    deaths = env.get("ERP_SYNC_DOCUMENT_DEATHS", "5")
    if not deaths.isdigit() or int(deaths) < 2:
        raise WrongSetting("ERP_SYNC_DOCUMENT_DEATHS", deaths, "a whole number, at least 2")
    severity = env.get("ERP_SYNC_ALERT_SEVERITY") or "warning"
    if severity not in SEVERITIES:
        raise WrongSetting("ERP_SYNC_ALERT_SEVERITY", severity, f"one of {', '.join(SEVERITIES)}")
    return Settings(
        home=home,
        ledger_url=url,
        defs=defs,
        dagster_postgres_url=postgres,
        alert_urls=tuple((env.get("ERP_SYNC_ALERT_URLS") or "").split()),
        alert_severity=severity,
        document_deaths=int(deaths),
        ui_url=(env.get("ERP_SYNC_UI_URL") or "").rstrip("/"),
        runbook_url=(env.get("ERP_SYNC_RUNBOOK_URL") or RUNBOOK).rstrip("#/"),
        **days,
    )


def _days(env: dict[str, str], name: str, default: int, least: int) -> int:
    value = env.get(name, str(default))
    if not value.isdecimal() or int(value) < least:
        raise WrongSetting(name, value, f"a whole number of days, at least {least}")
    return int(value)


_KNOWN = {
    "ERP_SYNC_HOME",
    "ERP_SYNC_LEDGER_URL",
    "ERP_SYNC_DEFS",
    "ERP_SYNC_DAGSTER_POSTGRES_URL",
    "ERP_SYNC_ALERT_URLS",
    "ERP_SYNC_ALERT_SEVERITY",
    "ERP_SYNC_DOCUMENT_DEATHS",
    "ERP_SYNC_UI_URL",
    "ERP_SYNC_RUNBOOK_URL",
    *(name for name, _, _ in DAYS.values()),
}
