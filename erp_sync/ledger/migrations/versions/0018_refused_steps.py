"""Steps that were refused are found without going through all: few are, and people are told of those left out"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_REFUSED = sa.text("state = 'refused'")


def upgrade() -> None:
    op.create_index(
        "ix_steps_refused",
        "steps",
        ["changed_at"],
        unique=False,
        sqlite_where=_REFUSED,
        postgresql_where=_REFUSED,
    )
