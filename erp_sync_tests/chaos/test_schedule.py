"""Everything that can go wrong does, in some seed of a hundred."""

from __future__ import annotations

from erp_sync_tests.chaos.network import LIST_CHANGES
from erp_sync_tests.chaos.schedule import AIMS, DOCUMENTS, GOES, KINDS, OUTAGES, OVERTAKEN_AFTER, POINTS, POISON
from erp_sync_tests.chaos.test_replay import drawn

SEEDS = [drawn(seed) for seed in range(1, 101)]


def test_every_fault_of_a_call_is_drawn():
    found = {one.kind + (" after commit" if one.after else "") for made in SEEDS for one in made.troubles}
    assert set(KINDS) <= found


def test_workers_die_at_every_point():
    assert {point for made in SEEDS for _, point, _, _ in made.traps} == set(POINTS)
    assert len(AIMS) > 3


def test_the_machine_lacks_everything_that_it_can():
    found = [one for made in SEEDS for one in made.outages]
    assert {what for _, what, _, _ in found} == set(OUTAGES)
    assert {point for _, what, _, point in found if what == "ledger gone"} == set(GOES)
    assert max(seconds for _, _, seconds, _ in found) > 60, "longer than anybody waits for a ledger"


def test_windows_are_skipped_and_lists_change_after_it():
    skipping = [made for made in SEEDS if made.skipped]
    assert {flow for made in skipping for _, flow, _ in made.skipped} == set(DOCUMENTS)
    for made in skipping:
        changing = [one for one in made.troubles if one.kind == LIST_CHANGES]
        assert [(one.flow, one.begin) for one in changing] == [
            (flow, when + seconds) for when, flow, seconds in made.skipped
        ]


def test_records_are_poisoned():
    poisoned = sum(what == POISON for made in SEEDS for _, _, what in made.acts)
    assert 10 < poisoned < 50


def test_values_change_while_the_call_that_reads_them_hangs():
    overtaking = [made for made in SEEDS if made.overtaken]
    assert len(overtaking) > 15
    for made in overtaking:
        ((when, flow),) = made.overtaken
        hangs = [one for one in made.troubles if (one.kind, one.flow, one.writes) == ("timeout", flow, False)]
        assert [one.begin for one in hangs] == [when], "nobody but the first reader"
        changes = [at - when for at, _, what in made.acts if what == "think_again"]
        assert any(-5 < at < 0 for at in changes), "there is something to read"
        assert any(OVERTAKEN_AFTER < at < 25 for at in changes), "and it is old when the first reader has his answer"
