"""Planned maintenance in YAML, and a run that a window overtakes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
import yaml

from erp_sync.components import execution
from erp_sync.components.configuration import ConnectionSpec, WrongConfiguration, read_configuration
from erp_sync.components.maintenance_windows import MaintenanceSpec
from erp_sync.components.route import installation_definitions
from erp_sync.transport.policies import BreakerOpen
from erp_sync_tests.components.test_schedules import SHIPPED

WINDOWS = """
name: netsuite_us
vendor: netsuite
base_url: https://1234567.example.com
time_zone: Europe/Berlin
maintenance:
  - {rule: "FREQ=WEEKLY;BYDAY=SA", from: 22:00, for: 4h, why: weekly release}
  - {from: 2026-12-05T22:00:00-08:00, for: 6h, why: announced}
"""


def test_windows_are_read_from_a_connections_yaml_in_its_time_zone():
    spec = ConnectionSpec.model_validate(yaml.safe_load(WINDOWS))
    weekly, announced = (one.calendar(spec.time_zone) for one in spec.maintenance)
    found = weekly.at(datetime(2026, 11, 28, 21, 30, tzinfo=UTC))
    assert found is not None
    assert (found.starts_at.hour, found.why) == (21, "weekly release")
    found = announced.at(datetime(2026, 12, 6, 6, 0, tzinfo=UTC))
    assert found is not None
    assert found.ends_at == datetime(2026, 12, 6, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rule": "every saturday", "from": "22:00", "for": "4h"}, "no recurrence rule of RFC 5545"),
        ({"from": "22:00", "for": "4h"}, "no date and time, and there is no rule"),
        ({"rule": "FREQ=DAILY", "from": "late", "for": "4h"}, "no time of day such as 22:00"),
        ({"rule": "FREQ=DAILY", "from": "22:00", "for": "long"}, "is no duration"),
        ({"rule": "FREQ=DAILY", "from": "22:00", "for": "4h", "time_zone": "Mars/Base"}, "no time zone 'Mars/Base'"),
    ],
)
def test_a_window_that_cannot_be_read_is_refused_with_file_and_field(tmp_path, wrong: dict[str, str], words: str):
    attributes = yaml.safe_load(WINDOWS) | {"maintenance": [wrong]}
    document = {"type": "erp_sync.components.Connection", "attributes": attributes}
    (tmp_path / "defs.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(WrongConfiguration, match=words) as refused:
        read_configuration(tmp_path)
    assert refused.value.field.startswith("maintenance.0")


def test_a_window_says_what_it_is_in_yamls_own_words():
    assert MaintenanceSpec.model_validate({"rule": "FREQ=DAILY", "from": 75, "for": "1h"}).begins == "01:15"


def materialized(
    flow: str, *, planned: bool, monkeypatch: pytest.MonkeyPatch, **chosen: Any
) -> dg.ExecuteInProcessResult:
    """A run of one flow whose source cannot be called."""

    def refuse(*_: Any) -> dg.MaterializeResult:
        error = BreakerOpen("planned maintenance until 2026-11-23 12:00 UTC", retry_after_seconds=60.0)
        error.planned = planned
        raise error

    monkeypatch.setattr(execution, "_extract", refuse)
    repository = installation_definitions(SHIPPED).get_repository_def()
    (route,) = SHIPPED.routes.values()
    keys = [dg.AssetKey([route.store, "sales_order", "extracted"])]
    keys += [dg.AssetKey([route.name, flow, stage]) for stage in ("transformed", "loaded")]
    job = repository.get_job(route.name)
    return job.execute_in_process(asset_selection=keys, raise_on_error=False, **chosen)


def test_a_run_that_a_window_overtakes_ends_without_error_and_does_nothing_more(monkeypatch):
    result = materialized("orders", planned=True, monkeypatch=monkeypatch, partition_key="2026-11-23")
    assert result.success
    assert result.get_asset_materialization_events() == []


def test_a_system_that_is_down_unplanned_fails_the_run(monkeypatch):
    result = materialized("orders", planned=False, monkeypatch=monkeypatch, partition_key="2026-11-23")
    assert not result.success


def test_a_backfill_of_several_days_says_that_it_has_to_be_started_again(monkeypatch):
    days = {"dagster/asset_partition_range_start": "2026-11-20", "dagster/asset_partition_range_end": "2026-11-22"}
    result = materialized("orders", planned=True, monkeypatch=monkeypatch, tags=days)
    assert not result.success
    failures = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    assert "Start the backfill again after that" in str(failures)
