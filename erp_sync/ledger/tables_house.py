"""Tables of references, look-ups, inbox, quarantine, limits, breakers, maintenance and figures."""

from __future__ import annotations

import sqlalchemy as sa

from erp_sync.ledger.columns import Id, Utc, metadata, serial, text, time
from erp_sync.packing import Packed

cross_references = sa.Table(
    "cross_references",
    metadata,
    serial(),
    text("entity"),
    text("connection_a"),
    text("scope_a", ""),
    text("id_a"),
    text("connection_b"),
    text("scope_b", ""),
    text("id_b"),
    text("origin"),
    time("linked_at"),
    sa.UniqueConstraint("entity", "connection_a", "scope_a", "id_a", "connection_b", name="uq_cross_references_a"),
    sa.Index("ix_cross_references_b", "entity", "connection_b", "scope_b", "id_b", "connection_a"),
)

lookups = sa.Table(
    "lookups",
    metadata,
    serial(),
    text("route"),
    text("lookup"),
    text("rule"),
    text("key"),
    text("value"),
    text("note", ""),
    text("file", ""),
    sa.Column("line", sa.Integer, nullable=False, server_default="0"),
    time("valid_from"),
    time("valid_to", optional=True),
    text("who", ""),
    sa.Index("ix_lookups_route_lookup", "route", "lookup", "valid_to"),
)

inbox = sa.Table(
    "inbox",
    metadata,
    serial(),
    text("connection"),
    text("event_id"),
    text("topic"),
    text("entity", ""),
    text("scope", ""),
    text("native_id", ""),
    text("lane", "now"),
    sa.Column("payload", Packed, nullable=True),
    time("received_at"),
    time("processed_at", optional=True),
    text("outcome", ""),
    sa.UniqueConstraint("connection", "event_id"),
    sa.Index("ix_inbox_processed_at", "processed_at", "id"),
    sqlite_autoincrement=True,
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    serial(),
    text("route", ""),
    text("flow", ""),
    text("connection"),
    text("scope", ""),
    text("entity"),
    text("native_id"),
    text("rule"),
    text("field", ""),
    text("problem"),
    sa.Column("row", Packed, nullable=True),
    sa.Column("received_id", Id, nullable=True),
    text("run_id", ""),
    time("first_at"),
    time("last_at"),
    sa.Column("times", sa.Integer, nullable=False, server_default="1"),
    time("resolved_at", optional=True),
    text("resolution", ""),
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
    text("lane_shares", "{}"),
    sa.Column("tokens", sa.Float, nullable=False, server_default="0"),
    sa.Column("refilled_at", sa.Float, nullable=False, server_default="0"),
    text("quota_day", ""),
    sa.Column("quota_used", sa.Integer, nullable=False, server_default="0"),
    sa.Column("paused_until", sa.Float, nullable=False, server_default="0"),
    text("paused_why", ""),
)

limit_leases = sa.Table(
    "limit_leases",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    text("connection"),
    text("lane"),
    sa.Column("waiting", sa.Boolean, nullable=False),
    sa.Column("until", sa.Float, nullable=False),
    text("owner", ""),
    sa.Column("since", sa.Float, nullable=False, server_default="0"),
    sa.Index("ix_limit_leases_connection", "connection"),
)

breakers = sa.Table(
    "breakers",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    text("state"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("openings", sa.Integer, nullable=False, server_default="0"),
    sa.Column("changed_at", sa.Float, nullable=False),
    sa.Column("next_probe_at", sa.Float, nullable=False, server_default="0"),
    text("why", ""),
)

maintenance_windows = sa.Table(
    "maintenance_windows",
    metadata,
    serial(),
    text("connection"),
    time("starts_at"),
    time("ends_at"),
    sa.Column("closed", sa.Boolean, nullable=False),
    text("why", ""),
    text("who"),
    time("ordered_at"),
    sa.Index("ix_maintenance_windows_ends_at", "ends_at"),
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
    text("severity"),
    text("text"),
    text("link", ""),
    time("raised_at"),
    time("last_at"),
    sa.Column("times", sa.Integer, nullable=False, server_default="1"),
    time("sent_at", optional=True),
    time("cleared_at", optional=True),
    text("about", ""),
)

owed_messages = sa.Table(
    "owed_messages",
    metadata,
    serial(),
    text("channel"),
    text("key"),
    sa.Column("settled", sa.Boolean, nullable=False),
    text("severity"),
    text("title"),
    text("text"),
    time("since"),
    sa.Index("ix_owed_messages_channel", "channel", "id"),
)

heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    time("at"),
    time("since"),
    text("owner", ""),
)
