"""The event service as a process: it starts among the services, and a crash loses and doubles nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import yaml

from erp_sync import settings as settings_module
from erp_sync.ledger import Ledger
from erp_sync.runtime import services
from erp_sync.runtime.service_set import environment_of, free_port
from erp_sync_tests.service.pushes import push

STARTS_WITHIN_SECONDS = 120.0


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> settings_module.Settings:
    connection = {
        "name": "netsuite_us",
        "vendor": "netsuite",
        "base_url": "https://netsuite.test",
        "credentials": {
            "push_secret": {"env": "PUSH_SECRET_OF_THIS_TEST"},
            "unused": {"env": "NONE", "optional": True},
        },
    }
    (tmp_path / "defs").mkdir()
    document = {"type": "erp_sync.components.Connection", "attributes": connection}
    (tmp_path / "defs" / "defs.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.setenv("ERP_SYNC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ERP_SYNC_DEFS", str(tmp_path / "defs"))
    monkeypatch.setenv("PUSH_SECRET_OF_THIS_TEST", "s3cret")
    return settings_module.load()


@contextmanager
def started(service: services.Service, *module: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service's process, or another module with its arguments; ready when the block begins."""
    command = [*service.command[:2], *(module or service.command[2:3]), *service.command[3:]]
    process = subprocess.Popen(command, env=environment_of(service), stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not service.ready.holds():
            assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
            assert time.monotonic() < deadline, "the event service did not start"
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_crash_between_storing_and_answering_leaves_one_row(settings: settings_module.Settings):
    service = services.event_service(settings, free_port())
    url, (headers, body) = f"{service.url}/events/netsuite_us", push(datetime.now(UTC))
    with started(service, "erp_sync_tests.service.crashing") as process:
        with pytest.raises(httpx.TransportError):
            httpx.post(url, headers=headers, content=body)
        assert process.wait(30) == 9
    with started(service):
        again = httpx.post(url, headers=headers, content=body)
        assert (again.status_code, again.json()) == (200, {"stored": 0, "duplicates": 1})
    ledger = Ledger.open(settings.ledger_url)
    try:
        assert [row.event.native_id for row in ledger.inbox.unprocessed()] == ["1"]
    finally:
        ledger.close()


def test_what_cannot_be_opened_is_named_in_one_sentence(tmp_path: Path, settings: settings_module.Settings):
    (tmp_path / "defs" / "defs.yaml").write_text("type: nonsense")
    service = services.event_service(settings, free_port())
    process = subprocess.run(service.command, env=environment_of(service), capture_output=True, timeout=120)
    assert process.returncode == 2
    assert b"nonsense" in process.stderr
    assert b"Traceback" not in process.stderr


def test_the_service_is_one_of_python_s_modules():
    command = services.event_service(settings_module.load({}), 3001).command
    assert command[:3] == [sys.executable, "-m", "erp_sync.service"]
