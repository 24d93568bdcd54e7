"""Who waits for a slot says since when: slots go to those who wait longest"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("limit_leases", sa.Column("since", sa.Float(), server_default="0", nullable=False))
