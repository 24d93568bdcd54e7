"""A year of runs every five minutes in the lake: what joining their files saves.

One small entity: 365 x 288 files of BENCH_ROWS rows each (3), written by a loop of its own, without forcing each to
disk, and named by a manifest of as many lines, as runs do. Then what the daily housekeeping does, once over all of
it, and a day more with its own. Read before and after: the newest version of every record (DuckDB over all files),
once; the manifest, and the rows of one day in the middle of the year, best of three. BENCH_DAYS makes the year
shorter.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from erp_sync.lake import FileEntry, Lake
from erp_sync.lake.manifest import Change

STORE, ENTITY = "magento_us", "sales_order"
DAY = timedelta(days=1)
RUNS_A_DAY = 288
RECORDS = 20_000
# About what a stock level or a small order is, as JSON.
PAYLOAD = '{"entity_id":%d,"increment_id":"%09d","status":"processing","updated_at":"%s","lines":[%s]}'
LINE = '{"sku":"SKU-%06d","qty_ordered":1,"price":"9.9900","row_total":"9.9900"}'


def measure() -> dict[str, Any]:
    days, rows = int(os.environ.get("BENCH_DAYS", "365")), int(os.environ.get("BENCH_ROWS", "3"))
    start = datetime(2025, 11, 24, tzinfo=UTC)
    with tempfile.TemporaryDirectory(prefix="erp-sync-bench-") as folder:
        at = start + days * DAY
        lake = Lake(Path(folder), lambda: at)
        filled, _ = timed(lambda: fill(lake.root, start, days, rows))
        found: dict[str, Any] = {"days": days, "rows_a_run": rows, "filling_s": round(filled, 1)}
        middle = start + (days // 2) * DAY
        found |= _read(lake, middle, rows, "before")
        took, joined = timed(lambda: lake.compact(STORE, ENTITY, at))
        found |= {"joining_all_s": round(took, 1), "files_joined": joined}
        at += 2 * DAY
        took, swept = timed(lake.sweep)
        found |= {"sweeping_all_s": round(took, 1), "files_swept": swept}
        found |= _read(lake, middle, rows, "after")
        fill(lake.root, at, 1, rows)
        at += DAY
        found["day_of_runs_joined_s"] = round(timed(lambda: lake.compact(STORE, ENTITY, at))[0], 2)
        first = f"{STORE}/{ENTITY}/{name_of(start)}"
        found["row_by_its_first_name_s"] = round(min(timed(lambda: lake.row(first, 0))[0] for _ in range(3)), 3)
        found["rows_lost"] = (days + 1) * RUNS_A_DAY * rows - lake.verify(STORE, ENTITY)
    for figure in ("manifest_bytes", "latest_state_s", "one_day_s"):
        found[f"{figure}_after_over_before"] = round(found[f"{figure}_after"] / found[f"{figure}_before"], 5)
    return found


def fill(root: Path, start: datetime, days: int, rows: int) -> None:
    """Runs' files of some days, and a manifest line for each, as `Lake.write` makes them."""
    folder = root / STORE / ENTITY
    number = 0
    for day in range(days):
        (folder / f"{start + day * DAY:%Y/%m/%d}").mkdir(parents=True)
        lines = []
        for run in range(RUNS_A_DAY):
            at = start + day * DAY + run * timedelta(minutes=5)
            table = records(at, number, rows)
            number += rows
            path = folder / name_of(at)
            pq.write_table(
                table, path, compression="zstd", compression_level=9, use_dictionary=False, store_schema=False,
                write_statistics=[name for name in table.column_names if name != "payload"], write_page_checksum=True,
            )  # fmt: skip
            entry = FileEntry(
                file=str(path.relative_to(root)), rows=rows, bytes=path.stat().st_size, written_at=at,
                run_id=f"00000000-0000-4000-8000-{day:06d}{run:06d}",
            )  # fmt: skip
            lines.append(msgspec.json.encode(Change(at=at, add=(entry,))) + b"\n")
        with (folder / "manifest.jsonl").open("ab") as out:
            out.writelines(lines)


def name_of(at: datetime) -> str:
    """With twelve digits that look as random as those of a run."""
    return f"{at:%Y/%m/%d/%H%M%S}-{(int(at.timestamp()) * 2654435761) % 16**12:012x}.parquet"


def records(at: datetime, number: int, rows: int) -> pa.Table:
    """Changes of records, one after the other, as the raw layer has them."""
    ids = [(number + row) * 7919 % RECORDS for row in range(rows)]
    times = pa.array([at] * rows, pa.timestamp("us", tz="UTC"))
    payloads = [
        PAYLOAD % (one, one, at.isoformat(), ",".join(LINE % ((one + line) % 9973) for line in range(3))) for one in ids
    ]
    return pa.table(
        {
            "native_id": pa.array([str(one) for one in ids], pa.string()),
            "scope": pa.array(["default"] * rows, pa.string()),
            "version": pa.array([at.isoformat()] * rows, pa.string()),
            "source_time": times,
            "created_time": times,
            "payload": pa.array(payloads, pa.string()),
        }
    )


def _read(lake: Lake, day: datetime, rows: int, when: str) -> dict[str, Any]:
    """Sizes, and how long reads take."""
    folder = lake.root / STORE / ENTITY
    reads: dict[str, Callable[[], int]] = {
        "manifest_s": lambda: len(lake.files(STORE, ENTITY)),
        "latest_state_s": lambda: latest(lake),
        "one_day_s": lambda: of_day(lake, day),
    }
    figures: dict[str, Any] = {
        f"files_{when}": sum(1 for _ in folder.rglob("*.parquet")),
        f"file_bytes_{when}": sum(path.stat().st_size for path in folder.rglob("*.parquet")),
        f"manifest_bytes_{when}": (folder / "manifest.jsonl").stat().st_size,
    }
    for name, read in reads.items():
        took = [timed(read) for _ in range(1 if name == "latest_state_s" else 3)]
        figures[f"{name[:-2]}_s_{when}"] = round(min(seconds for seconds, _ in took), 3)
        if name == "one_day_s" and took[0][1] != RUNS_A_DAY * rows:
            raise RuntimeError(f"a day has {took[0][1]} rows, {RUNS_A_DAY * rows} were written")
    return figures


def latest(lake: Lake) -> int:
    """How many records there are, each read in its newest version."""
    rows = lake.scan(STORE, ENTITY)
    newest = rows.aggregate("native_id, arg_max(payload, source_time) AS payload", "native_id")
    return len(newest.fetch_arrow_table())


def of_day(lake: Lake, day: datetime) -> int:
    """How many rows were changed on a day: whole files are read, and what lies outside left out."""
    rows = lake.scan(STORE, ENTITY, since=day, until=day + DAY)
    chosen = rows.filter(f"source_time >= '{day:%Y-%m-%d}' AND source_time < '{day + DAY:%Y-%m-%d}'")
    return len(chosen.fetch_arrow_table())


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = act()
    return time.perf_counter() - began, result
