"""Once a day: what has had its time is removed, and small files become large ones.

Ledger, exchange log and lake each say what they forget; here it is called, and told what was removed. What one
cannot do keeps no other from its work.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

import dagster as dg
import msgspec

from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.table_book import books

KEY = dg.AssetKey(["installation", "housekeeping"])
JOB = "housekeeping"
# Files of the last day are left as they are: runs under way read what they have written.
COMPACT_AFTER = timedelta(days=1)


class Housework(msgspec.Struct, kw_only=True):
    """What was removed, by kind, and what could not be done: (what, why)."""

    removed: dict[str, int] = {}
    failed: list[tuple[str, str]] = []


class Done(msgspec.Struct, kw_only=True):
    """What came of a chore: how much, by kind, and what could not be done, in words."""

    removed: dict[str, int] = {}
    failed: list[str] = []


Chore = Callable[[Installation], Done]


def keep_house(here: Installation, now: datetime, chores: Mapping[str, Chore] = {}) -> Housework:
    """Remove what is older than the installation keeps it. Running it again removes nothing more."""
    from sqlalchemy.exc import SQLAlchemyError

    from erp_sync.lake.errors import LakeError
    from erp_sync.ledger.errors import NO_ANSWER, LedgerError, in_short
    from erp_sync.transport.exchange_turns import ExchangeLogError

    work = Housework()

    def do(what: str, act: Callable[[], dict[str, int]]) -> None:
        try:
            for kind, count in act().items():
                work.removed[kind] = work.removed.get(kind, 0) + count
        except (LakeError, LedgerError, ExchangeLogError, OSError, SQLAlchemyError, *NO_ANSWER) as problem:
            work.failed.append((what, f"{type(problem).__name__}: {in_short(problem)}"))

    do("ledger", lambda: _ledger(here))
    do("exchanges", lambda: _exchanges(here, now))
    snapshots = {(connection, entity): runs for connection, entity, runs in _snapshots(here)}
    for connection, entity in here.lake.entities():
        do(
            f"lake {connection}/{entity}",
            partial(_lake, here, connection, entity, snapshots.get((connection, entity)), now),
        )
    do("erased persons", lambda: {"lake_erased": _erased(here)})
    do("exchanges of erased persons", lambda: _forgotten(here, now))
    do("lake", lambda: {"lake_swept": here.lake.sweep()})
    # Last: they call systems, and what one of them raises is not all foreseen.
    for what, chore in chores.items():
        do(what, partial(_chore, here, work, what, chore))
    return work


def _chore(here: Installation, work: Housework, what: str, chore: Chore) -> dict[str, int]:
    done = chore(here)
    work.failed += [(what, why) for why in done.failed]
    return done.removed


def _ledger(here: Installation) -> dict[str, int]:
    from erp_sync.components.due import readers
    from erp_sync.ledger.retention import Retention

    days = here.settings
    keep = Retention(
        payloads=days.payload_days,
        deliveries=days.delivery_days,
        plans=days.plan_days,
        inbox=days.event_days,
        quarantine=days.quarantine_days,
        metrics=days.metric_days,
    )
    expired = here.ledger.retention.expire(keep, readers(here.configuration))
    return {f"ledger_{kind}": count for kind, count in expired.items()}


def _exchanges(here: Installation, now: datetime) -> dict[str, int]:
    done = here.exchanges.expire(now - here.settings.exchange_retention, here.ledger.retention.open())
    return {
        "exchanges": done.exchanges,
        "exchanges_kept_open": done.kept,
        "exchange_segments": done.segments,
        "exchange_bytes": done.freed_bytes,
    }


def _erased(here: Installation) -> int:
    """What an extraction had landed of a person who was erased at that moment, and what a restored lake has of one."""
    nobodies = here.ledger.privacy.nobodies()
    return sum(here.lake.erase(connection, entity, ids) for (connection, entity), ids in nobodies.items())


def _forgotten(here: Installation, now: datetime) -> dict[str, int]:
    """What the exchange log has since the last time of persons who were erased: a store restored from its own backup
    sends them again."""
    from erp_sync.model.remains import Remains
    from erp_sync.transport.exchange_forgetting import Position, forget

    erased = here.ledger.privacy.erased()
    if not erased:
        return {}
    file = here.settings.home / "privacy" / "exchanges-looked-through.json"
    before = msgspec.json.decode(file.read_bytes(), type=Position) if file.is_file() else Position()
    remains = Remains(erased, here.ledger.privacy.returned)
    done, position = forget(here.exchanges, remains, before, now)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_bytes(msgspec.json.encode(position))
    return {
        "exchange_bodies_erased": done["bodies"],
        "exchange_words_erased": done["exchanges"],
        "exchange_remains_erased": done["unreferred"],
    }


def _snapshots(here: Installation) -> Iterator[tuple[str, str, set[str]]]:
    """(connection, folder, runs whose snapshot is still compared with, or whose part is of a book). Compaction would
    lose the runs' ids."""
    from erp_sync.flows.state_extraction import base_entity, snapshot_entity

    found: dict[tuple[str, str], set[str]] = {}
    for route in here.configuration.routes.values():
        for name in route.flows:
            kind = FLOWS[name]
            if kind.delivers:
                continue
            source, folder = getattr(route, kind.source), snapshot_entity(kind.source_entity)
            runs = found.setdefault((source, folder), set())
            for entity in (folder, base_entity(route.name, name, kind.source_entity)):
                runs.add(here.ledger.cursors.get(source, entity).token)
    for (source, folder), runs in [*found.items(), *books(here).items()]:
        yield source, folder, runs - {""}


