from __future__ import annotations

import importlib
import json
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from erp_sync.sandbox import supervisor

TOY = {"toy": "erp_sync_tests.sandbox.toy"}


@pytest.fixture
def folder(tmp_path: Path):
    yield tmp_path
    supervisor.down(tmp_path)


def test_up_status_fault_down(folder):
    told = supervisor.up(folder, TOY, "none")["toy"]
    assert told["running"]
    assert told["credentials"] == {"authorization": "yes"}
    assert told["latency"]["profile"] == "none"
    assert Path(told["database"]).exists()
    assert Path(told["journal"]).exists()
    assert json.loads(json.dumps(supervisor.status(folder)))["toy"]["pid"] == told["pid"]
    supervisor.fault(folder, "toy", {"kind": "server_error", "endpoint": "document.list"})
    signed = {"authorization": "yes"}
    assert httpx.get(told["base_url"] + "/documents", headers=signed).status_code == 500
    assert supervisor.faults(folder, "toy")[0]["made"] == 1
    assert supervisor.clear_faults(folder, "toy") == 1
    assert supervisor.down(folder) == ["toy"]
    assert not psutil.pid_exists(told["pid"])
    again = supervisor.status(folder)["toy"]
    assert (again["running"], again["stale"]) == (False, False)


def test_it_survives_its_starter_and_is_found_by_another_process(folder):
    code = (
        "from erp_sync.sandbox import supervisor; from pathlib import Path; "
        f"supervisor.up(Path({str(folder)!r}), {TOY!r}, 'none')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    told = supervisor.status(folder)["toy"]
    assert told["running"]
    assert supervisor.up(folder, TOY, "none")["toy"]["pid"] == told["pid"]


def test_a_killed_sandbox_is_recognised_and_comes_back_at_the_same_address_with_its_data(folder):
    told = supervisor.up(folder, TOY, "none")["toy"]
    httpx.post(told["base_url"] + "/documents", json={"key": "a"}, headers={"authorization": "yes"})
    os.kill(told["pid"], signal.SIGKILL)
    psutil.wait_procs([psutil.Process(told["pid"])], timeout=5)
    dead = supervisor.status(folder)["toy"]
    assert (dead["running"], dead["stale"], dead["pid"]) == (False, True, None)
    back = supervisor.up(folder, TOY, "none")["toy"]
    assert back["base_url"] == told["base_url"]
    keys = httpx.get(back["base_url"] + "/documents", headers={"authorization": "yes"}).json()["keys"]
    assert keys == ["a"]


def test_a_reused_process_number_is_not_a_sandbox(folder):
    supervisor.up(folder, TOY, "none")
    supervisor.down(folder)
    (folder / "toy" / "process.json").write_text(json.dumps({"pid": os.getpid(), "created": 12345.0}))
    assert supervisor.status(folder)["toy"]["stale"]
    assert supervisor.down(folder) == []


def test_another_launch_of_a_running_sandbox_is_refused(folder):
    supervisor.up(folder, TOY, "none")
    with pytest.raises(supervisor.SandboxError, match="runs with another profile; stop it first"):
        supervisor.up(folder, TOY, "fast")


def test_a_sandbox_that_cannot_start_says_why(folder):
    with pytest.raises(supervisor.SandboxDidNotStart, match=r"No module named 'erp_sync\.systems\.nobody'"):
        supervisor.up(folder, ["nobody"], "none")


def test_wrong_names_are_refused(folder):
    with pytest.raises(supervisor.SandboxError, match="no latency profile 'slow'"):
        supervisor.up(folder, TOY, "slow")
    with pytest.raises(supervisor.SandboxError, match="no sandbox 'shop'; known are none"):
        supervisor.fault(folder, "shop", {"kind": "server_error"})


def test_fresh_removes_what_was_there(folder):
    told = supervisor.up(folder, TOY, "none")["toy"]
    httpx.post(told["base_url"] + "/documents", json={"key": "a"}, headers={"authorization": "yes"})
    supervisor.down(folder)
    told = supervisor.up(folder, TOY, "none", fresh=True)["toy"]
    assert httpx.get(told["base_url"] + "/documents", headers={"authorization": "yes"}).json()["keys"] == []


def test_tls_under_the_vendors_host_name(folder):
    hosts = {"toy": ("1234567.suitetalk.api.netsuite.com",)}
    told = supervisor.up(folder, TOY, "none", hosts=hosts)["toy"]
    port = int(told["resolve"]["1234567.suitetalk.api.netsuite.com"].rpartition(":")[2])
    context = ssl.create_default_context(cafile=told["ca_certificate"])
    with httpx.Client(verify=context) as client:
        answer = client.get(
            f"https://127.0.0.1:{port}/documents",
            headers={"authorization": "yes", "host": "1234567.suitetalk.api.netsuite.com"},
            extensions={"sni_hostname": "1234567.suitetalk.api.netsuite.com"},
        )
        assert answer.status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"https://127.0.0.1:{port}/documents")


def test_whoever_has_a_sandbox_is_known():
    known = supervisor.known_vendors()
    assert {"magento", "netsuite"} <= set(known)
    for vendor in known:
        assert callable(importlib.import_module(f"erp_sync.systems.{vendor}.sandbox").create)
