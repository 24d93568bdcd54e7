"""A person in Dagster's own storage, SQLite and PostgreSQL, and in the logs of runs: found, and gone afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from dagster import AssetMaterialization, DagsterInstance, DagsterRun
from dagster._core.storage.compute_log_manager import ComputeIOType

from erp_sync import settings
from erp_sync.model.personal import PersonalTexts
from erp_sync.operations import personal_files
from erp_sync.packing import unpacked
from erp_sync.runtime.storage import initialise
from erp_sync.settings import Settings
from erp_sync_tests.ledger.databases import postgres

ZORA = PersonalTexts(
    email="zora.quennessy@example.org",
    names=frozenset({("Zora", "Quennessy")}),
    streets=frozenset({"77 Quillback Terrace"}),
    phones=frozenset({"(303) 555-0177"}),
    mark="mark",
)
WORDS = re.compile(r"zora.quennessy|Quennessy|Quillback|555-0177", re.IGNORECASE)
STEP = ["run", "compute_logs", "load"]


@pytest.fixture(params=["sqlite", "postgresql"])
def chosen(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    home = {"ERP_SYNC_HOME": str(tmp_path / "home")}
    if request.param == "sqlite":
        yield settings.load(home)
        return
    with postgres() as server:
        name = server.create()
        url = server.url(name).replace("+psycopg:", "+psycopg2:")
        monkeypatch.setenv("ERP_SYNC_DAGSTER_POSTGRES_URL", url)
        yield settings.load(home | {"ERP_SYNC_DAGSTER_POSTGRES_URL": url})
        server.drop(name)


def seed(chosen: Settings) -> None:
    """Where a word about a person may get into what Dagster keeps."""
    initialise(chosen)
    with DagsterInstance.from_config(str(chosen.dagster_home)) as instance:
        instance.add_run(
            DagsterRun(
                job_name="us_orders",
                tags={"erp_sync/why": f"{ZORA.email} asked"},
                run_config={"ops": {"load": {"config": {"why": "for Zora Quennessy"}}}},
            )
        )
        metadata = {"to": "Zora Quennessy, 77 Quillback Terrace", "call": f"https://shop/V1/orders?email={ZORA.email}"}
        told = AssetMaterialization("orders", description=f"{ZORA.email}, (303) 555-0177", metadata=metadata)
        instance.report_runless_asset_event(told)
        instance.report_runless_asset_event(AssetMaterialization("orders", description="somebody else's"))
        with instance.compute_log_manager.open_log_stream(STEP, ComputeIOType.STDERR) as log:
            assert log is not None
            log.write("delivered to Zora Quennessy, 77 Quillback Terrace\nanother line\n")


def rows(chosen: Settings) -> list[str]:
    found = []
    for url in personal_files.storages(chosen).values():
        engine = sa.create_engine(url)
        tables = sa.MetaData()
        tables.reflect(engine)
        with engine.connect() as read:
            for table in tables.sorted_tables:
                values = [[unpacked(value) for value in row] for row in read.execute(sa.select(table))]
                found += [f"{table.name}: {row}" for row in values]
        engine.dispose()
    return found


def test_a_person_is_found_in_dagsters_storage_and_gone_afterwards(chosen: Settings) -> None:
    seed(chosen)
    places = {row.partition(":")[0] for row in rows(chosen) if WORDS.search(row)}
    assert places >= {"runs", "run_tags", "event_logs"}
    held = personal_files.held(chosen, ZORA)
    assert {place.rpartition(" ")[2] for place in held} == places
    logs = [path for path in personal_files.texts(chosen) if personal_files.lines_about(path, ZORA)]
    assert [path.suffix for path in logs] == [".err"]

    done = sum(
        (personal_files.scrub_database(url, ZORA).total() for url in personal_files.storages(chosen).values()), 0
    )
    assert sum(personal_files.overwrite(path, ZORA) for path in logs) > 0

    assert done == sum(len(some) for some in held.values())
    assert [row for row in rows(chosen) if WORDS.search(row)] == []
    assert personal_files.held(chosen, ZORA) == {}
    files = [path for path in chosen.home.rglob("*") if path.is_file()]
    assert [path for path in files if WORDS.search(path.read_bytes().decode(errors="replace"))] == []
    assert "another line" in logs[0].read_text()
    with DagsterInstance.from_config(str(chosen.dagster_home)) as instance:
        (run,) = instance.get_runs()
        assert run.job_name == "us_orders"
        assert instance.get_latest_materialization_event(AssetMaterialization("orders").asset_key) is not None
