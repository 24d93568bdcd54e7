"""What became of a request, item by item. One place decides "again or not": `Refused.again`."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum

import msgspec

from erp_sync.model.advice import Advice
from erp_sync.ports.differences import Difference


class CallFailed(Exception):
    """A call to a system did not end well. The root of transport's error tree, for flows, which know
    no transport: `as_outcome()` says what it means for a send. Reads may simply be tried again later.
    `planned`: the system is in planned maintenance; nothing left. `passes`: the same call may go well later without
    anybody's doing.
    """

    advice = Advice(
        means="A call to a system did not end well. What it means for the document follows from its guarantee class.",
        look=("erp-sync status", "erp-sync trace NUMBER"),
        do="See the entry of the error named.",
    )

    retry_after_seconds: float | None = None
    planned: bool = False
    passes: bool = True

    def as_outcome(self) -> Outcome:
        """The same as a value."""
        return Unknown(why=str(self))


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The target has it.

    Attributes:
        target_id: id in the target.
        number: document number in the target, once read.
        version: the target's version, once read.
        totals: the target's own totals, once read; name to decimal text.
        existed: it was there before this send (found, or refused as a second).
        values: anything a later step of the same delivery needs, name to text.
    """

    target_id: str
    number: str = ""
    version: str = ""
    totals: dict[str, str] = {}
    existed: bool = False
    values: dict[str, str] = {}


class Applied(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Attributes:
    lacks: of a row of state: (entity, key) without which the target took a part only. It goes once more when that is
        there.
    """

    receipt: Receipt
    lacks: tuple[str, str] | None = None


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Taken but not done: ask `settle` with the handle.

    Attributes:
        ask_after_seconds: where the target knows that it takes long (a person decides): sooner nobody needs to ask.
        next_operation: the declared `Operation` of one more write of ours without which it is never done, to be made
            now (`ports.documents.Proceeds`). Only `settle` says so; "" where the target goes on by itself.
    """

    handle: str
    ask_after_seconds: float | None = None
    next_operation: str = ""


class Again(StrEnum):
    """Whether sending the same again can help."""

    NEVER = "never"  # a person or a change of data must help: dead letter
    LATER = "later"  # the same request may pass later (closed period reopened, lock released)
    AFTER_DEPENDENCY = "after_dependency"  # something it refers to is missing: waits for it
    AFTER_DECISION = "after_decision"  # a person may let it pass as it is: held


QUANTITY_ABOVE_OPEN = "quantity_above_open"
"""Code of a `Refused`: the document moves more than the target has open, since it was cancelled or returned there.
The target waits for none of it: stock that left with it is not to be kept for it there. Its message names each SKU in
the words of `AboveOpen`, so that a person can be offered to send what is open."""


class AboveOpen(msgspec.Struct, frozen=True):
    """Of this SKU so much was shipped, and of that so much more than the target has open."""

    sku: str
    shipped: Decimal
    above: Decimal

    @property
    def open(self) -> Decimal:
        return self.shipped - self.above

    def __str__(self) -> str:
        return f"{self.shipped.normalize():f} of {self.sku} shipped, {self.above.normalize():f} more than open"


_ABOVE_OPEN = re.compile(r"(?P<shipped>[\d.]+) of (?P<sku>.+?) shipped, (?P<above>[\d.]+) more than open")


def above_open_in(message: str) -> list[AboveOpen]:
    """What a message names in the words of `AboveOpen`, in their order."""
    return [
        AboveOpen(one["sku"], Decimal(one["shipped"]), Decimal(one["above"])) for one in _ABOVE_OPEN.finditer(message)
    ]


#: Code of a refusal by which the target has the record already and does not show it: a send of ours may have made it.
#: Other than after every other refusal the document counts as one that may have left.
ALREADY_EXISTS = "already_exists"


#: Code of a refusal: the target said that it made the record, and it is not recognised there.
CREATED_UNRECOGNISED = "created_unrecognised"
#: Code of a refusal: a person rejected what waited for them at the target, and may still change their mind.
APPROVAL_REJECTED = "approval_rejected"
#: Code of a refusal: what the target had accepted was cancelled at its source, and cannot be taken back there.
NOT_TAKEN_BACK = "not_taken_back"
#: Codes of refusals after which something of the document may be at the target all the same: it counts as one that has
#: left, and its cancellation is a person's.
MAY_BE_THERE = (ALREADY_EXISTS, CREATED_UNRECOGNISED, NOT_TAKEN_BACK, APPROVAL_REJECTED)
#: Code of a refusal by which nothing comes any more of what the target had accepted: it was taken back there.
TAKEN_BACK = "taken_back"


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The vendor said no and certainly applied nothing; with `ALREADY_EXISTS` perhaps at an earlier send.

    Attributes:
        code: stable, e.g. ``unknown_item``; dead letters are grouped by it.
        message: in words an operator understands, with the vendor's own text.
        requirement: for AFTER_DEPENDENCY: (entity, key) that is missing.
        differences: for AFTER_DECISION: both calculations, part by part.
    """

    code: str
    message: str
    again: Again = Again.NEVER
    retry_after_seconds: float | None = None
    whole_batch: bool = False
    requirement: tuple[str, str] | None = None
    differences: tuple[Difference, ...] = ()


class NotSent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The request certainly did not reach the vendor's application: no connection, limiter or
    breaker said no, or 429. Send again at any guarantee class."""

    why: str
    retry_after_seconds: float | None = None


class Unknown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The request left and no trustworthy answer came. What follows is the guarantee class's to say."""

    why: str


Outcome = Applied | Accepted | Refused | NotSent | Unknown


class Found(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    receipt: Receipt


class Absent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Not there as of the most current read. Within the settle time this proves nothing."""


class Later(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Cannot be told yet."""

    seconds: float
    why: str = ""


class Ambiguous(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Several records of the target carry this key, or one may be this document: a case for an operator.

    Attributes:
        why: what is there and what a person does about it; "": several records carry the key.
    """

    target_ids: tuple[str, ...]
    why: str = ""


class Untraceable(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It leaves no trace at the target that tells whether it happened, as a second e-mail about the same thing: a case
    for an operator.

    Attributes:
        why: what may or may not have happened, and how a person finds out, in words that an operator understands.
    """

    why: str


# Accepted: it is there and waits, for a person perhaps.
Finding = Found | Accepted | Absent | Later | Ambiguous | Untraceable
