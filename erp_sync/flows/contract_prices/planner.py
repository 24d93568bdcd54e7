"""One comparison, from the book and known state to the rows of plans and what judges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from erp_sync.flows.contract_prices import dates, judging, names, native, planning
from erp_sync.flows.contract_prices.checks import AMBIGUOUS_NAME, SEVERAL_UNITS, code_of
from erp_sync.flows.contract_prices.rules import limit
from erp_sync.flows.guards import GuardVerdict
from erp_sync.flows.table_flow import TablePlan, TableSurroundings

if TYPE_CHECKING:
    import duckdb


def plan_tables(database: duckdb.DuckDBPyConnection, around: TableSurroundings) -> TablePlan:
    """Compare. The database has the book as `book.open_book` leaves it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    problems = names.rename(database, around.lookups)
    native.make_macros(database)
    several = native.store_units(database)
    native.known_tables(database, around.known)
    native.then_tables(database, around.then)
    zone = around.source.day_zone
    day = around.now.astimezone(ZoneInfo(zone)).date()
    wished = planning.work_out(
        database, around.source.precedence, around.target.means, around.rules, day=day, at=around.now
    )
    verdicts = _judged(database, around)
    rows = planning.plan_rows(database, "known", "going")
    held = planning.with_why(database, planning.plan_rows(database, "going", "next"))
    unread = [row[0] for row in database.execute("SELECT key FROM known_doubted ORDER BY key").fetchall()]
    if unread:
        rows, held = (
            one.filter(pc.invert(pc.is_in(one.column("key"), pa.array(unread, pa.string())))) for one in (rows, held)
        )
    differing = rows.num_rows + held.num_rows
    verdicts += planning.verdicts(database, rows, around.limits)
    wanted = planning.afters(rows) | planning.afters(held)
    (rows, decided), (held, refused) = (planning.without(one, around.settled) for one in (rows, held))
    rows, standing = planning.without(rows, around.going)
    # What waits for a key that is written now is overtaken by that, and waits anew.
    written = set(rows.column("key").to_pylist())
    held, waiting = planning.without(held, {key: after for key, after in around.waiting.items() if key not in written})
    there = [*around.going.items(), *around.waiting.items()]
    undoing = _still_undone(around, wanted)
    overtaken = sorted(
        {key for key, after in there if key not in undoing and (key not in wanted or wanted[key] != after)}
    )
    quarantine = [{**one, "rule": code_of(one["rule"])} for one in wished.quarantine.to_pylist()]
    quarantine += [
        {"account": "", "price_list": "", "item": name, "rule": AMBIGUOUS_NAME, "problem": words}
        for name, words in problems.items()
    ]
    words = "it is to be sold in several units, and a product of the store has one: only the first is"
    quarantine += [
        {"account": "", "price_list": "", "item": item, "rule": SEVERAL_UNITS, "problem": words} for item in several
    ]
    return TablePlan(
        rows=rows,
        held=held,
        verdicts=verdicts,
        held_why=planning.counted(held),
        unread=unread,
        standing=[*decided, *refused, *standing, *waiting],
        overtaken=overtaken,
        quarantine=quarantine,
        whole=wished.rows,
        same=max(0, wished.rows - differing),
        kept=wished.kept,
        next_change=dates.next_change(database, day, around.now, zone),
    )


def _judged(database: duckdb.DuckDBPyConnection, around: TableSurroundings) -> list[GuardVerdict]:
    """Make ``going_…``. What somebody has approved does not wait again as long as it is what the terms say."""
    most = limit(around.limits, "max_price_change")
    if not judging.judge(database, most, around.rules.cost_list, around.rules.map_list):
        judging.nothing_waits(database)
        words = f"more than {judging.MOST_PAIRS} prices of accounts would come from other rules: too many to judge each"
        return [GuardVerdict(guard="max_moved_prices", passed=False, words=words, figure="", limit="")]
    judging.put_back(database)
    if around.approved:
        groups: dict[str, list[bool]] = {}
        for key, after in planning.afters(planning.plan_rows(database, "going", "next")).items():
            approved = key in around.approved and around.approved[key] == after
            groups.setdefault(native.ladder_of(key), []).append(approved)
        judging.let_go(database, [ladder for ladder, rows in groups.items() if all(rows)])
        judging.put_back(database)
    return []


def _still_undone(around: TableSurroundings, wanted: Mapping[str, str | None]) -> set[str]:
    """Keys on their way back to what they were before a plan that was undone, and of which the terms say the same as
    then: the undoing is not overtaken by that."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = sorted(around.going.keys() & around.settled.keys())
    if not keys:
        return set()
    known = around.known.filter(pc.is_in(around.known.column("key"), pa.array(keys, pa.string())))
    held = dict(zip(known.column("key").to_pylist(), known.column("value").to_pylist(), strict=True))
    return {key for key in keys if wanted.get(key, held.get(key)) == around.settled[key]}
