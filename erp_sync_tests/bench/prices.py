"""The price engine on a distributor's contracts: 2,000 accounts, a million negotiated (account, item) pairs.

Source and store as typed Parquet (files of `erp_sync.sandbox.distributor` and of the engine's own first plan). Each
measurement is a process of its own, for its peak memory, with two threads; plan and join take turns, three times, and
the medians are compared:

plan    read both sides, resolve, factor, compare: nothing changed, so the plan is empty
join    DuckDB's full outer join of two tables of one row for each (account, item, break), all columns read

Then what a plan writes when 1 % of the negotiated prices changed, and when one did, and how many of 10,000 random
(account, item) pairs cost other than their terms say by the store's rows. BENCH_SCALE makes it smaller (1); with
BENCH_TENFOLD=1 a tenth of it is measured too, for what ten times the rows cost.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import pandas  # noqa: F401  DuckDB asks for it at the first table of ours; the warm process of a run has it
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from erp_sync.flows.prices.engine.evaluation import differences
from erp_sync.flows.prices.engine.factoring import Native, factor
from erp_sync.flows.prices.engine.plan import PricePlan, difference
from erp_sync.flows.prices.engine.schedules import Schedules, resolve
from erp_sync.model.native_prices import NATIVE
from erp_sync.model.price_terms import TABLES
from erp_sync.sandbox.distributor import Distributor
from erp_sync.systems.sap_b1.pricing import PRECEDENCE
from erp_sync.systems.shopware.pricing import MEANS

ROUNDS = 3
CHECKED_PAIRS = 10_000
BATCH = 500  # rows of one sync request of Shopware
MEGABYTE = 1024 * 1024


def measure() -> dict[str, Any]:
    scale = float(os.environ.get("BENCH_SCALE", "1"))
    figures = _measure(scale)
    if os.environ.get("BENCH_TENFOLD"):
        tenth = _measure(scale / 10)
        figures["tenth_plan_s"] = tenth["plan_s"]
        figures["tenfold_rows_cost"] = round(figures["plan_s"] / tenth["plan_s"], 2)
    return figures


def _measure(scale: float) -> dict[str, Any]:
    distributor = Distributor.scaled(scale)
    with tempfile.TemporaryDirectory(prefix="erp-sync-bench-") as name:
        folder = Path(name)
        write(distributor, folder)
        figures = {"scale": scale, **_run("first", folder)}
        plans, joins = [], []
        for _ in range(ROUNDS):
            joins.append(_run("join", folder))
            plans.append(_run("plan", folder))
        figures |= {
            "plan_s": round(statistics.median(one["seconds"] for one in plans), 2),
            "join_s": round(statistics.median(one["seconds"] for one in joins), 2),
            "plan_cpu_s": round(statistics.median(one["cpu_s"] for one in plans), 2),
            "join_cpu_s": round(statistics.median(one["cpu_s"] for one in joins), 2),
            "plan_peak_mb": max(one["peak_mb"] for one in plans),
            "join_peak_mb": max(one["peak_mb"] for one in joins),
            "unchanged_rows_planned": max(one["planned"] for one in plans),
            "stages_s": plans[-1]["stages_s"],
        }
        figures["plan_over_join"] = round(figures["plan_s"] / figures["join_s"], 2)
        figures |= _run("changes", folder)
    return figures


def write(distributor: Distributor, folder: Path) -> None:
    """The source's tables, and none of the store's."""
    for name, table in distributor.tables().items():
        _write(table, folder / f"{name}.parquet")


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", store_decimal_as_integer=True)


def _run(what: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "erp_sync_tests.bench.prices", what, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{what}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


# -- in a process of its own ---------------------------------------------------------------------------


def database(folder: Path) -> duckdb.DuckDBPyConnection:
    """Views of both sides' files."""
    found = duckdb.connect(":memory:", config={"threads": 2, "temp_directory": str(folder / "spill")})
    for name in (*TABLES, *(f"known_{one}" for one in NATIVE)):
        path = folder / f"{name}.parquet"
        if path.exists():
            found.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{path}')")
    return found


def resolved(folder: Path, stages: dict[str, float] | None = None) -> tuple[Schedules, Native, PricePlan]:
    """The whole way from files to a plan."""
    took: dict[str, float] = {} if stages is None else stages
    began = time.perf_counter()
    schedules = resolve({}, PRECEDENCE, day=Distributor.day, database=database(folder))
    took["resolve"] = time.perf_counter() - began
    native = factor(schedules, MEANS)
    took["factor"] = time.perf_counter() - began - took["resolve"]
    plan = difference(native)
    took["compare"] = time.perf_counter() - began - took["resolve"] - took["factor"]
    return schedules, native, plan


