"""What the watchdog tells of documents that need a person. Calls no vendor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from erp_sync.components.configuration import FlowSpec, Mode
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something is not as it should be. `key` names the matter, `text` says what it means and what to do."""

    key: str
    severity: str
    text: str
    link: str = ""


def dead(here: Installation) -> Iterator[Condition]:
    """Dead letters. One matter a cause."""
    for group in here.ledger.activity.dead():
        if group.route not in here.configuration.routes or group.flow not in FLOWS:
            continue
        many = (
            f"{group.count} documents need a person, the latest {group.number}"
            if group.count > 1
            else (f"document {group.number} needs a person")
        )
        yield Condition(
            key=f"dead/{group.route}/{group.flow}/{group.code}",
            severity="error",
            text=f"{FLOWS[group.flow].title} on {group.route}: {many}: {group.code}: {group.reason.rstrip('.')}. "
            f"`erp-sync deadletters --code {group.code}` says which, `erp-sync deadletters show ID` what to do.",
        )


def held(here: Installation, now: datetime) -> Iterator[Condition]:
    """Documents that stand still without being dead: held for a person, lacking something, or refused as they
    came. One matter a cause, of all that have it, once the first has stood too long."""
    for one in here.ledger.activity.held():
        flow = _delivering(here, one.route, one.flow)
        if flow is None or now - one.oldest <= flow.held_before_told(one.code):
            continue
        waits = f"waiting for a {one.lacks} at the target" if one.lacks else "held for a person"
        kind = f"/{one.lacks}" if one.lacks else ""
        yield Condition(
            key=f"held/{one.route}/{one.flow}/{one.code}{kind}",
            severity="error",
            text=f"{FLOWS[one.flow].title} on {one.route}: {waits}: {one.count}, the oldest {one.number} "
            f"{_since(one.oldest, now)}: {one.code}: {one.reason.rstrip('.')}. `erp-sync deadletters --code "
            f"{one.code}` says which, `erp-sync deadletters show ID` what to do.",
        )
    for refused in here.ledger.quarantine.groups():
        flow = _delivering(here, refused.route, refused.flow)
        if flow is None or now - refused.oldest <= flow.held_before_told(refused.rule):
            continue
        yield Condition(
            key=f"refused/{refused.route}/{refused.flow}/{refused.rule}",
            severity="error",
            text=f"{FLOWS[refused.flow].title} on {refused.route}: refused, in quarantine: {refused.count}, the "
            f"oldest {_since(refused.oldest, now)}: {refused.rule}: "
            f"{refused.example.rstrip('.')}. `erp-sync deadletters --code {refused.rule}` says which, "
            "`erp-sync deadletters show ID` what to do.",
        )


def left_out(here: Installation) -> Iterator[Condition]:
    """Documents that are delivered and went without a step that the target refused. One matter a cause."""
    for one in here.ledger.left_out.groups():
        if one.route not in here.configuration.routes or one.flow not in FLOWS:
            continue
        yield Condition(
            key=f"left_out/{one.route}/{one.flow}/{one.code}",
            severity="warning",
            text=f"{FLOWS[one.flow].title} on {one.route}: delivered, but for a step that the target refused: "
            f"{one.count}, the latest {one.number}, the first {one.oldest:%Y-%m-%d %H:%M} UTC: {one.code}: "
            f"{one.message.rstrip('.')}. `erp-sync deadletters --code {one.code}` says which, `erp-sync deadletters "
            f"show ID` what to do, `erp-sync deadletters dismiss --code {one.code} --why TEXT` that it is done.",
        )


def _delivering(here: Installation, route: str, flow: str) -> FlowSpec | None:
    """A flow of documents that is on."""
    spec = here.configuration.routes.get(route)
    found = spec.flows.get(flow) if spec is not None and flow in FLOWS and FLOWS[flow].delivers else None
    return found if found is not None and found.mode is Mode.ON else None


def _since(moment: datetime, now: datetime) -> str:
    """``since 2026-11-27 16:00 UTC (for 2 days)``."""
    minutes = (now - moment) // timedelta(minutes=1)
    age = f"{minutes} minutes"
    if minutes >= 2 * 60:
        age = f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"
    return f"since {moment:%Y-%m-%d %H:%M} UTC (for {age})"
