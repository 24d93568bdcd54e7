"""State of an installation, created once: folders, Dagster's configuration and storage, the ledger's schema."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml

from erp_sync.model.advice import Advice
from erp_sync.runtime.processes import exclusive, read_whole, write_whole
from erp_sync.runtime.supervisor import files_of
from erp_sync.settings import Settings

_CHECKOUT = Path(__file__).resolve().parents[2]
TEMPLATE = _CHECKOUT / "dagster.yaml"
_HEADER = "# Written by `erp-sync init` from dagster.yaml of the project; changes made here are overwritten.\n"


class Initialised(msgspec.Struct, frozen=True):
    """What an installation was last initialised with; equal ones need no work.

    Attributes:
        dagster: hash of Dagster's version and configuration.
        ledger: hash of the ledger's URL and of the names of its migrations.
    """

    dagster: str
    ledger: str


class StillRunning(RuntimeError):
    """The ledger is to be upgraded, and services that were started with the code of before run on this machine."""

    advice = Advice(
        means="A new version would upgrade the ledger while the old one works on it. Nothing was changed.",
        look=("erp-sync status",),
        do="`erp-sync up`, which ends what runs, upgrades and starts anew.",
    )

    def __init__(self, place: str) -> None:
        super().__init__(
            f"the ledger in {place} is of an earlier version, and services run that know only that one; "
            "next: erp-sync up, which ends them, upgrades it and starts them anew"
        )


def initialise(settings: Settings, *, anyway: bool = False) -> bool:
    """Create or upgrade everything that is stored; answers whether there was anything to do.

    Safe to call from any number of processes at once: one works, the others wait for it. Processes that open
    Dagster's SQLite storage at the same time on an empty folder would break it for good. Calling it again costs
    milliseconds, unless `anyway` asks to look at everything again.

    Raises WrongSetting, StillRunning, or DatabaseAway where a database does not answer.
    """
    from erp_sync.ledger.errors import answering

    with exclusive(settings.home / "initialise.lock"):
        configuration = dagster_configuration(settings)
        wanted = Initialised(_dagster_state(configuration), _ledger_state(settings))
        marker = settings.home / "initialised.json"
        if not anyway and _done(marker) == wanted and _files_exist(settings):
            return False
        if is_running(settings) and upgrade_pending(settings):
            raise StillRunning(str(settings.home))
        for folder in (settings.dagster_home, settings.lake, settings.exchanges, settings.home / "logs"):
            folder.mkdir(parents=True, exist_ok=True)
        write_whole(settings.dagster_home / "dagster.yaml", configuration.encode())
        _create_dagster_storage(settings)
        from erp_sync.ledger.migrate import upgrade

        with answering(settings.ledger_url):
            upgrade(settings.ledger_url)
        write_whole(marker, msgspec.json.encode(wanted))
        return True


def upgrade_pending(settings: Settings) -> bool:
    """Is the ledger of an earlier version than this code? Raises DatabaseAway where it does not answer."""
    from erp_sync.ledger.errors import answering
    from erp_sync.ledger.migrate import pending

    with answering(settings.ledger_url):
        return pending(settings.ledger_url)


def is_running(settings: Settings) -> bool:
    """Do services of this home run on this machine?"""
    return files_of(settings.home).status().supervisor is not None


def dagster_configuration(settings: Settings, template: Path = TEMPLATE) -> str:
    """Text of dagster.yaml for this home: the template with its folder, and PostgreSQL where settings say so."""
    content: dict[str, Any] = _filled(yaml.safe_load(template.read_text()), str(settings.dagster_home))
    if settings.dagster_postgres_url is not None:
        for storage in ("run_storage", "event_log_storage", "schedule_storage"):
            del content[storage]
        # by name of the variable: the password stays out of the file
        content["storage"] = {"postgres": {"postgres_url": {"env": "ERP_SYNC_DAGSTER_POSTGRES_URL"}}}
    return _HEADER + yaml.safe_dump(content, sort_keys=False)


def _filled(value: Any, home: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, home) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, home) for item in value]
    return value.replace("${DAGSTER_HOME}", home) if isinstance(value, str) else value


def _create_dagster_storage(settings: Settings) -> None:
    from dagster import DagsterInstance

    with dagster_answers(settings), DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        instance.upgrade()
        instance.get_runs(limit=1)
        instance.all_instigator_state()


@contextmanager
def dagster_answers(settings: Settings) -> Iterator[None]:
    """What is raised where Dagster's PostgreSQL does not answer becomes DatabaseAway. What a statement is to blame for
    stays what it is."""
    if settings.dagster_postgres_url is None:
        yield
        return
    from dagster_postgres.utils import DagsterPostgresException

    from erp_sync.ledger.errors import NO_ANSWER, DatabaseAway, is_away

    try:
        yield
    except (DagsterPostgresException, *NO_ANSWER) as error:
        # Dagster's own error is raised also where something else went wrong again and again.
        cause = error.__cause__ if isinstance(error, DagsterPostgresException) else error
        if not isinstance(cause, Exception) or not is_away(cause):
            raise
        url = settings.dagster_postgres_url
        raise DatabaseAway("Dagster's storage", "ERP_SYNC_DAGSTER_POSTGRES_URL", url, cause) from error


def _dagster_state(configuration: str) -> str:
    from importlib.metadata import version

    return hashlib.sha256(f"{version('dagster')}\n{configuration}".encode()).hexdigest()[:16]


def _ledger_state(settings: Settings) -> str:
    folder = Path(__file__).resolve().parents[1] / "ledger"
    migrations = sorted(path.name for path in folder.rglob("versions/*.py"))
    url = re.sub(r"://([^:/@]+):[^@]*@", r"://\1@", settings.ledger_url)
    return hashlib.sha256(f"{url}\n{migrations}".encode()).hexdigest()[:16]


def _done(marker: Path) -> Initialised | None:
    return read_whole(marker, Initialised)


def _files_exist(settings: Settings) -> bool:
    needed = [settings.dagster_home / "dagster.yaml"]
    if settings.dagster_postgres_url is None:
        needed.append(settings.dagster_home / "history" / "runs.db")
    if settings.ledger_url.startswith("sqlite:///"):
        needed.append(Path(settings.ledger_url.removeprefix("sqlite:///")))
    return all(path.exists() for path in needed)
