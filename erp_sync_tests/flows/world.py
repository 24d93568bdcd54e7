"""What tests of the flows share: a clock, documents, and systems that answer in the three ways of the ports.

A `System` is the other side: it keeps what was committed, as often as it was committed, so that tests can
ask it what really happened. What its port answers is another matter, and scripted per step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from erp_sync.flows.delivery import Drain, DrainReport
from erp_sync.ledger import Ledger, NewDelivery
from erp_sync.model.keys import EntityKey
from erp_sync.ports.capabilities import Capabilities, Guarantee, Limits, Operation
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.outcomes import (
    Absent,
    Accepted,
    Ambiguous,
    Applied,
    CallFailed,
    Finding,
    Found,
    NotSent,
    Outcome,
    Receipt,
    Unknown,
)
from erp_sync.ports.raw import MappingProblem

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ROUTE, FLOW, STORE, ERP = "us", "orders", "magento_us", "netsuite_us"
SETTLE = 60.0


class Clock:
    """Stands until moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> datetime:
        self.time += timedelta(seconds=seconds)
        return self.time


class Killed(BaseException):
    """The process ends here."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A document with a customer, who may be shared, payments, and things that must exist first."""

    number: str
    customer: str = ""
    payments: int = 0
    skus: tuple[str, ...] = ()
    notice: bool = False
    unmapped: str = ""
    version: str = "1"


def accept(ledger: Ledger, *orders: Order, lane: str = "now", **values: Any) -> list[int]:
    """Put orders into the ledger as their flow would; gives the deliveries' ids."""
    documents = [
        NewDelivery(
            key=EntityKey(STORE, "", "sales_order", order.number),
            target=ERP,
            version=order.version,
            payload=msgspec.json.encode(order),
            number=order.number,
            lane=lane,
            **values,
        )
        for order in orders
    ]
    with ledger.handling(ROUTE, FLOW, "run-0") as work:
        return [accepted.id for accepted in work.accept(documents)]


def drain(ledger: Ledger, target: Any, clock: Clock, owner: str = "run-1:1", **options: Any) -> DrainReport:
    """One run's drain of everything that is due."""
    decode = msgspec.json.Decoder(Order).decode
    settings: dict[str, Any] = {"senders": 2, "lease_seconds": 30.0, "decode": decode, **options}
    worker = Drain(ledger, target, route=ROUTE, flow=FLOW, connection=ERP, owner=owner, clock=clock, **settings)
    return worker.run()


Behaviour = Callable[["System", StepRequest], Outcome]


