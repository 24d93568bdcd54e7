"""Runs that are under way, as the sensor sees them, and what may be left to them.

A run takes everything that is due for its flow, so a second one beside it is of use only for what the first has
passed already. What a run has read is in the ledger (its cursor has moved since it started); nothing is remembered
here from tick to tick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
import msgspec

from erp_sync.components.configuration import Configuration
from erp_sync.components.flow_table import FLOWS

PENDING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
# So many runs of one flow may work at the same time (claims keep them apart), so that new work need not wait for
# the end of a long drain: under steady load every run drains for several seconds what the others bring, too.
RUNS_AT_ONCE = 3
# A run that started no longer ago will still come to what is due in the ledger, or is at it. One that works
# for longer may be busy with a long drain, or hang.
LEFT_TO_A_RUN = timedelta(seconds=20)
# Runs looked at, the latest first.
MOST_RUNS = 400

Lane = tuple[str, str, str]
"""Route, flow, lane."""


class UnderWay(msgspec.Struct, frozen=True, kw_only=True):
    """A run of one flow. `since` is None until it has started; `stages` are those that it runs."""

    route: str
    flow: str
    lane: str = "normal"
    stages: frozenset[str] = frozenset()
    since: datetime | None = None

    @property
    def name(self) -> Lane:
        return self.route, self.flow, self.lane


def runs_under_way(instance: dg.DagsterInstance) -> list[UnderWay]:
    """Runs of flows that are about to start or have started. One query."""
    statuses = [*PENDING, dg.DagsterRunStatus.STARTED]
    found = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=statuses), limit=MOST_RUNS):
        run = record.dagster_run
        started = run.status is dg.DagsterRunStatus.STARTED and record.start_time is not None
        found.append(
            UnderWay(
                route=run.tags.get("erp_sync/route", ""),
                flow=run.tags.get("erp_sync/flow", ""),
                lane=run.tags.get("erp_sync/lane", "normal"),
                stages=frozenset(key.path[-1] for key in run.asset_selection or ()),
                since=datetime.fromtimestamp(record.start_time or 0, UTC) if started else None,
            )
        )
    return found


def busy(
    runs: Iterable[UnderWay], configuration: Configuration, moved: Mapping[tuple[str, str], datetime | None]
) -> frozenset[Lane]:
    """Lanes that no other run is started for: one is about to start, has not read its source yet, or enough run.

    A full comparison is enough: a second one beside it would read the same again.

    `moved` says when the cursor of each (connection, entity) moved last.
    """
    started: Counter[Lane] = Counter()
    found: set[Lane] = set()
    for run in runs:
        if run.since is None or run.lane == "bulk" or _will_read(run, configuration, moved):
            found.add(run.name)
        else:
            started[run.name] += 1
    return frozenset(found | {name for name, count in started.items() if count >= RUNS_AT_ONCE})


def _will_read(run: UnderWay, configuration: Configuration, moved: Mapping[tuple[str, str], datetime | None]) -> bool:
    route = configuration.routes.get(run.route)
    if run.lane != "normal" or "extracted" not in run.stages or route is None or run.since is None:
        return False
    kind = FLOWS[run.flow]
    read = moved.get((getattr(route, kind.source), kind.source_entity))
    return read is None or read < run.since


def left_to(runs: Iterable[UnderWay], now: datetime) -> Collection[tuple[str, str, str]]:
    """(route, flow, stage) that a run will still come to. Full comparisons take too long to be waited for."""
    return {
        (run.route, run.flow, stage)
        for run in runs
        if run.lane != "bulk" and (run.since is None or now - run.since < LEFT_TO_A_RUN)
        for stage in run.stages
    }
