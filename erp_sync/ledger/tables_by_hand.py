"""Tables of what a warehouse does without the ERP: orders handed out to it, and what it shipped by hand."""

from __future__ import annotations

import sqlalchemy as sa

from erp_sync.ledger.columns import metadata, text, time
from erp_sync.packing import Packed

handed_out = sa.Table(
    "handed_out",
    metadata,
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("native_id", sa.Text, primary_key=True),
    text("number"),
    text("batch"),
    text("who"),
    time("at"),
)

hand_shipments = sa.Table(
    "hand_shipments",
    metadata,
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    text("store"),
    text("erp"),
    text("order_id"),
    text("number"),
    sa.Column("payload", Packed, nullable=False),
    text("file"),
    text("who"),
    time("at"),
    sa.Index("ix_hand_shipments_order_id", "route", "order_id"),
)