class System:
    """The target: records by our key. Class A refuses a second with the same key, B recognises the token, C and
    D take every one. `committed` counts what happened, whatever was answered.
    """

    def __init__(self, guarantee: Guarantee = Guarantee.UNIQUE_KEY, *, clock: Clock, batch: bool = False) -> None:
        names = ("customer.create", "order.create", "deposit.create", "notice.send")
        moved = {"order.create": ("stock_level",)}
        self.capabilities = Capabilities(
            vendor="fake",
            operations=tuple(
                Operation(name=name, guarantee=guarantee, settle_seconds=SETTLE, moves=moved.get(name, ()))
                for name in names
            ),
            readings=(),
            limits=Limits(concurrency=2),
        )
        self.guarantee, self.clock, self.batch = guarantee, clock, batch
        self.committed: list[str] = []
        self.sent: list[str] = []
        self.tokens: dict[str, str] = {}
        self.skus: set[str] = set()
        self.resolved: list[list[Requirement]] = []
        self.script: dict[str, list[Behaviour]] = {}
        self.late: list[tuple[datetime, str]] = []
        self.failing_lookup: CallFailed | None = None
        self.most_at_once = 0
        self._at_work = 0
        self._lock = threading.Lock()

    # What tests ask and say

    def has(self, key: str) -> int:
        """How many records carry the key now."""
        self._catch_up()
        return self.committed.count(key)

    def on(self, step: str, *behaviours: Behaviour) -> None:
        """What the next sends of a step do, one after the other; then it works again."""
        self.script.setdefault(step, []).extend(behaviours)

    # DocumentTarget

    def requirements(self, document: Order) -> list[Requirement]:
        return [Requirement("product", sku) for sku in document.skus]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        self.resolved.append(list(requirements))
        if self.failing_lookup is not None:
            raise self.failing_lookup
        return {one: f"id-{one.key}" for one in requirements if one.key in self.skus}

    def steps(self, document: Order) -> list[Step]:
        if document.unmapped:
            raise MappingProblem("unmapped_payment_method", "payments[0].method", document.unmapped, "no row for it")
        steps = []
        if document.customer:
            steps.append(Step(name="customer", operation="customer.create", key=f"customer {document.customer}"))
        steps.append(Step(name="sales_order", operation="order.create", key=f"order {document.number}"))
        steps += [
            Step(
                name=f"deposit:{number}", operation="deposit.create", key=f"deposit {document.number}/{number}",
                after=("sales_order",),
            )
            for number in range(1, document.payments + 1)
        ]  # fmt: skip
        if document.notice:
            steps.append(Step(name="notice", operation="notice.send", key=f"notice {document.number}", optional=True))
        return steps

    def moves(self, document: Order) -> list[str]:
        return list(document.skus)

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        with self._lock:
            self._at_work += 1
            self.most_at_once = max(self.most_at_once, self._at_work)
        try:
            return [self._submit(request) for request in requests]
        finally:
            with self._lock:
                self._at_work -= 1

    def _submit(self, request: StepRequest) -> Outcome:
        with self._lock:
            self.sent.append(request.step.key)
        waiting = self.script.get(request.step.name)
        return waiting.pop(0)(self, request) if waiting else apply(self, request)

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        return [self._find(request.step.key) for request in requests]

    def _find(self, key: str) -> Finding:
        count = self.has(key)
        if count > 1:
            return Ambiguous(target_ids=tuple(f"{key} no. {number}" for number in range(1, count + 1)))
        if self.guarantee is Guarantee.NONE or not count:
            return Absent()
        return Found(receipt=Receipt(target_id=f"id of {key}", existed=True))

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        raise AssertionError("nothing was accepted")

    # What it does

    def commit(self, key: str) -> Receipt:
        """Write the record as the guarantee class says; gives its receipt."""
        self._catch_up()
        with self._lock:
            there = key in self.committed
            if there and self.guarantee in (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN):
                return Receipt(target_id=f"id of {key}", existed=True)
            self.committed.append(key)
            return Receipt(target_id=f"id of {key}")

    def _catch_up(self) -> None:
        with self._lock:
            due = [entry for entry in self.late if entry[0] <= self.clock()]
            self.late = [entry for entry in self.late if entry not in due]
        for _, key in due:
            if not (self.guarantee in (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN) and key in self.committed):
                self.committed.append(key)


class Polled(System):
    """Takes a request and tells later, when asked with the handle, what became of it: done after `seconds`."""

    def __init__(self, seconds: float, **values: Any) -> None:
        super().__init__(**values)
        self.seconds = seconds
        self.jobs: dict[str, tuple[datetime, StepRequest]] = {}
        self.polls = 0
        self.answers: dict[str, Outcome] = {}

    def _submit(self, request: StepRequest) -> Outcome:
        self.sent.append(request.step.key)
        waiting = self.script.get(request.step.name)
        if waiting:
            return waiting.pop(0)(self, request)
        return self.take(request)

    def take(self, request: StepRequest) -> Outcome:
        handle = f"job {len(self.jobs) + 1}"
        self.jobs[handle] = (self.clock() + timedelta(seconds=self.seconds), request)
        return Accepted(handle=handle)

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        return [self._settle(handle) for handle in handles]

    def _settle(self, handle: str) -> Outcome:
        self.polls += 1
        if handle in self.answers:
            return self.answers.pop(handle)
        done_at, request = self.jobs[handle]
        if self.clock() < done_at:
            return Accepted(handle=handle)
        return Applied(receipt=self.commit(request.step.key))


# What a system may do with a send


def apply(system: System, request: StepRequest) -> Outcome:
    return Applied(receipt=system.commit(request.step.key))


def lose_request(system: System, request: StepRequest) -> Outcome:
    """No answer, and it never got there."""
    return Unknown(why="no answer in 60 s")


def lose_answer(system: System, request: StepRequest) -> Outcome:
    """It was written, and the answer got lost."""
    system.commit(request.step.key)
    return Unknown(why="no answer in 60 s")


def commit_late(seconds: float) -> Behaviour:
    """No answer; `seconds` later it is written after all."""

    def behave(system: System, request: StepRequest) -> Outcome:
        system.late.append((system.clock() + timedelta(seconds=seconds), request.step.key))
        return Unknown(why="no answer in 60 s")

    return behave


def answer(outcome: Outcome) -> Behaviour:
    return lambda system, request: outcome


def not_sent(system: System, request: StepRequest) -> Outcome:
    return NotSent(why="connection refused")


def die_before(system: System, request: StepRequest) -> Outcome:
    raise Killed


def die_after(system: System, request: StepRequest) -> Outcome:
    system.commit(request.step.key)
    raise Killed


def break_down(system: System, request: StepRequest) -> Outcome:
    """A defect of ours."""
    raise ZeroDivisionError("a defect")
