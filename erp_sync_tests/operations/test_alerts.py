"""Alerts of the machine that the installation runs on, and whether anybody would hear of one."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from typer.testing import CliRunner

from erp_sync import settings as settings_module
from erp_sync.cli import app
from erp_sync.components.installation import Installation
from erp_sync.monitoring import alerting
from erp_sync.operations.watching import Watchdog
from erp_sync.transport import losses


class Heard:
    """A channel that takes everything."""

    def __init__(self) -> None:
        self.messages: list[alerting.Message] = []

    def names(self) -> list[str]:
        return ["list"]

    def send(self, message: alerting.Message, only: Collection[str] | None = None) -> list[str]:
        self.messages.append(message)
        return []


def test_a_disk_that_is_nearly_full_is_told_once_and_settled_when_there_is_room(home: Path, monkeypatch):
    heard, here = Heard(), Installation(settings_module.load())
    watchdog = Watchdog(here, heard)

    def look(free: int) -> list[str]:
        """What is wrong where so many GB of 100 are free."""
        usage = SimpleNamespace(total=100 * 2**30, used=(100 - free) * 2**30, free=free * 2**30)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: {here.settings.home: usage}[folder])
        return [one.key for one in watchdog.look()]

    assert (look(5), heard.messages) == ([], [])
    assert look(4) == look(4) == ["disk"]
    (told,) = heard.messages
    assert told.severity == "error"
    assert f"The disk of {here.settings.home} has 4,096 MB left of 102,400" in told.text
    assert "#alert-disk" in told.text
    assert look(50) == look(50) == []
    assert [one.severity for one in heard.messages] == ["error", "recovered"]
    assert here.ledger.notices.open() == []
    here.close()


def test_losses_of_the_log_that_cannot_be_read_are_told_and_everything_else_is_looked_at(home: Path):
    heard, here = Heard(), Installation(settings_module.load())
    watchdog = Watchdog(here, heard)
    file = here.settings.exchanges / losses.FILE
    log = losses.Losses(here.settings.exchanges, here.ledger.now)
    log.lose(losses.DEFECT, 3, "no exchange")
    assert [one.key for one in watchdog.look()] == ["exchanges_lost/defect"]
    kept = file.read_bytes()
    file.unlink()
    file.mkdir()
    assert [one.key for one in watchdog.look()] == ["disk/exchanges", "exchanges_lost/defect"]
    told = heard.messages[-1]
    assert (told.severity, "#alert-disk" in told.text) == ("error", True)
    assert f"{here.settings.exchanges} cannot be read: " in told.text
    file.rmdir()
    file.write_bytes(kept)
    assert [one.key for one in watchdog.look()] == ["exchanges_lost/defect"]
    here.close()


def test_a_test_message_says_which_channel_took_it_and_fails_where_one_did_not(home: Path, monkeypatch):
    with answering(200) as good, answering(500) as bad:
        monkeypatch.setenv("ERP_SYNC_ALERT_URLS", good.url)
        done = CliRunner().invoke(app, ["alerts", "test"])
        assert (done.exit_code, good.posted) == (0, ["erp_sync home: test"])
        assert done.stdout.startswith("took it: json://127.0.0.1")
        assert "secret-token" not in done.stdout
        monkeypatch.setenv("ERP_SYNC_ALERT_URLS", f"{good.url} {bad.url}")
        failed = CliRunner().invoke(app, ["alerts", "test", "--json"])
        assert (failed.exit_code, len(good.posted), len(bad.posted)) == (1, 2, 1)
        said = json.loads(failed.stdout)
        assert (len(said["took"]), len(said["failed"])) == (1, 1)
        assert f":{bad.port}/" in said["failed"][0]


class Hook:
    """Where messages are posted to; keeps their titles."""

    def __init__(self, port: int, posted: list[str]) -> None:
        self.port, self.posted = port, posted
        self.url = f"json://127.0.0.1:{port}/hook?token=secret-token"


@contextmanager
def answering(status: int) -> Iterator[Hook]:
    posted: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["title"])
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Hook(server.server_port, posted)
    finally:
        server.shutdown()
        server.server_close()
