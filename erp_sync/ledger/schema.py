"""The ledger's tables. Their meaning is told where the operations on them are.

Times are UTC and always come back with their time zone. JSON is text or bytes written by
`erp_sync.ledger.codec`; numbers inside are decimal text, never floats.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

#: Revisions of the schema, oldest first; the last one is what this version works with.
HISTORY = ("0001",)
VERSION = HISTORY[-1]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Utc(sa.types.TypeDecorator[datetime]):
    """A point in time. Refuses times without a zone; comes back in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", Id, primary_key=True, autoincrement=True)


def _text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _time(name: str, optional: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, Utc, nullable=optional)


cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    _time("position", optional=True),
    _text("token", ""),
    _time("changed_at"),
    _text("run_id", ""),
)

received = sa.Table(
    "received",
    metadata,
    _id(),
    _text("connection"),
    _text("scope", ""),
    _text("entity"),
    _text("native_id"),
    _text("version"),
    _time("source_time", optional=True),
    _time("created_time", optional=True),
    _text("lake_file", ""),
    sa.Column("lake_row", sa.Integer, nullable=True),
    sa.Column("payload", sa.LargeBinary, nullable=True),
    _time("received_at"),
    _text("run_id", ""),
    sa.UniqueConstraint("connection", "scope", "entity", "native_id", "version"),
    sa.Index("ix_received_connection_entity_id", "connection", "entity", "id"),
    sa.Index("ix_received_created", "connection", "entity", "created_time"),
    sa.Index("ix_received_native_id", "native_id"),
    sqlite_autoincrement=True,
)

handled = sa.Table(
    "handled",
    metadata,
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("flow", sa.Text, primary_key=True),
    sa.Column("received_id", Id, primary_key=True, autoincrement=False),
)