def first(folder: Path) -> dict[str, Any]:
    """Everything is new: the rows are kept as what the store has, and as many rows as pairs and breaks for the join."""
    schedules, native, plan = resolved(folder)
    tables = native.tables()
    if plan.rows.num_rows != tables["rows"].num_rows:
        raise RuntimeError(f"{plan.rows.num_rows} rows are planned for an empty store, {tables['rows'].num_rows} made")
    for name, table in tables.items():
        _write(table, folder / f"known_{name}.parquet")
    one_by_one = schedules.database.sql(
        """
        SELECT p.account, s.item, s.unit, c.currency, s.quantity, s.price, c.gross
        FROM pairs p JOIN pair_steps s USING (owner) JOIN classes c ON c.class_id = p.class_id
        ORDER BY hash(s.item, p.account, s.quantity)
        """
    ).to_arrow_table()
    _write(one_by_one, folder / "one_by_one.parquet")
    kinds = dict(schedules.database.execute("SELECT kind, count(*) FROM native_rows GROUP BY kind").fetchall())
    wrong = differences(schedules, pairs=CHECKED_PAIRS)
    rows = tables["rows"].num_rows
    return {
        "accounts": schedules.database.execute("SELECT count(*) FROM members").fetchall()[0][0],
        "pairs": schedules.database.execute("SELECT count(*) FROM pairs").fetchall()[0][0],
        "rows_one_by_one": one_by_one.num_rows,
        "native_rows": rows,
        "native_rows_by_kind": kinds,
        "rules": tables["rules"].num_rows,
        "members_of_rules": tables["members"].num_rows,
        "factor": round(rows / one_by_one.num_rows, 3),
        "quarantined": schedules.quarantine().num_rows,
        "differences": wrong.num_rows,
    }


def plan(folder: Path) -> dict[str, Any]:
    stages: dict[str, float] = {}
    began, cpu = time.perf_counter(), time.process_time()
    _, _, found = resolved(folder, stages)
    return {
        "seconds": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu,
        "planned": found.rows.num_rows + found.rules.num_rows + found.members.num_rows,
        "stages_s": {name: round(seconds, 2) for name, seconds in stages.items()},
        "peak_mb": _peak(),
    }


def join(folder: Path) -> dict[str, Any]:
    held = database(folder)
    began, cpu = time.perf_counter(), time.process_time()
    counted = held.execute(
        f"""
        SELECT count(*) FILTER (s.price IS DISTINCT FROM t.price OR s.currency IS DISTINCT FROM t.currency),
               count(s.price_list), count(s.level), count(s.discount), count(s.from_list), count(s.valid_from),
               count(s.valid_to), count(s.rule), count(s.unit), count(t.unit), count(t.gross)
        FROM special_prices s FULL OUTER JOIN read_parquet('{folder / "one_by_one.parquet"}') t
          ON s.account = t.account AND s.item = t.item AND s.quantity = t.quantity
        """
    ).fetchall()
    return {
        "seconds": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu,
        "differing": counted[0][0],
        "peak_mb": _peak(),
    }


def changes(folder: Path) -> dict[str, Any]:
    """What is written when prices change: a hundredth of the terms that accounts share or have alone, then one."""
    whole = pq.read_table(folder / "special_prices.parquet")
    figures: dict[str, Any] = {}
    hundredth = pc.equal(pc.bit_wise_and(_number(whole["item"]), 127), 5)  # of the items, about one in a hundred
    pair = pc.and_(pc.equal(whole["account"], whole["account"][0]), pc.equal(whole["item"], whole["item"][0]))
    for name, changed in (("hundredth", hundredth), ("one", pair)):
        dearer = pc.if_else(changed, pc.add(whole["price"], pa.scalar(1, whole["price"].type)), whole["price"])
        _write(
            whole.set_column(whole.column_names.index("price"), "price", dearer.cast(whole["price"].type)),
            folder / "special_prices.parquet",
        )
        schedules, _, found = resolved(folder)
        figures |= {
            f"{name}_terms_changed": pc.sum(changed).as_py(),
            f"{name}_rows_planned": found.rows.num_rows,
            f"{name}_groups_planned": pc.count_distinct(found.rows["group"]).as_py(),
            f"{name}_writes": -(-found.rows.num_rows // BATCH),
            f"{name}_rules_planned": found.rules.num_rows + found.members.num_rows,
            f"{name}_differences": differences(schedules, pairs=CHECKED_PAIRS // 10).num_rows,
        }
    _write(whole, folder / "special_prices.parquet")
    return figures


def _number(names: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.utf8_slice_codeunits(names, 1), pa.int64())


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // MEGABYTE


if __name__ == "__main__":
    stage = {"first": first, "plan": plan, "join": join, "changes": changes}[sys.argv[1]]
    print(json.dumps(stage(Path(sys.argv[2]))))
