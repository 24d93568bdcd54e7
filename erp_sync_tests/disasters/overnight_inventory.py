"""A flash sale sells a popular article out in 8 minutes, half of it in the web and half at tills that book in the ERP.

The store knows its own orders at once; of the tills' sales it hears by what brings stock over. Old way: a job every 30
minutes, or every 5. Ours: the lane of fast sellers every 60 seconds, or the ERP's change push as events.
"""

from __future__ import annotations

import atexit
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from erp_sync.components import events
from erp_sync.components.configuration import FastLane, RouteSpec
from erp_sync.sandbox.catalogue import Line
from erp_sync.service.receiving import Receiver
from erp_sync.systems.netsuite.sandbox.push import SIGNATURE, signature
from erp_sync_tests.chaos.simulation import Process
from erp_sync_tests.disasters.telling import Tell, Told
from erp_sync_tests.disasters.world import PUSH_SECRET, Stage, World, article, shop_of, stage, world

NAME = "overnight-inventory"
#: Issue 5: sold out in 8 minutes, demand half web and half tills, averaged over 20 phases.
MINUTES = 8
PHASES = 20
#: Units a minute in the web, and as many at tills. Tuned to the issue's 340 oversold in a 30-minute job: averaged over
#: its phases such a job lets the web sell on for 5.9 minutes, with this demand some 340 units.
UNITS_A_MINUTE = 58
#: Units of a basket, and of a receipt of a till. A basket of one would be a checkout for each.
BASKET = 4
#: Seconds from a basket to a receipt and back, on average. They come as people do, by chance: at an even beat every
#: basket came two seconds after a receipt, just when an event had arrived, and events never oversold anything.
PAUSE = 30.0 * BASKET / UNITS_A_MINUTE
#: Who is told three times in a row that it is sold out, after it is, tries no more.
REFUSALS = 3
LONGEST = 45 * 60.0
SALE = "SKU-001"
#: Seconds from a save in the ERP to the event service, from a sensor's look to the next one, and to a run's beginning.
PUSHED, LOOK, LAUNCH = 1.0, 0.5, 0.15
SMALL = {"phases": 1, "minutes": 0.7, "processes": 1}


@dataclass(frozen=True)
class Way:
    """How stock gets to the store; `period` is what its phases are parts of."""

    name: str
    period: float
    start: Callable[[World, float], None]


def _job(seconds: float) -> Callable[[World, float], None]:
    def start(here: World, after: float) -> None:
        script = here.script()

        def naive() -> None:
            while True:
                script.stock()
                here.here.sleep(seconds)

        here.spawn(naive, "naive job", after=after)

    return start


def _lane(here: World, after: float) -> None:
    here.now_run("inventory", full=True)
    here.every(60.0, "orders")
    here.every(60.0, "inventory", after=after, keys=[SALE])


def _events(here: World, after: float) -> None:
    """The ERP's push into the inbox, and what the sensor makes of it, as `due_work` does."""
    here.now_run("inventory", full=True)
    here.every(60.0, "orders")
    receiver = Receiver(here.stage.configuration, here.installation.ledger.inbox, here.moment)
    here.erp.core.pusher = _Push(here, receiver)  # type: ignore[attr-defined]
    process = Process("sensor and runs")
    kept = {"at": here.moment().isoformat(), "keys": [SALE]}
    cursor: dict[str, Any] = {f"{here.route.name}/inventory/fast_keys": kept}

    def look() -> None:
        installation = here.house.installation()
        spec = here.route.flows["inventory"]
        while True:
            now = here.moment()
            waiting = events.waiting(installation, installation.configuration, now)
            for poll in events.polls(installation, here.route, "inventory", spec, now, waiting, cursor, ()):
                finding = poll.ask()
                cursor[poll.name] = now.isoformat()
                if finding.keys:
                    here.here.sleep(LAUNCH)
                    here.run("inventory", installation, keys=finding.keys)
            here.here.sleep(LOOK)

    here.spawn(look, "sensor", process, after)


class _Push:
    """In the place of the account's `Pusher`: the same bodies, signed, to the same service."""

    def __init__(self, here: World, receiver: Receiver) -> None:
        self._here, self._receiver = here, receiver

    def send(self, bodies: Sequence[bytes]) -> None:
        name = self._here.erp.name
        for body in bodies:
            headers = {SIGNATURE.lower(): signature(PUSH_SECRET, body)}
            self._here.spawn(
                lambda headers=headers, body=body: self._receiver.take(name, headers, body), "push", after=PUSHED
            )

    def close(self) -> None:
        pass


WAYS = (
    Way("job_30_minutes", 1800.0, _job(1800.0)),
    Way("job_5_minutes", 300.0, _job(300.0)),
    Way("lane_60_seconds", 60.0, _lane),
    Way("events", events.EVERY.total_seconds(), _events),
)


def _fast(route: RouteSpec) -> RouteSpec:
    inventory = route.flows["inventory"].model_copy(
        update={"fast": FastLane(every=timedelta(seconds=60), skus=(SALE,))}
    )
    return route.model_copy(update={"flows": {**route.flows, "inventory": inventory}})


