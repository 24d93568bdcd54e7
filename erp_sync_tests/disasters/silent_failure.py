"""Orders stop on a Friday afternoon.

The store's integration has lost the right to read orders: it is answered with an empty list, which is no error. Old
way: the job is green all weekend, and somebody asks on Monday. Ours: the watchdog misses the orders within half an
hour; after the repair all of the weekend is delivered, in order, none twice.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time
from typing import Any

from erp_sync.components.configuration import Expected, RouteSpec
from erp_sync.operations.watching import Watchdog
from erp_sync.sandbox.catalogue import Line
from erp_sync.sandbox.files import reading
from erp_sync_tests.chaos import network
from erp_sync_tests.disasters.telling import Channel, Tell, Told
from erp_sync_tests.disasters.world import World, article, shop_of, stage, world

NAME = "silent-failure"
#: Issue 5: a Friday afternoon; on Monday; an alert within 30 minutes; 72 hours of orders.
HOURS = 72
WITHIN = 30
FRIDAY = datetime(2026, 11, 6, 14, tzinfo=UTC)
#: The issue gives no rate; this is a shop of some 600 orders a day. Said by hand in the
#: route's YAML (`expected`), since a new shop has no history: orders an hour by day and by night.
DAY, NIGHT = 40, 4
OPENS, CLOSES = time(8), time(22)
#: What goes well before it stops, in hours.
BEFORE = 1
PACE, LOOK = 120.0, 120.0
#: In order: orders leave by the time they were placed. Five leave at once, and the minute's run and the backfill work
#: side by side, so that one may be passed while it is being sent. Out of order is one that more orders passed than two
#: drains have in hand, which were placed later and are in the ERP before it.
IN_HAND = 20
#: The days that an operator completes after the repair, as a backfill of their partitions does.
DAYS = 4
SMALL = {"hours": 0.55, "before": 0.5}


def _expecting(route: RouteSpec) -> RouteSpec:
    orders = route.flows["orders"].model_copy(
        update={
            "start": FRIDAY,
            "expected": (
                Expected(per_hour=DAY, **{"from": OPENS, "to": CLOSES}),
                Expected(per_hour=NIGHT, **{"from": time(0), "to": OPENS}),
                Expected(per_hour=NIGHT, **{"from": CLOSES, "to": time(0)}),
            ),
        }
    )
    return route.model_copy(update={"flows": {**route.flows, "orders": orders}})


def play(tell: Tell, hours: float = HOURS, before: float = BEFORE) -> Told:
    items = [article(number) for number in range(1, 11)]
    with stage(shop_of(items, {item.sku: 100_000 for item in items}), _expecting) as set_up:
        tell(
            f"{DAY} orders an hour by day, {NIGHT} by night. On a Friday afternoon the shop's role "
            "loses the right to see orders: lists of "
            f"orders are empty from then on, with status 200. It is put right {hours:g} hours later."
        )
        with world(set_up, start=FRIDAY) as old:
            script = old.script()

            def naive() -> None:
                while True:
                    script.orders(old.moment())
                    old.here.sleep(PACE)

            old.spawn(naive, "naive script")
            found_old = _weekend(old, before, hours, None)
        tell(
            f"The old way: every run was green, nobody was told; {found_old['lost']} of {found_old['orders']} orders "
            "are not in the ERP on Monday, nor later: the script looks for what is new since its last run."
        )
        with world(set_up, start=FRIDAY) as new:
            new.every(PACE, "orders")
            channel = Channel()
            watchdog = Watchdog(new.installation, channel)

            def watch() -> None:
                while True:
                    watchdog.look()
                    new.here.sleep(LOOK)

            new.spawn(watch, "watchdog")
            found_new = _weekend(new, before, hours, channel)
        tell(
            f"erp_sync: told after {found_new['minutes_until_told']} minutes; {found_new['delivered_late']} orders "
            f"went after the repair, {found_new['lost']} lost, {found_new['duplicated']} twice, "
            f"{found_new['out_of_order']} out of order."
        )
        for message in channel.messages:
            tell("  " + message.title)
    told = found_new["minutes_until_told"]
    prevented = (
        found_old["lost"] > 0
        and told is not None
        and told <= WITHIN
        and not any(found_new[name] for name in ("lost", "duplicated", "out_of_order"))
        and found_new["delivered_late"] >= found_old["lost"]
        and found_new["in_erp"] == found_new["orders"]
    )
    return Told(NAME, found_old, found_new, prevented)


@contextmanager
def _blind(here: World) -> Iterator[None]:
    """The store answers lists of orders with nothing, to whoever is not its own front."""
    original = network._Flight.arrive

    def arrive(flight: Any, answer: Any) -> None:
        if flight.system is here.store and flight.asked.method == "GET" and flight.asked.path.endswith("/V1/orders"):
            answer = network.json_response({"items": [], "search_criteria": {}, "total_count": 0})
        original(flight, answer)

    network._Flight.arrive = arrive  # type: ignore[method-assign]
    try:
        yield
    finally:
        network._Flight.arrive = original  # type: ignore[method-assign]


def _weekend(here: World, before: float, hours: float, channel: Channel | None) -> dict[str, Any]:
    """Until everything is at rest after the repair; the checker's figures."""
    number = _shopping(here, before, 0)
    here.after(PACE * 2)
    stopped = here.here.now
    with _blind(here):
        number = _shopping(here, hours, number)
    repaired = here.here.now
    if channel is not None:
        here.now_run("orders", full=True, days=DAYS)
    for _ in range(12):
        here.after(600)
        report = here.report(ours=channel is not None)
        # What erp_sync says that it holds is not lost, and not delivered either.
        if channel is None or len(report.orders.in_erp) == len(report.orders.placed):
            break
    with reading(here.erp.database) as erp:
        rows = erp.execute(
            "SELECT otherrefnum, min(id) AS first FROM \"transaction\" WHERE type = 'SalesOrd' GROUP BY otherrefnum"
        ).fetchall()
    numbers = [int(row["otherrefnum"]) for row in sorted(rows, key=lambda row: row["first"])]
    with reading(here.erp.journal.path) as journal:
        late = journal.execute(
            "SELECT count(DISTINCT document) AS count FROM commits WHERE entity = 'salesOrder' AND change = 'create' "
            "AND committed_at > ?",
            (repaired,),
        ).fetchone()["count"]
    passed = overtaken(numbers)
    told = None
    if channel is not None:
        heard = zip(channel.at, channel.messages, strict=True)
        told = next((at for at, message in heard if at > stopped and "are usual by now" in message.title), None)
    return {
        "orders": len(report.orders.placed),
        "in_erp": len(report.orders.in_erp),
        "minutes_until_told": None if told is None else round((told - stopped) / 60, 1),
        "noticed_after_hours": round((repaired - stopped) / 3600, 1) if told is None else None,
        "delivered_late": late,
        "lost": len(report.orders.lost),
        "duplicated": len(report.orders.duplicated),
        "most_places_overtaken": max(passed),
        "out_of_order": sum(places > IN_HAND for places in passed),
    }


def overtaken(numbers: Sequence[int]) -> list[int]:
    """Of numbers that were given in order and came in this one: by how many later ones each was passed."""
    before: list[int] = []
    passed = []
    for number in numbers:
        passed.append(len(before) - bisect(before, number))
        insort(before, number)
    return passed


def _shopping(here: World, hours: float, number: int) -> int:
    end = here.here.now + hours * 3600
    while here.here.now < end:
        number += 1
        here.buy(number, [Line(f"SKU-{here.random.randint(1, 10):03d}", 1)])
        rate = DAY if OPENS <= here.moment().time() < CLOSES else NIGHT
        here.after(3600 / rate * here.random.uniform(0.5, 1.5))
    return number
