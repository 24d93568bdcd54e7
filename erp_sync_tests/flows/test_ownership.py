"""Whose a field is, and what becomes of edits by the other side: before and after at one glance."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from erp_sync.flows.ownership import ForeignEdits, SystemOfRecord, judge

PUT_BACK, HOLD, REPORT = ForeignEdits.PUT_BACK, ForeignEdits.HOLD, ForeignEdits.REPORT
MUG = {"name": "Mug", "description": "A mug"}
CUP = {"name": "Cup", "description": "A mug"}
TUB = {"name": "Tub", "description": "A mug"}

CASES: dict[str, tuple[ForeignEdits, Any, Any, Any, Any, list[str], bool]] = {
    # policy, the target holds, agreed on, the source wants: is written, edits in words, waits
    "put back": (PUT_BACK, CUP, MUG, MUG, MUG, ["name: Cup by an edit in shop, goes back to Mug"], False),
    "held": (HOLD, CUP, MUG, MUG, MUG, ["name: Cup by an edit in shop, erp has Mug: waits"], True),
    "reported": (REPORT, CUP, MUG, MUG, CUP, ["name: Cup by an edit in shop, erp has Mug: stays"], False),
    "the owner changed it, too": (REPORT, CUP, MUG, TUB, TUB, [], False),
    "nobody edited": (HOLD, MUG, None, CUP, CUP, [], False),
    "edited to what the owner wants": (HOLD, CUP, MUG, CUP, CUP, [], False),
    "not there yet": (HOLD, None, None, MUG, MUG, [], False),
    "taken away": (
        HOLD, None, MUG, MUG, MUG,
        ["nothing by an edit in shop, erp has description A mug, name Mug: waits"], True,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("policy", "before", "agreed", "ours", "after", "words", "held"), CASES.values(), ids=CASES)
def test_an_edit_is_named_with_both_values_and_judged_by_policy(policy, before, agreed, ours, after, words, held):
    record = SystemOfRecord(edits=policy, source="erp", target="shop")
    found = judge("A", before, agreed, ours, record, edited=agreed is not None)
    assert (found.after, found.held) == (after, held)
    assert [edit.words(record) for edit in found.edits] == words


def test_a_field_of_the_target_is_given_once_and_never_written_over():
    record = SystemOfRecord(of_target=frozenset({"description"}))
    new = {"name": "Cup", "description": "Ours"}
    assert judge("A", None, None, new, record, edited=False).after == new
    assert judge("A", MUG, None, new, record, edited=False).after == CUP
    assert judge("A", {"name": "Mug"}, None, new, record, edited=False).after == {"name": "Cup"}


def test_a_field_may_have_a_policy_of_its_own():
    record = SystemOfRecord(edits=PUT_BACK, fields={"name": REPORT})
    edited = {"name": "Cup", "description": "Buy now"}
    found = judge("A", edited, MUG, MUG, record, edited=True)
    assert found.after == {"name": "Cup", "description": "A mug"}
    assert [(edit.field, edit.policy) for edit in found.edits] == [("name", REPORT), ("description", PUT_BACK)]


VALUES = st.fixed_dictionaries({name: st.sampled_from("xyz") for name in ("a", "b", "c")})


@given(VALUES, VALUES, VALUES, st.sampled_from(list(ForeignEdits)), st.sets(st.sampled_from("abc")))
def test_every_field_is_the_owners_value_or_stays_as_it_is(before, agreed, ours, policy, of_target):
    found = judge("A", before, agreed, ours, SystemOfRecord(edits=policy, of_target=frozenset(of_target)), edited=True)
    edited = {edit.field for edit in found.edits}
    for name in before:
        if name in of_target:
            assert found.after[name] == before[name]
        elif policy is REPORT and name in edited:
            assert found.after[name] == before[name] != ours[name]
        else:
            assert found.after[name] == ours[name]
    assert edited == {
        name for name in before if name not in of_target and before[name] != agreed[name] and ours[name] == agreed[name]
    }
