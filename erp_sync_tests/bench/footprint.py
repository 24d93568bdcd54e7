"""What an installation takes while it works: memory of every process, and how its files grow."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import psutil

from erp_sync.runtime import figures, services
from erp_sync.runtime.messages import FinishedRun
from erp_sync.runtime.workers import WarmFolder
from erp_sync.settings import Settings

EVERY_SECONDS = 2.0
MEGABYTE = 1e6
# Parts of an installation's home; what begins with the name belongs to the part.
PARTS = ("ledger", "lake", "dagster", "exchanges")


class Watched(threading.Thread):
    """Looks at every process of an installation and of its sandboxes now and then.

    Peaks are the kernel's own where a process lives for long (its largest resident set), and the fork server's account
    of each run that has ended. Pages that processes share are counted once in `together_mb`.
    """

    def __init__(self, settings: Settings, sandboxes: Mapping[str, Any]) -> None:
        super().__init__(name="footprint", daemon=True)
        self._settings = settings
        self._sandboxes = {f"sandbox-{name}": int(state["pid"]) for name, state in sandboxes.items()}
        self._ended = threading.Event()
        self.peaks_mb: dict[str, float] = {}
        self.together_mb = 0.0
        self.runs: dict[str, FinishedRun] = {}
        self.cpu_s: dict[str, float] = {}

    def run(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            self.look()

    def stop(self) -> None:
        """Looks once more; services and sandboxes still run."""
        self._ended.set()
        self.join()
        self.look()

    def look(self) -> None:
        found = services.status(self._settings)
        named = {name: one.process.pid for name, one in found.services.items() if one.process is not None}
        if found.supervisor is not None:
            named["supervisor"] = found.supervisor.pid
        for name, pid in {**named, **self._sandboxes}.items():
            self.peaks_mb[name] = max(self.peaks_mb.get(name, 0.0), _largest_mb(pid))
            self.cpu_s[name] = max(self.cpu_s.get(name, 0.0), _cpu_seconds(pid))
        top = named.get("supervisor")
        self.together_mb = max(self.together_mb, _together_mb(top) if top is not None else 0.0)
        forked = figures.forked_runs(WarmFolder(self._settings.dagster_home))
        for run in forked.finished if forked is not None else ():
            self.runs[run.run_id] = run

    def told(self) -> dict[str, Any]:
        """Figures: peaks of the services, of the largest run of each flow, of all of erp_sync together; CPU-seconds."""
        flows = _flows(self._settings)
        largest: dict[str, float] = {}
        spent: dict[str, float] = {}
        for run in self.runs.values():
            flow = flows.get(run.run_id, "other")
            largest[flow] = max(largest.get(flow, 0.0), run.largest_kilobytes / 1000)
            spent[flow] = spent.get(flow, 0.0) + run.cpu_seconds
        return {
            "memory_mb_peak": {name: round(value) for name, value in sorted(self.peaks_mb.items())},
            "memory_mb_peak_of_a_run": {name: round(value) for name, value in sorted(largest.items())},
            "memory_mb_peak_together": round(self.together_mb),
            # Runs are children of the fork server; a parent's own account has those that have ended.
            "cpu_s": {name: round(value, 1) for name, value in sorted(self.cpu_s.items())},
            "cpu_s_of_runs": {name: round(value, 1) for name, value in sorted(spent.items())},
            "runs": len(self.runs),
        }


def sizes(settings: Settings) -> dict[str, int]:
    """Bytes of the parts of a home, and of every table with its indexes (``ledger received``).

    Meant for an installation at rest: what waits in the journals of its databases is written to them first.
    """
    found = dict.fromkeys(PARTS, 0)
    for file in sorted(settings.home.rglob("*.db")):
        if (part := _part(settings, file)) is not None:
            found |= {f"{part} {name}": size for name, size in _tables(file).items()}
    for file in settings.home.rglob("*"):
        if (part := _part(settings, file)) is not None and file.is_file():
            found[part] += file.stat().st_size
    return found


def _part(settings: Settings, file: Path) -> str | None:
    return next((one for one in PARTS if file.relative_to(settings.home).parts[0].startswith(one)), None)


def _tables(file: Path) -> dict[str, int]:
    with closing(sqlite3.connect(file, timeout=30)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return dict(
            database.execute(
                "SELECT tbl_name, SUM(pgsize) FROM dbstat JOIN sqlite_master USING (name) GROUP BY tbl_name"
            ).fetchall()
        )


def growth(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, float]:
    """Megabytes by part."""
    return {f"{part}_mb": round((after[part] - before[part]) / MEGABYTE, 1) for part in PARTS}


def cost(before: Mapping[str, int], after: Mapping[str, int], orders: int) -> dict[str, float]:
    """Kilobytes an order: together, by part, and by the tables that take most."""
    each = {name: (size - before.get(name, 0)) / orders / 1000 for name, size in after.items()}
    parts = {"together": sum(each[part] for part in PARTS)} | {part: each[part] for part in PARTS}
    tables = sorted((name for name in each if name not in PARTS), key=lambda name: -each[name])
    return {name: round(kilobytes, 1) for name, kilobytes in (parts | {one: each[one] for one in tables[:12]}).items()}


def _largest_mb(pid: int) -> float:
    """The kernel's largest resident set of a process so far; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM:")), 0.0)


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _together_mb(supervisor: int) -> float:
    """Memory of a process and everything below it, shared pages in parts."""
    total = 0
    try:
        top = psutil.Process(supervisor)
        processes = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for process in processes:
        try:
            rolled = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next((int(line.split()[1]) for line in rolled.splitlines() if line.startswith("Pss:")), 0)
    return total / 1000


def _flows(settings: Settings) -> dict[str, str]:
    """Flow by run."""
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        return {run.run_id: run.tags.get("erp_sync/flow", "other") for run in instance.get_runs()}
