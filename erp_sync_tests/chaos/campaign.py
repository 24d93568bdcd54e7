"""Many seeds in a few processes, and their figures as one object."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import shlex
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import util
from typing import Any

import msgspec

ROUTE = "netsuite_magento"
# A seed that fails is told with this many of its findings.
TOLD = 6
# What a seed leaves behind is tied in circles: to look for them takes longer than to begin with another process after
# so many seeds, which have 4 MB each.
SEEDS_A_PROCESS = 250


class SeedResult(msgspec.Struct, kw_only=True):
    """What a worker process tells of a seed. `words` name what is wrong with it."""

    seed: int
    words: list[str] = []
    # That something is lost, there twice, or stale, as the systems show it; a crash is none.
    proof: list[str] = []
    counts: dict[str, int] = {}
    cases: dict[str, int] = {}
    faults: dict[str, int] = {}
    kills: list[str] = []
    recoveries: list[float] = []
    stale_seconds: float = 0.0
    cpu_seconds: float = 0.0


def figures(results: Sequence[SeedResult]) -> dict[str, Any]:
    """The object that the last line prints."""
    total: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for one in results:
        total.update(one.counts)
        faults.update(one.faults)
    recoveries = sorted(moment for one in results for moment in one.recoveries)
    return {
        "seeds": len(results),
        "documents": total["documents"],
        "state_keys": total["state_keys"],
        "documents_least_a_seed": min((one.counts.get("documents", 0) for one in results), default=0),
        "state_keys_least_a_seed": min((one.counts.get("state_keys", 0) for one in results), default=0),
        "faults_injected": dict(sorted(faults.items())),
        "kills": sum(len(one.kills) for one in results),
        "lost": total["lost"],
        "duplicated": total["duplicated"],
        "stale_overwrites": total["stale"],
        "stale_seconds_max": round(max((one.stale_seconds for one in results), default=0.0), 1),
        "unexplained": total["unexplained"],
        "cases_open": sum(sum(one.cases.values()) for one in results),
        "recovery_s": round(recoveries[max(0, -(-95 * len(recoveries) // 100) - 1)], 1) if recoveries else None,
        "failed_seeds": [one.seed for one in results if one.words],
        "cpu_s_a_seed": round(sum(one.cpu_seconds for one in results) / max(1, len(results)), 2),
    }


def play_seeds(
    seeds: Sequence[int],
    *,
    route: str = ROUTE,
    mutant: str = "",
    processes: int = 2,
) -> Iterator[SeedResult]:
    """Results as they come. With one process the seeds are played here, in order."""
    with players(route, processes, SEEDS_A_PROCESS) as run:
        yield from run(_play, [(seed, mutant) for seed in seeds])


@contextmanager
def players(
    route: str, processes: int, tasks: int = 2
) -> Iterator[Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Any]]]:
    """Processes with a template each; gives what lets them work a list off, in no order. After so many `tasks` each is
    replaced by another one.

    Raises KeyError for a route that is not there: a pool would start its processes for ever.
    """
    from erp_sync.components.configuration import read_configuration
    from erp_sync_tests.chaos.house import defs

    read_configuration(defs(), everything=True).route(route)
    if processes == 1:
        _begin(route)
        try:
            yield map
        finally:
            _player.pop().close()
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["erp_sync_tests.chaos.loaded"])
    with context.Pool(processes, initializer=_begin_anew, initargs=(route,), maxtasksperchild=tasks) as pool:
        yield pool.imap_unordered
        pool.close()
        pool.join()


class _Player:
    """A process's template."""

    def __init__(self, route: str) -> None:
        from erp_sync_tests.chaos.house import Template
        from erp_sync_tests.chaos.workshop import memory, workshop

        logging.getLogger("erp_sync").setLevel(logging.CRITICAL)
        self._workshop = workshop(memory())
        self._template = Template(route, self._workshop.__enter__())

    def __call__(self, seed: int, mutant: str) -> SeedResult:
        from erp_sync_tests.chaos.mutants import mutated
        from erp_sync_tests.chaos.play import play
        from erp_sync_tests.chaos.schedule import LEAST

        began = time.process_time()
        try:
            with mutated(mutant):
                played = play(self._template, seed)
        except Exception as defect:  # noqa: BLE001 - every seed is told of, one that broke the harness, too
            where = "".join(traceback.format_exception(defect)[-3:])
            return SeedResult(seed=seed, words=[f"broken off: {where}"], counts={"unexplained": 1})
        verdict = played.verdict
        thin = [f"thin: {there} {what}" for what, least in LEAST.items() if (there := getattr(played, what)) < least]
        return SeedResult(
            seed=seed,
            words=verdict.words() + thin,
            proof=verdict.proof(),
            counts={
                "documents": played.documents,
                "state_keys": played.state_keys,
                "lost": len(verdict.lost),
                "duplicated": len(verdict.duplicated),
                "stale": len(verdict.stale),
                "unexplained": len(verdict.unexplained) + len(thin),
                "calls": played.calls,
                "runs": played.runs,
            },
            cases=dict(verdict.cases),
            faults=dict(played.faults),
            kills=[where for _, _, where in played.kills],
            recoveries=played.recoveries,
            stale_seconds=verdict.stale_seconds,
            cpu_seconds=time.process_time() - began,
        )

    def close(self) -> None:
        self._workshop.__exit__(None, None, None)


_player: list[_Player] = []


def _begin(route: str) -> None:
    """Everything is played in this process, however many seeds."""
    _player.append(_Player(route))
    # What is there now stays: the collector need not go through it with every seed.
    gc.collect()
    gc.freeze()
    # Most of what a seed makes is gone with it: looking through it meanwhile costs, and frees little.
    gc.set_threshold(200_000, 20, 20)


def _begin_anew(route: str) -> None:
    """Of a process for some seeds."""
    _player.append(_Player(route))
    util.Finalize(_player[0], _Player.close, args=(_player[0],), exitpriority=10)
    gc.disable()


def _play(work: tuple[int, str]) -> SeedResult:
    return _player[0](*work)


def hunt(work: tuple[str, Sequence[int]]) -> list[SeedResult]:
    """Seeds with this mutant until one shows what it does to the systems; all that were played.

    That the harness or a run broke off is no proof: nobody would see that a guarantee is gone.
    """
    mutant, seeds = work
    played = []
    for seed in seeds:
        played.append(_player[0](seed, mutant))
        if played[-1].proof:
            break
    return played


def told(result: SeedResult, *, route: str = ROUTE, mutant: str = "", target: str = "chaos-sim") -> str:
    """A failed seed in words, with the command that plays it again."""
    lines = [f"seed {result.seed} fails: {replay(result.seed, route=route, mutant=mutant, target=target)}"]
    lines += [f"  {word}" for word in result.words[:TOLD]]
    if len(result.words) > TOLD:
        lines.append(f"  and {len(result.words) - TOLD} more")
    return "\n".join(lines)


def replay(seed: int, *, route: str, mutant: str, target: str) -> str:
    """The command line of one seed, in a shell's words; what is as usual is left out."""
    given = {"ERP_SYNC_DEFS": os.environ.get("ERP_SYNC_DEFS") or ""}
    variables = {"FIRST_SEED": str(seed), "SEEDS": "1", "ROUTE": route if route != ROUTE else "", "MUTANT": mutant}
    words = [f"{name}={shlex.quote(value)}" for name, value in given.items() if value]
    return " ".join([*words, "make", target, *(f"{name}={shlex.quote(one)}" for name, one in variables.items() if one)])


def cores() -> int:
    return min(2, os.cpu_count() or 1)
