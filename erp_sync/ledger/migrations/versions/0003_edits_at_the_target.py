"""Known state keeps what both sides agreed on where somebody changed it at the target"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("known_state", sa.Column("agreed", sa.Text(), nullable=True))
    op.create_index(
        "ix_known_state_edited",
        "known_state",
        ["connection", "entity"],
        sqlite_where=sa.text("agreed IS NOT NULL"),
        postgresql_where=sa.text("agreed IS NOT NULL"),
    )
