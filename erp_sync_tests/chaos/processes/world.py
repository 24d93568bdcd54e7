"""One seed's world of real processes: both sandboxes, an installation with a route's flows on, people around them.

Nothing here knows a vendor: a system's endpoints, settings and people are found by the vendor's folder
(`erp_sync_tests.systems.VENDOR.chaos`), the route and its connections in the YAML that ships.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import yaml

from erp_sync import settings as settings_module
from erp_sync.components.configuration import RouteSpec, read_configuration
from erp_sync.components.installation import Installation
from erp_sync.runtime import services
from erp_sync.runtime.fork_server import SINGLE_THREADED
from erp_sync.runtime.service_set import port_is_free
from erp_sync.runtime.storage import initialise
from erp_sync.sandbox import supervisor
from erp_sync.settings import Settings
from erp_sync_tests.chaos import mutants
from erp_sync_tests.chaos.house import FLOWS, catalogue, defs, people_of
from erp_sync_tests.chaos.people import Shoppers, Staff
from erp_sync_tests.chaos.processes.events import Teller
from erp_sync_tests.chaos.processes.schedule import Schedule
from erp_sync_tests.chaos.workshop import workshop
from erp_sync_tests.ledger.databases import OwnServer, postgres_of_its_own

# Articles, and units of each that the ERP has at each of two places: three state keys an article.
ARTICLES, UNITS = 180, 60
EVERY = "2s"
# Of those who tell of changes.
SECRET = "the secret of a seed's events"
# No plan waits for a person, who would not be there: prices jump here as they never do in life.
GUARDS: Mapping[str, Mapping[str, float]] = {
    "inventory": {"max_zeroed_share": 1, "max_missing_share": 1},
    "prices": {"max_jump_factor": 1000, "max_changed_share": 1, "max_missing_share": 1},
}
# How long a person waits for an answer.
PATIENCE = 6.0


@dataclass
class World:
    """What a seed is played in. The judge takes it in the place of tier one's house."""

    settings: Settings
    route: RouteSpec
    vendors: Mapping[str, str]
    log: Path
    ports: tuple[int, int] = field(default_factory=lambda: (_steady_port(), _steady_port()))
    postgres: OwnServer | None = None
    faults: Counter[str] = field(default_factory=Counter)
    teller: Teller | None = None
    # Between two looks at a source, by flow; a slow machine's are longer.
    pauses: dict[str, float] = field(default_factory=dict)
    # When a process was killed, when everything moved again after it, when a mishap began and ended: Unix seconds.
    interruptions: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        states = supervisor.status(self.settings.sandboxes)
        self.network = SimpleNamespace(
            systems={
                name: SimpleNamespace(
                    vendor=vendor,
                    database=Path(states[name]["database"]),
                    journal=SimpleNamespace(path=Path(states[name]["journal"])),
                    clock=SimpleNamespace(skew=0),
                )
                for name, vendor in self.vendors.items()
            }
        )
        if self.teller is not None:
            self.teller.to = f"http://127.0.0.1:{self.ports[1]}/events/{self.route.erp}"
        self._wires = [httpx.Client(timeout=PATIENCE, trust_env=False) for _ in self.vendors]
        self.people = {
            name: people(states[name], goods(), wire)
            for (name, people), wire in zip(
                ((self.route.store, Shoppers), (self.route.erp, Staff)), self._wires, strict=True
            )
        }

    def up(self) -> None:
        """As an operator starts everything, after a power cut, too."""
        with self.log.open("ab") as out:
            subprocess.run(
                [sys.executable, *self.starting()], stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=True,
                timeout=540,
            )  # fmt: skip

    def starting(self) -> list[str]:
        """Arguments of Python that start everything."""
        ports = ["--port", str(self.ports[0]), "--events-port", str(self.ports[1])]
        return ["-m", "erp_sync.cli", "up", "--json", *ports]

    def installation(self, *, as_shipped: bool = False) -> Installation:
        """`as_shipped` changes nothing: no page is made smaller here."""
        return Installation(self.settings)

    @staticmethod
    def outside(ask: Callable[[], Any]) -> Any:
        return ask()

    def close(self) -> None:
        for wire in self._wires:
            wire.close()


def _steady_port() -> int:
    """One that nobody gets for a connection of its own while the machine is dead: systems take those from 32768 on."""
    while True:
        port = random.randrange(20_000, 32_000)
        if port_is_free(port):
            return port


def goods() -> Any:
    return catalogue(ARTICLES, UNITS)


