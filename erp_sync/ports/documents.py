"""Ports of document flows (orders, shipments, order status, new customers, returns, refunds)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec

from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.differences import Difference
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.outcomes import Finding, Outcome, Receipt
from erp_sync.ports.raw import News, RawRecord, Window, all_new

Document = TypeVar("Document")
DocumentOut = TypeVar("DocumentOut", covariant=True)
DocumentIn = TypeVar("DocumentIn", contravariant=True)


class Requirement(msgspec.Struct, frozen=True, order=True):
    """Something the target must have before the document can go, e.g. ('product', 'SKU-1')."""

    entity: str
    key: str


#: How long a document may wait for what it requires before it becomes a dead letter, where its flow says nothing.
DEPENDENCY_DEADLINE = timedelta(days=3)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One write of a delivery, in order.

    Attributes:
        name: unique in the delivery, e.g. ``customer``, ``sales_order``, ``customer_deposit:2``.
        operation: name of the declared `Operation`.
        key: our business key at the target (its external id), derived from the document's key, so
            that it survives a crash. Two deliveries may share a step's key (the same customer).
        after: names of the steps whose receipts this one needs.
        concerns: target key under which writes exclude each other; empty means `key`.
        optional: a refusal is recorded and does not stop the delivery.
    """

    name: str
    operation: str
    key: str
    after: tuple[str, ...] = ()
    concerns: str = ""
    optional: bool = False


class StepRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A step about to be sent.

    Attributes:
        delivery: id of the delivery in the ledger, for the exchange log.
        document: the canonical document.
        receipts: of the steps before it, by step name.
        references: resolved requirements: target ids.
        attempt: 1 for the first.
        refusals: how often the target has refused the step, by code, since it was accepted or retried by a person.
        unsettled: the last send without an answer is less than its settle time ago: it may be committing still.
        unanswered: an earlier send had no answer. Of guarantee class C or D it was looked up since, and not found.
        target_id: of a document that was delivered or adopted before: its id by the cross references; else "".
        allowed: differences of amounts that a person let pass.
    """

    delivery: str
    step: Step
    document: Any
    receipts: dict[str, Receipt]
    references: dict[Requirement, str]
    attempt: int = 1
    refusals: dict[str, int] = {}
    unsettled: bool = False
    unanswered: bool = False
    target_id: str = ""
    allowed: tuple[Difference, ...] = ()


class DocumentSource(Protocol[DocumentOut]):
    """Where documents of one entity come from."""

    capabilities: Capabilities

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        """Pages of records updated in the window. May repeat a record; never silently skips one.

        What `news` says is received already need not be given: a source whose records cost a call each
        leaves it out, since windows overlap. Raises a TransportError where the source does not answer; pages
        already given stay valid.
        """

    def fetch(self, native_ids: Sequence[str]) -> Iterator[list[RawRecord]]:
        """These records as they are now; ids that do not exist are left out."""

    def created(self, window: Window) -> dict[str, str]:
        """Ids created in the window, with their version: the proof that nothing was missed."""

    def peek(self, window: Window) -> dict[str, str] | None:
        """Cheap look at what changed in the window: id to version, at most a page of it.

        None means "more than a page, or cannot be told cheaply": a run should look for itself. The
        caller leaves out what it has received already, so an overlap does not start runs for ever.
        """

    def to_canonical(self, raw: RawRecord, lookups: Lookups) -> DocumentOut:
        """Map one record. Raises BadRecord or MappingProblem."""


@runtime_checkable
class ReadsSingly(Protocol):
    """A source for which each record costs a call: it asks first which ones are wanted."""

    def fetch_new(self, native_ids: Sequence[str], news: News) -> Iterator[list[RawRecord]]:
        """Of these records the new ones, as they are now. `news` is given the versions of all that exist."""


class DocumentTarget(Protocol[DocumentIn]):
    """Where documents of one entity go."""

    capabilities: Capabilities

    def requirements(self, document: DocumentIn) -> list[Requirement]:
        """What must exist at the target first. No I/O."""

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        """Target ids of those that exist, in as few calls as possible; missing ones are left out."""

    def steps(self, document: DocumentIn) -> list[Step]:
        """The writes that deliver the document, in order. No I/O. Raises MappingProblem."""

    def submit(self, requests: Sequence[StepRequest]) -> list[Outcome]:
        """Send; one outcome per request, in order. Never raises for what a vendor or network did."""

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        """Is the effect of these requests at the target? By the most current read, batched."""

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        """What became of accepted requests; `Accepted` again where it is not done yet."""


@runtime_checkable
class MovesState(Protocol):
    """A document target whose writes change state that a state flow keeps (a shipment lowers stock)."""

    def moves(self, document: Any) -> list[str]:
        """Keys of the known state that the document's writes change. No I/O."""


@runtime_checkable
class ImpliesSteps(Protocol):
    """A document target one of whose writes may do later steps along with it (a shipment made with its parcels)."""

    def implied(self, request: StepRequest) -> Receipt | None:
        """Receipt of a step that the receipts before it show to be done; None: it has to be sent. No I/O."""


@runtime_checkable
class Proceeds(Protocol):
    """A document target of which something that it accepted may need one more write of ours before it is done."""

    def proceed(self, request: StepRequest, handle: str) -> Outcome:
        """Make the write that `settle` asked for (`Accepted.next_operation`). The step is durably on its way again
        before, with the settle time of that operation; what becomes of it afterwards is found like the step itself.
        Looks again first, and never raises for what a vendor or network did."""


@runtime_checkable
class TakesBack(Protocol):
    """A document target that can take back what it accepted and has not done, since the source cancelled it.

    Attributes:
        take_back_operation: the declared `Operation` of that write; "": it cannot.
    """

    @property
    def take_back_operation(self) -> str: ...

    def take_back(self, request: StepRequest, handle: str) -> Outcome:
        """Called instead of `settle`, with the step durably on its way again. Refused with code `TAKEN_BACK`: nothing
        comes of it any more. Applied: it is done meanwhile, and has to be cancelled. Accepted: it cannot be told yet.
        Doing it twice changes nothing. Never raises for what a vendor or network did."""


@runtime_checkable
class TellsCustomers(Protocol):
    """A document target some of whose refusals the store's customer is told of, so that nobody has to ask.

    Attributes:
        customer_reasons: words for the customer, by code of the refusal.
    """

    @property
    def customer_reasons(self) -> Mapping[str, str]: ...


@runtime_checkable
class TellsTime(Protocol):
    """A source that knows how its system's clock stands to ours."""

    def behind_seconds(self) -> float:
        """By how much it was behind when it answered last; 0 where it was not. No I/O."""
