"""What can become of a call. The tree answers one question: may the same be sent again?

TransportError
|- NotSentError        never reached the vendor's application: send again at any guarantee class
|  |- Throttled        429, or the vendor's own words for it
|  |- NoSession        all logins that the system allows are open
|  `- NotAuthenticated credentials refused: nothing was applied, but a person must look
|- OutcomeUnknown      it left and no trustworthy answer came: ask before sending again
`- Rejected            the vendor said no and applied nothing; `again` says whether later can help
"""

from __future__ import annotations

from enum import StrEnum

from erp_sync.model.advice import Advice
from erp_sync.ports.outcomes import Again, CallFailed, NotSent, Outcome, Refused, Unknown


class NextStep(StrEnum):
    """What the caller has to do after an error."""

    SEND_AGAIN = "send_again"  # not before `retry_after_seconds`
    FIND = "find"  # the guarantee class of the operation says how
    FIX_CREDENTIALS = "fix_credentials"  # then send again
    DECIDE = "decide"  # what to do is in `Rejected.again`


class TransportError(CallFailed):
    """A call did not end with a trustworthy good answer.

    Attributes:
        why: one sentence, without payload or secrets.
        system: name of the connection, filled in by the client.
        operation: name of the operation, filled in by the client.
        document: key of the document it was about, filled in by the client.
        next_step: what to do now.
        retry_after_seconds: not before; None where nobody said.
        attempts: how many attempts were made in all, filled in by the client.
    """

    advice = Advice(
        means="A call to a system did not end with a good answer. Nothing is lost; its kind decides what follows.",
        look=("erp-sync status", "erp-sync trace NUMBER"),
        do="See the entry of the error named.",
    )

    next_step = NextStep.FIND

    def __init__(
        self,
        why: str,
        *,
        retry_after_seconds: float | None = None,
        system: str = "",
        operation: str = "",
        document: str = "",
    ) -> None:
        self.why = why
        self.retry_after_seconds = retry_after_seconds
        self.system, self.operation, self.document = system, operation, document
        self.attempts = 0
        super().__init__(why)

    def __str__(self) -> str:
        place = " ".join(part for part in (self.system, self.operation, self.document) if part)
        return f"{place}: {self.why}" if place else self.why

    def as_outcome(self) -> Outcome:
        """The same as a value, as ports give it."""
        return Unknown(why=str(self))


class NotSentError(TransportError):
    """The request never left, or never reached the vendor's application: no connection, no slot,
    breaker open, maintenance. Nothing was applied."""

    advice = Advice(
        means="A request did not reach the system: nothing was applied there. It is sent again by itself.",
        look=("erp-sync status", "erp-sync doctor ROUTE"),
        do="Nothing at first. Where it stays: network, name resolution, certificate or proxy.",
    )

    next_step = NextStep.SEND_AGAIN

    def as_outcome(self) -> Outcome:
        return NotSent(why=str(self), retry_after_seconds=self.retry_after_seconds)


class Throttled(NotSentError):
    """The vendor refused because of too many calls (429 or its own body). Nothing was applied."""

    advice = Advice(
        means="The system has more calls than it takes. Calls are slowed down by themselves; work goes later.",
        look=("erp-sync status",),
        do="Nothing at first. Where it stays, lower the connection's `concurrency` or rate, or buy more from the "
        "vendor.",
    )


class NotAuthenticated(NotSentError):
    """The vendor, or its token endpoint, did not accept the credentials. Nothing was applied.

    Not tried again inside the transport: repeating wrong credentials gets accounts locked.
    """

    advice = Advice(
        means="The system does not accept our credentials: nothing is read from it or sent to it.",
        look=("erp-sync doctor ROUTE", "date -u"),
        do="Compare keys, role and account; look whether they were revoked; set the clock. Then restart: what waits "
        "goes by itself.",
    )

    next_step = NextStep.FIX_CREDENTIALS
    passes = False


class NoSession(NotSentError):
    """All logins that the system allows are open elsewhere in the installation; says nothing about the system."""

    advice = Advice(
        means="All logins that the system allows are in use by other processes. Nothing was sent; it goes once "
        "one is free.",
        look=("erp-sync status",),
        do="Nothing at first. Where it stays, raise the connection's limit of sessions, or buy more from the vendor.",
    )


class OutcomeUnknown(TransportError):
    """The request left and no trustworthy answer came: read timeout, dropped connection, truncated or
    undecodable body, 502/504, any other 5xx where the vendor does not say that nothing was applied.

    Attributes: status: of the answer, None where there was none.
    """

    advice = Advice(
        means="A request left and no answer came: the system may have applied it. It is asked before anything is sent "
        "again, so nothing is there twice.",
        look=("erp-sync trace NUMBER",),
        do="Nothing: the guarantee class decides. What it cannot decide becomes dead letter outcome_unknown.",
    )

    next_step = NextStep.FIND

    def __init__(
        self,
        why: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        system: str = "",
        operation: str = "",
        document: str = "",
    ) -> None:
        self.status = status
        super().__init__(
            why, retry_after_seconds=retry_after_seconds, system=system, operation=operation, document=document
        )


class Rejected(TransportError):
    """The vendor said no and certainly applied nothing.

    Attributes:
        status: of the answer.
        code: stable; dead letters are grouped by it.
        message: in words an operator understands, with the vendor's own text.
        body: text of the answer, for the connector; never part of the message.
        again: whether the same may pass later.
        requirement: with AFTER_DEPENDENCY: (entity, key) that is missing.

    A repeatable call is tried again inside the transport only where the connector said LATER *and*
    gave `retry_after_seconds` (a deadlock, a record that changed under us).
    """

    advice = Advice(
        means="The system said no and applied nothing. The document waits, or is a dead letter with a reason of its "
        "own.",
        look=("erp-sync deadletters",),
        do="See the entry of the reason.",
    )

    next_step = NextStep.DECIDE

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        body: str = "",
        again: Again = Again.NEVER,
        retry_after_seconds: float | None = None,
        requirement: tuple[str, str] | None = None,
        whole_batch: bool = False,
        system: str = "",
        operation: str = "",
        document: str = "",
    ) -> None:
        self.status, self.code, self.message, self.body, self.again = status, code, message, body, again
        self.requirement, self.whole_batch = requirement, whole_batch
        self.passes = again is Again.LATER
        super().__init__(
            f"HTTP {status} {code}: {message}",
            retry_after_seconds=retry_after_seconds,
            system=system,
            operation=operation,
            document=document,
        )

    def as_outcome(self) -> Outcome:
        return Refused(
            code=self.code,
            message=self.message,
            again=self.again,
            retry_after_seconds=self.retry_after_seconds,
            whole_batch=self.whole_batch,
            requirement=self.requirement,
        )