def _half(minutes: float) -> int:
    """Units that tills sell, in whole receipts; the web is to sell as many."""
    return BASKET * round(UNITS_A_MINUTE * minutes / BASKET)


@contextmanager
def _begin(minutes: float) -> Iterator[Stage]:
    stock = {SALE: 2 * _half(minutes), "SKU-002": 50}
    with stage(shop_of([article(number) for number in range(1, 6)], stock), _fast) as set_up:
        yield set_up


_stages: list[Stage] = []


def _begin_process(minutes: float) -> None:
    """Of a process that plays some of the sales; it ends with the pool."""
    begun = ExitStack()
    _stages.append(begun.enter_context(_begin(minutes)))
    atexit.register(begun.close)


def _play_there(work: tuple[int, int, int, float]) -> int:
    return _play(_stages[0], *work)


def _play(set_up: Stage, number: int, phase: int, phases: int, minutes: float) -> int:
    way = WAYS[number]
    with world(set_up, seed=phase + 1) as here:
        way.start(here, way.period * (phase + 0.5) / phases)
        return _sale(here, minutes)


def play(tell: Tell, phases: int = PHASES, minutes: float = MINUTES, processes: int = 2) -> Told:
    tell(
        f"{2 * _half(minutes)} units, gone in {minutes:g} minutes: {UNITS_A_MINUTE} a minute in the web "
        f"and as many at tills, which book in the ERP. Each way is played {phases} times, its ticks shifted by a part "
        "of their period each time."
    )
    found: dict[str, list[int]] = {}
    with ExitStack() as open_now:
        if processes == 1:
            set_up = open_now.enter_context(_begin(minutes))
            sales = lambda works: [_play(set_up, *work) for work in works]  # noqa: E731
        else:
            spawned = multiprocessing.get_context("spawn").Pool(processes, _begin_process, (minutes,))
            pool = open_now.enter_context(spawned)
            sales = lambda works: pool.map(_play_there, works, chunksize=1)  # noqa: E731
        for number, way in enumerate(WAYS):
            units = found[way.name] = sales([(number, phase, phases, minutes) for phase in range(phases)])
            words = f"{sum(units) / phases:.1f} units oversold on average, {max(units)} at worst"
            tell(f"{way.name.replace('_', ' ')}: {words}")
    average = {name: round(sum(units) / phases, 1) for name, units in found.items()}
    worst = {name: max(units) for name, units in found.items()}
    old = {f"{name}_oversold": average[name] for name in ("job_30_minutes", "job_5_minutes")}
    old |= {f"{name}_worst": worst[name] for name in ("job_30_minutes", "job_5_minutes")}
    ours = {f"{name}_oversold": average[name] for name in ("lane_60_seconds", "events")}
    ours |= {f"{name}_worst": worst[name] for name in ("lane_60_seconds", "events")}
    ours["lane_of_30_minutes"] = round(average["lane_60_seconds"] / max(average["job_30_minutes"], 0.1), 3)
    ours["events_of_5_minutes"] = round(average["events"] / max(average["job_5_minutes"], 0.1), 3)
    tenths = max(ours["lane_of_30_minutes"], ours["events_of_5_minutes"]) <= 0.1
    return Told(
        NAME, {"phases": phases, **old}, {"phases": phases, **ours}, tenths if _decides(phases, minutes) else None
    )


def _decides(phases: int, minutes: float) -> bool:
    """A sale that is over before the jobs' first tick, or a single phase, tells of one basket's luck, not of tenths."""
    return phases >= PHASES and minutes >= MINUTES


def _sale(here: World, minutes: float) -> int:
    """The sale, until the shop says that it is sold out; units oversold, by the checker."""
    item = here.back.query(f"SELECT id FROM item WHERE itemid = '{SALE}' ORDER BY id")[0]["id"]
    east = here.back.query("SELECT id FROM location WHERE externalid = 'east' ORDER BY id")[0]["id"]
    account = here.back.query("SELECT id FROM account WHERE accttype = 'COGS' ORDER BY id")[0]["id"]
    began, sold, refused, number = here.here.now, 0, 0, 0
    while here.here.now - began < LONGEST:
        number += 1
        placed = here.buy(number, [Line(SALE, BASKET)])
        over = here.here.now - began >= minutes * 60
        refused = refused + 1 if over and placed.order_id is None else 0
        if refused >= REFUSALS:
            break
        here.after(here.random.expovariate(1 / PAUSE))
        if sold < _half(minutes):
            sold += BASKET
            line = {"item": {"id": item}, "location": {"id": east}, "adjustQtyBy": -BASKET}
            here.back.create(
                "inventoryAdjustment",
                {
                    "externalId": f"till-{sold}",
                    "subsidiary": {"id": "1"},
                    "account": {"id": account},
                    "adjLocation": {"id": east},
                    "memo": "till receipt",
                    "inventory": {"items": [line]},
                },
            )
        here.after(here.random.expovariate(1 / PAUSE))
    return int(here.report(ours=False).stock.figures()["oversold_units"])
