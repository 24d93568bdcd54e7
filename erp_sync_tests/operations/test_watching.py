"""The watchdog: what fails without an error is told, and what planned maintenance explains is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from erp_sync import settings as settings_module
from erp_sync.cli import app
from erp_sync.components.configuration import FlowSpec
from erp_sync.components.due import SENSOR_ALIVE, look_alive
from erp_sync.components.installation import Installation
from erp_sync.monitoring import alerting
from erp_sync.operations.watching import Watchdog
from erp_sync.ports.documents import Requirement
from erp_sync.runtime.processes import write_whole
from erp_sync.runtime.supervisor import ServiceState, Status, files_of
from erp_sync.transport.losses import Losses
from erp_sync_tests.operations.house import ERP, ROUTE, STORE, House, write_defs

HOUR = timedelta(hours=1)
FRIDAY = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
NIGHT = {"per_hour": 20, "days": ["fri", "sat"], "from": "08:00", "to": "22:00"}


class Clock:
    def __init__(self) -> None:
        self.time = FRIDAY

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> None:
        self.time += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def place(home: Path, clock: Clock) -> Iterator[House]:
    """A house on a clock that stands until moved; orders are expected on Friday, by hand."""
    flows = {
        "orders": {"mode": "on", "start": "2026-11-27T15:00:00Z", "expected": [NIGHT]},
        "shipments": {"mode": "on", "start": "2026-01-01T00:00:00Z"},
        "inventory": {"mode": "on", "every": "5m"},
    }
    write_defs(home.parent / "defs", route={"flows": flows})
    here = Installation(settings_module.load(), clock=clock)
    yield House(here)
    here.close()


def watched(place: House) -> dict[str, str]:
    """Key and severity of what is wrong."""
    return {one.key: one.severity for one in Watchdog(place.here).look()}


def orders_until_now(place: House, count: int = 40, first: int = 1) -> None:
    for number in range(first, first + count):
        place.delivered(str(number))


def test_where_all_is_well_nothing_is_told(place: House):
    orders_until_now(place)
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    assert watched(place) == {}
    assert place.ledger.notices.open() == []


def test_orders_that_stop_are_told_after_half_an_hour_and_settled_when_they_come_again(place: House, clock: Clock):
    orders_until_now(place, 60)
    clock.advance(minutes=20)
    assert watched(place) == {}
    clock.advance(minutes=11)
    assert watched(place) == {"silent/us/orders": "critical"}
    (notice,) = place.ledger.notices.open()
    assert "0 came from magento_us since 2026-11-27 16:01 UTC, about 10 are usual by now" in notice.text
    for number in range(100, 130):
        place.delivered(str(number))
    clock.advance(seconds=1)
    assert watched(place) == {}
    assert place.ledger.notices.open() == []


def test_a_shop_of_few_orders_is_missed_within_half_an_hour_where_a_least_number_is_said(home: Path, clock: Clock):
    bound = {"at_least": 2, "within": "30m", "days": ["fri"], "from": "08:00", "to": "22:00"}
    orders = {"mode": "on", "start": "2026-11-01T15:00:00Z", "expected": [bound]}
    write_defs(home.parent / "defs", route={"flows": {"orders": orders}})
    with closing(Installation(settings_module.load(), clock=clock)) as here:
        place = House(here)
        for number in range(2):
            place.delivered(str(number))
        clock.advance(minutes=29)
        place.ledger.heartbeats.beat([SENSOR_ALIVE])
        assert watched(place) == {}
        clock.advance(minutes=2)
        place.delivered("2")
        place.ledger.heartbeats.beat([SENSOR_ALIVE])
        assert watched(place) == {"silent/us/orders": "critical"}
        (notice,) = place.ledger.notices.open()
        assert "1 came from magento_us since 2026-11-27 16:01 UTC, at least 2 in 30 minutes are demanded" in notice.text
        place.delivered("3")
        clock.advance(seconds=1)
        assert watched(place) == {}


def test_a_store_in_planned_maintenance_is_expected_to_be_silent(place: House, clock: Clock):
    orders_until_now(place, 60)
    end = FRIDAY + timedelta(hours=2)
    place.ledger.maintenance.start(STORE, starts_at=FRIDAY, ends_at=end, why="release", who="ann")
    for _ in range(4):
        clock.advance(minutes=30)
        assert watched(place) == {}
    clock.advance(minutes=25)
    assert watched(place) == {}  # half an hour from the end of the window on is judged
    clock.advance(minutes=10)
    assert watched(place) == {"silent/us/orders": "critical"}


def test_orders_that_stop_are_told_while_the_erp_is_in_maintenance_too(place: House, clock: Clock):
    orders_until_now(place, 60)
    end = FRIDAY + timedelta(hours=2)
    place.ledger.maintenance.start(ERP, starts_at=FRIDAY, ends_at=end, why="release", who="ann")
    clock.advance(minutes=31)
    assert watched(place) == {"silent/us/orders": "critical"}


def test_services_that_were_started_anew_may_catch_up_before_anything_is_told(place: House, clock: Clock):
    """Each `erp-sync up` in the morning would else begin with a critical alert."""
    orders_until_now(place)
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    clock.advance(minutes=25)
    for number in range(200, 240):
        place.delivered(str(number))
    patient = Watchdog(place.here, patience=timedelta(minutes=3))
    assert [one.key for one in patient.look()] == []
    clock.advance(minutes=2)
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    clock.advance(minutes=2)
    assert [one.key for one in patient.look()] == []
    clock.advance(minutes=2)
    assert [one.key for one in patient.look()] == ["sensor"]
    # What stood already is neither told again nor taken back before it can be known to be over.
    started_anew = Watchdog(place.here, patience=timedelta(minutes=3))
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    assert [one.key for one in started_anew.look()] == []
    assert [notice.key for notice in place.ledger.notices.open()] == ["watch/sensor"]
    clock.advance(minutes=3)
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    assert [one.key for one in started_anew.look()] == []
    assert place.ledger.notices.open() == []


def test_a_notice_of_a_breaker_that_is_closed_is_taken_back(place: House):
    orders_until_now(place)
    for _ in range(5):
        place.ledger.breakers.failure(ERP, "HTTP 503")
    place.ledger.breakers.success(ERP)
    place.ledger.notices.raise_once(f"breaker/{ERP}", "warning", "a failure that spoke after the success")
    watched(place)
    assert place.ledger.notices.open() == []


def test_stock_that_could_go_and_does_not_is_told_like_an_order(place: House, clock: Clock):
    """Only documents were looked at: stock and prices stood still without a word."""
    orders_until_now(place, 60)
    plan = place.held_plan()
    place.ledger.plans.approve(plan.id, "ann", "season's end")
    clock.advance(minutes=31)
    orders_until_now(place, 20, first=200)
    assert watched(place) == {"overdue/us/inventory": "error"}
    (notice,) = place.ledger.notices.open()
    assert f"the oldest of 1 changes could go to {STORE} since 2026-11-27 16:00 UTC and has not" in notice.text
    claim = place.ledger.plans.claim(ROUTE, "inventory", STORE, owner="run-4:1")
    assert claim is not None
    place.ledger.plans.applied(claim, place.ledger.plans.begin(claim))
    assert watched(place) == {}


def test_a_dagster_that_is_gone_is_told_by_the_process_beside_it(place: House, clock: Clock):
    orders_until_now(place)
    assert watched(place) == {}  # never started: nobody expects it
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    clock.advance(minutes=2)
    assert watched(place) == {}
    clock.advance(minutes=2)
    assert watched(place) == {"sensor": "critical"}
    (notice,) = place.ledger.notices.open()
    assert "does not look for work since 2026-11-27 16:00 UTC" in notice.text


def test_a_source_that_gives_no_answer_is_told_once_and_not_where_its_breaker_says_so(place: House, clock: Clock):
    place.ledger.heartbeats.beat([SENSOR_ALIVE, look_alive(ROUTE, "inventory")])
    for step in range(7):
        clock.advance(minutes=5)
        place.ledger.heartbeats.beat([SENSOR_ALIVE])
        orders_until_now(place, first=step * 100 + 1)
    assert watched(place) == {"not_looked/us/inventory": "error"}
    for _ in range(5):
        place.ledger.breakers.failure(ERP, "HTTP 503")
    assert watched(place) == {}
    assert [one.key for one in place.ledger.notices.open()] == [f"breaker/{ERP}"]


def test_a_document_that_could_go_and_does_not_is_told(place: House, clock: Clock):
    orders_until_now(place)
    place.order("900")
    clock.advance(minutes=29)
    assert "overdue/us/orders" not in watched(place)
    clock.advance(minutes=2)
    assert watched(place)["overdue/us/orders"] == "error"
    place.ledger.maintenance.start(ERP, starts_at=clock(), ends_at=clock() + timedelta(hours=1), why="", who="ann")
    assert "overdue/us/orders" not in watched(place)


HELD = {"orders": {"held": "1h", "held_for": {"changed_after_delivery": "30m"}}}


def stands(place: House) -> dict[str, str]:
    """Key and text of what is told of documents that stand still."""
    Watchdog(place.here).look()
    found = {one.key.removeprefix("watch/"): one.text for one in place.ledger.notices.open()}
    return {key: text for key, text in found.items() if key.startswith(("held/", "refused/"))}


@pytest.fixture
def told_after_an_hour(place: House) -> House:
    route = place.here.configuration.routes[ROUTE]
    for name, values in HELD.items():
        route.flows[name] = FlowSpec.model_validate({"mode": "on", "start": "2026-11-27T15:00:00Z", **values})
    return place


def test_documents_that_are_held_are_told_once_a_cause_and_taken_back(told_after_an_hour: House, clock: Clock):
    """A tax difference waited for a person for ever, and nobody heard of it."""
    place = told_after_an_hour
    first = place.order("900", held=("tax_difference", "tax is 1.00 here, 1.20 there"))
    clock.advance(minutes=40)
    second = place.order("901", held=("tax_difference", "tax is 2.00 here, 2.20 there"))
    place.order("902", held=("changed_after_delivery", "compare both"))
    assert stands(place) == {}
    clock.advance(minutes=21)
    told = stands(place)
    assert set(told) == {"held/us/orders/tax_difference"}
    text = told["held/us/orders/tax_difference"]
    assert "held for a person: 2, the oldest 000000900 since 2026-11-27 16:00 UTC (for 61 minutes)" in text
    assert "tax is 1.00 here, 1.20 there" in text
    clock.advance(minutes=10)
    assert set(stands(place)) == {"held/us/orders/tax_difference", "held/us/orders/changed_after_delivery"}
    place.ledger.deliveries.approve(first, "ann", "so be it")
    assert set(stands(place)) == {"held/us/orders/changed_after_delivery"}, "the other has not stood for an hour"
    clock.advance(minutes=30)
    assert "held for a person: 1, the oldest 000000901" in stands(place)["held/us/orders/tax_difference"]
    place.ledger.deliveries.reject(second, "ann", "entered by hand")
    assert "held/us/orders/tax_difference" not in stands(place)


def test_a_newer_version_that_is_held_alike_stands_since_the_first(told_after_an_hour: House, clock: Clock):
    place, differs = told_after_an_hour, ("tax_difference", "tax differs")
    delivery = place.order("900")
    clock.advance(minutes=30)
    place.ledger.deliveries.hold(place.claim(), *differs)
    for version in ("2", "3"):
        clock.advance(minutes=25)
        place.order("900", version=version)
        place.ledger.deliveries.hold(place.claim(), *differs)
    clock.advance(minutes=9)
    assert stands(place) == {}, "it could go for the first half hour"
    clock.advance(minutes=2)
    assert "since 2026-11-27 16:30 UTC" in stands(place)["held/us/orders/tax_difference"]
    place.ledger.deliveries.approve(delivery, "ann", "so be it")
    place.ledger.deliveries.hold(place.claim(), *differs)
    assert stands(place) == {}, "a person decided: it begins anew"


def test_what_lacks_something_at_the_target_and_what_was_refused_is_told_alike(told_after_an_hour: House, clock: Clock):
    place = told_after_an_hour
    place.order("900")
    place.ledger.deliveries.wait_for(place.claim(), [Requirement("product", "MUG")])
    place.refused("901")
    clock.advance(minutes=61)
    told = stands(place)
    assert set(told) == {"held/us/orders/requirement_missing/product", "refused/us/orders/malformed_address"}
    assert "waiting for a product at the target: 1, the oldest 000000900" in told[sorted(told)[0]]
    assert "refused, in quarantine: 1, the oldest since" in told[sorted(told)[1]]
    assert [alerting.addresses(f"watch/{key}", "book") for key in sorted(told)] == [
        ["book#reason-requirement_missing", "book#alert-held"],
        ["book#reason-malformed_address", "book#alert-refused"],
    ]


def test_what_the_store_decides_in_its_own_time_is_told_after_a_week(told_after_an_hour: House, clock: Clock):
    place = told_after_an_hour
    place.order("900", held=("pending_payment", "the store waits for the payment"))
    clock.advance(days=6)
    assert stands(place) == {}
    clock.advance(days=1, seconds=1)
    assert set(stands(place)) == {"held/us/orders/pending_payment"}


def test_a_document_that_fails_and_is_tried_again_for_long_is_told(place: House, clock: Clock):
    """Each attempt made it due anew: it failed for hours and was never overdue."""
    orders_until_now(place)
    place.order("900")
    for attempt in range(4):
        clock.advance(minutes=9)
        place.ledger.deliveries.later(place.claim(), clock() + timedelta(minutes=8), "deadlock", "locked_record")
        assert ("overdue/us/orders" in watched(place)) is (attempt == 3)
    clock.advance(minutes=9)
    claim = place.claim()
    assert "overdue/us/orders" in watched(place), "no news while it is tried"
    place.ledger.deliveries.later(claim, clock(), "deadlock", "locked_record")
    overview = place.ledger.overview.flows([(ROUTE, "orders")])
    assert overview[ROUTE, "orders"].oldest_due == clock() - timedelta(minutes=45)


def test_a_document_that_a_person_held_could_go_since_it_was_let_go(place: House, clock: Clock):
    held = place.order("900", held=("tax_difference", "tax differs"))
    clock.advance(days=3)
    orders_until_now(place)
    place.ledger.deliveries.approve(held, "ann", "so be it")
    clock.advance(minutes=20)
    place.ledger.deliveries.later(place.claim(), clock(), "deadlock", "locked_record")
    assert "overdue/us/orders" not in watched(place)
    clock.advance(minutes=11)
    assert watched(place)["overdue/us/orders"] == "error"


def test_a_queue_that_grows_is_told(place: House, clock: Clock):
    for number in range(30):
        place.order(str(number + 1))
    clock.advance(minutes=10)
    assert watched(place) == {"queue/us/orders": "warning"}
    (notice,) = place.ledger.notices.open()
    assert "30 came in the last 30 minutes, 0 went, 30 wait" in notice.text


def test_dead_letters_of_one_cause_are_one_matter(place: House):
    orders_until_now(place)
    place.dead("901")
    place.dead("902")
    place.dead("903", code="malformed_address")
    found = watched(place)
    assert set(found) == {"dead/us/orders/unmapped_payment_method", "dead/us/orders/malformed_address"}
    texts = {one.key.rpartition("/")[2]: one.text for one in place.ledger.notices.open()}
    assert "2 documents need a person, the latest 000000902" in texts["unmapped_payment_method"]
    assert "`erp-sync deadletters --code malformed_address`" in texts["malformed_address"]


def test_calls_that_the_log_gave_up_are_told_once_by_cause_and_that_it_is_over(place: House, clock: Clock):
    """They were counted in the process that met them, and nobody heard of them."""
    orders_until_now(place)
    assert watched(place) == {}
    losses = Losses(place.here.settings.exchanges, clock)
    losses.lose("disk", 40, "OSError: No space left on device")
    losses.lose("queue", 2, "67,108,864 bytes wait to be written")
    for _ in range(2):
        assert watched(place) == {"exchanges_lost/disk": "warning", "exchanges_lost/queue": "warning"}
    texts = {one.key.rpartition("/")[2]: one.text for one in place.ledger.notices.open()}
    assert "40 calls since 2026-11-27 16:00 UTC, the last 16:00, are not in the log" in texts["disk"]
    assert "is full or cannot be written (OSError: No space left on device)" in texts["disk"]
    assert [one.times for one in place.ledger.notices.open()] == [2, 2]
    clock.advance(minutes=10)
    assert watched(place) == {"exchanges_lost/disk": "warning"}, "nothing was written since"
    place.exchange()
    assert watched(place) == {}
    assert place.ledger.notices.open() == []


def test_a_comparison_that_did_not_happen_is_told(place: House, clock: Clock):
    orders_until_now(place)
    place.ledger.receive(STORE, "sales_order.complete", [], advance_to=FRIDAY)
    clock.advance(hours=31)
    assert "not_compared/us/orders" in watched(place)


def test_the_command_looks_once_for_cron(place: House):
    orders_until_now(place)
    place.dead("901")
    result = CliRunner().invoke(app, ["alerts", "watch", "--once", "--json"])
    assert result.exit_code == 1
    keys: list[Any] = [one["key"] for one in json.loads(result.stdout)]
    assert "dead/us/orders/unmapped_payment_method" in keys
    told = CliRunner().invoke(app, ["alerts", "list"])
    assert "told are: nobody; ERP_SYNC_ALERT_URLS says whom" in told.stdout
    refused = CliRunner().invoke(app, ["alerts", "test"])
    assert (refused.exit_code, "no channel is set" in refused.stderr) == (2, True)


def test_what_a_run_has_had_in_hand_for_long_is_told_with_its_process(place: House, clock: Clock):
    orders_until_now(place)
    place.order("77")
    (claim,) = place.ledger.deliveries.claim(ROUTE, "orders", ERP, owner="run-7:4711", lease_seconds=3600)
    clock.advance(minutes=9)
    assert "in_hand/us/orders" not in watched(place)
    clock.advance(minutes=2)
    assert watched(place)["in_hand/us/orders"] == "error"
    (notice,) = [one for one in place.ledger.notices.open() if one.key == "watch/in_hand/us/orders"]
    assert "process 4711 of run run-7 has had 1 documents in hand since 2026-11-27 16:00 UTC" in notice.text
    assert notice.link == "/runs/run-7"
    place.ledger.steps.plan(claim, [])
    place.ledger.deliveries.complete(claim)
    assert "in_hand/us/orders" not in watched(place)


def test_a_service_that_hung_and_was_replaced_is_told_for_an_hour(place: House, clock: Clock):
    orders_until_now(place)
    hung = ServiceState(state="ready", log="fork-server.log", restarts=1, hung_at=clock().timestamp())
    write_whole(
        files_of(place.here.settings.home).state,
        msgspec.json.encode(Status(None, {"fork-server": hung, "web": ServiceState(state="ready", log="")})),
    )
    clock.advance(minutes=5)
    assert watched(place) == {"hung/fork-server": "warning"}
    (notice,) = place.ledger.notices.open()
    assert notice.text.startswith("Service fork-server hung and was replaced 2026-11-27 16:00 UTC.")
    clock.advance(minutes=56)
    assert "hung/fork-server" not in watched(place)
