"""Connections and routes as YAML describes them: typed, and refused with file and field when wrong.

A file holds one or more documents, each with a `type`: ``erp_sync.components.Connection`` or
``erp_sync.components.Route``. Secrets are never in YAML: ``{env: NAME}`` reads the environment,
``{file: PATH}`` a file, both when the connection is first used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from erp_sync.components.custom_checks import CustomCheck, problems
from erp_sync.components.durations import clock, duration
from erp_sync.components.known_names import wrong_of_connection, wrong_of_flow
from erp_sync.components.maintenance_windows import MaintenanceSpec
from erp_sync.components.own_rules import OwnGuard, OwnPolicy, wrong_names
from erp_sync.components.ownership import EntityRecord, check
from erp_sync.model.advice import Advice
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import DEPENDENCY_DEADLINE
from erp_sync.ports.mapping_functions import functions_of
from erp_sync.ports.own_functions import OwnFunctionMistake, check_there, look_in

if TYPE_CHECKING:
    from erp_sync.monitoring.expectations import AtLeast, ByHand

CONNECTION = "erp_sync.components.Connection"
ROUTE = "erp_sync.components.Route"
Decision = Literal["approved", "rejected", "retried", "edited", "dismissed", "undone"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
NOWHERE = "https://offline.invalid"
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class WrongConfiguration(ValueError):
    """A YAML file is wrong. Attributes: file, field, problem. Says all three."""

    advice = Advice(
        means="A YAML file of the installation is wrong: nothing of it is loaded, and what runs goes on with what it "
        "had.",
        look=("erp-sync doctor ROUTE",),
        do="Correct the field that the message names, then `erp-sync down` and `erp-sync up`.",
    )

    def __init__(self, file: Path | str, field: str, problem: str) -> None:
        self.file, self.field, self.problem = str(file), field, problem
        super().__init__(f"{file}: {field}: {problem}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FromEnvironment(_Strict):
    """A value read from the environment when it is needed. An `optional` one may be missing: it is left out."""

    env: str
    optional: bool = False


class FromFile(_Strict):
    """A value read from a file (mounted secret) when it is needed."""

    file: str


Secret = FromEnvironment | FromFile


class BreakerSpec(_Strict):
    """When a system counts as away: after `threshold` failures in a row nothing is sent for `cool_down`, then one call
    probes; each probe that fails doubles the time, up to `longest`."""

    threshold: int = Field(default=5, ge=1)
    cool_down: timedelta = timedelta(seconds=15)
    longest: timedelta = timedelta(minutes=5)

    _durations = field_validator("cool_down", "longest", mode="before")(duration)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if not timedelta(seconds=1) <= self.cool_down <= self.longest <= timedelta(hours=1):
            raise ValueError("cool_down is at least 1s, longest at least cool_down and at most 1h")
        return self


class ConnectionSpec(_Strict):
    """One installation of a vendor's system.

    `verify` names a CA bundle; unset means the system's. `maintenance`: when it is planned to be away.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    vendor: str
    base_url: str | Secret
    credentials: dict[str, str | Secret] = {}
    settings: dict[str, Any] = {}
    time_zone: str = "UTC"
    verify: str | Secret | None = None
    maintenance: tuple[MaintenanceSpec, ...] = ()
    breaker: BreakerSpec = BreakerSpec()

    def resolve(self, environment: Mapping[str, str] | None = None, *, offline: bool = False) -> ConnectionSettings:
        """Read the secrets. Raises WrongConfiguration naming the first variable that is not set.

        With `offline`, where nothing is called, no secret is read: words stand for them.
        """
        env = os.environ if environment is None else environment

        def read(field: str, value: str | Secret) -> str:
            if isinstance(value, str):
                return value
            if offline:
                return NOWHERE if field == "base_url" else "offline"
            if isinstance(value, FromEnvironment):
                if not env.get(value.env):
                    raise WrongConfiguration(
                        f"connection {self.name}", field, f"environment variable {value.env} is not set"
                    )
                return env[value.env]
            try:
                return Path(value.file).read_text().strip()
            except OSError as error:
                raise WrongConfiguration(
                    f"connection {self.name}", field, f"cannot read {value.file}: {error.strerror}"
                ) from error

        return ConnectionSettings(
            name=self.name,
            vendor=self.vendor,
            base_url=read("base_url", self.base_url).rstrip("/"),
            credentials={
                name: read(f"credentials.{name}", value)
                for name, value in self.credentials.items()
                if offline or not (isinstance(value, FromEnvironment) and value.optional and not env.get(value.env))
            },
            settings=dict(self.settings),
            time_zone=self.time_zone,
            verify=read("verify", self.verify) if self.verify is not None and not offline else True,
        )

    def secrets(self) -> dict[str, str | Secret | None]:
        """All that may come from outside the YAML, by field."""
        named = {f"credentials.{name}": value for name, value in self.credentials.items()}
        return {"base_url": self.base_url, **named, "verify": self.verify}

    def variables(self) -> list[str]:
        """Names of the environment variables this connection needs."""
        values = self.secrets().values()
        return [value.env for value in values if isinstance(value, FromEnvironment) and not value.optional]


