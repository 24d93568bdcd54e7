"""What launcher and fork server say to each other: one line of JSON each way over a Unix socket.

A run is handed over in three steps, so that it can never start twice: the launcher asks (`RunRequest`), the
forked worker answers `Ready` and waits, the launcher says `GO`. A worker that does not hear GO ends without having
done anything; a launcher that did not say it may launch elsewhere.
"""

from __future__ import annotations

import socket

import msgspec

GO = b"go\n"
LONGEST = 1_000_000


class RunRequest(msgspec.Struct, frozen=True, tag="run"):
    """Fork a worker for a run.

    Attributes:
        run_id: Dagster's id.
        instance_ref: Dagster's serialised reference of the instance that stores the run.
        fingerprint: of the code that the launcher sees now.
        niceness: of the worker's process, 0 to 19: how far others go first where the processor is short.
    """

    run_id: str
    instance_ref: str
    fingerprint: str
    niceness: int = 0


class FiguresRequest(msgspec.Struct, frozen=True, tag="figures"):
    """Ask what the server has done so far."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """A worker stands by and starts on GO."""

    pid: int


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The server does not fork for this run.

    Attributes:
        reason: one sentence for the run's log.
        stale: its code is out of date, or it cannot fork; it has stopped accepting and ends after its last run.
        full: all places are taken; later there will be one.
    """

    reason: str
    stale: bool = False
    full: bool = False


class FinishedRun(msgspec.Struct, frozen=True):
    """A worker that has ended.

    Attributes:
        run_id: Dagster's id.
        exit_code: of the process; negative is the number of a signal.
        wall_seconds: from fork to end.
        cpu_seconds: user and system time of the worker and of what it waited for.
        largest_kilobytes: its largest resident set.
    """

    run_id: str
    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    largest_kilobytes: int


class Figures(msgspec.Struct, frozen=True, tag="figures"):
    """What a fork server has done.

    Attributes:
        pid: of the server.
        fingerprint: of its code.
        native_tasks: threads of its process; it forks only while this is one.
        running: ids of runs under way.
        forked: number of runs started.
        cpu_seconds: of the server itself, since its start, imports included.
        finished: the last thousand runs that ended, oldest first.
    """

    pid: int
    fingerprint: str
    native_tasks: int
    running: list[str]
    forked: int
    cpu_seconds: float
    finished: list[FinishedRun]


Request = RunRequest | FiguresRequest
Answer = Ready | Refused | Figures


def send(connection: socket.socket, message: msgspec.Struct) -> None:
    connection.sendall(msgspec.json.encode(message) + b"\n")


def receive_request(connection: socket.socket) -> Request:
    """Read a request. Raises EOFError if the other side went away, msgspec.DecodeError for nonsense."""
    return msgspec.json.decode(receive_line(connection), type=Request)


def receive_answer(connection: socket.socket) -> Answer:
    """Read an answer; raises as `receive_request`."""
    return msgspec.json.decode(receive_line(connection), type=Answer)


def receive_line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        part = connection.recv(65_536)
        if not part or len(received) > LONGEST:
            raise EOFError("the other side closed the connection")
        received += part
    return bytes(received)