handled_marks = sa.Table(
    "handled_marks",
    metadata,
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("flow", sa.Text, primary_key=True),
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("up_to", Id, nullable=False),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    _id(),
    _text("route"),
    _text("flow"),
    _text("connection"),
    _text("scope", ""),
    _text("entity"),
    _text("native_id"),
    sa.Column("sequence", sa.Integer, nullable=False),
    _text("number", ""),
    _text("version"),
    _time("source_time", optional=True),
    _text("operation"),
    _text("target"),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    _text("concerns", ""),
    _text("state"),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("corrected", sa.LargeBinary, nullable=True),
    _text("facts", "{}"),
    _text("code", ""),
    _text("reason", ""),
    _time("queued_at"),
    _time("due_at", optional=True),
    _time("deadline", optional=True),
    _text("owner", ""),
    sa.Column("fencing", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("follows", Id, nullable=True),
    sa.Column("received_id", Id, nullable=True),
    _text("run_id", ""),
    _time("accepted_at"),
    _time("changed_at"),
    _time("finished_at", optional=True),
    sa.UniqueConstraint(
        "route", "flow", "target", "connection", "scope", "entity", "native_id", "sequence", name="uq_deliveries_key"
    ),
    sqlite_autoincrement=True,
)
_pending = deliveries.c.due_at.is_not(None)
sa.Index(
    "ix_deliveries_queue",
    deliveries.c.flow,
    deliveries.c.target,
    deliveries.c.lane,
    deliveries.c.queued_at,
    deliveries.c.due_at,
    sqlite_where=_pending,
    postgresql_where=_pending,
)
sa.Index(
    "ix_deliveries_due",
    deliveries.c.due_at,
    deliveries.c.flow,
    deliveries.c.target,
    deliveries.c.route,
    deliveries.c.lane,
    deliveries.c.state,
    sqlite_where=_pending,
    postgresql_where=_pending,
)
sa.Index("ix_deliveries_state", deliveries.c.state, deliveries.c.flow, deliveries.c.code)
sa.Index("ix_deliveries_native_id", deliveries.c.native_id)
sa.Index("ix_deliveries_number", deliveries.c.number)
sa.Index("ix_deliveries_finished_at", deliveries.c.finished_at)
_followers = deliveries.c.follows.is_not(None)
sa.Index("ix_deliveries_follows", deliveries.c.follows, sqlite_where=_followers, postgresql_where=_followers)
_concerned = deliveries.c.concerns != ""
sa.Index(
    "ix_deliveries_concerns",
    deliveries.c.target,
    deliveries.c.concerns,
    sqlite_where=_concerned,
    postgresql_where=_concerned,
)

requirements = sa.Table(
    "requirements",
    metadata,
    sa.Column("delivery_id", Id, primary_key=True, autoincrement=False),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _text("target"),
    sa.Index("ix_requirements_target_entity_key", "target", "entity", "key"),
)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("delivery_id", Id, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    _text("operation"),
    _text("key"),
    _text("concerns"),
    _text("after", "[]"),
    sa.Column("optional", sa.Boolean, nullable=False),
    _text("state"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    _time("sent_at", optional=True),
    sa.Column("settle_seconds", sa.Float, nullable=False, server_default="0"),
    _time("settle_until", optional=True),
    _text("handle", ""),
    _text("receipt", ""),
    _text("code", ""),
    _text("message", ""),
    _time("changed_at"),
)

key_locks = sa.Table(
    "key_locks",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("concerns", sa.Text, primary_key=True),
    sa.Column("delivery_id", Id, nullable=False),
    _text("step"),
    _text("state"),
    _time("until", optional=True),
    sa.Index("ix_key_locks_delivery_id", "delivery_id"),
)

receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("operation", sa.Text, primary_key=True),
    _text("receipt"),
    sa.Column("delivery_id", Id, nullable=True),
    _time("confirmed_at"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    _id(),
    sa.Column("delivery_id", Id, nullable=False),
    _text("step"),
    sa.Column("attempt", sa.Integer, nullable=False),
    _text("owner", ""),
    _text("run_id", ""),
    _time("sent_at", optional=True),
    _time("ended_at"),
    _text("outcome"),
    _text("code", ""),
    _text("message", ""),
    sa.Index("ix_attempts_delivery_id", "delivery_id"),
)

delivery_events = sa.Table(
    "delivery_events",
    metadata,
    _id(),
    sa.Column("delivery_id", Id, nullable=False),
    _time("at"),
    _text("kind"),
    _text("step", ""),
    _text("actor", ""),
    _text("run_id", ""),
    _text("details", "{}"),
    sa.Index("ix_delivery_events_delivery_id", "delivery_id"),
    sqlite_autoincrement=True,
)

notes = sa.Table(
    "notes",
    metadata,
    _id(),
    _text("route"),
    _text("flow"),
    _text("connection"),
    _text("scope", ""),
    _text("entity"),
    _text("native_id"),
    _text("number", ""),
    _text("code"),
    _text("reason"),
    _text("run_id", ""),
    _time("at"),
    sa.Index("ix_notes_native_id", "native_id"),
    sa.Index("ix_notes_number", "number"),
)

plans = sa.Table(
    "plans",
    metadata,
    _id(),
    _text("route"),
    _text("flow"),
    _text("entity"),
    _text("target"),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    _text("state"),
    sa.Column("row_count", sa.Integer, nullable=False),
    _text("fingerprint"),
    _text("summary", "{}"),
    _text("judgement", "[]"),
    _text("reason", ""),
    sa.Column("undoes", Id, nullable=True),
    _text("run_id", ""),
    _time("created_at"),
    _time("changed_at"),
    _time("finished_at", optional=True),
    sa.Index("ix_plans_state", "state", "route", "flow"),
    sa.Index("ix_plans_finished_at", "finished_at"),
    sqlite_autoincrement=True,
)

plan_rows = sa.Table(
    "plan_rows",
    metadata,
    _id(),
    sa.Column("plan_id", Id, nullable=False),
    _text("flow"),
    _text("target"),
    _text("scope", ""),
    _text("entity"),
    _text("key"),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    _text("action"),
    sa.Column("before", sa.Text, nullable=True),
    sa.Column("after", sa.Text, nullable=True),
    _text("reason", ""),
    _text("source_version", ""),
    sa.Column("source_order", sa.BigInteger, nullable=False),
    _text("state"),
    _time("due_at", optional=True),
    _text("owner", ""),
    sa.Column("fencing", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    _time("sent_at", optional=True),
    sa.Column("settle_seconds", sa.Float, nullable=False, server_default="0"),
    _text("code", ""),
    _text("message", ""),
    _time("changed_at"),
    sa.Index("ix_plan_rows_plan_id_state", "plan_id", "state"),
    sa.Index("ix_plan_rows_key", "target", "entity", "key", "state"),
    sqlite_autoincrement=True,
)
_row_pending = plan_rows.c.due_at.is_not(None)
sa.Index(
    "ix_plan_rows_queue",
    plan_rows.c.flow,
    plan_rows.c.target,
    plan_rows.c.lane,
    plan_rows.c.id,
    plan_rows.c.due_at,
    sqlite_where=_row_pending,
    postgresql_where=_row_pending,
)
sa.Index(
    "ix_plan_rows_due",
    plan_rows.c.due_at,
    plan_rows.c.flow,
    plan_rows.c.target,
    plan_rows.c.lane,
    plan_rows.c.plan_id,
    sqlite_where=_row_pending,
    postgresql_where=_row_pending,
)

approvals = sa.Table(
    "approvals",
    metadata,
    _id(),
    _text("subject"),
    sa.Column("subject_id", Id, nullable=False),
    _text("decision"),
    _text("who"),
    _text("why", ""),
    _time("at"),
    sa.Index("ix_approvals_subject", "subject", "subject_id"),
)

known_state = sa.Table(
    "known_state",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True, server_default=""),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=True),
    _text("source_version", ""),
    sa.Column("source_order", sa.BigInteger, nullable=False),
    _text("origin"),
    sa.Column("sure", sa.Boolean, nullable=False),
    _time("observed_at"),
    _time("blocked_until", optional=True),
    _text("why", ""),
    sqlite_with_rowid=False,
)
sa.Index(
    "ix_known_state_unsure",
    known_state.c.connection,
    known_state.c.entity,
    known_state.c.blocked_until,
    sqlite_where=sa.text("sure = 0"),
    postgresql_where=sa.text("NOT sure"),
)

cross_references = sa.Table(
    "cross_references",
    metadata,
    _id(),
    _text("entity"),
    _text("connection_a"),
    _text("scope_a", ""),
    _text("id_a"),
    _text("connection_b"),
    _text("scope_b", ""),
    _text("id_b"),
    _text("origin"),
    _time("linked_at"),
    sa.UniqueConstraint("entity", "connection_a", "scope_a", "id_a", "connection_b", name="uq_cross_references_a"),
    sa.Index("ix_cross_references_b", "entity", "connection_b", "scope_b", "id_b", "connection_a"),
)

lookups = sa.Table(
    "lookups",
    metadata,
    _id(),
    _text("route"),
    _text("lookup"),
    _text("rule"),
    _text("key"),
    _text("value"),
    _text("note", ""),
    _text("file", ""),
    sa.Column("line", sa.Integer, nullable=False, server_default="0"),
    _time("valid_from"),
    _time("valid_to", optional=True),
    _text("who", ""),
    sa.Index("ix_lookups_route_lookup", "route", "lookup", "valid_to"),
)

inbox = sa.Table(
    "inbox",
    metadata,
    _id(),
    _text("connection"),
    _text("event_id"),
    _text("topic"),
    _text("entity", ""),
    _text("scope", ""),
    _text("native_id", ""),
    _text("lane", "now"),
    sa.Column("payload", sa.LargeBinary, nullable=True),
    _time("received_at"),
    _time("processed_at", optional=True),
    _text("outcome", ""),
    sa.UniqueConstraint("connection", "event_id"),
    sa.Index("ix_inbox_processed_at", "processed_at", "id"),
    sqlite_autoincrement=True,
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    _id(),
    _text("route", ""),
    _text("flow", ""),
    _text("connection"),
    _text("scope", ""),
    _text("entity"),
    _text("native_id"),
    _text("rule"),
    _text("field", ""),
    _text("problem"),
    sa.Column("row", sa.LargeBinary, nullable=True),
    sa.Column("received_id", Id, nullable=True),
    _text("run_id", ""),
    _time("first_at"),
    _time("last_at"),
    sa.Column("times", sa.Integer, nullable=False, server_default="1"),
    _time("resolved_at", optional=True),
    _text("resolution", ""),
    sa.Index("ix_quarantine_key", "connection", "entity", "native_id"),
    sa.Index("ix_quarantine_open", "resolved_at", "route", "flow"),
)

limits = sa.Table(
    "limits",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("concurrency", sa.Integer, nullable=True),
    sa.Column("rate_per_second", sa.Float, nullable=True),
    sa.Column("burst", sa.Integer, nullable=False, server_default="1"),
    sa.Column("quota_per_day", sa.Integer, nullable=True),
    _text("lane_shares", "{}"),
    sa.Column("tokens", sa.Float, nullable=False, server_default="0"),
    sa.Column("refilled_at", sa.Float, nullable=False, server_default="0"),
    _text("quota_day", ""),
    sa.Column("quota_used", sa.Integer, nullable=False, server_default="0"),
    sa.Column("paused_until", sa.Float, nullable=False, server_default="0"),
    _text("paused_why", ""),
)

limit_leases = sa.Table(
    "limit_leases",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _text("connection"),
    _text("lane"),
    sa.Column("waiting", sa.Boolean, nullable=False),
    sa.Column("until", sa.Float, nullable=False),
    _text("owner", ""),
    sa.Index("ix_limit_leases_connection", "connection"),
)

breakers = sa.Table(
    "breakers",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    _text("state"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("openings", sa.Integer, nullable=False, server_default="0"),
    sa.Column("changed_at", sa.Float, nullable=False),
    sa.Column("next_probe_at", sa.Float, nullable=False, server_default="0"),
    _text("why", ""),
)

metrics = sa.Table(
    "metrics",
    metadata,
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("flow", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("hour", Utc, primary_key=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Index("ix_metrics_hour", "hour"),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    _text("severity"),
    _text("text"),
    _text("link", ""),
    _time("raised_at"),
    _time("last_at"),
    sa.Column("times", sa.Integer, nullable=False, server_default="1"),
    _time("sent_at", optional=True),
)
