"""However often an erasure was cut short, its certificate has each record once, and all that was counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from erp_sync.operations.certificates import NONE_FOUND, Line, asked_again, joined

WHERE = st.sampled_from(["store", "erp", "ledger"])
RECORDS = st.builds(
    Line, where=WHERE, what=st.just("customer"), how=st.just("deleted"), native_id=st.sampled_from("123")
)
ROWS = st.builds(Line, where=WHERE, what=st.just("rows"), how=st.just("anonymised"), count=st.integers(0, 9))
KEPT = st.builds(Line, where=WHERE, what=st.just("journal"), how=st.just("kept"))
NOTHING = st.builds(Line, where=WHERE, what=st.just("records"), how=st.just(NONE_FOUND), count=st.just(0))
RUNS = st.lists(st.tuples(st.lists(RECORDS | ROWS | KEPT | NOTHING), st.sampled_from(["", "lake"])), min_size=1)


@given(RUNS)
def test_runs_of_one_erasure_make_one_certificate(runs: list[tuple[list[Line], str]]) -> None:
    lines: list[Line] = []
    for some, cut_at in runs[:-1]:
        lines = asked_again([*lines, *some], cut_at)
    lines += runs[-1][0]
    told = joined(lines)
    every = [line for some, _ in runs for line in some]
    assert {line.native_id for line in told if line.native_id} == {line.native_id for line in every if line.native_id}
    records = [(line.where, line.native_id) for line in told if line.native_id]
    assert len(records) == len(set(records))
    for where in ("store", "erp", "ledger"):
        counted = [line.count for line in told if (line.where, line.what) == (where, "rows")]
        assert sum(counted) == sum(line.count for line in every if (line.where, line.what) == (where, "rows"))
        assert len(counted) <= 1
    assert any(line.how == "incomplete" for line in told) == any(cut_at for _, cut_at in runs[:-1])
    # What was kept is told where it is so now.
    assert {line.where for line in told if line.how == "kept"} == {
        line.where for line in runs[-1][0] if line.how == "kept"
    }
    nothing = {line.where for line in told if line.how == NONE_FOUND}
    assert not nothing & {line.where for line in told if line.how != NONE_FOUND}
    assert joined(told) == told