def _lake(
    here: Installation, connection: str, entity: str, snapshots_of: set[str] | None, now: datetime
) -> dict[str, int]:
    """`snapshots_of`: runs whose snapshot is needed; None where the folder holds no snapshots."""
    if snapshots_of is None:
        return {"lake_compacted": here.lake.compact(connection, entity, now - COMPACT_AFTER)}
    needed = [one.written_at for one in here.lake.files(connection, entity) if one.run_id in snapshots_of]
    old = now - timedelta(days=here.settings.snapshot_days)
    return {"lake_snapshots": here.lake.remove(connection, entity, min([old, *needed]))}


def housekeeping(chores: Mapping[str, Chore] = {}) -> dg.Definitions:
    """The asset, its job and its schedule: one for the installation. `chores`: see `keep_house`."""

    @dg.asset(
        key=KEY,
        group_name="installation",
        description=(
            "Once a day: removes finished deliveries, plans and payloads from the ledger, old exchanges from the "
            "exchange log (not those of what is still open), old snapshots and files that nothing names from the lake, "
            "and joins its small files; ends erasures of persons that were cut short. "
            "Its metadata says how many of each."
        ),
        kinds={"python"},
    )
    def housekeeping_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from datetime import UTC

        from erp_sync.components.installation import current

        done = keep_house(current(), datetime.now(UTC), chores)
        context.log.info("housekeeping", extra=done.removed)
        if done.failed:
            raise dg.Failure(
                description="; ".join(f"{what}: {why}" for what, why in done.failed),
                metadata={**done.removed, "failed": [what for what, _ in done.failed]},
                allow_retries=False,
            )
        return dg.MaterializeResult(metadata={**done.removed})

    job = dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(KEY),
        description="Removes what has had its time, and joins small files of the lake.",
        tags={"erp_sync/flow": JOB},
    )
    schedule = dg.ScheduleDefinition(
        name="daily_housekeeping",
        job=job,
        cron_schedule="30 1 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day at half past one (UTC), before the full comparisons.",
    )
    return dg.Definitions(assets=[housekeeping_asset], jobs=[job], schedules=[schedule])
