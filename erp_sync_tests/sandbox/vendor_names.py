"""What a third-party client needs to find a sandbox under its vendor's host name: resolution and trust."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from erp_sync.sandbox.testing import RunningSandbox


def resolve(monkeypatch: pytest.MonkeyPatch, host: str, sandbox: RunningSandbox) -> None:
    """Let this process find `host` (its port 443) at the sandbox, and trust the sandbox's authority."""
    real = socket.getaddrinfo

    def getaddrinfo(name: Any, port: Any, *args: Any, **options: Any) -> Any:
        if name == host:
            assert int(port) == 443
            name, port = "127.0.0.1", sandbox.port
        return real(name, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(sandbox.ca_certificate))
    monkeypatch.setenv("NO_PROXY", "*")
