"""The process of one sandbox: ``python -m erp_sync.sandbox.run FOLDER [LISTENER]``.

FOLDER holds ``launch.json`` (see `supervisor.Launch`); LISTENER is the number of an inherited, listening socket.
"""

from __future__ import annotations

import importlib
import json
import logging
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.latency import latency
from erp_sync.sandbox.server import SandboxApp, make_server


def main(folder: Path, listener: int) -> None:
    """Serve the sandbox of `folder` until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    launch: dict[str, Any] = json.loads((folder / "launch.json").read_text())
    vendor: str = launch["vendor"]
    package = importlib.import_module(vendor if "." in vendor else f"erp_sync.systems.{vendor}.sandbox")
    start = datetime.fromisoformat(launch["calendar_start"]) if launch["calendar_start"] else None
    app = SandboxApp(
        package.create,
        vendor=vendor,
        database=folder / "database.db",
        journal=folder / "journal.db",
        latency=latency(launch["profile"], vendor, launch["seed"]),
        clock=Clock(speed=launch["speed"], start=start),
        options=launch["options"],
        contract=ContractCheck(package.contract_book(launch["options"])) if launch["contract"] else None,
    )
    sock = socket.socket(fileno=listener)
    secure = bool(launch["hosts"])
    server = make_server(
        app,
        "127.0.0.1",
        sock.getsockname()[1],
        certificate=folder / "server.pem" if secure else None,
        key=folder / "server.key" if secure else None,
    )
    server.run(sockets=[sock])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
