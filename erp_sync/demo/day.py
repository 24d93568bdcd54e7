"""`erp-sync demo`: a real day of about 500 orders through the whole product, judged at the end.

Both sandboxes, Dagster and its daemon run as they do in production; sensors and schedules do the work.
Only the sandboxes' calendar is compressed; latencies are wall seconds.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from erp_sync import settings as settings_module
from erp_sync.components.configuration import Mode
from erp_sync.components.flow_table import FLOWS
from erp_sync.demo.environment import sandbox_environment
from erp_sync.demo.judging import articles, judge
from erp_sync.demo.people import Buyer, Operator, no_more_sold
from erp_sync.ledger import State
from erp_sync.model.keys import Entity
from erp_sync.settings import Settings

DEFS = Path(__file__).parent / "defs"
START = "2026-01-01T00:00:00Z"
ENVIRONMENT = "environment.json"
DAY = timedelta(hours=24)
DAY_SECONDS = 170.0
# The ERP decides which warehouse ships what, and tells of what was shipped and counted.
ACCOUNT = {"netsuite": {"automatic_locations": True, "push_records": ["itemFulfillment", "inventoryAdjustment"]}}
PUSH_SECRET = "NETSUITE_US_PUSH_SECRET"
EVENTS_PORT = 3001
# When the buyer is at work, as a share of the day, with articles that nobody buys after the other share.
BUYER_AFTER, SOLD_UNTIL = 0.25, 0.12
# How long the installation may take to finish what the day left, before the report says what is open.
SETTLE_SECONDS = 90.0
# Nothing moves for longer than two ticks of every lane of the demo's route.
QUIET_SECONDS = 8

Tell = Callable[[str], None]
# Name of a figure, how far it is, and of how many.
Progress = Callable[[str, int, int], None]


class DemoFailed(RuntimeError):
    """The demo could not be played to its end. Says what was missing."""


def prepare(
    settings: Settings,
    *,
    profile: str = "demo",
    contract: bool = False,
    options: Any = None,
    defs: Path = DEFS,
    events_port: int | None = None,
) -> Settings:
    """Fresh sandboxes and an empty installation that points at them; gives the settings with its routes.

    With `events_port` the ERP's change push goes to the event service there, signed with a secret of its own.

    Sets the environment of this process, and keeps it in the home for later commands.
    """
    from erp_sync.components.installation import Installation
    from erp_sync.runtime import services
    from erp_sync.runtime.storage import initialise
    from erp_sync.sandbox import supervisor

    services.stop(settings)
    supervisor.down(settings.sandboxes)
    forget(settings)
    environment = {"ERP_SYNC_DEFS": str(defs), "ERP_SYNC_HOME": str(settings.home)}
    options = options or ACCOUNT
    if events_port is not None:
        environment[PUSH_SECRET] = secrets.token_hex(32)
        options = {
            **options,
            "netsuite": {
                **options["netsuite"],
                "push_url": f"http://127.0.0.1:{events_port}/events/netsuite_us",
                "push_secret": environment[PUSH_SECRET],
            },
        }
    states = supervisor.up(settings.sandboxes, ["netsuite", "magento"], profile, options, contract=contract, fresh=True)
    environment |= sandbox_environment(states)
    file = settings.home / ENVIRONMENT
    file.touch(mode=0o600)
    file.write_text(json.dumps(environment, indent=2))
    os.environ.update(environment)
    fresh = settings_module.load()
    initialise(fresh, anyway=True)
    installation = Installation(fresh)
    try:
        installation.import_lookups()
        for route in installation.configuration.routes.values():
            # This ERP begins without an order: there is none to look for before a first send.
            if "orders" in route.flows and (start := route.flows["orders"].start) is not None:
                installation.ledger.adopting.finished(route.name, route.erp, start)
    finally:
        installation.close()
    return fresh


def routes_of_today(settings: Settings) -> Path:
    """The demo's routes in the home, going live at midnight (UTC): the first partition of their assets is today."""
    import shutil

    folder = settings.home / "defs"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DEFS, folder)
    for file in folder.rglob("defs.yaml"):
        file.write_text(file.read_text().replace(START, datetime.now(UTC).strftime("%Y-%m-%dT00:00:00Z")))
    return folder


