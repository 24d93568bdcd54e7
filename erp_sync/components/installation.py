"""The running installation: ledger, lake, exchange log and connectors, opened when first used.

One per process. A forked child opens its own: nothing here survives a fork.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from erp_sync import settings as settings_module
from erp_sync.components.configuration import (
    DELIVERIES_BEYOND,
    Configuration,
    RouteSpec,
    WrongConfiguration,
    read_configuration,
)
from erp_sync.model.advice import Advice
from erp_sync.model.keys import Entity
from erp_sync.ports.outcomes import CallFailed
from erp_sync.ports.state import StoreOrder, TellsDemand

if TYPE_CHECKING:
    from erp_sync.components.best_sellers import BestSellers
    from erp_sync.lake import Lake
    from erp_sync.ledger import Ledger
    from erp_sync.ports.connection import ConnectionSettings, Connector
    from erp_sync.settings import Settings


class Offline(CallFailed):
    """A system would have been called where none is to be."""

    advice = Advice(
        means="What was asked for offline cannot be told without asking a system. Nothing was called or changed.",
        look=("erp-sync plan FLOW",),
        do="Leave out `--offline`.",
    )


class _NobodyIsCalled:
    """`ports.connection.Slots` of an installation that is offline."""

    def acquire(self, connection: str, lane: str, deadline: float, cost: float = 1.0) -> Any:
        raise Offline(f"{connection} would have to be asked: leave out --offline")

    def release(self, lease: Any) -> None: ...

    def charge(self, connection: str, more: float) -> None: ...

    def pause(self, connection: str, seconds: float) -> None: ...


class Installation:
    """Settings, configuration, and what is opened from them. Thread-safe. `clock` is the ledger's.

    One that is `offline` calls no system and needs no secret: a call raises Offline.
    """

    def __init__(
        self,
        settings: Settings,
        configuration: Configuration | None = None,
        clock: Callable[[], datetime] | None = None,
        *,
        offline: bool = False,
    ) -> None:
        self.settings, self.offline = settings, offline
        self._clock = clock
        self.configuration = configuration or read_configuration(settings.defs)
        for route in self.configuration.routes.values():
            least = (route.reconcile_window + DELIVERIES_BEYOND).days
            if settings.delivery_days < least:
                raise settings_module.WrongSetting(
                    "ERP_SYNC_DELIVERY_DAYS",
                    settings.delivery_days,
                    f"at least {least}: what route {route.name} compares (reconcile_window) and 35 days",
                )
        self._lock = threading.RLock()
        self._opened: dict[str, Any] = {}

    def _once(self, name: str, make: Any) -> Any:
        with self._lock:
            if name not in self._opened:
                self._opened[name] = make()
            return self._opened[name]

    @property
    def ledger(self) -> Ledger:
        def make() -> Ledger:
            from erp_sync.ledger import Ledger
            from erp_sync.ledger.breakers import BreakerPolicy
            from erp_sync.ledger.engine import utc_now

            ledger = Ledger.open(self.settings.ledger_url, clock=self._clock or utc_now)
            ledger.deliveries.most_deaths = self.settings.document_deaths
            for name, spec in self.configuration.connections.items():
                ledger.limits.configure(name, self.capabilities(spec.vendor).limits, spec.settings.get("limits"))
                ledger.breakers.configure(
                    name,
                    BreakerPolicy(
                        threshold=spec.breaker.threshold,
                        cool_down_seconds=spec.breaker.cool_down.total_seconds(),
                        longest_cool_down_seconds=spec.breaker.longest.total_seconds(),
                    ),
                )
                if spec.maintenance:
                    calendars = [one.calendar(spec.time_zone) for one in spec.maintenance]
                    ledger.maintenance.configure(name, calendars)
            return ledger

        return self._once("ledger", make)

    @property
    def lake(self) -> Lake:
        def make() -> Lake:
            from erp_sync.lake import Lake

            return Lake(self.settings.lake)

        return self._once("lake", make)

    @property
    def exchanges(self) -> Any:
        def make() -> Any:
            from erp_sync.components.exchange_log import InstallationsLog
            from erp_sync.ledger.engine import utc_now

            return InstallationsLog(self.settings.exchanges, clock=self._clock or utc_now)

        return self._once("exchanges", make)

    def capabilities(self, vendor: str) -> Any:
        """What the vendor declares of itself; of no connection in particular."""
        return importlib.import_module(f"erp_sync.systems.{vendor}.capabilities").CAPABILITIES

    def capabilities_of(self, connection: str) -> Any:
        """What the vendor declares of this connection, by its settings. Raises WrongConfiguration for wrong ones."""
        spec = self.configuration.connection(connection)
        module = importlib.import_module(f"erp_sync.systems.{spec.vendor}.capabilities")
        if not hasattr(module, "capabilities_of"):
            return module.CAPABILITIES
        try:
            return module.capabilities_of(spec.settings)
        except ValueError as wrong:
            raise WrongConfiguration(f"connection {connection}", "settings", str(wrong)) from wrong

    def connector(self, name: str) -> Connector:
        """The connector of a connection. Raises KeyError or WrongConfiguration where it is not configured."""

        def make() -> Connector:
            spec = self.configuration.connection(name)
            module = importlib.import_module(f"erp_sync.systems.{spec.vendor}.connector")
            return module.connect(
                self._with_stores(spec.resolve(offline=self.offline)),
                slots=_NobodyIsCalled() if self.offline else self.ledger.limits,
                breaker=self.ledger.breakers,
                exchanges=self.exchanges,
            )

        return self._once(f"connector {name}", make)

    def _with_stores(self, connection: ConnectionSettings) -> ConnectionSettings:
        """Whose orders an ERP holds is known from the routes, where setting ``source_connections`` does not say it."""
        stores = self.configuration.stores_of(connection.name)
        if not stores:
            return connection
        return msgspec.structs.replace(connection, settings={"source_connections": stores, **connection.settings})

    def lookups(self, route: RouteSpec) -> Any:
        """The look-up tables in force for a route."""
        return self.ledger.lookups.of(route.name)

    def import_lookups(self) -> dict[str, Any]:
        """Import every route's CSV files into the ledger; what did not change stays as it is.

        Raises BadLookupFile naming file, line and column; that table then stays as it was.
        """
        found: dict[str, Any] = {}
        for route in self.configuration.routes.values():
            for file in sorted(Path(route.lookups).glob("*.csv")) if route.lookups else []:
                found[f"{route.name}/{file.stem}"] = self.ledger.lookups.import_csv(
                    route.name, file.stem, file, who="erp-sync init", keep_remembered=True
                )
        return found

    def connector_for(self, route: RouteSpec, side: str) -> Connector:
        """The connector of the route's store or ERP, with the route's look-up tables. Keeps its caches."""

        def make() -> Any:
            connector: Any = self.connector(getattr(route, side))
            return connector.with_lookups(self.lookups(route))

        return self._once(f"{side} of {route.name}", make)

    def concurrency(self, connection: str) -> int:
        """Calls that the system takes at once; 5 where it declares no limit."""
        spec = self.configuration.connection(connection)
        override = (spec.settings.get("limits") or {}).get("concurrency")
        return int(override or self.capabilities(spec.vendor).limits.concurrency or 5)

    def source(self, route: RouteSpec, flow: str) -> Any:
        from erp_sync.components.flow_table import FLOWS

        kind = FLOWS[flow]

        def make() -> Any:
            source = self.connector_for(route, kind.source).port(kind.source_entity, "source")
            if isinstance(source, TellsDemand):
                source.recognise(lambda: self.adopted_orders(getattr(route, kind.source)))
            return source

        return self._once(f"source {route.name} {flow}", make)

    def adopted_orders(self, connection: str) -> dict[str, StoreOrder]:
        """Orders of an ERP that are a store's by the cross references alone."""
        found = self.ledger.cross_references.adopted(Entity.SALES_ORDER, connection)
        return {order: StoreOrder(store, since) for order, (store, since) in found.items()}

    def best_sellers(self, route: RouteSpec) -> BestSellers:
        """What sold most of the route's orders; counted on as long as this process lives."""

        def make() -> BestSellers:
            from erp_sync.components.best_sellers import BestSellers

            return BestSellers(self.ledger, route.name)

        return self._once(f"best sellers of {route.name}", make)

    def close(self) -> None:
        """Close connectors, then what they write to."""
        with self._lock:
            opened, self._opened = self._opened, {}
        for name, thing in opened.items():
            if name.startswith("connector "):
                thing.close()
        for name in ("exchanges", "ledger"):
            if name in opened:
                opened[name].close()


_current: tuple[int, Installation] | None = None
_guard = threading.Lock()


def current() -> Installation:
    """This process's installation, from the environment's settings."""
    global _current
    with _guard:
        if _current is None or _current[0] != os.getpid():
            _current = (os.getpid(), Installation(settings_module.load()))
        return _current[1]


@contextmanager
def ledger_answers() -> Iterator[None]:
    """Where it does not a run or a tick fails with one sentence: which database, why, what to do. What is due stays
    so, and the next one goes on."""
    from erp_sync.ledger.errors import NO_ANSWER, DatabaseAway, is_away

    try:
        yield
    except NO_ANSWER as error:
        if not is_away(error):
            raise
        # Without the driver's own trace, which says nothing more.
        raise DatabaseAway("the ledger", "ERP_SYNC_LEDGER_URL", current().settings.ledger_url, error) from None
