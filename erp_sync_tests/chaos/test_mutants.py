"""Every built-in defect still finds the place that it spoils."""

from __future__ import annotations

import pytest

from erp_sync_tests.chaos.mutants import MUTANTS, mutated


def test_there_are_enough():
    assert len(MUTANTS) >= 12


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_can_be_put_in_force_and_taken_back(name: str):
    with mutated(name):
        pass
    with mutated(""):
        pass


def test_an_unknown_mutant_is_named_with_those_that_there_are():
    with pytest.raises(KeyError, match="skip_find"), mutated("no_such_thing"):
        pass
