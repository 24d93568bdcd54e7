"""`erp-sync demo`: a real day of about 500 orders through the whole product, judged at the end.

Both sandboxes, Dagster and its daemon run as they do in production; sensors and schedules do the work.
Only the sandboxes' calendar is compressed; latencies are wall seconds.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from erp_sync import settings as settings_module
from erp_sync.components.configuration import read_configuration
from erp_sync.demo.environment import OPTIONS, Ends, events_of, sandbox_environment
from erp_sync.demo.judging import articles, judge
from erp_sync.demo.playing import Progress, Tell, play_people
from erp_sync.settings import Settings

DEFS = Path(__file__).parent / "defs"
START = "2026-01-01T00:00:00Z"
ENVIRONMENT = "environment.json"
DAY_SECONDS = 170.0
EVENTS_PORT = 3001
# How long the installation may take to finish what the day left, before the report says what is open.
SETTLE_SECONDS = 120.0


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
    configuration = read_configuration(defs)
    ends = Ends.of(configuration)
    options = options or OPTIONS
    if events_port is not None:
        telling, secret = events_of(ends.erp, events_port, secrets.token_hex(32))
        environment |= secret
        options = {**options, ends.erp.vendor: {**options.get(ends.erp.vendor, {}), **telling}}
    states = supervisor.up(settings.sandboxes, ends.vendors, profile, options, contract=contract, fresh=True)
    environment |= sandbox_environment(configuration, states)
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

    ends = Ends.of(read_configuration(settings.defs))
    for connection in (ends.store, ends.erp):
        goods = catalogue.seed(customers, erp=connection is ends.erp)
        supervisor.control(settings.sandboxes, connection.vendor, "POST", "seed", goods)


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
    from erp_sync.sandbox import supervisor
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
    try:
        played = play_people(
            installation, states, catalogue, day, seconds=seconds, tell=tell, progress=progress, settle=SETTLE_SECONDS
        )
        report = judge(settings, installation, wall_s=time.monotonic() - began)
        report["settled"] = played.settled
        store = Ends.of(installation.configuration).store
        report["articles"] = articles(states[store.vendor], played.buyer, played.operator)
    finally:
        installation.close()
        if not keep:
            services.stop(settings)
            supervisor.down(settings.sandboxes)
    target = settings.home.parent / "demo" / "report.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=2, default=str))
    tell(f"report: {target}")
    return report


def wait_until_warm(settings: Settings, seconds: float = 120.0) -> bool:
    """Wait until runs can be forked from a warm process; False where that takes too long."""
    from erp_sync.runtime import services

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if services.status(settings).ready:
            return True
        time.sleep(0.2)
    return False
