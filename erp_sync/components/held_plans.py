"""The one notice of a flow's plans that wait for a person: which they are, and when people are told of them again."""

from __future__ import annotations

from erp_sync.components.installation import Installation
from erp_sync.ledger.plans import Plan, PlanState

# Of more plans the newest are named.
NAMED = 20
# Whoever was told of few rows that wait is told anew where so many times as many do, and at least so many more.
TIMES, MORE = 2, 10


def waiting(here: Installation, route: str, flow: str, target: str) -> int:
    """Rows that wait for a person."""
    return here.ledger.plans.pending(route, flow, target).get("held", 0)


def tell(here: Installation, route: str, flow: str, *, before: int, now: int) -> None:
    """A comparison found plans that are held; `before` it and `now`: rows that wait. One notice, however often they
    are found again. What waited already hides no wave that comes after it: then people are told anew."""
    key = f"plan_held/{route}/{flow}"
    plans = _held(here, route, flow)
    if plans:
        anew = before > 0 and now >= max(TIMES * before, before + MORE)
        here.ledger.notices.raise_once(key, "warning", _words(plans), link=f"plan/{plans[0].id}", anew=anew)


def settle(here: Installation, route: str, flow: str) -> None:
    """Somebody decided, or a comparison found that nothing waits: the notice names what waits still, or ends."""
    key = f"plan_held/{route}/{flow}"
    plans = _held(here, route, flow)
    if plans:
        here.ledger.notices.reword(key, _words(plans), link=f"plan/{plans[0].id}")
    else:
        here.ledger.notices.clear(key)


def _held(here: Installation, route: str, flow: str) -> list[Plan]:
    return here.ledger.plans.find(route=route, flow=flow, states=[PlanState.HELD], limit=NAMED)


def _words(plans: list[Plan]) -> str:
    first, *others = plans
    text = f"plan {first.id} of {first.flow} on {first.route} waits: {first.row_count} rows, {first.reason}"
    if others:
        text += "; so do " + ", ".join(f"plan {one.id} ({one.row_count} rows)" for one in others)
    return text
