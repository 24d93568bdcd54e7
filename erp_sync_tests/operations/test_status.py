from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.commands.watching import keep_looking
from erp_sync.operations.status import status
from erp_sync_tests.operations.house import ERP, NOON, STORE, House


def test_every_flow_tells_what_is_due_held_dead_and_refused(house: House) -> None:
    house.delivered("1")
    house.dead("2")
    house.order("3", held=("on_hold", "in the store"))
    house.refused("4")
    house.order("5")
    orders, shipments, inventory = status(house.here).flows
    assert (orders.due, orders.held, orders.dead, orders.quarantined, orders.unhandled) == (1, 1, 1, 1, 0)
    assert orders.oldest_due is not None
    assert orders.last_loaded is not None
    assert (shipments.due, shipments.last_loaded, shipments.mode) == (0, None, "on")
    assert inventory.target == STORE


def test_a_look_that_found_nothing_counts_as_a_poll(house: House) -> None:
    assert status(house.here).flows[0].last_poll is None
    house.exchange(
        time=NOON, connection=STORE, operation="sales_order.peek", run_id="sensor", found_nothing=True, method="GET"
    )
    assert status(house.here).flows[0].last_poll == NOON


def test_an_open_breaker_and_a_pause_are_told_with_their_reason(house: House) -> None:
    for _ in range(5):
        house.ledger.breakers.failure(ERP, "HTTP 503")
    house.ledger.limits.pause(STORE, 30, "Retry-After")
    store, erp = status(house.here).connections
    assert (erp.breaker, erp.breaker_why, erp.slots) == ("open", "HTTP 503", 5)
    assert store.paused_s > 0
    assert store.paused_why == "Retry-After"


def test_plans_that_wait_and_alerts_are_listed(house: House) -> None:
    house.held_plan()
    house.ledger.notices.raise_once("plan_held/us/inventory", "warning", "a plan waits")
    found = status(house.here)
    assert [(plan.plan, plan.flow, plan.rows) for plan in found.plans_waiting] == [(1, "inventory", 1)]
    assert [alert.text for alert in found.alerts] == ["a plan waits"]
    assert not found.running


def test_key_figures_stand_beside_their_targets(house: House) -> None:
    house.delivered("1")
    house.dead("2")
    found = {(one.flow, one.kpi, one.label): one for one in status(house.here).kpis}
    success = found["orders", "success_rate", ""]
    assert (success.value, success.unit, success.window, success.target, success.met) == (
        0.5,
        "ratio",
        "24 h",
        "above 99.5 %",
        False,
    )
    assert found["shipments", "success_rate", ""].value is None


def test_the_command_shows_them_and_marks_what_is_missed(house: House) -> None:
    house.delivered("1")
    house.dead("2", "unknown_item")
    shown = CliRunner().invoke(app, ["status"])
    assert shown.exit_code == 0
    assert "success rate (24 h, above 99.5 %)" in shown.output
    (orders,) = [line for line in shown.output.splitlines() if line.startswith("  orders ") and " %" in line][:1]
    assert "! 50.00 %" in orders
    assert "unknown" in next(line for line in shown.output.splitlines() if line.startswith("  shipments  unknown"))
    assert any(
        line.split()[:4] == ["orders", "document", "errors", "unknown_item"] for line in shown.output.splitlines()
    )
    asked = json.loads(CliRunner().invoke(app, ["status", "--json"]).output)
    assert {one["met"] for one in asked["kpis"] if one["kpi"] == "success_rate"} == {False, None}


def test_watching_draws_until_it_is_interrupted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("erp_sync.commands.watching.time.sleep", sleep)
    looks = iter(["first look", "second look", "third look"])
    screen = io.StringIO()
    keep_looking(lambda: next(looks), 2.0, Console(file=screen, force_terminal=True, width=80, height=20))
    assert slept == [2.0, 2.0]
    assert "second look" in screen.getvalue()
    assert "third look" in screen.getvalue()
    slept.clear()
    assert CliRunner().invoke(app, ["status", "--watch", "--every", "3"]).exit_code == 0
    assert slept == [3.0, 3.0]
    assert CliRunner().invoke(app, ["status", "--watch", "--json"]).exit_code == 2


def test_an_exchange_log_that_does_not_answer_is_not_taken_for_the_ledger(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was said that the ledger does not answer, and that ERP_SYNC_LEDGER_URL is to be corrected."""
    place = house.here.settings.exchanges / "exchanges.db"
    place.unlink(missing_ok=True)
    place.mkdir(parents=True)  # what its driver cannot open
    screens: list[str] = []
    monkeypatch.setattr("erp_sync.commands.watching.keep_looking", lambda look, every, console: screens.append(look()))
    assert CliRunner().invoke(app, ["status", "--watch"]).exit_code == 0
    once = CliRunner().invoke(app, ["status"])
    assert once.exit_code == 2
    for told in (*screens, once.output.strip().removeprefix("erp-sync: ")):
        assert told.startswith(
            f"the exchange log at sqlite:///{place} does not answer: unable to open database file; next: end "
        )
        assert told.endswith("or correct ERP_SYNC_HOME")
    assert len(screens) == 1
