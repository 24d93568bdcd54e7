"""Which process executes which run, in files that outlive every process.

A fork server writes one before the run starts; the health check reads it, after any restart of anything.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path

import msgspec

from erp_sync.runtime.processes import ProcessName, read_whole, write_whole

# sun_path holds 108 bytes on Linux, 104 on BSD, the closing zero included
_LONGEST_ADDRESS = 100


class Worker(msgspec.Struct, frozen=True):
    """The process of one run.

    Attributes:
        run_id: Dagster's id of the run.
        process: who executes it.
    """

    run_id: str
    process: ProcessName


class ServerState(msgspec.Struct, frozen=True):
    """A fork server that accepts runs.

    Attributes:
        process: its process.
        fingerprint: of the code that it has loaded.
        address: path of its Unix socket.
        ready: when it began to accept, seconds since 1970-01-01 UTC.
    """

    process: ProcessName
    fingerprint: str
    address: str
    ready: float


class WarmFolder:
    """Files shared by launcher, fork server and run workers of one Dagster home (`<home>/warm`)."""

    def __init__(self, dagster_home: Path | str) -> None:
        self.dagster_home = Path(dagster_home).absolute()
        self.path = self.dagster_home / "warm"
        self.runs = self.path / "runs"
        self.outputs = self.path / "output"
        self.lock = self.path / "server.lock"
        self.state = self.path / "server.json"
        self.kept = self.path / "keeper.json"
        self.log = self.path / "server.log"

    def create(self) -> None:
        """Make the folder, closed to other users: whoever may write to the socket may start runs."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.chmod(0o700)
        self.runs.mkdir(exist_ok=True)
        self.outputs.mkdir(exist_ok=True)

    @property
    def address(self) -> str:
        """Path of the fork server's socket."""
        return self.socket("server")

    def socket(self, name: str) -> str:
        """Path for a Unix socket: in the folder, or in the user's temporary folder if that path is too long."""
        path = str(self.path / f"{name}.sock")
        if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
            return path
        folder = Path(tempfile.gettempdir()) / f"erp_sync-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to another user; set TMPDIR to a folder of your own")
        folder.chmod(0o700)
        return str(folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.sock")

    def server(self) -> ServerState | None:
        """The fork server that accepts runs, if its process lives."""
        state = read_whole(self.state, ServerState)
        return state if state is not None and state.process.alive else None

    def keeper(self) -> ProcessName | None:
        """The living supervisor that starts this home's fork server whenever there is none."""
        keeper = read_whole(self.kept, ProcessName)
        return keeper if keeper is not None and keeper.alive else None

    def write_keeper(self, keeper: ProcessName) -> None:
        write_whole(self.kept, msgspec.json.encode(keeper))

    def write_server(self, state: ServerState) -> None:
        write_whole(self.state, msgspec.json.encode(state))

    def write_worker(self, worker: Worker) -> None:
        write_whole(self.runs / f"{worker.run_id}.json", msgspec.json.encode(worker))

    def worker(self, run_id: str) -> Worker | None:
        """The recorded worker of a run, alive or not; None if no fork server started that run."""
        return read_whole(self.runs / f"{run_id}.json", Worker)

    def forget(self, run_id: str) -> None:
        (self.runs / f"{run_id}.json").unlink(missing_ok=True)

    def workers(self) -> list[Worker]:
        """Recorded workers whose process lives."""
        found = (self.worker(path.stem) for path in self.runs.glob("*.json"))
        return [worker for worker in found if worker is not None and worker.process.alive]

    def output(self, run_id: str) -> Path:
        """What the worker of a run prints outside of steps; removed when the run succeeds."""
        return self.outputs / f"{run_id}.log"

    def last_words(self, run_id: str, most_bytes: int = 2000) -> str:
        """The end of a worker's output, as a part of a message; empty if there is none."""
        try:
            words = self.output(run_id).read_bytes()[-most_bytes:].decode(errors="replace").strip()
        except FileNotFoundError:
            return ""
        return f"\nIts last output:\n{words}" if words else ""

    def sweep(self, older_than_seconds: float = 86_400) -> None:
        """Remove records and output of processes that are long gone."""
        border = time.time() - older_than_seconds
        for path in self.runs.glob("*.json"):
            worker = self.worker(path.stem)
            if worker is None:
                if path.stat().st_mtime < border:
                    path.unlink(missing_ok=True)
            elif worker.process.created < border and not worker.process.alive:
                path.unlink(missing_ok=True)
        for path in self.outputs.glob("*.log"):
            if path.stat().st_mtime < border:
                path.unlink(missing_ok=True)
