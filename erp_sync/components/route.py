"""The component type that turns a route in YAML into assets, checks, a job, schedules and sensors.

Everything heavy is imported inside the functions that run: loading definitions costs no pandas, no
vendor client and no database.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from pydantic import BaseModel

from erp_sync.components import descriptions
from erp_sync.components.columns import column_metadata
from erp_sync.components.configuration import Configuration, ConnectionSpec, FlowSpec, Mode, RouteSpec
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.housekeeping import Chore, housekeeping
from erp_sync.components.sensing import due_work_sensor, full_comparison_schedule

FIRST_DAY = "2026-01-01"


# What one run of a flow looks at; the defaults take everything that is due. Made once: every asset has it.
RUN_CONFIG = dg.Field(
    {
        "lane": dg.Field(str, default_value="normal", description="now (fast sellers, new orders), normal or bulk"),
        "full": dg.Field(bool, default_value=False, description="compare everything instead of what changed"),
        "keys": dg.Field([str], default_value=[], description="only these keys (SKUs or document numbers)"),
    }
)


def daily_partitions(configuration: Configuration) -> dg.DailyPartitionsDefinition:
    """One partition a day for every asset; today exists (`end_offset=1`). Days are UTC."""
    starts = [
        flow.start for route in configuration.routes.values() for flow in route.flows.values() if flow.start is not None
    ]
    first = min(starts).strftime("%Y-%m-%d") if starts else FIRST_DAY
    return dg.DailyPartitionsDefinition(start_date=first, end_offset=1)


def extracted_key(connection: str, entity: str) -> dg.AssetKey:
    return dg.AssetKey([connection, entity, "extracted"])


def flow_key(route: str, flow: str, stage: str) -> dg.AssetKey:
    return dg.AssetKey([route, flow, stage])


class Connection(dg.Component):
    """One installation of a vendor's system. Defines nothing by itself; routes name it."""

    def __init__(self, spec: ConnectionSpec) -> None:
        self.spec = spec

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return ConnectionSpec

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "Connection":
        assert isinstance(attributes, ConnectionSpec)
        return cls(attributes)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return dg.Definitions()


class Route(dg.Component):
    """A pair of systems and the flows between them.

    Gives per flow the assets ``extracted`` (of the connection, shared by every route that reads it),
    ``transformed`` and ``loaded`` in a group of their own with their checks, and per route one job and
    one schedule. The sensor that starts runs is the installation's, see `installation_definitions`.
    """

    def __init__(
        self,
        spec: RouteSpec,
        partitions: dg.PartitionsDefinition | None = None,
        connections: Mapping[str, ConnectionSpec] | None = None,
    ) -> None:
        self.spec = spec
        self.connections = connections or {}
        self.partitions = partitions or dg.DailyPartitionsDefinition(start_date=FIRST_DAY, end_offset=1)

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return RouteSpec

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "Route":
        assert isinstance(attributes, RouteSpec)
        return cls(attributes)

    def build_defs(self, context: dg.ComponentLoadContext | None) -> dg.Definitions:
        extracted = {
            key: _extracted(connection, kind, self.partitions, [self.spec], self.connections)
            for connection, kind, key in self._extractions()
        }
        return dg.Definitions(assets=[*extracted.values(), *self.flow_assets()], jobs=[self.job()])

    def active(self) -> Iterator[tuple[FlowKind, FlowSpec]]:
        for name, flow in self.spec.flows.items():
            if flow.mode is not Mode.OFF:
                yield FLOWS[name], flow

    def _extractions(self) -> Iterator[tuple[str, FlowKind, dg.AssetKey]]:
        for kind, _ in self.active():
            connection = getattr(self.spec, kind.source)
            yield connection, kind, extracted_key(connection, kind.source_entity)

    def flow_assets(self) -> list[dg.AssetsDefinition]:
        assets = []
        for kind, flow in self.active():
            assets += [
                _transformed(self.spec, kind, flow, self.partitions),
                _loaded(self.spec, kind, flow, self.partitions, self.connections),
            ]
        return assets

    def job(self) -> UnresolvedAssetJobDefinition:
        keys = [key for _, _, key in self._extractions()]
        for kind, _ in self.active():
            keys += [flow_key(self.spec.name, kind.name, stage) for stage in ("transformed", "loaded")]
        return dg.define_asset_job(
            self.spec.name,
            selection=dg.AssetSelection.assets(*keys),
            description=descriptions.job(self.spec),
            tags={"erp_sync/route": self.spec.name},
            partitions_def=self.partitions,
        )


def _tags(route: RouteSpec, kind: FlowKind, stage: str) -> dict[str, str]:
    return {"erp_sync/route": route.name, "erp_sync/flow": kind.name, "erp_sync/stage": stage}


