"""Tables of received records, deliveries and their steps."""

from __future__ import annotations

import sqlalchemy as sa

from erp_sync.ledger.columns import Id, metadata, serial, text, time
from erp_sync.packing import Packed

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    time("position", optional=True),
    text("token", ""),
    time("changed_at"),
    text("run_id", ""),
)

received = sa.Table(
    "received",
    metadata,
    serial(),
    text("connection"),
    text("scope", ""),
    text("entity"),
    text("native_id"),
    text("version"),
    time("source_time", optional=True),
    time("created_time", optional=True),
    text("lake_file", ""),
    sa.Column("lake_row", sa.Integer, nullable=True),
    sa.Column("payload", Packed, nullable=True),
    time("received_at"),
    text("run_id", ""),
    sa.UniqueConstraint("connection", "scope", "entity", "native_id", "version"),
    sa.Index("ix_received_connection_entity_id", "connection", "entity", "id"),
    sa.Index("ix_received_created", "connection", "entity", "created_time"),
    sa.Index("ix_received_native_id", "native_id"),
    sa.Index("ix_received_run_id", "run_id"),
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
    serial(),
    text("route"),
    text("flow"),
    text("connection"),
    text("scope", ""),
    text("entity"),
    text("native_id"),
    sa.Column("sequence", sa.Integer, nullable=False),
    text("number", ""),
    text("version"),
    time("source_time", optional=True),
    text("operation"),
    text("target"),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    text("concerns", ""),
    text("state"),
    sa.Column("payload", Packed, nullable=False),
    sa.Column("corrected", Packed, nullable=True),
    text("facts", "{}"),
    text("code", ""),
    text("reason", ""),
    text("differences", ""),
    text("allowed", ""),
    time("queued_at"),
    time("due_at", optional=True),
    time("deadline", optional=True),
    text("owner", ""),
    sa.Column("fencing", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("follows", Id, nullable=True),
    sa.Column("received_id", Id, nullable=True),
    text("run_id", ""),
    time("accepted_at"),
    time("changed_at"),
    time("finished_at", optional=True),
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
sa.Index("ix_deliveries_accepted_at", deliveries.c.accepted_at, deliveries.c.route, deliveries.c.flow)
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
    text("target"),
    sa.Index("ix_requirements_target_entity_key", "target", "entity", "key"),
)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("delivery_id", Id, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    text("operation"),
    text("key"),
    text("concerns"),
    text("after", "[]"),
    sa.Column("optional", sa.Boolean, nullable=False),
    text("state"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    time("sent_at", optional=True),
    sa.Column("settle_seconds", sa.Float, nullable=False, server_default="0"),
    time("settle_until", optional=True),
    text("handle", ""),
    text("receipt", ""),
    text("code", ""),
    text("message", ""),
    time("changed_at"),
    sa.Index(
        "ix_steps_refused",
        "changed_at",
        sqlite_where=sa.text("state = 'refused'"),
        postgresql_where=sa.text("state = 'refused'"),
    ),
    sa.Index(
        "ix_steps_unknown",
        "key",
        sqlite_where=sa.text("state = 'unknown'"),
        postgresql_where=sa.text("state = 'unknown'"),
    ),
)

key_locks = sa.Table(
    "key_locks",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("concerns", sa.Text, primary_key=True),
    sa.Column("delivery_id", Id, nullable=False),
    text("step"),
    text("state"),
    time("until", optional=True),
    sa.Index("ix_key_locks_delivery_id", "delivery_id"),
)

receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("operation", sa.Text, primary_key=True),
    text("receipt"),
    sa.Column("delivery_id", Id, nullable=True),
    time("confirmed_at"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    serial(),
    sa.Column("delivery_id", Id, nullable=False),
    text("step"),
    sa.Column("attempt", sa.Integer, nullable=False),
    text("owner", ""),
    text("run_id", ""),
    time("sent_at", optional=True),
    time("ended_at"),
    text("outcome"),
    text("code", ""),
    text("message", ""),
    sa.Index("ix_attempts_delivery_id", "delivery_id"),
)

delivery_events = sa.Table(
    "delivery_events",
    metadata,
    serial(),
    sa.Column("delivery_id", Id, nullable=False),
    time("at"),
    text("kind"),
    text("step", ""),
    text("actor", ""),
    text("run_id", ""),
    text("details", "{}"),
    sa.Index("ix_delivery_events_delivery_id", "delivery_id"),
    sqlite_autoincrement=True,
)

notes = sa.Table(
    "notes",
    metadata,
    serial(),
    text("route"),
    text("flow"),
    text("connection"),
    text("scope", ""),
    text("entity"),
    text("native_id"),
    text("number", ""),
    text("code"),
    text("reason"),
    text("run_id", ""),
    time("at"),
    sa.Index("ix_notes_native_id", "native_id"),
    sa.Index("ix_notes_number", "number"),
)

corrections = sa.Table(
    "corrections",
    metadata,
    serial(),
    sa.Column("received_id", Id, nullable=False),
    text("route"),
    text("flow"),
    sa.Column("original", Packed, nullable=False),
    sa.Column("corrected", Packed, nullable=False),
    text("who"),
    text("why"),
    time("at"),
    sa.Index("ix_corrections_received_id", "received_id"),
)
