"""Who a field belongs to, and what becomes of edits made in the system that it does not belong to. Pure.

A value that the target holds, that the source did not change and that differs from what both sides agreed on
last, was edited at the target. A field that belongs to the target is never written over; only a row that is
not there yet gets it from the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

# Where a plan's row keeps the owner's value of fields whose edits at the target it leaves as they are.
AGREED = "agreed"


class ForeignEdits(StrEnum):
    """What becomes of an edit in the system that does not own the field.

    put_back  it is written over with the owner's value.
    hold      its row waits for a person, who sees both values; the others go.
    report    it stays, and stands in an alert until it is gone.
    """

    PUT_BACK = "put_back"
    HOLD = "hold"
    REPORT = "report"


class SystemOfRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    edits: of fields that say nothing for themselves, and of rows made or taken away at the target.
    fields: other policies, by field.
    of_target: fields that belong to the target.
    source, target: names of the systems, for words.
    """

    edits: ForeignEdits = ForeignEdits.PUT_BACK
    fields: Mapping[str, ForeignEdits] = {}
    of_target: frozenset[str] = frozenset()
    source: str = "the source"
    target: str = "the target"

    def policy(self, field: str) -> ForeignEdits:
        """A field `customer.email` is its own, else what is said of `customer`."""
        return self.fields.get(field) or self.fields.get(field.partition(".")[0], self.edits)

    def target_owns(self, field: str) -> bool:
        return field in self.of_target or field.partition(".")[0] in self.of_target


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One field that somebody edited at the target; `field` is "" where it is the whole row.

    `theirs` and `ours`: what the target and the source have; None: nothing.
    """

    key: str
    field: str
    theirs: Any
    ours: Any
    policy: ForeignEdits

    def words(self, record: SystemOfRecord) -> str:
        """Both values and what happens, for an operator."""
        there = "nothing" if self.theirs is None else f"{_short(self.theirs)}"
        here = "nothing" if self.ours is None else f"{_short(self.ours)}"
        what = f"{self.field}: " if self.field else ""
        ending = {
            ForeignEdits.PUT_BACK: f"goes back to {here}",
            ForeignEdits.HOLD: f"{record.source} has {here}: waits",
            ForeignEdits.REPORT: f"{record.source} has {here}: stays",
        }[self.policy]
        return f"{what}{there} by an edit in {record.target}, {ending}"


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    after: what is to be written; the target's own value where a field is not.
    edits: what somebody edited at the target.
    """

    after: dict[str, Any]
    edits: tuple[Edit, ...] = ()

    @property
    def left(self) -> dict[str, Any]:
        """The owner's value of fields that stay as somebody edited them."""
        return {edit.field: edit.ours for edit in self.edits if edit.field and edit.policy is ForeignEdits.REPORT}

    @property
    def held(self) -> bool:
        return any(edit.policy is ForeignEdits.HOLD for edit in self.edits)


def judge(
    key: str,
    before: Mapping[str, Any] | None,
    agreed: Mapping[str, Any] | None,
    after: Mapping[str, Any],
    record: SystemOfRecord,
    *,
    edited: bool,
) -> Judged:
    """What may be written of a row that differs.

    Args:
        before: what the target holds; None: no such row.
        agreed: what both sides agreed on before somebody wrote at the target; None: no such row.
        edited: somebody wrote at the target since then; False: `agreed` says nothing.
    """
    if before is None:
        if not edited or agreed is None:
            return Judged(after=dict(after))
        edit = Edit(key=key, field="", theirs=None, ours=dict(after), policy=record.edits)
        return Judged(after=dict(after), edits=(edit,))
    wanted, edits = dict(after), []
    for field, ours in after.items():
        theirs = before.get(field)
        if field in record.of_target:
            _keep(wanted, field, before)
        elif edited and agreed is not None and field in agreed and theirs != agreed[field] and ours == agreed[field]:
            policy = record.policy(field)
            edits.append(Edit(key=key, field=field, theirs=theirs, ours=ours, policy=policy))
            if policy is ForeignEdits.REPORT:
                _keep(wanted, field, before)
    return Judged(after=wanted, edits=tuple(edits))


def foreign_row(key: str, before: Mapping[str, Any], record: SystemOfRecord) -> Edit:
    """A row that somebody made at the target and that the source does not have."""
    return Edit(key=key, field="", theirs=dict(before), ours=None, policy=record.edits)


def _keep(wanted: dict[str, Any], field: str, before: Mapping[str, Any]) -> None:
    if field in before:
        wanted[field] = before[field]
    else:
        del wanted[field]


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in sorted(value.items()) if name != "row")
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
