"""The short form of `erp-sync demo disaster`: the same code, fewer orders."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.commands import demonstrating
from erp_sync.commands.demonstrating import DISASTERS


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    """All of them, in a process of its own: clocks, threads and the wire are the simulation's there."""
    command = [sys.executable, "-m", "erp_sync_tests.disasters", *DISASTERS, "--json", "--small"]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [one["disaster"] for one in lines] == list(DISASTERS), done.stdout + done.stderr
    return {one["disaster"]: one for one in lines}


@pytest.mark.timeout(600)
def test_a_slow_erp_makes_duplicates_the_old_way_and_none_with_us(told: dict[str, dict[str, Any]]) -> None:
    one = told["duplicate-orders"]
    assert one["old"]["duplicated"] > 0
    assert one["ours"]["timeouts"] > 0
    assert (one["ours"]["duplicated"], one["ours"]["customers_duplicated"], one["ours"]["lost"]) == (0, 0, 0)
    assert one["ours"]["in_erp"] == one["ours"]["orders"] == one["old"]["orders"]
    assert one["prevented"]


def test_nine_tenths_off_everything_waits_in_one_plan_and_other_prices_go(told: dict[str, dict[str, Any]]) -> None:
    one = told["price-cascade"]
    ours = one["ours"]
    assert one["old"]["wrong_prices"] == ours["held_rows"] > 0
    assert (ours["wrong_prices"], ours["writes_of_them"], ours["sold_at_a_tenth"]) == (0, 0, 0)
    assert (ours["held_plans"], ours["alerts"]) == (1, 1)
    assert ours["other_changes_in_store"] == ours["articles"] - ours["held_rows"] > 0
    assert one["prevented"]


def test_the_lane_and_events_sell_less_that_is_not_there_than_jobs(told: dict[str, dict[str, Any]]) -> None:
    one = told["overnight-inventory"]
    job, lane, events = (
        one["old"]["job_30_minutes_oversold"],
        one["ours"]["lane_60_seconds_oversold"],
        one["ours"]["events_oversold"],
    )
    # Of 80 units in 40 seconds a single basket of four counts much: the tenths are of the whole command.
    assert job > 4 * lane >= 0
    assert events <= one["old"]["job_5_minutes_oversold"] / 5
    assert one["prevented"] is None


def test_orders_that_stop_are_missed_within_half_an_hour_and_all_come_after_the_repair(
    told: dict[str, dict[str, Any]],
) -> None:
    one = told["silent-failure"]
    assert one["old"]["lost"] > 0
    assert one["ours"]["minutes_until_told"] <= 30
    assert one["ours"]["delivered_late"] >= one["old"]["lost"]
    assert one["ours"]["in_erp"] == one["ours"]["orders"]
    assert (one["ours"]["lost"], one["ours"]["duplicated"], one["ours"]["out_of_order"]) == (0, 0, 0)


def test_a_name_that_is_none_is_refused_with_those_that_are() -> None:
    result = CliRunner().invoke(app, ["demo", "disaster", "flood"])
    assert result.exit_code == 2
    assert all(name in result.stderr for name in DISASTERS)


def test_without_a_checkout_it_is_said_what_is_missing(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstrating, "CHECKOUT", tmp_path)
    result = CliRunner().invoke(app, ["demo", "disaster", DISASTERS[0]])
    assert result.exit_code == 2
    assert "run this in a checkout" in result.stderr


def test_without_the_tests_packages_it_is_said_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstrating, "NEEDED", ("no_such_package",))
    result = CliRunner().invoke(app, ["demo", "disaster", DISASTERS[0]])
    assert result.exit_code == 2
    assert "no_such_package" in result.stderr
