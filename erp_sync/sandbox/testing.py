"""A sandbox over real HTTP in a thread of the test's own process."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from erp_sync.sandbox import tls
from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.core import SandboxCore
from erp_sync.sandbox.journal import read_calls, read_commits
from erp_sync.sandbox.latency import latency
from erp_sync.sandbox.server import CoreFactory, SandboxApp, make_server


class RunningSandbox:
    """Handle of a sandbox that serves. `core` belongs to the server's thread: look, do not write.

    Attributes:
        port: where it listens on the loopback address.
        ca_certificate: of the authority that signed its certificate, if it speaks TLS.
    """

    def __init__(self, app: SandboxApp, port: int, ca_certificate: Path | None = None) -> None:
        self.app, self.port, self.ca_certificate = app, port, ca_certificate
        self.base_url = f"{'https' if ca_certificate else 'http'}://127.0.0.1:{port}"
        # Where nothing is encrypted there is nothing to trust: reading the machine's authorities takes 40 ms a call.
        self.trust: Any = ssl.create_default_context(cafile=str(ca_certificate)) if ca_certificate else False

    @property
    def core(self) -> SandboxCore:
        return self.app.core

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API; returns its JSON. Raises httpx.HTTPStatusError."""
        answer = httpx.request(method, f"{self.base_url}/__sandbox/{path}", json=body, timeout=30, verify=self.trust)
        answer.raise_for_status()
        return answer.json()

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.control("GET", "status")
        return status

    def fault(self, kind: str, endpoint: str = "*", **rule: Any) -> dict[str, Any]:
        """Set a fault rule (fields of `FaultRule`)."""
        rules: list[dict[str, Any]] = self.control("POST", "faults", {"kind": kind, "endpoint": endpoint, **rule})
        return rules[0]

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")

    def journal(self, **columns: Any) -> list[dict[str, Any]]:
        """Journalled calls whose columns have these values."""
        calls = read_calls(self.app.journal.path, limit=1_000_000)
        return [call for call in calls if all(call[name] == value for name, value in columns.items())]

    def commits(self, **columns: Any) -> list[dict[str, Any]]:
        rows = read_commits(self.app.journal.path, limit=1_000_000)
        return [row for row in rows if all(row[name] == value for name, value in columns.items())]


@contextmanager
def running(
    core_factory: CoreFactory,
    *,
    vendor: str,
    folder: Path | None = None,
    profile: str = "none",
    options: dict[str, Any] | None = None,
    clock: Clock | None = None,
    contract: ContractCheck | None = None,
    hosts: Sequence[str] = (),
    **app_options: Any,
) -> Iterator[RunningSandbox]:
    """Serve a core on a free loopback port until the block ends. State goes to `folder`, or a temporary one.

    With `hosts` it speaks TLS under these names, with a certificate of an authority of its own.
    """
    with tempfile.TemporaryDirectory() as temporary:
        home = folder or Path(temporary)
        app = SandboxApp(
            core_factory,
            vendor=vendor,
            database=home / f"{vendor}.db",
            journal=home / f"{vendor}-journal.db",
            latency=latency(profile, vendor, seed=1),
            clock=clock,
            options=options,
            contract=contract,
            **app_options,
        )
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        port: int = listener.getsockname()[1]
        authority = tls.authority(home) if hosts else None
        certificate, key = tls.certificate(home, hosts, home) if hosts else (None, None)
        server = make_server(app, "127.0.0.1", port, certificate=certificate, key=key)

        def serve() -> None:
            # uvicorn leaves by SystemExit when the start failed; `_wait_until_served` says why.
            with suppress(SystemExit):
                server.run(sockets=[listener])

        thread = threading.Thread(target=serve, name=f"sandbox {vendor}")
        thread.start()
        try:
            handle = RunningSandbox(app, port, authority)
            _wait_until_served(handle, thread)
            yield handle
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


def _wait_until_served(handle: RunningSandbox, thread: threading.Thread) -> None:
    """Raises what the core raised when it could not be made."""
    while thread.is_alive():
        try:
            httpx.get(f"{handle.base_url}/__sandbox/clock", timeout=0.5, verify=handle.trust)
        except httpx.TransportError:  # not yet, or never
            continue
        return
    raise RuntimeError("the sandbox did not start") from handle.app.start_failure
