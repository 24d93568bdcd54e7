"""Several reads at once: nothing is lost, an error is told, and who stops taking stops the reading."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.systems.sap_b1.at_once import at_once
from erp_sync.transport.context import call_context, current


@settings(max_examples=40, deadline=None)
@given(reads=st.lists(st.lists(st.integers(), max_size=6), max_size=8), workers=st.integers(1, 5))
def test_every_page_comes_once_and_those_of_a_read_in_order(reads: list[list[int]], workers: int) -> None:
    found: dict[int, list[int]] = {}
    numbered = [lambda at=at, pages=pages: iter([(at, one) for one in pages]) for at, pages in enumerate(reads)]
    for at, page in at_once(numbered, workers):
        found.setdefault(at, []).append(page)
    assert found == {at: pages for at, pages in enumerate(reads) if pages}


def test_what_a_read_raises_is_raised_and_no_further_one_begins() -> None:
    begun: list[int] = []

    def read(at: int) -> Iterator[int]:
        begun.append(at)
        if at == 1:
            raise ConnectionError("gone")
        yield at

    with pytest.raises(ConnectionError, match="gone"):
        list(at_once([lambda at=at: read(at) for at in range(50)], 1))
    assert begun == [0, 1]


def test_a_read_that_fails_before_anybody_looks_is_told() -> None:
    def read() -> Iterator[int]:
        raise ConnectionError("gone")
        yield 0

    for workers in (1, 2, 4) * 20:
        with pytest.raises(ConnectionError, match="gone"):
            list(at_once([read], workers))


def test_who_stops_taking_stops_the_reading() -> None:
    given_out: list[int] = []
    running = threading.active_count()

    def endless() -> Iterator[int]:
        while True:
            given_out.append(len(given_out))
            yield given_out[-1]

    pages = at_once([endless, endless], 2)
    assert {next(pages), next(pages)} <= set(range(20))
    pages.close()  # type: ignore[attr-defined]
    taken = len(given_out)
    assert taken < 20
    assert threading.active_count() == running
    assert len(given_out) == taken


def test_calls_are_made_on_the_same_behalf() -> None:
    with call_context(run_id="r1", lane="bulk"):
        found = list(at_once([lambda: iter([current().lane])] * 3, 2))
    assert found == ["bulk"] * 3
