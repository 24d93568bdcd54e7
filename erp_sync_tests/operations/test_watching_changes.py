"""The watchdog and state flows: where runs find less changed than usual, that is told; time away is not judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from erp_sync import settings as settings_module
from erp_sync.components.configuration import FlowSpec
from erp_sync.components.due import SENSOR_ALIVE
from erp_sync.components.installation import Installation
from erp_sync.ledger.plans import NewPlan, PlanRow
from erp_sync.operations.watching import Watchdog
from erp_sync.operations.watching_alerts import ALERTS
from erp_sync_tests.operations.house import ERP, ROUTE, STORE, House, write_defs

HOUR = timedelta(hours=1)
FRIDAY = datetime(2026, 11, 27, tzinfo=UTC)


class Clock:
    time = FRIDAY

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> None:
        self.time += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def place(home: Path, clock: Clock) -> Iterator[House]:
    """A house on a clock that stands until moved; stock is looked at every five minutes."""
    write_defs(home.parent / "defs", route={"flows": {"inventory": {"mode": "on", "every": "5m"}}})
    here = Installation(settings_module.load(), clock=clock)
    yield House(here)
    here.close()


def stock_changes(place: House, clock: Clock, until: datetime, rows: int = 5) -> None:
    """Runs every ten minutes from eight o'clock to midnight that find so much stock changed."""
    while clock.time < until:
        clock.advance(minutes=10)
        if clock.time.hour >= 8:
            number = f"{clock.time:%d%H%M}"
            plan = NewPlan(
                entity="stock_level",
                target=STORE,
                rows=[PlanRow(key=f"east/{number}-{row}", before='"5"', after='"4"') for row in range(rows)],
            )
            with place.ledger.handling(ROUTE, "inventory", f"run-{number}") as work:
                work.add_plan(plan)


def usual_fridays(place: House, clock: Clock) -> None:
    """Stock changes on two whole Fridays, and on this one until noon, which it is then."""
    for day, until in ((14, 24), (7, 24), (0, 12)):
        midnight = FRIDAY - timedelta(days=day)
        clock.time = midnight + timedelta(hours=7)
        stock_changes(place, clock, midnight + timedelta(hours=until))


def unchanged(watchdog: Watchdog) -> list[str]:
    return [one.text for one in watchdog.look() if one.key == "unchanged/us/inventory"]


def test_stock_that_changes_no_more_is_told_although_every_run_is_green(place: House, clock: Clock):
    watchdog = Watchdog(place.here)
    usual_fridays(place, clock)
    assert unchanged(watchdog) == []
    clock.advance(minutes=60)
    assert unchanged(watchdog) == []
    clock.advance(minutes=60)
    (text,) = unchanged(watchdog)
    assert text.startswith("Stock levels on us: runs found 0 changes since 2026-11-27 12:05 UTC, about 57 are usual")
    assert "unchanged" in {one.cause for one in ALERTS}
    # One row now and then is no business as usual; a usual plan is.
    stock_changes(place, clock, clock.time + timedelta(minutes=20), rows=1)
    assert len(unchanged(watchdog)) == 1
    stock_changes(place, clock, clock.time + timedelta(minutes=10))
    assert unchanged(watchdog) == []
    assert [one for one in place.ledger.notices.open() if one.key == "watch/unchanged/us/inventory"] == []


def told_after(place: House, clock: Clock, watchdog: Watchdog, **by: float) -> bool:
    clock.advance(**by)
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    return bool(unchanged(watchdog))


def fails(place: House, side: str) -> None:
    for _ in range(5):
        place.ledger.breakers.failure(side, "HTTP 503")


@pytest.mark.parametrize("side", [STORE, ERP])  # a state flow compares both
def test_the_time_of_planned_maintenance_is_not_judged(place: House, clock: Clock, side: str):
    usual_fridays(place, clock)
    watchdog = Watchdog(place.here)
    assert not told_after(place, clock, watchdog, minutes=60)
    place.ledger.maintenance.start(side, starts_at=clock.time, ends_at=clock.time + HOUR, why="release", who="ann")
    told = [told_after(place, clock, watchdog, minutes=minutes) for minutes in (0, 59, 1, 30)]
    assert told == [False] * 4, "an hour and a half without the hour of it"
    assert told_after(place, clock, watchdog, minutes=40)


def breaker_opens(place: House, clock: Clock, watchdog: Watchdog) -> None:
    fails(place, STORE)
    assert unchanged(watchdog) != [], "a store that is away settles nothing"
    clock.advance(minutes=1)
    place.ledger.breakers.success(STORE)


def maintenance(place: House, clock: Clock, watchdog: Watchdog) -> None:
    place.ledger.maintenance.start(ERP, starts_at=clock.time, ends_at=clock.time + HOUR, why="release", who="ann")
    assert told_after(place, clock, watchdog, minutes=30)
    clock.advance(minutes=31)


