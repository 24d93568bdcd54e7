"""The looks of one tick."""

from __future__ import annotations

from concurrent.futures import Future

from erp_sync.components.due import LOOK_SECONDS, answers
from erp_sync.components.state_due import Finding, Poll


def poll(name: str) -> Poll:
    return Poll(route=name, flow="orders", lane="normal", name=name, ask=Finding)


def test_slow_looks_share_one_deadline_and_answers_that_are_there_count():
    """Each look was waited for by itself: a vendor that did not answer held the tick of everybody, by its routes."""
    waited: list[float] = []

    class Slow(Future):
        def result(self, timeout=None):
            waited.append(timeout)
            raise TimeoutError

    answered: Future[Finding] = Future()
    answered.set_result(Finding(why="news"))
    looks = [*((poll(f"slow-{number}"), Slow()) for number in range(5)), (poll("quick"), answered)]
    found = {one.name: finding for one, finding in answers(looks, clock=lambda: sum(waited))}
    assert sum(waited) == LOOK_SECONDS
    assert found.pop("quick").why == "news"
    assert {finding.why for finding in found.values()} == {"could not be judged in time"}
