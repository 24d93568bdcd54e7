"""A whole installation of its own for a bench: sandboxes, Dagster, a route with its lanes in seconds."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from erp_sync import settings as settings_module
from erp_sync.components.installation import Installation
from erp_sync.demo import day, playing
from erp_sync.runtime import services
from erp_sync.sandbox import supervisor
from erp_sync.sandbox.retailer import Retailer
from erp_sync.settings import Settings


@dataclass
class Bench:
    """What a bench works with. `states` are the sandboxes' (base URL, credentials, files)."""

    settings: Settings
    retailer: Retailer
    catalogue: Any

    @property
    def states(self) -> dict[str, Any]:
        return supervisor.status(self.settings.sandboxes)

    def start_services(self, events_port: int | None = None) -> None:
        processes = services.dagster_services(self.settings, web_port=None)
        if events_port is not None:
            processes.append(services.event_service(self.settings, events_port))
        services.start(self.settings, processes, wait_seconds=180)
        day.wait_until_warm(self.settings)

    def use_profile(self, profile: str) -> None:
        """Restart the sandboxes with another latency; their state stays."""
        supervisor.down(self.settings.sandboxes)
        supervisor.up(self.settings.sandboxes, ["netsuite", "magento"], profile)

    def report(self) -> dict[str, Any]:
        installation = Installation(self.settings)
        try:
            return day.judge(self.settings, installation, wall_s=0)
        finally:
            installation.close()

    def wait_until_settled(self, placed: int, seconds: float) -> bool:
        installation = Installation(self.settings)
        try:
            return playing.wait_until_settled(installation, placed, seconds)
        finally:
            installation.close()


def only(flows: Sequence[str], folder: Path, every: str = "2s") -> Path:
    """A copy of the demo's route in which only these flows are on."""
    shutil.copytree(day.DEFS, folder)
    for file in folder.rglob("defs.yaml"):
        documents = list(yaml.safe_load_all(file.read_text()))
        for document in documents:
            # No warehouse is at work beside it: all slots of the account are its own.
            document["attributes"].get("settings", {}).pop("limits", None)
            for name, flow in document["attributes"].get("flows", {}).items():
                flow["mode"] = "on" if name in flows else "off"
                flow["every"] = every
        file.write_text(yaml.safe_dump_all(documents))
    return folder


@contextmanager
def bench_installation(
    profile: str, flows: Sequence[str] | None = ("orders",), events_port: int | None = None
) -> Iterator[Bench]:
    """Everything fresh in a temporary folder; gone at the end.

    With `flows` None all of the demo's route is on, as the demo has it.
    """
    home = Path(tempfile.mkdtemp(prefix="erp-sync-bench-"))
    before = dict(os.environ)
    os.environ["ERP_SYNC_HOME"] = str(home / "home")
    try:
        empty = settings_module.load()
        defs = day.routes_of_today(empty) if flows is None else only(flows, home / "defs")
        settings = day.prepare(empty, profile=profile, defs=defs, events_port=events_port)
        retailer = Retailer()
        catalogue = retailer.catalogue(cover=40, scarce=0)
        bench = Bench(settings, retailer, catalogue)
        try:
            yield bench
        finally:
            services.stop(settings)
            supervisor.down(settings.sandboxes)
    finally:
        os.environ.clear()
        os.environ.update(before)
        time.sleep(0.5)
        shutil.rmtree(home, ignore_errors=True)


def bound_seconds(report: dict[str, Any], slots: int = 5) -> float:
    """The sum of the ERP's service times divided by its slots: no schedule can be shorter."""
    return float(report["api_calls"]["netsuite"]["vendor_seconds"]) / slots
