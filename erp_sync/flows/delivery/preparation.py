"""Before sending: what many documents need is looked up at once, and whether the target holds them already."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from erp_sync.flows.defects import passes
from erp_sync.flows.delivery.defects import Defects
from erp_sync.flows.delivery.endings import Endings
from erp_sync.flows.delivery.recording import Recording
from erp_sync.flows.delivery.report import DrainTask
from erp_sync.flows.delivery.resolved import Resolved
from erp_sync.flows.first_look import FirstLook
from erp_sync.ledger.documents import Claim
from erp_sync.ledger.held_since import MAY_LACK
from erp_sync.ports.documents import Requirement, Step
from erp_sync.ports.outcomes import CallFailed, Receipt
from erp_sync.ports.raw import MappingProblem

log = logging.getLogger(__name__)

Decoded = tuple[Claim, Any, list[Requirement]]


class Preparation:
    """Takes claims apart into those that may be sent and those that end before."""

    def __init__(
        self,
        task: DrainTask,
        *,
        decode: Callable[[bytes], Any],
        resolved: Resolved,
        recording: Recording,
        endings: Endings,
        defects: Defects,
        first_look: FirstLook | None,
        not_to_go: Callable[[Any], tuple[str, str] | None],
    ) -> None:
        self.task, self.decode, self.resolved = task, decode, resolved
        self.not_to_go = not_to_go
        self.recording, self.endings, self.defects, self.first_look = recording, endings, defects, first_look

    def prepared(self, claims: Sequence[Claim]) -> list[tuple[Claim, Any]]:
        """Decode, and resolve what the documents need: one query for many documents."""
        return self._together(self._decoded(claims))

    def _decoded(self, claims: Sequence[Claim]) -> list[Decoded]:
        documents: list[Decoded] = []
        for claim in claims:
            with self.defects.kept_to(claim), self.endings.unless_lost(claim):
                try:
                    document = self.decode(claim.delivery.payload)
                    # What follows a document that was sent belongs to it and goes.
                    why = self.not_to_go(document) if claim.delivery.sequence == 1 else None
                    if why is not None and self.endings.withdrawn(claim, *why):
                        continue
                    documents.append((claim, document, self.task.target.requirements(document)))
                except msgspec.DecodeError as problem:
                    self.endings.dead(
                        claim, "unreadable_payload", f"the payload is no document of this flow: {problem}"
                    )
                except MappingProblem as problem:
                    self.endings.dead(claim, problem.code, str(problem))
        return documents

    def _together(self, documents: Sequence[Decoded]) -> list[tuple[Claim, Any]]:
        """What is asked for all of them at once. Where that meets a defect each is asked for alone: it shows with one
        of them only, and the others go."""
        if len(documents) > 1:
            try:
                return self._ready(documents)
            except Exception as failure:
                if passes(failure):
                    raise
                log.exception("defect", extra={"flow": self.task.flow, "documents": len(documents)})
        ready: list[tuple[Claim, Any]] = []
        for one in documents:
            # Without those that have ended meanwhile.
            if self.endings.leases.keeps(one[0]):
                with self.defects.kept_to(one[0]):
                    ready += self._ready([one])
        return ready

    def _ready(self, documents: Sequence[Decoded]) -> list[tuple[Claim, Any]]:
        missing = sorted({need for _, _, needs in documents for need in needs} - set(self.resolved.references))
        failure: CallFailed | None = None
        if missing:
            try:
                self.resolved.add(self.task.target.resolve(missing))
            except CallFailed as error:
                failure = error
        self._forget_what_is_there(documents)
        ready = []
        for claim, document, needs in documents:
            lacking = [need for need in needs if need not in self.resolved.references]
            if not lacking:
                ready.append((claim, document))
                continue
            with self.endings.unless_lost(claim):
                if failure is None:
                    self.endings.wait_for(claim, lacking, f"missing_{lacking[0].entity}")
                else:
                    # Nothing was sent, and nobody knows whether it is there: tried again.
                    self._not_looked_up(claim, failure)
        self._find_partners(ready)
        return self._looked_first(ready)

    def _forget_what_is_there(self, documents: Sequence[Decoded]) -> None:
        """What waited, and lacks nothing by now, would be told as lacking it after the next look that fails."""
        found = [
            claim
            for claim, _, needs in documents
            if claim.delivery.code in MAY_LACK and all(need in self.resolved.references for need in needs)
        ]
        if found:
            self.task.ledger.deliveries.lack_nothing(found)

    def _not_looked_up(self, claim: Claim, failure: CallFailed) -> None:
        pause = timedelta(seconds=failure.retry_after_seconds or 0) or self.endings.backoff(claim)
        self.endings.later(claim, self.task.clock() + pause, str(failure), "look_up_failed")

    def _find_partners(self, ready: Sequence[tuple[Claim, Any]]) -> None:
        """Ids at the target of documents that were delivered, or adopted, before."""
        follow_ups = [claim for claim, _ in ready if claim.delivery.sequence > 1]
        by_source: dict[tuple[str, str, str], list[Claim]] = {}
        for claim in follow_ups:
            key = claim.delivery.key
            by_source.setdefault((key.entity, key.connection, key.scope), []).append(claim)
        for (entity, connection, scope), claims in by_source.items():
            ids = [claim.delivery.key.native_id for claim in claims]
            found = self.task.ledger.cross_references.find(entity, connection, ids, self.task.connection, scope)
            self.resolved.add_partners({one.id: found.get(one.delivery.key.native_id, "") for one in claims})

    def _looked_first(self, ready: list[tuple[Claim, Any]]) -> list[tuple[Claim, Any]]:
        """Without those that the target holds already (they end here) and those that may be there (a person says)."""
        look = self.first_look
        if look is None or not any(look.wants(*one) for one in ready):
            return ready
        going = [one for one in ready if not look.wants(*one)]
        asked: list[tuple[Claim, Any, list[Step]]] = []
        for claim, document in ready:
            if look.wants(claim, document):
                try:
                    asked.append((claim, document, self.task.target.steps(document)))
                except MappingProblem:
                    going.append((claim, document))  # it ends when it is about to be sent
        try:
            verdicts = look.look(asked)
        except CallFailed as failure:
            for claim, _, _ in asked:
                with self.endings.unless_lost(claim):
                    self._not_looked_up(claim, failure)
            return going
        for (claim, document, steps), verdict in zip(asked, verdicts, strict=True):
            with self.endings.unless_lost(claim):
                if verdict.doubt is not None:
                    self.endings.dead(claim, *verdict.doubt)
                elif verdict.there:
                    self._adopt(claim, document, steps, verdict.there)
                else:
                    going.append((claim, document))
        return going

    def _adopt(self, claim: Claim, document: Any, steps: Sequence[Step], receipts: dict[str, Receipt]) -> None:
        """The target holds it: recorded as delivered, nothing of it is sent."""
        there = [step for step in steps if step.name in receipts]
        self.task.ledger.steps.plan(claim, there)
        for step in there:
            self.recording.confirm(claim, step, receipts[step.name], origin="adopted")
        self.endings.adopted(claim)