@contextmanager
def world(route: str, plan: Schedule, mutant: str = "") -> Iterator[World]:
    """Everything fresh in a folder of its own, nothing started but the sandboxes; all of it gone at the end."""
    before, played = dict(os.environ), defs()
    with ExitStack() as stack:
        folder = stack.enter_context(workshop(Path(tempfile.gettempdir())))
        stack.callback(_restore, before)
        server: OwnServer | None = None
        if plan.postgres:
            server = stack.enter_context(postgres_of_its_own())
            ledger, storage = server.create(), server.create()
            os.environ["ERP_SYNC_LEDGER_URL"] = server.url(ledger)
            os.environ["ERP_SYNC_DAGSTER_POSTGRES_URL"] = server.url(storage).replace("+psycopg:", "+psycopg2:")
        os.environ |= {"ERP_SYNC_HOME": str(folder / "home"), "ERP_SYNC_DEFS": str(folder / "defs")}
        (folder / "defs").mkdir()
        settings = settings_module.load()
        spec = read_configuration(played).route(route)
        vendors = {name: read_configuration(played).connection(name).vendor for name in (spec.store, spec.erp)}
        options = {name: dict(getattr(people_of(vendor), "OPTIONS", {})) for name, vendor in vendors.items()}
        if plan.lag:
            options[spec.erp]["index_lag_seconds"] = plan.lag
        faults: Counter[str] = Counter()
        teller = Teller(plan.seed, faults) if hasattr(people_of(vendors[spec.erp]), "event_options") else None
        if teller is not None:
            stack.callback(teller.close)
            options[spec.erp] |= people_of(vendors[spec.erp]).event_options(teller.url, SECRET)
        settings.home.mkdir(parents=True)
        states = supervisor.up(settings.sandboxes, vendors, "fast", options, fresh=True)
        stack.callback(supervisor.down, settings.sandboxes)
        for name in vendors:
            seed = goods().seed(erp=name == spec.erp)
            supervisor.control(settings.sandboxes, name, "POST", "seed", seed)
        if teller is not None:
            states[spec.erp]["credentials"] |= people_of(vendors[spec.erp]).event_credentials(SECRET)
        write_route(played, folder / "defs", route, vendors, states)
        initialise(settings, anyway=True)
        here = Installation(settings)
        try:
            here.import_lookups()
            made_route = here.configuration.route(route)
            start = made_route.flows["orders"].start
            assert start is not None
            # This ERP begins without an order: there is none to look for before a first send.
            here.ledger.adopting.finished(route, made_route.erp, start)
        finally:
            here.close()
        if mutant:
            infect(folder / "mutant", mutant)
        made = World(settings, made_route, vendors, folder / "up.log", postgres=server, faults=faults, teller=teller)
        stack.callback(made.close)
        # Nothing is kept, so nothing has to end in order.
        stack.callback(services.stop, settings)
        stack.callback(services.kill_everything, settings)
        yield made


def infect(folder: Path, mutant: str) -> None:
    """Have every Python process that is started from now on begin with this defect. Raises KeyError for a name that
    does not exist."""
    with mutants.mutated(mutant):
        pass
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        f"from erp_sync_tests.chaos.mutants import mutated\n\nkept = mutated({mutant!r})\nkept.__enter__()\n"
    )
    # A defect is imported before a fork server says so, and native libraries read this when they are.
    os.environ |= SINGLE_THREADED
    checkout = Path(mutants.__file__).parents[2]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(checkout)])


def _restore(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def write_route(played: Path, folder: Path, route: str, vendors: Mapping[str, str], states: Mapping[str, Any]) -> None:
    """A copy of the YAML that is `played`, with the route's flows on, every two seconds, pointed at these sandboxes; no
    plan waits for a person, who would not be there."""
    shutil.copytree(played, folder, dirs_exist_ok=True)
    for file in folder.rglob("defs.yaml"):
        kept = []
        for document in yaml.safe_load_all(file.read_text()):
            given, name = document["attributes"], document["attributes"]["name"]
            if name in vendors:
                chaos = people_of(vendors[name])
                given["base_url"] = states[name]["base_url"]
                known = states[name]["credentials"]
                given["credentials"] = {one: str(known[one]) for one in given["credentials"] if one in known}
                given["settings"] = {
                    **given.get("settings", {}), **getattr(chaos, "SETTINGS", {}), **chaos.REAL_TIME
                }  # fmt: skip
            elif name == route:
                given["flows"] = {flow: _on(flow, spec) for flow, spec in given["flows"].items() if flow in FLOWS}
            else:
                continue
            document.pop("requirements", None)
            given.pop("where_set", None)
            kept.append(document)
        if kept:
            file.write_text(yaml.safe_dump_all(kept))
        else:
            file.unlink()


def _on(flow: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    left = {name: value for name, value in spec.items() if name not in ("guards", "fast", "approval")}
    guards = {"guards": dict(GUARDS[flow])} if flow in GUARDS else {}
    return {**left, **guards, "mode": "on", "every": EVERY}
