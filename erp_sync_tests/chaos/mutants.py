"""Built-in defects, each a patch of the product's code that lives here: the harness has to catch every one.

A mutant is what somebody might really write, or take away, on a busy afternoon. `mutated(name)` puts it in force.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest import mock

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from erp_sync.components import states
from erp_sync.flows import extraction
from erp_sync.flows.convergence import sending as rows_sending
from erp_sync.flows.delivery.recording import Recording
from erp_sync.flows.delivery.resuming import SEND_AGAIN, Resuming
from erp_sync.flows.delivery.sending import Sending
from erp_sync.flows.leases import Leases
from erp_sync.ledger import Ledger, accepting, ending, leases, moving, overtaking, sending, steps
from erp_sync.ledger import deliveries as ledger_deliveries
from erp_sync.ledger.documents import Claim, State
from erp_sync.ledger.plans import Plans
from erp_sync.ledger.received import Received
from erp_sync.ledger.schema import deliveries
from erp_sync.ledger.steps import Steps
from erp_sync.ports.capabilities import Guarantee
from erp_sync.ports.outcomes import Again, Applied, CallFailed, NotSent, Receipt, Refused, Unknown
from erp_sync_tests.chaos import runs

Patch = Callable[[ExitStack], None]


@dataclass(frozen=True)
class Mutant:
    words: str
    patch: Patch


MUTANTS: dict[str, Mutant] = {}


def mutant(words: str) -> Callable[[Patch], Patch]:
    def keep(patch: Patch) -> Patch:
        MUTANTS[patch.__name__] = Mutant(words, patch)
        return patch

    return keep


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The product with this defect; as it is where the name is empty. Raises KeyError that lists the mutants."""
    if name and name not in MUTANTS:
        raise KeyError(f"no mutant is called {name!r}; there are {', '.join(sorted(MUTANTS))}")
    with ExitStack() as stack:
        if name:
            MUTANTS[name].patch(stack)
        yield


def _put(stack: ExitStack, place: Any, name: str, thing: Any) -> None:
    stack.enter_context(mock.patch.object(place, name, thing))


# -- documents -------------------------------------------------------------------------------------


@mutant("a document counts as delivered when it is sent, whatever comes back")
def acknowledge_before_send(stack: ExitStack) -> None:
    after = Recording.outcome

    def acknowledged(self: Recording, claim: Any, step: Any, outcome: Any, operation: Any) -> Any:
        if isinstance(outcome, Unknown | NotSent):
            outcome = Applied(receipt=Receipt(target_id=""))
        return after(self, claim, step, outcome, operation)

    _put(stack, Recording, "outcome", acknowledged)


@mutant("after an unknown outcome nobody looks whether it is there: it is sent again")
def skip_find(stack: ExitStack) -> None:
    def without_looking(self: Resuming, claim: Any, step: Any, request: Any, operation: Any, settle_until: Any) -> Any:
        if settle_until is not None and self.task.clock() < settle_until:
            self.endings.later(claim, settle_until, "the last send may still become visible", "settling")
            return None
        self.task.ledger.steps.absent(claim, step.name)
        return SEND_AGAIN

    _put(stack, Resuming, "look", without_looking)


@mutant("what cannot be searched for is sent again")
def repeat_what_leaves_no_trace(stack: ExitStack) -> None:
    look = Resuming.look

    def again(self: Resuming, claim: Any, step: Any, request: Any, operation: Any, settle_until: Any) -> Any:
        if operation.guarantee is Guarantee.NONE:
            self.task.ledger.steps.absent(claim, step.name)
            return SEND_AGAIN
        return look(self, claim, step, request, operation, settle_until)

    _put(stack, Resuming, "look", again)


@mutant("'not found' is believed at once: nobody waits until a late write has settled")
def no_settle_wait(stack: ExitStack) -> None:
    begin = Steps.begin

    def unsettled(self: Steps, claim: Any, step: str, settle_seconds: float = 0.0, **options: Any) -> Any:
        return begin(self, claim, step, settle_seconds=0.0, **options)

    _put(stack, Steps, "begin", unsettled)


@mutant("no answer counts as not sent")
def unknown_is_not_sent(stack: ExitStack) -> None:
    after = Recording.outcome

    def hopeful(self: Recording, claim: Any, step: Any, outcome: Any, operation: Any) -> Any:
        return after(
            self, claim, step, NotSent(why=outcome.why) if isinstance(outcome, Unknown) else outcome, operation
        )

    _put(stack, Recording, "outcome", hopeful)


@mutant("an answer that is cut off counts as a refusal")
def truncated_answer_is_a_refusal(stack: ExitStack) -> None:
    after = Recording.outcome

    def offended(self: Recording, claim: Any, step: Any, outcome: Any, operation: Any) -> Any:
        if isinstance(outcome, Unknown):
            outcome = Refused(code="bad_answer", message=outcome.why, again=Again.NEVER)
        return after(self, claim, step, outcome, operation)

    _put(stack, Recording, "outcome", offended)


@mutant("what was refused for good is sent again and again")
def resend_after_refusal(stack: ExitStack) -> None:
    def stubborn(self: Recording, claim: Any, refused: Refused) -> None:
        self.endings.later(claim, self.task.clock() + timedelta(seconds=30), refused.message, refused.code)

    _put(stack, Recording, "_refused", stubborn)


