"""Tables of plans, approvals and known state."""

from __future__ import annotations

import sqlalchemy as sa

from erp_sync.ledger.columns import Id, metadata, serial, text, time

plans = sa.Table(
    "plans",
    metadata,
    serial(),
    text("route"),
    text("flow"),
    text("entity"),
    text("target"),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    text("state"),
    sa.Column("row_count", sa.Integer, nullable=False),
    text("fingerprint"),
    text("summary", "{}"),
    text("judgement", "[]"),
    text("reason", ""),
    sa.Column("undoes", Id, nullable=True),
    text("run_id", ""),
    time("created_at"),
    time("changed_at"),
    time("finished_at", optional=True),
    sa.Index("ix_plans_state", "state", "route", "flow"),
    sa.Index("ix_plans_finished_at", "finished_at"),
    sqlite_autoincrement=True,
)

plan_rows = sa.Table(
    "plan_rows",
    metadata,
    serial(),
    sa.Column("plan_id", Id, nullable=False),
    text("route"),
    text("flow"),
    text("target"),
    text("scope", ""),
    text("entity"),
    text("key"),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    text("action"),
    sa.Column("before", sa.Text, nullable=True),
    sa.Column("after", sa.Text, nullable=True),
    text("reason", ""),
    text("source_version", ""),
    sa.Column("source_order", sa.BigInteger, nullable=False),
    text("state"),
    time("due_at", optional=True),
    text("owner", ""),
    text("token", ""),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    time("sent_at", optional=True),
    sa.Column("settle_seconds", sa.Float, nullable=False, server_default="0"),
    text("code", ""),
    text("message", ""),
    time("changed_at"),
    text("handle", ""),
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
    plan_rows.c.due_at,
    plan_rows.c.id,
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
    serial(),
    text("subject"),
    sa.Column("subject_id", Id, nullable=False),
    text("decision"),
    text("who"),
    text("why", ""),
    time("at"),
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
    text("source_version", ""),
    sa.Column("source_order", sa.BigInteger, nullable=False),
    text("origin"),
    sa.Column("sure", sa.Boolean, nullable=False),
    time("observed_at"),
    time("blocked_until", optional=True),
    text("why", ""),
    sa.Column("agreed", sa.Text, nullable=True),
    time("moving_since", optional=True),
    time("moved_at", optional=True),
    sqlite_with_rowid=False,
)
sa.Index(
    "ix_known_state_edited",
    known_state.c.connection,
    known_state.c.entity,
    sqlite_where=sa.text("agreed IS NOT NULL"),
    postgresql_where=sa.text("agreed IS NOT NULL"),
)
sa.Index(
    "ix_known_state_unsure",
    known_state.c.connection,
    known_state.c.entity,
    known_state.c.blocked_until,
    sqlite_where=sa.text("sure = 0"),
    postgresql_where=sa.text("NOT sure"),
)

moving_keys = sa.Table(
    "moving_keys",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("delivery_id", Id, primary_key=True, autoincrement=False),
    sa.Column("step", sa.Text, primary_key=True),
    text("state"),
    time("since"),
    time("until"),
    sa.Index("ix_moving_keys_delivery_id", "delivery_id"),
)

row_deaths = sa.Table(
    "row_deaths",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("entity", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True, server_default=""),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("deaths", sa.Integer, nullable=False),
    sa.Column("together", sa.Integer, nullable=False, server_default="0"),
    time("last_at"),
    time("refused_at", optional=True),
    sqlite_with_rowid=False,
)

unknown_orders = sa.Table(
    "unknown_orders",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("native_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    text("units"),
    sa.Column("told", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)