@pytest.mark.parametrize("passes", [breaker_opens, maintenance])
def test_what_is_told_stands_until_business_is_as_usual(
    place: House, clock: Clock, passes: Callable[[House, Clock, Watchdog], None]
):
    """A breaker that opened for a minute took it back, and it was told anew two hours later."""
    usual_fridays(place, clock)
    assert told_after(place, clock, Watchdog(place.here), minutes=120)
    (raised,) = [one.raised_at for one in place.ledger.notices.open() if one.key == "watch/unchanged/us/inventory"]
    passes(place, clock, Watchdog(place.here))
    for _ in range(13):
        assert told_after(place, clock, Watchdog(place.here), minutes=10)
    (standing,) = [one for one in place.ledger.notices.open() if one.key == "watch/unchanged/us/inventory"]
    assert standing.raised_at == raised
    stock_changes(place, clock, clock.time + timedelta(minutes=10))
    assert not told_after(place, clock, Watchdog(place.here), minutes=0)


def test_what_is_told_stands_no_more_where_the_flow_is_off(place: House, clock: Clock):
    usual_fridays(place, clock)
    watchdog = Watchdog(place.here)
    assert told_after(place, clock, watchdog, minutes=120)
    flows = place.here.configuration.routes[ROUTE].flows
    flows["inventory"] = FlowSpec.model_validate({"mode": "off", "every": "5m"})
    assert not told_after(place, clock, watchdog, minutes=1)


def test_a_system_that_is_away_now_and_then_does_not_hide_that_nothing_changes(place: House, clock: Clock):
    """What was judged began anew with each time: half a minute every hour hid it for good. Each look is a process of
    its own, as from cron."""
    usual_fridays(place, clock)
    told = []
    for _ in range(4):
        told.append(told_after(place, clock, Watchdog(place.here), minutes=54))
        clock.advance(minutes=1)
        fails(place, ERP)
        Watchdog(place.here).look()
        clock.advance(seconds=31)
        place.ledger.breakers.success(ERP)
        told.append(told_after(place, clock, Watchdog(place.here), seconds=1))
    assert told[:3] == [False] * 3
    assert told[-1]


def test_spans_are_forgotten_after_a_week(place: House, clock: Clock):
    def spans() -> list[str]:
        return [name for name in place.ledger.heartbeats.all() if name.startswith("unlooked/us/inventory")]

    usual_fridays(place, clock)
    Watchdog(place.here).look()
    store_fails(place, clock)
    (first,) = spans()
    assert first.endswith("/2026-11-27T12:00:00+00:00")
    for _ in range(8 * 24):
        clock.advance(hours=1)
        place.ledger.heartbeats.beat([SENSOR_ALIVE, "watchdog"])
    Watchdog(place.here).look()
    assert spans() == []


def plan_held(place: House, clock: Clock) -> None:
    """What changes meanwhile joins the plan that waits for a person; each newer one takes its place."""
    plan = place.held_plan()
    for _ in range(6):
        clock.advance(minutes=30)
        place.ledger.heartbeats.beat([SENSOR_ALIVE])
        assert unchanged(Watchdog(place.here)) == [], "a plan waits for a person, which is told"
    place.ledger.plans.approve(plan.id, "ann", "a sale")


def sensor_silent(place: House, clock: Clock) -> None:
    """The daemon was gone; the watchdog has seen it."""
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    clock.advance(hours=2)
    Watchdog(place.here).look()


def store_fails(place: House, clock: Clock) -> None:
    clock.advance(hours=2)
    fails(place, STORE)
    Watchdog(place.here).look()
    clock.advance(minutes=1)
    place.ledger.breakers.success(STORE)


def flow_in(mode: str) -> Callable[[House, Clock], None]:
    def change(place: House, clock: Clock) -> None:
        flows = place.here.configuration.routes[ROUTE].flows
        on, flows["inventory"] = flows["inventory"], FlowSpec.model_validate({"mode": mode, "every": "5m"})
        clock.advance(hours=2)
        Watchdog(place.here).look()
        flows["inventory"] = on

    return change


def nobody_watches(place: House, clock: Clock) -> None:
    """The machine was off; the sensor ticks before the watchdog looks."""
    clock.advance(hours=2, minutes=1)


@pytest.mark.parametrize(
    "passes", [plan_held, sensor_silent, store_fails, flow_in("off"), flow_in("shadow"), nobody_watches]
)
def test_time_in_which_a_flow_could_not_be_looked_at_is_not_judged(
    place: House, clock: Clock, passes: Callable[[House, Clock], None]
):
    usual_fridays(place, clock)
    assert unchanged(Watchdog(place.here)) == []
    passes(place, clock)
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    watchdog = Watchdog(place.here)  # what one noted another knows
    assert unchanged(watchdog) == []
    clock.advance(minutes=100)
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    assert unchanged(watchdog) == []
    clock.advance(minutes=20)
    place.ledger.heartbeats.beat([SENSOR_ALIVE])
    assert len(unchanged(watchdog)) == 1
