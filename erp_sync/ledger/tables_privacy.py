"""Tables of what is kept of persons who were erased: nothing that can be read."""

from __future__ import annotations

import sqlalchemy as sa

from erp_sync.ledger.columns import metadata, text, time

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("person", sa.Text, primary_key=True),
    text("kind"),
    text("salt"),
    time("erased_at"),
)
