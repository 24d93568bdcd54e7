"""What the processes of an installation have cost so far."""

from __future__ import annotations

import socket

import msgspec
import psutil

from erp_sync.runtime import messages, services
from erp_sync.runtime.workers import WarmFolder
from erp_sync.settings import Settings


class ProcessCost(msgspec.Struct, frozen=True):
    """CPU time and memory of one service.

    Attributes:
        cpu_seconds: user and system time of its process and of children that have ended, runs among them.
        resident_megabytes: memory of its process now, pages shared with others included.
    """

    cpu_seconds: float
    resident_megabytes: float


def costs(settings: Settings) -> dict[str, ProcessCost]:
    """Cost of each running service, and of the supervisor, by name. Two calls bracket what is to be measured."""
    found = services.status(settings)
    processes = {name: service.process for name, service in found.services.items() if service.process is not None}
    if found.supervisor is not None:
        processes["supervisor"] = found.supervisor
    measured = {}
    for name, process in processes.items():
        try:
            watched = psutil.Process(process.pid)
            times = watched.cpu_times()
            seconds = times.user + times.system + times.children_user + times.children_system
            measured[name] = ProcessCost(seconds, watched.memory_info().rss / 1e6)
        except psutil.NoSuchProcess:
            continue
    return measured


def tree_cpu_seconds(settings: Settings) -> float:
    """CPU-seconds of the whole installation so far: its supervisor and everything below it, what has ended included.

    0 where nothing runs.
    """
    supervisor = services.status(settings).supervisor
    if supervisor is None:
        return 0.0
    seconds = 0.0
    top = psutil.Process(supervisor.pid)
    # Children before their parents: one that ends meanwhile is found in its parent's account.
    for process in (*reversed(top.children(recursive=True)), top):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def forked_runs(folder: WarmFolder) -> messages.Figures | None:
    """What the fork server of a Dagster home has done, the last thousand runs one by one; None without a server."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        try:
            connection.connect(folder.address)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        messages.send(connection, messages.FiguresRequest())
        answer = messages.receive_answer(connection)
    if not isinstance(answer, messages.Figures):
        raise TypeError(f"expected figures of the fork server, got {answer}")
    return answer
