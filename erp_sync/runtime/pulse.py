"""Whether services that live still work. A process that hangs keeps its number, its socket and its locks: nobody who
only looks whether it lives would ever notice, and what needs it goes the slow way or not at all.
"""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException

import msgspec
import psutil

from erp_sync.runtime import messages
from erp_sync.runtime.processes import ProcessName
from erp_sync.runtime.service_set import Service, ask
from erp_sync.runtime.workers import WarmFolder

#: A service is replaced after so many questions without an answer at least.
UNANSWERED = 3


@dataclass
class _Heard:
    process: ProcessName
    at: float
    unanswered: int = 0


class Pulse:
    """Asks services in a thread of its own, each six times within the time after which it counts as hung.

    Args:
        ready: gives services that said that they are ready, by name, with their processes.
    """

    def __init__(self, ready: Callable[[], Mapping[str, tuple[Service, ProcessName]]]) -> None:
        self._ready = ready
        self._heard: dict[str, _Heard] = {}
        self._asked: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask_all, name="pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def silent_seconds(self, service: Service, process: ProcessName) -> float | None:
        """How long a hung service has not answered; None where it has, or may only be slow."""
        heard = self._heard.get(service.name)
        if heard is None or heard.process != process or heard.unanswered < UNANSWERED:
            return None
        silent = time.monotonic() - heard.at
        return silent if silent > service.hung_seconds else None

    def _ask_all(self) -> None:
        while not self._stop.wait(0.5):
            for service, process in self._ready().values():
                now = time.monotonic()
                if now - self._asked.get(service.name, 0.0) < service.hung_seconds / 6:
                    continue
                self._asked[service.name] = now
                heard = self._heard.get(service.name)
                if heard is None or heard.process != process:
                    heard = self._heard[service.name] = _Heard(process, now)
                if answers(service, process, service.hung_seconds / 6):
                    heard.at, heard.unanswered = time.monotonic(), 0
                else:
                    heard.unanswered += 1


def answers(service: Service, process: ProcessName, seconds: float) -> bool:
    """Whether a service that is ready works: it is not stopped, and gives an answer where it can be asked."""
    with suppress(psutil.NoSuchProcess):
        if psutil.Process(process.pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
            return False
    if service.ready.fork_server is not None:
        return _fork_server_answers(WarmFolder(service.ready.fork_server), seconds)
    if service.ready.url is not None:
        return _url_answers(service.ready.url, seconds)
    return True


def _fork_server_answers(folder: WarmFolder, seconds: float) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(folder.address)
            messages.send(connection, messages.FiguresRequest())
            messages.receive_answer(connection)
        except TimeoutError:
            return False
        except (OSError, EOFError, msgspec.DecodeError):
            return True  # it ends, or makes room for another: whoever looks whether it lives sees to that
    return True


def _url_answers(url: str, seconds: float) -> bool:
    try:
        with ask(url, seconds):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, HTTPException):
        return False