class Mode(StrEnum):
    """`shadow` extracts, transforms, judges and shows what it would do, and writes nothing."""

    OFF = "off"
    SHADOW = "shadow"
    ON = "on"


class FastLane(_Strict):
    """The keys that are synchronised more often: best sellers of the last days, or a fixed list."""

    every: timedelta = timedelta(seconds=60)
    best_sellers: int = 50
    days: int = 7
    skus: tuple[str, ...] = ()

    _durations = field_validator("every", mode="before")(duration)


class Expected(_Strict):
    """How many documents, or changed rows, are expected at some hours: what no history can tell yet, or does not.

    Attributes:
        per_hour: so many are usual; judged as what is learned, and instead of it.
        at_least: fewer in any time of length `within` are told; beside what is usual.
        days: as ``mon``, ``tue`` ...
        begins, ends: ``from`` and ``to`` in YAML, times of day of the source.
    """

    per_hour: float | None = Field(default=None, gt=0)
    at_least: int | None = Field(default=None, ge=1)
    within: timedelta = timedelta(minutes=30)
    days: tuple[Weekday, ...] = WEEKDAYS
    begins: time = Field(default=time(0), alias="from")
    ends: time = Field(default=time(0), alias="to")

    _clock = field_validator("begins", "ends", mode="before")(clock)
    _durations = field_validator("within", mode="before")(duration)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.per_hour is None) == (self.at_least is None):
            raise ValueError("say either per_hour (what is usual) or at_least (fewer are told)")
        if not timedelta(minutes=5) <= self.within <= timedelta(days=7):
            raise ValueError("within is from 5m to 7d")
        if self.at_least is not None and self.within > self._longest():
            raise ValueError("within is longer than the hours of from and to last, so it would never be judged")
        return self

    def _longest(self) -> timedelta:
        """The longest time without a pause in which these hours hold, of a day, or all."""
        if self.begins == self.ends == time(0):
            return timedelta(days=7 if set(self.days) == set(WEEKDAYS) else 1)
        day = timedelta(days=1)
        begins, ends = (
            timedelta(hours=at.hour, minutes=at.minute, seconds=at.second) for at in (self.begins, self.ends)
        )
        return (ends or day) - begins

    def by_hand(self) -> ByHand | AtLeast:
        """As `erp_sync.monitoring.expectations` judges by it."""
        from erp_sync.monitoring.expectations import AtLeast, ByHand

        hours: dict[str, Any] = {"days": tuple(WEEKDAYS.index(day) for day in self.days)}
        hours |= {"begins": self.begins, "ends": self.ends}
        if self.at_least is not None:
            return AtLeast(**hours, count=self.at_least, within=self.within)
        assert self.per_hour is not None
        return ByHand(**hours, per_hour=self.per_hour)


