"""Documents that the ledger hands out and takes back a second, on SQLite and on PostgreSQL.

Workers are processes, each with a ledger of its own, as runs are. They claim in chunks and end what they claimed
together, as a drain does with what arrived; the target is for chunks of 100. Printed besides: chunks of 10, which is
what a drain to a target of five slots takes, and whole deliveries with their one step planned, begun, confirmed and
ended, each in a transaction of its own since a request leaves in between. There is no target: only the ledger works.
BENCH_DOCUMENTS is how many each case moves. PostgreSQL is the tests' own server, without fsync as the tests have it.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import Ledger, NewDelivery, migrate
from erp_sync.ledger.schema import delivery_events
from erp_sync.model.keys import EntityKey
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger import databases

ROUTE, FLOW, STORE, ERP = "us", "orders", "magento_us", "netsuite_us"
WORKERS = 2
ACCEPTED_AT_ONCE = 200
LEASE_SECONDS = 30.0
# About the size of an order of six lines.
PAYLOAD = b'{"number":"10045","lines":[%s]}' % b",".join([b'{"sku":"SKU-000001","quantity":"1","price":"9.99"}'] * 30)


def measure() -> dict[str, Any]:
    count = int(os.environ.get("BENCH_DOCUMENTS", "10000"))
    found: dict[str, Any] = {"documents": count, "workers": WORKERS, "payload_bytes": len(PAYLOAD)}
    for name, place in (("sqlite", _sqlite), ("postgresql", _postgresql)):
        with place() as url:
            migrate.upgrade(url)
            found[f"{name}_accepted_per_s"] = accept(url, count)
            found |= _case(url, f"{name}", count, 100)
            accept(url, count, "ten")
            found |= _case(url, f"{name}_chunks_of_10", count, 10)
            accept(url, count // 10, "steps")
            found |= _case(url, f"{name}_with_a_step", count // 10, 10, steps=True)
    return found


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="erp-sync-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'ledger.db'}"


@contextmanager
def _postgresql() -> Iterator[str]:
    with databases.postgres() as server:
        try:
            yield server.url(server.create())
        finally:
            databases.leave()


def accept(url: str, count: int, prefix: str = "") -> float:
    """Put documents into the ledger as a flow does; gives how many a second."""
    ledger = Ledger.open(url)
    began = time.perf_counter()
    for start in range(0, count, ACCEPTED_AT_ONCE):
        names = [f"{prefix}{number}" for number in range(start, min(start + ACCEPTED_AT_ONCE, count))]
        documents = [
            NewDelivery(
                key=EntityKey(STORE, "", "sales_order", name), target=ERP, version="1", payload=PAYLOAD, number=name
            )
            for name in names
        ]
        with ledger.handling(ROUTE, FLOW, "run-0") as work:
            work.accept(documents)
    seconds = time.perf_counter() - began
    ledger.close()
    return round(count / seconds)


def _case(url: str, name: str, count: int, chunk: int, steps: bool = False) -> dict[str, Any]:
    """All that is due, by workers that begin at once; a document a second counts once it is delivered."""
    before = delivered(url)
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(WORKERS)
    answers = context.SimpleQueue()
    workers = [
        context.Process(target=work, args=(url, f"run-{number}:1", chunk, steps, gate, answers))
        for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    told = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    done = delivered(url) - before
    seconds = max(ended for _, ended, _ in told) - min(began for began, _, _ in told)
    if done != count:
        raise RuntimeError(f"{name}: {done} of {count} documents were delivered")
    return {f"{name}_per_s": round(count / seconds), f"{name}_cpu_s": round(sum(cpu for _, _, cpu in told), 2)}


def work(url: str, owner: str, chunk: int, steps: bool, gate: Any, answers: Any) -> None:
    """One worker, until nothing is due."""
    ledger = Ledger.open(url)
    ledger.any_due(ROUTE, FLOW, ERP)
    gate.wait()
    began, cpu = time.time(), time.process_time()
    run_id = owner.split(":")[0]
    while claims := ledger.deliveries.claim(
        ROUTE, FLOW, ERP, limit=chunk, owner=owner, lease_seconds=LEASE_SECONDS, run_id=run_id
    ):
        for claim in claims if steps else ():
            ledger.steps.plan(claim, [Step(name="sales_order", operation="sales_order.create", key=f"key {claim.id}")])
            ledger.steps.begin(claim, "sales_order")
            ledger.steps.confirm(claim, "sales_order", Receipt(target_id=str(claim.id)))
        problems = [problem for problem in ledger.deliveries.complete_all(claims) if problem is not None]
        if problems:
            raise problems[0]
    answers.put((began, time.time(), time.process_time() - cpu))
    ledger.close()


def delivered(url: str) -> int:
    """How many documents were delivered so far; one that was delivered twice counts twice."""
    ledger = Ledger.open(url)
    query = sa.select(sa.func.count()).where(delivery_events.c.kind == "delivered")
    with ledger.database.read() as read:
        count = int(read.execute(query).scalar_one())
    ledger.close()
    return count
