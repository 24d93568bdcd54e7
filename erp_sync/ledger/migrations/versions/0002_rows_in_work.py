"""Rows of plans that the target took and is not done with keep the handle to ask with"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("plan_rows", sa.Column("handle", sa.Text(), server_default="", nullable=False))
