"""Since when documents stand still that no time will move: held for a person, or waiting for what the target lacks.

A newer version that is held for the same reason, or lacks the same, takes the place of the one before: the document
stands still since the first of them. A person's word (approved, retried, edited) begins anew. One that lacks something
is looked at again every few minutes: while it is in hand for that, and after a look that failed, it lacks it still.
"""

from __future__ import annotations

import sqlalchemy as sa

from erp_sync.ledger.documents import State
from erp_sync.ledger.schema import deliveries, delivery_events, requirements

_LET_GO = ("approved", "retried", "edited")
_HELD = ("held", "waiting")
_LACKS, _LOOK_FAILED = "requirement_missing", "look_up_failed"
#: Codes of what is due, or in hand, and may have waited for something.
MAY_LACK = (_LACKS, _LOOK_FAILED)


def documents() -> sa.Subquery:
    """Id, route, flow, number, code, reason, `since` and `lacks` of documents that are held, or lack something: the
    kind of it, else ""."""
    columns = deliveries.c
    # Why it stands still, whatever its last look ended with.
    cause = sa.case((columns.state == State.HELD, columns.code), else_=_LACKS)
    was = '"was":"' + sa.case((columns.state == State.HELD, "held"), else_="waiting") + '"'
    last = delivery_events.alias("let_go")
    # Of the delivery of the event around it: a query two rooms away is not correlated, and would go through all.
    floor = (
        sa.select(sa.func.coalesce(sa.func.max(last.c.id), 0))
        .where(last.c.delivery_id == delivery_events.c.delivery_id, last.c.kind.in_(_LET_GO))
        .scalar_subquery()
    )
    # Held, or found lacking, by a look at the target: each look says so again.
    by_look = (
        sa.select(sa.func.min(delivery_events.c.at))
        .where(
            delivery_events.c.delivery_id == columns.id,
            delivery_events.c.kind.in_(_HELD),
            delivery_events.c.details.contains('"code":"' + cause + '"'),
            delivery_events.c.id > floor,
        )
        .scalar_subquery()
    )
    # Held as it came: the version before could go, or stood still for another cause.
    by_version = (
        sa.select(sa.func.max(delivery_events.c.at))
        .where(
            delivery_events.c.delivery_id == columns.id,
            delivery_events.c.kind == "replaced",
            ~delivery_events.c.details.contains('"was_code":"' + cause + '"'),
            # Before codes were written beside it, the state alone said what the version before was.
            sa.or_(delivery_events.c.details.contains('"was_code":'), ~delivery_events.c.details.contains(was)),
            sa.or_(columns.state == State.HELD, ~delivery_events.c.details.contains(f'"was_code":"{_LOOK_FAILED}"')),
        )
        .scalar_subquery()
    )
    lacks = (
        sa.select(sa.func.min(requirements.c.entity))
        .where(requirements.c.delivery_id == columns.id, columns.state != State.HELD)
        .scalar_subquery()
    )
    # Each by its own way: no index of states serves them together. Few lack anything: these are found by that, not by
    # state and code, which nearly all that is due shares.
    other = deliveries.alias("other")
    looked_at_again = (
        sa.select(requirements.c.delivery_id)
        .join(other, other.c.id == requirements.c.delivery_id)
        .where(
            other.c.state.concat("").in_([State.CLAIMED, State.DUE]),
            other.c.code.concat("").in_(MAY_LACK),
        )
    )
    standing = sa.union_all(
        sa.select(other.c.id).where(other.c.state == State.HELD),
        sa.select(other.c.id).where(other.c.state == State.WAITING, other.c.code == _LACKS),
        looked_at_again,
    )
    return (
        sa.select(
            columns.id,
            columns.route,
            columns.flow,
            columns.number,
            cause.label("code"),
            columns.reason,
            sa.func.coalesce(by_look, by_version, columns.accepted_at, type_=columns.accepted_at.type).label("since"),
            sa.func.coalesce(lacks, "").label("lacks"),
        )
        .where(columns.id.in_(standing))
        .subquery()
    )