#: What the store decides in its own time: a payment that is not there yet, an order that somebody looks at there.
_OF_THE_STORE = dict.fromkeys(("pending_payment", "on_hold_in_store"), timedelta(days=7))


class FlowSpec(_Strict):
    """One flow of a route.

    Attributes:
        mode: off, shadow or on.
        start: documents placed before this moment are never sent; required where mode is on or shadow
            for document flows.
        every: how often the source is looked at for changes.
        latest: a loaded asset older than this is late (freshness policy).
        full: how often everything is compared, state flows.
        fast: the lane of fast sellers, inventory.
        guards: limits beyond which a plan is held; name to number.
        approval: none, or every plan waits for a person.
        look_first: before an order is sent for the first time, whether the ERP is searched for it and its customer
            by number and e-mail address. `auto`: orders placed before `erp-sync adopt --apply` (all, until then), and
            customers not known yet; always; never.
        system_of_record: of the entity and its fields, see `erp_sync.components.ownership`; the source's where
            nothing is said.
        rules: the flow's own rules, as data.
        checks: rules of quality over custom fields, or by own functions, see `erp_sync.components.custom_checks`.
        own_guards: functions that judge the plans of a state flow, see `erp_sync.components.own_rules`.
        policies: functions that say of each document whether it goes, see the same.
        expected: documents, or changed rows of a state flow, by weekday and hour: what is usual, learned where not
            said, and least numbers.
        overdue: a document that may go and waits longer is told of.
        held: a document that waits for a person, or for what its target lacks, longer is told of, with all of its
            cause.
        held_for: the same of single causes, by code. The store itself moves what waits for its payment.
        deadline: a document that lacks something at its target waits so long, and is a dead letter then.
    """

    mode: Mode = Mode.OFF
    start: datetime | None = None
    every: timedelta = timedelta(minutes=1)
    latest: timedelta | None = None
    full: timedelta | None = None
    fast: FastLane | None = None
    guards: dict[str, float] = {}
    approval: Literal["none", "required"] = "none"
    look_first: Literal["auto", "always", "never"] = "auto"
    system_of_record: EntityRecord | None = None
    rules: dict[str, Any] = {}
    checks: tuple[CustomCheck, ...] = ()
    own_guards: tuple[OwnGuard, ...] = ()
    policies: tuple[OwnPolicy, ...] = ()
    expected: tuple[Expected, ...] = ()
    overdue: timedelta = timedelta(minutes=30)
    held: timedelta = timedelta(hours=4)
    held_for: dict[str, timedelta] = {}
    deadline: timedelta = DEPENDENCY_DEADLINE

    _durations = field_validator("every", "latest", "full", "overdue", "held", "deadline", mode="before")(
        lambda value: None if value is None else duration(value)
    )
    _causes = field_validator("held_for", mode="before")(
        lambda value: {code: duration(one) for code, one in value.items()} if isinstance(value, dict) else value
    )

    def held_before_told(self, code: str) -> timedelta:
        """How long documents held for this cause may stand before anybody is told."""
        return self.held_for.get(code, _OF_THE_STORE.get(code, self.held))

    @field_validator("mode", mode="before")
    @classmethod
    def _yaml_reads_on_and_off_as_booleans(cls, value: Any) -> Any:
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @field_validator("start")
    @classmethod
    def _utc(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("has no time zone; write e.g. 2026-01-01T00:00:00Z")
        return value.astimezone(UTC) if value else None


# Two comparisons of every document at least, should one not come to pass; and deliveries are kept for some time only.
SHORTEST_WINDOW, LONGEST_WINDOW = timedelta(days=2), timedelta(days=365)
# What was sent is kept longer than it is compared: see `settings.Settings.delivery_days`.
DELIVERIES_BEYOND = timedelta(days=35)
DOCUMENT_FLOWS = ("orders", "order_status", "shipments")
STATE_FLOWS = ("inventory", "products", "prices", "customers", "contract_prices")


class RouteSpec(_Strict):
    """Two systems and the flows between them.

    Attributes:
        store, erp: names of connections.
        lookups: folder of CSV files, one a look-up table, relative to the YAML file. `erp-sync init`
            imports what changed; the ledger keeps the history.
        reconcile_window: documents created in so much time before it are compared by the daily reconciliation.
        decision_takes: how long a decision of each kind keeps a person, for the key figures; of kinds that are not
            named `erp_sync.monitoring.kpis.ASSUMED` holds.
        owners: e-mail addresses, or teams as ``team:commerce``; the UI shows them with every asset.
        where_set: an environment variable: where it is not set the route is not there at all, nor what only it reads.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    store: str
    erp: str
    flows: dict[str, FlowSpec]
    lookups: str | None = None
    reconcile_window: timedelta = timedelta(days=7)
    decision_takes: dict[Decision, Annotated[timedelta, BeforeValidator(duration)]] = {}
    where_set: str = Field(default="", pattern=r"^[A-Z][A-Z0-9_]*$|^$")
    owners: tuple[Annotated[str, Field(pattern=r"^(team:[\w-]+|[^@\s:]+@[^@\s]+)$")], ...] = ()

    _durations = field_validator("reconcile_window", mode="before")(duration)

    @field_validator("reconcile_window")
    @classmethod
    def _two_runs_meet(cls, value: timedelta) -> timedelta:
        """What lies between two daily comparisons must be in one of them, and what was sent still be in the ledger."""
        if not SHORTEST_WINDOW <= value <= LONGEST_WINDOW:
            raise ValueError(
                f"{value} is too short or too long: documents are compared once a day, and what was sent of them is "
                "kept for 400 days where ERP_SYNC_DELIVERY_DAYS says nothing; "
                f"expected {SHORTEST_WINDOW.days}d to {LONGEST_WINDOW.days}d"
            )
        return value

    @model_validator(mode="after")
    def _flows_are_known(self) -> RouteSpec:
        for name, flow in self.flows.items():
            if name not in DOCUMENT_FLOWS + STATE_FLOWS:
                known = ", ".join(DOCUMENT_FLOWS + STATE_FLOWS)
                raise ValueError(f"no flow is called {name!r}; known are {known}")
            if name in DOCUMENT_FLOWS and flow.mode is not Mode.OFF and flow.start is None:
                raise ValueError(f"flow {name} needs a start time: what lies before it is never sent")
            own = wrong_names(name, flow.own_guards, flow.policies, documents=name in DOCUMENT_FLOWS)
            for problem in (*wrong_of_flow(name, flow.guards, flow.rules), *problems(name, flow.checks), *own):
                raise ValueError(problem)
            if flow.system_of_record is not None:
                check(name, flow.system_of_record)
        return self


class Configuration(_Strict):
    """All connections and routes of an installation."""

    connections: dict[str, ConnectionSpec]
    routes: dict[str, RouteSpec]

    def connection(self, name: str) -> ConnectionSpec:
        if name not in self.connections:
            known = ", ".join(sorted(self.connections)) or "none"
            raise KeyError(f"no connection is called {name}; configured are: {known}")
        return self.connections[name]

    def route(self, name: str) -> RouteSpec:
        if name not in self.routes:
            known = ", ".join(sorted(self.routes)) or "none"
            raise KeyError(f"no route is called {name}; configured are: {known}")
        return self.routes[name]

    def stores_of(self, erp: str) -> list[str]:
        """Connections of the stores that have a route to this ERP."""
        return sorted({route.store for route in self.routes.values() if route.erp == erp})


def read_configuration(folder: Path, *, everything: bool = False) -> Configuration:
    """Read every ``defs.yaml`` below the folder; of routes that are there only where a variable is set
    (`RouteSpec.where_set`) those where it is, or all of them where `everything` is asked for.

    Raises WrongConfiguration with file and field for the first problem, including a route that names
    a connection that does not exist, or a function that its module does not have.
    """
    look_in(folder)
    connections: dict[str, ConnectionSpec] = {}
    routes: dict[str, RouteSpec] = {}
    origin: dict[str, Path] = {}
    for file in sorted(folder.rglob("defs.yaml")):
        try:
            documents = list(yaml.load_all(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        except yaml.YAMLError as error:
            raise WrongConfiguration(file, "YAML", str(error).replace("\n", " ")) from error
        for document in documents:
            if not isinstance(document, dict) or "type" not in document:
                raise WrongConfiguration(file, "type", f"every document needs a type: {CONNECTION} or {ROUTE}")
            kind, attributes = document["type"], document.get("attributes") or {}
            try:
                if kind == CONNECTION:
                    connection = ConnectionSpec.model_validate(attributes)
                    _once(file, "connection", connection.name, connections)
                    for field, problem in wrong_of_connection(connection.vendor, connection.settings):
                        raise WrongConfiguration(file, field, f"connection {connection.name}: {problem}")
                    _functions_are_there(file, "settings.mapping", functions_of(connection.settings.get("mapping")))
                    connections[connection.name] = connection
                elif kind == ROUTE:
                    route = RouteSpec.model_validate(attributes)
                    _once(file, "route", route.name, routes)
                    for flow_name, flow in route.flows.items():
                        _functions_are_there(file, f"flows.{flow_name}", own_references(flow))
                    routes[route.name] = _with_folder(file, route)
                    origin[route.name] = file
                else:
                    raise WrongConfiguration(file, "type", f"{kind!r} is neither {CONNECTION} nor {ROUTE}")
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(str(part) for part in first["loc"]) or "attributes"
                raise WrongConfiguration(file, field, first["msg"]) from error
    for route in routes.values():
        for side in ("store", "erp"):
            if getattr(route, side) not in connections:
                known = ", ".join(sorted(connections)) or "none"
                raise WrongConfiguration(
                    origin[route.name],
                    side,
                    f"no connection is called {getattr(route, side)!r}; configured are: {known}",
                )
    whole = Configuration(connections=connections, routes=routes)
    return whole if everything else _awake(whole, os.environ)


def _awake(whole: Configuration, environment: Mapping[str, str]) -> Configuration:
    """Without routes whose variable is not set, and without connections that only these have."""
    asleep = {route.name for route in whole.routes.values() if route.where_set and not environment.get(route.where_set)}
    if not asleep:
        return whole
    routes = {name: route for name, route in whole.routes.items() if name not in asleep}
    used, unused = (
        {side for route in some for side in (route.store, route.erp)}
        for some in (routes.values(), (whole.routes[name] for name in asleep))
    )
    connections = {name: one for name, one in whole.connections.items() if name in used or name not in unused}
    return Configuration(connections=connections, routes=routes)


def own_references(flow: FlowSpec) -> list[str]:
    """``module:function`` of all own functions of a flow."""
    checks = [one.function for one in flow.checks if one.function]
    return [*checks, *(one.function for one in (*flow.own_guards, *flow.policies))]


def _functions_are_there(file: Path, field: str, references: Iterable[str]) -> None:
    for reference in references:
        try:
            check_there(reference)
        except OwnFunctionMistake as mistake:
            raise WrongConfiguration(file, field, str(mistake)) from mistake


def _with_folder(file: Path, route: RouteSpec) -> RouteSpec:
    """The folder of look-up tables is named relative to the YAML file."""
    if route.lookups is None:
        return route
    folder = (file.parent / route.lookups).resolve()
    if not folder.is_dir():
        raise WrongConfiguration(file, "lookups", f"{folder} is no folder")
    return route.model_copy(update={"lookups": str(folder)})


def _once(file: Path, what: str, name: str, seen: Mapping[str, Any]) -> None:
    if name in seen:
        raise WrongConfiguration(file, "name", f"there is another {what} called {name}")
