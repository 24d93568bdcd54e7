"""Differences of amounts that hold a document, and those that a person let pass"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("differences", sa.Text(), server_default="", nullable=False))
    op.add_column("deliveries", sa.Column("allowed", sa.Text(), server_default="", nullable=False))
