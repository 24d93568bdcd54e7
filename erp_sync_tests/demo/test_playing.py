"""When a played day is over: everybody's last changes have been looked for, and nothing moves."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from erp_sync.components.configuration import read_configuration
from erp_sync.demo import playing
from erp_sync.demo.day import DEFS


class Clock:
    """`time`, as the waiting uses it: sleeping is what makes it go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(playing, "time", clock)
    return clock


def test_each_flow_that_reads_what_people_do_has_looked_once_before_the_day_is_over():
    configuration = read_configuration(DEFS)
    read = [flow for route in configuration.routes.values() for name, flow in route.flows.items()
            if name not in ("products", "prices")]  # fmt: skip
    longest = max(flow.every.total_seconds() for flow in read)
    assert playing.round_seconds(SimpleNamespace(configuration=configuration)) == longest == 20


def test_what_begins_to_move_within_the_quiet_time_is_waited_for(clock, monkeypatch):
    moving = [(1005.0, 1011.0), (1015.0, 1025.0)]
    monkeypatch.setattr(playing, "settled", lambda *_: not any(begin <= clock.now < end for begin, end in moving))
    assert playing.wait_until_settled(None, 0, 60.0)
    assert clock.now == 1025.0 + playing.QUIET_SECONDS


def test_the_quiet_time_begins_when_everything_was_looked_at(clock, monkeypatch):
    monkeypatch.setattr(playing, "settled", lambda *_: True)
    assert playing.wait_until_settled(None, 0, 60.0, 20.0)
    assert clock.now == 1000.0 + 20.0 + playing.QUIET_SECONDS


def test_orders_that_wait_for_an_article_and_are_looked_at_again_do_not_keep_a_day_from_ending(clock, monkeypatch):
    monkeypatch.setattr(playing, "settled", lambda *_: int(clock.now) % 15 != 0)
    assert playing.wait_until_settled(None, 0, 60.0, 20.0)


def test_what_never_comes_to_rest_is_said(clock, monkeypatch):
    monkeypatch.setattr(playing, "settled", lambda *_: int(clock.now) % 5 != 0)
    assert not playing.wait_until_settled(None, 0, 60.0)
    assert clock.now == 1060.0