def forget(settings: Settings) -> None:
    """Remove what an earlier demo left in this home; the folder itself stays."""
    import shutil

    for name in ("dagster", "lake", "exchanges", "sandboxes", "logs"):
        shutil.rmtree(settings.home / name, ignore_errors=True)
    for file in settings.home.glob("*.db*"):
        file.unlink()
    settings.home.mkdir(parents=True, exist_ok=True)


def seed(settings: Settings, catalogue: Any, customers: Any) -> None:
    """Catalogue, prices and opening stock in both systems, as a retailer that is long in business has them."""
    from erp_sync.sandbox import supervisor

    for name, erp in (("magento", False), ("netsuite", True)):
        supervisor.control(settings.sandboxes, name, "POST", "seed", catalogue.seed(customers, erp=erp))


def settled(installation: Any, placed: int) -> bool:
    """Every placed order was seen, and nothing is due, under way or to be looked at again in any flow."""
    ledger = installation.ledger
    moving = sum(
        count
        for (_, _, state), count in ledger.deliveries.counts().items()
        if state in (State.DUE.value, State.CLAIMED.value)
    )
    if moving:
        return False
    for route in installation.configuration.routes.values():
        if ledger.received.count_documents(route.store, Entity.SALES_ORDER) < placed:
            return False
        for name, spec in route.flows.items():
            if spec.mode is Mode.OFF:
                continue
            kind = FLOWS[name]
            source, target = getattr(route, kind.source), getattr(route, kind.target)
            if ledger.any_unhandled(route.name, name, source, kind.entity) or ledger.any_due(route.name, name, target):
                return False
    return True


def play(
    settings: Settings | None = None,
    *,
    seconds: float = DAY_SECONDS,
    web_port: int | None = 3000,
    tell: Tell = print,
    progress: Progress | None = None,
    orders: int | None = None,
    keep: bool = True,
    events_port: int | None = EVENTS_PORT,
) -> dict[str, Any]:
    """Play the day and give the report, which is also in ``<home>/../demo/report.json``.

    Args:
        seconds: wall seconds that the shopping day takes.
        progress: told while the day is played, for each figure by its name.
        orders: only so many baskets.
        keep: leave everything running for browsing.
        events_port: of the event service; None: there is none, and everything is polled.
    """
    from erp_sync.components.installation import Installation
    from erp_sync.runtime import services
    from erp_sync.sandbox import shoppers, supervisor
    from erp_sync.sandbox.retailer import Retailer

    began = time.monotonic()
    settings = settings or settings_module.load()
    settings = prepare(settings, defs=routes_of_today(settings), events_port=events_port)
    tell(f"sandboxes and storage are ready in {settings.home}")
    retailer = Retailer()
    catalogue = retailer.catalogue()
    day = retailer.shopping_day(catalogue)
    if orders is not None:
        day = type(day)(day.day, day.baskets[:orders])
    seed(settings, catalogue, day.customers)
    tell(f"{len(catalogue.items)} articles, opening stock and {len(day.customers)} customers are in both systems")
    processes = services.dagster_services(settings, web_port=web_port)
    if events_port is not None:
        processes.append(services.event_service(settings, events_port))
    services.start(settings, processes, wait_seconds=120)
    wait_until_warm(settings)
    tell(f"Dagster runs at http://127.0.0.1:{web_port}" if web_port else "Dagster runs")
    states = supervisor.status(settings.sandboxes)
    installation = Installation(settings)
    stop, closing = threading.Event(), threading.Event()
    staff = Warehouses(states["netsuite"], [place.code for place in catalogue.warehouses], closing)
    buyer = Buyer(states["netsuite"], no_more_sold(catalogue, day, SOLD_UNTIL * DAY), seconds * BUYER_AFTER, closing)
    operator = Operator(installation, closing)
    watching = Watching(installation, len(day.baskets), progress)
    try:
        for one in (staff, buyer, operator, watching):
            one.start()
        played = shoppers.play(
            day,
            states["magento"]["base_url"],
            states["magento"]["credentials"],
            catalogue,
            seconds=seconds,
            stop=stop,
            progress=(lambda done, total, _: progress("orders placed", done, total)) if progress else None,
        )
        tell(f"{len(played.orders)} orders were placed; waiting until everything is settled")
        wait_until_settled(installation, len(played.orders), SETTLE_SECONDS)
        closing.set()
        staff.join()
        buyer.join()
        operator.join()
        tell(f"the warehouses shipped {staff.parcels} parcels and went home; waiting for the last of it")
        wait_until_settled(installation, len(played.orders), SETTLE_SECONDS)
        report = judge(settings, installation, wall_s=time.monotonic() - began)
        report["articles"] = articles(states["magento"], buyer, operator)
    finally:
        closing.set()
        watching.stop()
        installation.close()
        if not keep:
            services.stop(settings)
            supervisor.down(settings.sandboxes)
    target = settings.home.parent / "demo" / "report.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=2, default=str))
    tell(f"report: {target}")
    return report


