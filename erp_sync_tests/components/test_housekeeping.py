"""The daily job: what had its time is gone afterwards, what is needed is there, and it says what it did."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import msgspec
import pytest
import sqlalchemy as sa

from erp_sync.components.configuration import read_configuration
from erp_sync.components.housekeeping import KEY, Done, keep_house
from erp_sync.components.installation import Installation
from erp_sync.components.route import installation_definitions
from erp_sync.components.run_context import land_records
from erp_sync.flows.state_extraction import snapshot_entity
from erp_sync.ledger.errors import WrongState
from erp_sync.ledger.retention import Expiry, Retention
from erp_sync.ports.raw import RawRecord
from erp_sync.settings import WrongSetting, load
from erp_sync_tests.components.two_systems import YAML
from erp_sync_tests.ledger import fresh
from erp_sync_tests.operations.house import STORE, House

STOCK = "stock_level"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose systems are never called."""
    defs = tmp_path / "defs"
    defs.mkdir()
    values = {
        "store_url": "http://127.0.0.1:9",
        "erp_url": "http://127.0.0.1:9",
        "store_credentials": "{consumer_key: a, consumer_secret: b, access_token: c, access_token_secret: d}",
        "erp_credentials": "{account: '1', consumer_key: a, consumer_secret: b, token_id: c, token_secret: d}",
        "store_settings": "{edition: open_source}",
        "erp_settings": "{subsidiary: '1'}",
        "flows": "{inventory: {mode: on}}",
    }
    (defs / "defs.yaml").write_text(YAML.format(**values))
    settings = load({"ERP_SYNC_HOME": str(tmp_path / "home"), "ERP_SYNC_DEFS": str(defs)})
    settings.home.mkdir()
    fresh.create(settings.ledger_url)
    here = Installation(settings, read_configuration(settings.defs))
    yield here
    here.close()


def land(here: Installation, entity: str, run_id: str, *ids: str) -> str:
    records = [RawRecord(native_id=one, version="1", payload={"id": one}) for one in ids]
    return land_records(here, "netsuite_us", entity, run_id, records)


def test_old_payloads_and_exchanges_go_and_small_files_become_one(here: Installation):
    now = datetime.now(UTC)
    for run in range(3):
        land(here, STOCK, f"run-{run}", f"a{run}", f"b{run}")
    done = keep_house(here, now + timedelta(days=2))
    assert done.failed == []
    assert done.removed["lake_compacted"] == 3
    assert [one.rows for one in here.lake.files("netsuite_us", STOCK)] == [6]
    assert here.settings.exchange_days == 30
    assert {"exchanges", "exchange_segments", "ledger_payloads", "ledger_deliveries", "lake_swept"} <= set(done.removed)
    again = keep_house(here, now + timedelta(days=2))
    assert (again.failed, again.removed["lake_compacted"]) == ([], 0)


def test_todays_files_are_left_to_the_runs_that_wrote_them(here: Installation):
    for run in range(2):
        land(here, STOCK, f"run-{run}", "a")
    assert keep_house(here, datetime.now(UTC)).removed["lake_compacted"] == 0


def test_a_snapshot_that_is_compared_with_stays_and_keeps_its_run(here: Installation):
    """Compaction would lose the run's id, and with it the snapshot: everything would seem to be missing."""
    now = datetime.now(UTC)
    folder = snapshot_entity(STOCK)
    for run in ("old", "last"):
        land(here, folder, run, "a", "b")
    here.ledger.receive("netsuite_us", folder, [], advance_to=now, run_id="last", token="last")
    done = keep_house(here, now + timedelta(days=30))
    assert done.removed["lake_snapshots"] == 1
    assert here.lake.table("netsuite_us", folder, run_id="last").num_rows == 2
    assert here.lake.table("netsuite_us", folder, run_id="old").num_rows == 0


def with_days(here: Installation, **days: int) -> Installation:
    return Installation(msgspec.structs.replace(here.settings, **days), here.configuration)


def test_how_long_snapshots_are_kept_is_a_setting(here: Installation):
    now = datetime.now(UTC)
    land(here, snapshot_entity(STOCK), "old", "a")
    longer = with_days(here, snapshot_days=20)
    assert keep_house(longer, now + timedelta(days=19)).removed["lake_snapshots"] == 0
    assert keep_house(longer, now + timedelta(days=21)).removed["lake_snapshots"] == 1
    longer.close()


def test_how_long_the_ledger_keeps_what_is_finished_are_settings(here: Installation, monkeypatch):
    kept: list[Retention] = []
    expire = Expiry.expire
    monkeypatch.setattr(Expiry, "expire", lambda self, keep, readers: kept.append(keep) or expire(self, keep, readers))
    other = with_days(
        here, payload_days=31, delivery_days=401, plan_days=91, event_days=32, quarantine_days=181, metric_days=801
    )
    for one in (here, other):
        assert keep_house(one, datetime.now(UTC)).failed == []
    other.close()
    changed = Retention(payloads=31, deliveries=401, plans=91, inbox=32, quarantine=181, metrics=801)
    assert kept == [Retention(), changed]


