from __future__ import annotations

import asyncio
import sqlite3
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from erp_sync.sandbox.latency import latency
from erp_sync.sandbox.testing import RunningSandbox, running
from erp_sync_tests.sandbox.toy import create

SIGNED = {"authorization": "yes"}


@pytest.fixture
def toy():
    with running(create, vendor="toy") as sandbox:
        yield sandbox


def post(sandbox: RunningSandbox, key: str, timeout: float = 10) -> httpx.Response:
    return httpx.post(f"{sandbox.base_url}/documents", json={"key": key}, headers=SIGNED, timeout=timeout)


def keys(sandbox: RunningSandbox) -> list[str]:
    return httpx.get(f"{sandbox.base_url}/documents", headers=SIGNED).json()["keys"]


def until(condition, timeout: float = 10.0):
    """Wait for a condition to hold; its value is returned."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.005)
    return value


def test_a_call_is_journalled_with_its_document_and_its_commit(toy):
    assert post(toy, "a").status_code == 204
    (call,) = toy.journal()
    assert (call["endpoint"], call["document"], call["status"], call["committed"]) == ("document.create", "a", 204, 1)
    assert call["arrived_at"] <= call["committed_at"] <= time.time()
    (commit,) = toy.commits()
    assert (commit["call_id"], commit["document"], commit["change"]) == (call["id"], "a", "create")


def test_wrong_credentials_are_refused_before_anything_happens(toy):
    answer = httpx.post(f"{toy.base_url}/documents", json={"key": "a"})
    assert answer.status_code == 401
    assert keys(toy) == []
    assert [call["service"] for call in toy.journal(status=401)] == [0.0]


def test_time_out_before_the_commit(toy):
    toy.fault("timeout_before", "document.create")
    with pytest.raises(httpx.ReadTimeout):
        post(toy, "a", timeout=0.1)
    (call,) = until(lambda: toy.journal(fault="timeout_before"))
    assert (call["status"], call["committed"], call["client_gone"]) == (None, 0, 1)
    assert keys(toy) == []


def test_time_out_after_the_commit(toy):
    toy.fault("timeout_after_commit", "document.create")
    with pytest.raises(httpx.ReadTimeout):
        post(toy, "a", timeout=0.1)
    assert keys(toy) == ["a"]
    (call,) = until(lambda: toy.journal(fault="timeout_after_commit"))
    assert (call["status"], call["committed"]) == (None, 1)


def test_a_late_commit_comes_after_the_client_gave_up_and_has_asked_again():
    gave_up = threading.Event()

    async def slow(seconds: float) -> None:
        if seconds == 30.0:  # the delay of the fault: let it pass when the test says so
            while not gave_up.is_set():
                await asyncio.sleep(0.005)

    with running(create, vendor="toy", sleep=slow) as toy:
        toy.fault("late_commit", "document.create", seconds=30)
        with pytest.raises(httpx.ReadTimeout):
            post(toy, "a", timeout=0.1)
        assert keys(toy) == []  # asked: not there yet, which proves nothing
        assert toy.status()["slots_in_use"] == 1
        gave_up.set()
        until(lambda: keys(toy) == ["a"])
        (call,) = until(lambda: toy.journal(fault="late_commit"))
        asked = toy.journal(endpoint="document.list")[0]
        assert call["committed_at"] > asked["arrived_at"] + asked["duration"]
        assert (call["status"], call["client_gone"]) == (None, 1)


@pytest.mark.parametrize(("kind", "status"), [("too_many_requests", 429), ("server_error", 500), ("maintenance", 503)])
def test_refusing_faults_apply_nothing(toy, kind, status):
    toy.fault(kind, "document.*", method="POST", seconds=7)
    answer = post(toy, "a")
    assert answer.status_code == status
    assert keys(toy) == []
    assert answer.headers.get("retry-after") == (None if kind == "server_error" else "7")
    assert post(toy, "a").status_code == 204  # once only


def test_a_server_error_may_come_after_the_commit(toy):
    toy.fault("server_error", "document.create", when="after")
    assert post(toy, "a").status_code == 500
    assert keys(toy) == ["a"]


@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", ["a"])])
def test_a_dropped_connection(toy, when, left):
    toy.fault("drop_connection", "document.create", when=when)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        post(toy, "a")
    assert keys(toy) == left


def test_a_truncated_body_ends_in_the_middle(toy):
    post(toy, "a")
    toy.fault("truncate_body", "document.list")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        keys(toy)
    assert keys(toy) == ["a"]


def test_truncating_an_empty_answer_cuts_the_connection_after_the_commit(toy):
    toy.fault("truncate_body", "document.create")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        post(toy, "a")
    assert keys(toy) == ["a"]


def test_a_stale_read_shows_the_state_when_the_fault_was_set(toy):
    post(toy, "a")
    toy.fault("stale_read", "document.*", times=1)
    post(toy, "b")
    assert keys(toy) == ["a"]
    assert keys(toy) == ["a", "b"]
    toy.clear_faults()
    assert not list(Path(toy.app.database).parent.glob("*.stale-*"))


def test_a_fault_can_be_for_one_document_skip_calls_and_be_removed(toy):
    toy.fault("server_error", "document.create", document="b*", skip=1, times=None)
    assert [post(toy, key).status_code for key in ("a", "b1", "b2", "b3")] == [204, 204, 500, 500]
    assert toy.control("GET", "faults")[0]["made"] == 2
    toy.clear_faults()
    assert post(toy, "b4").status_code == 204


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"kind": "flood"}, "kind is 'flood'; expected one of timeout_before"),
        ({"kind": "late_commit"}, "seconds is missing"),
        ({"kind": "server_error", "share": 1}, "unknown field 'share'"),
        ({"kind": "server_error", "probability": 0}, "probability is 0"),
        ({}, "kind is missing"),
    ],
)
def test_a_wrong_fault_is_refused_by_name(toy, rule, said):
    answer = httpx.post(f"{toy.base_url}/__sandbox/faults", json=rule)
    assert answer.status_code == 400
    assert said in answer.json()["message"]


def test_the_journal_is_complete_under_concurrency(toy):
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status_code for answer in pool.map(lambda n: post(toy, f"k{n}"), range(120))} == {204}
    assert sorted(call["document"] for call in toy.journal()) == sorted(f"k{n}" for n in range(120))
    assert len(toy.commits()) == 120
    assert len(keys(toy)) == 120


def test_the_journal_can_only_grow(toy):
    post(toy, "a")
    database = sqlite3.connect(toy.app.journal.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute("UPDATE calls SET status = 500")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute("DELETE FROM commits")
    database.close()


def test_slots_are_held_during_the_whole_latency():
    go = threading.Event()

    async def gate(seconds: float) -> None:
        while seconds and not go.is_set():
            await asyncio.sleep(0.005)

    with running(create, vendor="toy", profile="fast", options={"concurrency": 3}, sleep=gate) as toy:
        with ThreadPoolExecutor(3) as pool:
            answers = [pool.submit(post, toy, f"k{n}") for n in range(3)]
            until(lambda: toy.status()["slots_in_use"] == 3)
            assert post(toy, "one too many").status_code == 429
            go.set()
            assert [answer.result().status_code for answer in answers] == [204] * 3
        assert max(call["slots_in_use"] for call in toy.journal(status=204)) == 3
        assert toy.core.slots_seen[-1] == 3
        assert toy.status()["slots_in_use"] == 0


def test_the_time_slept_is_the_latency_declared():
    slept: list[float] = []

    async def note(seconds: float) -> None:
        slept.append(seconds)

    with running(create, vendor="netsuite", profile="life", sleep=note) as toy, httpx.Client(headers=SIGNED) as client:
        for number in range(200):
            client.post(f"{toy.base_url}/documents", json={"key": str(number)})
        declared = toy.status()["latency"]
        assert declared == {
            "profile": "life",
            "shape": "log-normal",
            "sigma": 0.35,
            "median_s": {"read": 0.25, "write": 1.2},
        }
        per_call = [call["service"] for call in toy.journal()]
    assert statistics.median(per_call) == pytest.approx(1.2, rel=0.1)
    assert statistics.median(slept[::2]) == pytest.approx(1.2 * 0.85, rel=0.1)
    assert sum(slept) == pytest.approx(sum(per_call), rel=0.02)


def test_draws_have_the_declared_distribution():
    life = latency("life", "magento", seed=7)
    draws = sorted(life.draw("update") for _ in range(20_000))
    assert draws[10_000] == pytest.approx(0.30, rel=0.02)
    assert draws[19_000] / draws[10_000] == pytest.approx(1.778, rel=0.03)  # exp(1.645 * 0.35)
    assert latency("demo", "magento").median("read") == pytest.approx(0.015)
    assert latency("fast", "netsuite").draw("create") == 0.005
    assert latency("none", "netsuite").draw("create") == 0.0
    assert [latency("life", "sap_b1").median(kind) for kind in ("read", "search", "create", "auth")] == [
        0.2,
        0.2,
        1.0,
        1.5,
    ]
    assert latency("life", "magento").median("auth") == 0.15
    with pytest.raises(ValueError, match="known are life, demo, fast, none"):
        latency("slow", "netsuite")


def test_background_commits_are_journalled_without_a_call(toy):
    toy.app.core.background.append("later")
    toy.control("POST", "tick")
    until(lambda: toy.commits(entity="job", document="later"))
    assert toy.commits(entity="job")[0]["call_id"] is None


def test_a_defect_of_the_sandbox_is_a_500_with_its_row(toy):
    assert post(toy, "defect").status_code == 500
    (call,) = toy.journal(status=500)
    assert call["error"] == "ZeroDivisionError: a defect of the sandbox"
    assert post(toy, "a").status_code == 204
    assert toy.status()["slots_in_use"] == 0


def test_the_calendar_can_be_compressed_and_moved(toy):
    toy.control("POST", "clock", {"speed": 0, "now": "2026-11-02T08:00:00+00:00"})
    toy.control("POST", "clock", {"offset_seconds": 3600})
    clock = toy.control("GET", "clock")
    assert clock["now"].startswith("2026-11-02T09:00:00")
    assert abs(time.time() - datetime.fromisoformat(clock["wall"]).timestamp()) < 60
    post(toy, "a")
    assert toy.journal()[0]["calendar"].startswith("2026-11-02T09:00:00")
    assert toy.journal()[0]["arrived_at"] == pytest.approx(time.time(), abs=60)


def test_seed_and_reset_reach_the_core(toy):
    assert toy.control("POST", "seed", {"keys": ["x", "y"]}) == {"keys": 2}
    assert keys(toy) == ["x", "y"]
    toy.control("POST", "reset")
    assert keys(toy) == []


def test_a_sandbox_that_cannot_start_says_why():
    def broken(*_):
        raise LookupError("no such edition")

    with pytest.raises(RuntimeError, match="did not start") as failure, running(broken, vendor="toy"):
        pass
    assert str(failure.value.__cause__) == "no such edition"


def test_a_kind_of_call_may_have_a_median_of_its_own():
    """A sync of many rows takes longer than another write; a vendor without one for the kind is as before."""
    shopware, magento = latency("life", "shopware"), latency("life", "magento")
    assert (shopware.median("search"), shopware.median("update"), shopware.median("bulk")) == (0.15, 0.30, 2.0)
    assert magento.median("bulk") == magento.median("update")
    assert latency("demo", "shopware").median("bulk") == 0.2
