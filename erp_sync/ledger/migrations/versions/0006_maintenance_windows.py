"""Planned maintenance that persons ordered"""

import sqlalchemy as sa
from alembic import op

from erp_sync.ledger.columns import Id, Utc

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "maintenance_windows",
        sa.Column("id", Id, nullable=False, autoincrement=True),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("starts_at", Utc(), nullable=False),
        sa.Column("ends_at", Utc(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("ordered_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_windows")),
    )
    op.create_index("ix_maintenance_windows_ends_at", "maintenance_windows", ["ends_at"], unique=False)