def test_deliveries_are_not_kept_shorter_than_a_route_compares_them(here: Installation):
    """A document that was sent and is forgotten would be a lost one to the comparison."""
    with pytest.raises(WrongSetting, match="ERP_SYNC_DELIVERY_DAYS is 41; expected at least 42: what route us"):
        with_days(here, delivery_days=41)
    with_days(here, delivery_days=42).close()


def test_a_half_written_file_is_named_and_keeps_nothing_else_from_its_work(here: Installation):
    for entity in (STOCK, "price"):
        for run in range(2):
            file = land(here, entity, f"run-{run}", "a")
    damaged = here.lake.root / file
    damaged.write_bytes(damaged.read_bytes()[:-20])
    done = keep_house(here, datetime.now(UTC) + timedelta(days=2))
    ((what, why),) = done.failed
    assert what == "lake netsuite_us/price"
    assert damaged.name in why
    assert done.removed["lake_compacted"] == 2


@pytest.mark.parametrize(
    "problem",
    [
        sa.exc.OperationalError("UPDATE event_logs SET event = ?", ["ann@example.com"], Exception("locked")),
        sqlite3.OperationalError("locked"),
        WrongState("person", "erased", "locked"),
    ],
    ids=lambda problem: type(problem).__module__,
)
def test_a_chore_that_cannot_be_done_is_named_without_data_and_the_rest_is_done(here: Installation, problem: Exception):
    def locked(_: Installation) -> Done:
        raise problem

    chores = {"first": locked, "second": lambda _: Done(removed={"seconds": 1})}
    done = keep_house(here, datetime.now(UTC), chores)
    ((what, why),) = done.failed
    assert (what, why.endswith("locked"), "example.com" in why) == ("first", True, False)
    assert done.removed["seconds"] == 1
    assert done.removed["ledger_payloads"] == 0


def test_what_nobody_foresaw_of_a_chore_keeps_the_house_from_nothing(here: Installation):
    for run in range(2):
        land(here, STOCK, f"run-{run}", "a")

    def broken(_: Installation) -> Done:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        keep_house(here, datetime.now(UTC) + timedelta(days=2), {"broken": broken})
    assert len(here.lake.files("netsuite_us", STOCK)) == 1


def test_it_is_one_job_with_a_daily_schedule_and_its_figures_are_seen(here: Installation, monkeypatch):
    monkeypatch.setattr("erp_sync.components.installation.current", lambda: here)
    definitions = installation_definitions(here.configuration)
    (schedule,) = [one for one in definitions.schedules or [] if one.name == "daily_housekeeping"]
    assert (schedule.cron_schedule, schedule.default_status) == ("30 1 * * *", dg.DefaultScheduleStatus.RUNNING)
    with dg.DagsterInstance.ephemeral() as instance:
        ran = definitions.resolve_job_def("housekeeping").execute_in_process(instance=instance)
        (event,) = ran.asset_materializations_for_node(KEY.to_python_identifier())
    assert event.metadata["exchanges"].value == 0


def test_exchanges_of_a_dead_letter_stay_until_it_is_resolved(here: Installation):
    """They went after a month, the letter open or not: who came to it then could not see what the system had said."""
    time = datetime(2026, 6, 1, 12, tzinfo=UTC)
    days = Installation(here.settings, here.configuration, clock=lambda: time)
    house = House(days)
    letter, held = house.dead("7"), house.order("8", held=("tax_difference", "tax differs"))
    house.delivered("9")
    for number in (7, 8, 9):
        house.exchange(document=f"{number:09d}", time=time, request_body=f"order {number}".encode())
    house.exchange(connection=STORE, run_id="run-1", time=time, response_body=b"a page of orders")
    house.exchange(connection=STORE, run_id="run-0", time=time, response_body=b"another page")

    def kept() -> list[tuple[str, bytes]]:
        assert keep_house(days, time).failed == []
        log = days.exchanges
        return [(one.document, log.request_body(one) + log.response_body(one)) for one in log.search()]

    page = ("", b"a page of orders")
    time += timedelta(days=31)
    assert kept() == [("000000007", b"order 7"), ("000000008", b"order 8"), page]
    time += timedelta(days=300)
    assert len(kept()) == 3
    days.ledger.dead_letters.dismiss([letter], "ann", "entered by hand")
    assert kept() == [("000000008", b"order 8"), page]
    days.ledger.deliveries.reject(held, "ann", "no")
    assert kept() == []
    assert list((days.settings.exchanges / "segments").iterdir()) == []
    days.close()