class Watching(threading.Thread):
    """Tells now and then how many documents have arrived, from the ledger."""

    def __init__(self, installation: Any, placed: int, progress: Progress | None) -> None:
        super().__init__(name="watching", daemon=True)
        self._ledger, self._placed, self._progress = installation.ledger, placed, progress
        self._stopped = threading.Event()

    def run(self) -> None:
        while self._progress is not None and not self._stopped.wait(2):
            counts: Counter[tuple[str, str]] = Counter()
            for (_, flow, state), count in self._ledger.deliveries.counts().items():
                counts[flow, state] += count
                counts[flow, ""] += count
            refused = sum(count for (_, flow, _), count in self._ledger.quarantine.counts().items() if flow == "orders")
            self._progress("orders in the ERP", counts["orders", State.DELIVERED], self._placed)
            self._progress("shipments in the store", counts["shipments", State.DELIVERED], counts["shipments", ""])
            dead = sum(counts[flow, State.DEAD] + counts[flow, State.HELD] for flow in FLOWS)
            self._progress("need a person", refused + dead, refused + dead)

    def stop(self) -> None:
        self._stopped.set()
        if self.is_alive():
            self.join()


class Warehouses(threading.Thread):
    """The warehouses' staff at work in the ERP until the day closes. `parcels` counts what they shipped."""

    def __init__(self, netsuite: Any, locations: list[str], closing: threading.Event) -> None:
        super().__init__(name="warehouses", daemon=True)
        self._netsuite, self._locations, self._closing = netsuite, locations, closing
        self.parcels = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        from erp_sync.sandbox import warehouse

        try:
            worked = warehouse.work(
                self._netsuite["base_url"],
                self._netsuite["credentials"],
                self._locations,
                stop=self._closing,
                pause=3.0,
            )
            self.parcels = sum(len(one.parcels) for house in worked.values() for one in house.shipped)
        except BaseException as error:
            self.failure = error
            raise

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        if self.failure is not None:
            raise DemoFailed(f"a warehouse could not work: {self.failure}") from self.failure


def wait_until_warm(settings: Settings, seconds: float = 120.0) -> bool:
    """Wait until runs can be forked from a warm process; False where that takes too long."""
    from erp_sync.runtime import services

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if services.status(settings).ready:
            return True
        time.sleep(0.2)
    return False


def wait_until_settled(installation: Any, placed: int, seconds: float) -> bool:
    """Wait until nothing moves for a few seconds; False where that takes too long."""
    deadline, quiet = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        time.sleep(1)
        quiet = quiet + 1 if settled(installation, placed) else 0
        if quiet >= QUIET_SECONDS:
            return True
    return False