@mutant("whoever lost a lease may go on: fencing numbers are not looked at, before sending neither")
def drop_fencing(stack: ExitStack) -> None:
    anybodys = sa.and_(deliveries.c.id == sa.bindparam("of_delivery"), deliveries.c.state == State.CLAIMED)

    def locked(write: Any, claim: Claim, alive_at: Any = None) -> None:
        pass

    for place in (leases, ledger_deliveries, ending):
        _put(stack, place, "HELD", anybodys)
        _put(stack, place, "holder", lambda claim: {"of_delivery": claim.id})
    _put(stack, ledger_deliveries, "_RENEW", sa.update(deliveries).where(anybodys))
    _put(stack, ending, "_END", sa.update(deliveries).where(anybodys))
    for place in (leases, ledger_deliveries, sending, steps):
        _put(stack, place, "lock_claim", locked)
    _put(stack, ledger_deliveries, "lock_claims", lambda write, claims: {claim.id for claim in claims})
    _put(stack, Leases, "holds", lambda self, claim: True)


@mutant("received records are marked as handled before their documents are accepted")
def handled_before_the_transaction(stack: ExitStack) -> None:
    unhandled = Ledger.unhandled

    def eager(self: Ledger, route: str, flow: str, *place: Any, **options: Any) -> Any:
        rows = unhandled(self, route, flow, *place, **options)
        if rows:
            with self.handling(route, flow) as work:
                work.mark_handled([row.id for row in rows])
        return rows

    _put(stack, Ledger, "unhandled", eager)


@mutant("an order that is cancelled is withdrawn, whether anything of it has left or not")
def withdraw_what_has_left(stack: ExitStack) -> None:
    _put(stack, accepting, "_document_begun", lambda *arguments: set())


# -- reading ---------------------------------------------------------------------------------------


@mutant("the cursor moves on when reading failed")
def cursor_past_failures(stack: ExitStack) -> None:
    real = extraction.extract_changes

    def careless(source: Any, ledger: Any, land: Any, *, connection: str, entity: str, now: Any, **options: Any) -> Any:
        try:
            return real(source, ledger, land, connection=connection, entity=entity, now=now, **options)
        except CallFailed:
            ledger.receive(connection, entity, [], advance_to=now, run_id="careless")
            return extraction.Extraction()

    for place in (extraction, runs):
        _put(stack, place, "extract_changes", careless)


@mutant("the vendor's clock is believed to be ours, and windows do not overlap")
def windows_do_not_overlap(stack: ExitStack) -> None:
    real = extraction.extract_changes

    class Exact:
        """A source that is never late and whose clock is right."""

        def __init__(self, source: Any) -> None:
            self._source = source
            self.capabilities = source.capabilities

        def __getattr__(self, name: str) -> Any:
            if name == "behind_seconds":
                raise AttributeError(name)
            return getattr(self._source, name)

    def exact(source: Any, ledger: Any, land: Any, *, entity: str, **options: Any) -> Any:
        made = Exact(source)
        readings = [_replaced(one, lateness_seconds=0.0) for one in source.capabilities.readings]
        made.capabilities = _replaced(source.capabilities, readings=tuple(readings))
        return real(made, ledger, land, entity=entity, **options)

    for place in (extraction, runs):
        _put(stack, place, "extract_changes", exact)


@mutant("a record that was received once is never received again, in whatever version")
def first_version_only(stack: ExitStack) -> None:
    def known(self: Received, connection: str, entity: str, records: Sequence[Any]) -> list[Any]:
        new = set(self.never_received(connection, entity, [one.native_id for one in records]))
        return [one for one in records if one.native_id in new]

    _put(stack, Received, "not_received", known)


# -- state -----------------------------------------------------------------------------------------


@mutant("a state write without an answer counts as written")
def state_is_written_when_sent(stack: ExitStack) -> None:
    record = rows_sending.Sending._record

    def hopeful(self: rows_sending.Sending, claim: Any, pairs: list[tuple[Any, Any]]) -> None:
        record(
            self,
            claim,
            [
                (sent, Applied(receipt=Receipt(target_id="")) if isinstance(one, Unknown) else one)
                for sent, one in pairs
            ],
        )

    _put(stack, rows_sending.Sending, "_record", hopeful)


@mutant("a key is read back at once after an unknown outcome")
def state_does_not_settle(stack: ExitStack) -> None:
    begin = Plans.begin

    def at_once(self: Plans, claim: Any, settle_seconds: float = 0.0, **more: Any) -> Any:
        return begin(self, claim, settle_seconds=0.0, **more)

    _put(stack, Plans, "begin", at_once)


@mutant("a shipment does not say which stock it moves")
def forget_known_state_on_shipment(stack: ExitStack) -> None:
    _put(stack, Sending, "_moves", lambda self, document, operation: [])


@mutant("the keys that a document moved are let go without being read again")
def lose_the_moved_keys(stack: ExitStack) -> None:
    _put(stack, moving, "_doubt", lambda *arguments: None)


@mutant("an older value goes over a newer one: it counts from when it is compared, and nobody asks what changed since")
def ignore_the_order_of_values(stack: ExitStack) -> None:
    compare = states.compare

    def as_of_now(desired: Any, known: Any, **options: Any) -> Any:
        place = desired.schema.get_field_index("source_order")
        now = pa.array([round(time.time() * 1_000_000)] * desired.num_rows, pa.int64())
        return compare(desired.set_column(place, "source_order", now), known, **options)

    _put(stack, states, "compare", as_of_now)
    # Either alone is saved by the other.
    _put(stack, overtaking, "still_true", lambda write, plan: (plan, []))


@mutant("of two values the one counts whose read began later, though the other was read later")
def order_reads_that_overlap(stack: ExitStack) -> None:
    _put(stack, states, "overlapping", lambda *arguments: set())
    _put(stack, states, "crossed", lambda *arguments: set())


def _replaced(struct: Any, **values: Any) -> Any:
    return msgspec.structs.replace(struct, **values)
