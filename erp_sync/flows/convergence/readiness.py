"""Which rows of a batch may be sent now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from erp_sync.flows.comparison import REPLACES, value_text
from erp_sync.flows.convergence.endings import Endings
from erp_sync.flows.convergence.report import ConvergenceTask, Sent
from erp_sync.flows.ownership import AGREED
from erp_sync.ledger.rows import ClaimedRow, RowClaim
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import CallFailed

# A row whose key must be read again first: the reading replans it, this is only when to look again.
UNSURE_RETRY = timedelta(seconds=30)


class Readiness:
    """Looks at what is known of a batch's keys, and at what they need."""

    def __init__(self, task: ConvergenceTask, endings: Endings) -> None:
        self.task, self.endings = task, endings

    def ready(self, claim: RowClaim, claimed_rows: Sequence[ClaimedRow]) -> list[Sent]:
        """Rows that are to be sent; the others are put back, with when to look at them again."""
        if not claimed_rows:
            return []
        known = self.task.ledger.known.get(self.task.connection, self.task.entity, [row.key for row in claimed_rows])
        rows: list[Sent] = []
        unsure: list[ClaimedRow] = []
        already: list[Sent] = []
        for claimed in claimed_rows:
            sent = self.decoded(claimed)
            state = known.get((claimed.scope, claimed.key))
            if state is not None and not state.sure:
                unsure.append(claimed)
            elif state is not None and state.value == sent.value:
                already.append(sent)
            else:
                rows.append(sent)
        if unsure:
            self.endings.put_back(
                claim, unsure, "its state at the target became unknown and is read again", UNSURE_RETRY
            )
            self.endings.count("later", len(unsure), "unsure")
        if already:
            self.endings.already(claim, already)
        return self._with_products(claim, rows)

    def _with_products(self, claim: RowClaim, rows: list[Sent]) -> list[Sent]:
        needs = {sent.claimed.id: list(self.task.target.requirements(sent.row)) for sent in rows}
        wanted = sorted({need for some in needs.values() for need in some})
        if not wanted:
            return rows
        try:
            there = self.task.target.resolve(wanted)
        except CallFailed as failure:
            pause = timedelta(seconds=failure.retry_after_seconds or 0) or self.endings.backoff(
                [sent.claimed for sent in rows]
            )
            self.endings.put_back(claim, [sent.claimed for sent in rows], str(failure), pause, "look_up_failed")
            self.endings.count("later", len(rows), "look_up_failed")
            return []
        ready: list[Sent] = []
        lacking: list[tuple[Sent, Requirement]] = []
        for sent in rows:
            missing = next((need for need in needs[sent.claimed.id] if need not in there), None)
            if missing is None:
                ready.append(sent)
            else:
                lacking.append((sent, missing))
        self.endings.wait_for(claim, lacking)
        return ready

    def unhindered(self, claim: RowClaim, rows: list[Sent]) -> list[Sent]:
        """Rows that replace nothing which the target still has, or may have; the others are put back."""
        keys = {key for sent in rows for key in sent.replaces}
        if not keys:
            return rows
        known = self.task.ledger.known.get(self.task.connection, self.task.entity, sorted(keys))
        there = {state.key for state in known.values() if state.value is not None or not state.sure}
        hindered = [sent for sent in rows if there.intersection(sent.replaces)]
        if hindered:
            claimed = [sent.claimed for sent in hindered]
            pause = self.endings.backoff(claimed)
            self.endings.put_back(claim, claimed, "what it replaces is still there", pause)
            self.endings.count("later", len(hindered), "not_replaced_yet")
        return [sent for sent in rows if sent not in hindered]

    def decoded(self, claimed: ClaimedRow) -> Sent:
        """The row that a plan's row means. A target that takes rows away gets the row as it is there."""
        if claimed.after is None:
            there = json.loads(claimed.before or "{}")
            if hasattr(self.task.target, "remove"):
                return Sent(claimed=claimed, row=self.task.target.row(claimed.key, there), value=None)
            row = self.task.target.gone(claimed.key, there)
        else:
            after = json.loads(claimed.after)
            row = self.task.target.row(claimed.key, after)
            if after.get(REPLACES):
                value = value_text(self.task.target.values(row))
                return Sent(claimed=claimed, row=row, value=value, replaces=tuple(after[REPLACES]))
            if after.get(AGREED):
                values = self.task.target.values(row)
                agreed = value_text({**values, **after[AGREED]})
                return Sent(claimed=claimed, row=row, value=value_text(values), agreed=agreed)
        return Sent(claimed=claimed, row=row, value=value_text(self.task.target.values(row)))
