"""Steps of which nobody knows what became are found by their key: another delivery's step of the same looks first"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_UNKNOWN = sa.text("state = 'unknown'")


def upgrade() -> None:
    op.create_index(
        "ix_steps_unknown",
        "steps",
        ["key"],
        unique=False,
        sqlite_where=_UNKNOWN,
        postgresql_where=_UNKNOWN,
    )
