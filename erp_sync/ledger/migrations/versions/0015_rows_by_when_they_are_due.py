"""Rows of plans are claimed in the order in which they are due: those that wait are not gone through each time"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_PENDING = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.drop_index("ix_plan_rows_queue", table_name="plan_rows")
    op.create_index(
        "ix_plan_rows_queue",
        "plan_rows",
        ["flow", "target", "lane", "due_at", "id"],
        unique=False,
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