def _kinds(*names: str | None) -> set[str]:
    return {name for name in names if name is not None}


def _extracted(
    connection: str,
    kind: FlowKind,
    partitions: dg.PartitionsDefinition,
    routes: Sequence[RouteSpec],
    connections: Mapping[str, ConnectionSpec],
) -> dg.AssetsDefinition:
    names = [route.name for route in routes]

    @dg.asset(
        key=extracted_key(connection, kind.source_entity),
        group_name=f"{names[0]}_{kind.name}" if len(names) == 1 else connection,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        description=descriptions.extracted(connection, kind, names),
        kinds=_kinds(descriptions.vendor_of(connection, connections), "parquet"),
        owners=sorted({owner for route in routes for owner in route.owners}),
        config_schema=RUN_CONFIG,
        tags={"erp_sync/connection": connection, "erp_sync/stage": "extracted"},
        metadata=column_metadata("extracted", kind),
        op_tags={"erp_sync/connection": connection},
        output_required=False,  # nothing in planned maintenance: what follows is skipped
    )
    def extracted(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        from erp_sync.components import execution

        result = execution.extract(context, connection, kind, names)
        if result is not None:
            yield result

    return extracted


def _transformed(
    route: RouteSpec, kind: FlowKind, flow: FlowSpec, partitions: dg.PartitionsDefinition
) -> dg.AssetsDefinition:
    from erp_sync.components.checks import transformed_checks

    key = flow_key(route.name, kind.name, "transformed")

    @dg.asset(
        key=key,
        deps=[extracted_key(getattr(route, kind.source), kind.source_entity)],
        group_name=f"{route.name}_{kind.name}",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        description=descriptions.transformed(kind, flow, getattr(route, kind.source), getattr(route, kind.target)),
        kinds={"python", "document" if kind.delivers else "plan"},
        owners=route.owners,
        config_schema=RUN_CONFIG,
        tags=_tags(route, kind, "transformed"),
        metadata=column_metadata("transformed", kind),
        check_specs=transformed_checks(key, kind),
    )
    def transformed(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from erp_sync.components import execution

        return execution.transform(context, route.name, kind)

    return transformed


def _loaded(
    route: RouteSpec,
    kind: FlowKind,
    flow: FlowSpec,
    partitions: dg.PartitionsDefinition,
    connections: Mapping[str, ConnectionSpec],
) -> dg.AssetsDefinition:
    from erp_sync.components.checks import loaded_checks

    key = flow_key(route.name, kind.name, "loaded")

    @dg.asset(
        key=key,
        deps=[flow_key(route.name, kind.name, "transformed")],
        group_name=f"{route.name}_{kind.name}",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        description=descriptions.loaded(route, kind, flow, connections),
        kinds=_kinds(
            descriptions.vendor_of(getattr(route, kind.target), connections),
            "shadow" if flow.mode is Mode.SHADOW else None,
        ),
        owners=route.owners,
        config_schema=RUN_CONFIG,
        tags=_tags(route, kind, "loaded"),
        metadata=column_metadata("loaded", kind),
        check_specs=loaded_checks(key, kind),
        pool=getattr(route, kind.target),
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=max(flow.latest, timedelta(minutes=1)))
        if flow.latest
        else None,
    )
    def loaded(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from erp_sync.components import execution

        return execution.load(context, route.name, kind)

    return loaded


def installation_definitions(configuration: Configuration, chores: Mapping[str, Chore] = {}) -> dg.Definitions:
    """Definitions of all routes: what several routes read from one connection is extracted once. `chores`: of the
    daily housekeeping, beside its own."""
    partitions = daily_partitions(configuration)
    routes = [Route(spec, partitions, configuration.connections) for spec in configuration.routes.values()]
    readers: dict[dg.AssetKey, tuple[str, FlowKind, list[RouteSpec]]] = {}
    for route in routes:
        for connection, kind, key in route._extractions():
            readers.setdefault(key, (connection, kind, []))[2].append(route.spec)
    assets: list[dg.AssetsDefinition] = [
        _extracted(connection, kind, partitions, readers_of, configuration.connections)
        for connection, kind, readers_of in readers.values()
    ]
    jobs = []
    schedules = []
    for route in routes:
        assets += route.flow_assets()
        if any(True for _ in route.active()):
            job = route.job()
            jobs.append(job)
            schedules += full_comparison_schedule(route.spec, job)
    flows = dg.Definitions(
        assets=assets,
        jobs=jobs,
        schedules=schedules,
        sensors=[due_work_sensor(configuration, jobs)] if jobs else [],
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(flows, housekeeping(chores)) if jobs else flows


def today(now: datetime) -> str:
    """Key of today's partition."""
    return now.strftime("%Y-%m-%d")
