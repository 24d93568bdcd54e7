"""Who is alive, and which notices were taken back"""

import sqlalchemy as sa
from alembic import op

from erp_sync.ledger.columns import Utc

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("since", Utc(), nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )
    op.create_index("ix_deliveries_accepted_at", "deliveries", ["accepted_at", "route", "flow"], unique=False)
    op.add_column("notices", sa.Column("cleared_at", Utc(), nullable=True))
