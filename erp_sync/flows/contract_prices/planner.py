"""One comparison, from the book and known state to the rows of plans and what judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from erp_sync.flows.contract_prices import dates, names, native, planning
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
    zone = around.source.day_zone
    day = around.now.astimezone(ZoneInfo(zone)).date()
    wished = planning.work_out(
        database, around.source.precedence, around.target.means, around.rules, day=day, at=around.now
    )
    rows = planning.plan_rows(database, "known", "next")
    unread = [row[0] for row in database.execute("SELECT key FROM known_doubted ORDER BY key").fetchall()]
    if unread:
        rows = rows.filter(pc.invert(pc.is_in(rows.column("key"), pa.array(unread, pa.string()))))
    differing = rows.num_rows
    rows, decided = planning.without(rows, around.settled)
    wanted = dict(zip(rows.column("key").to_pylist(), rows.column("after").to_pylist(), strict=True))
    rows, standing = planning.without(rows, around.open)
    overtaken = sorted(key for key, after in around.open.items() if key not in wanted or wanted[key] != after)
    quarantine = wished.quarantine.to_pylist()
    quarantine += [
        {"account": "", "price_list": "", "item": name, "rule": "ambiguous_name", "problem": words}
        for name, words in problems.items()
    ]
    words = "it is to be sold in several units, and a product of the store has one: only the first is"
    quarantine += [
        {"account": "", "price_list": "", "item": item, "rule": "several_units", "problem": words} for item in several
    ]
    return TablePlan(
        rows=rows,
        unread=unread,
        standing=[*decided, *standing],
        overtaken=overtaken,
        quarantine=quarantine,
        whole=wished.rows,
        same=max(0, wished.rows - differing),
        kept=wished.kept,
        next_change=dates.next_change(database, day, around.now, zone),
    )
