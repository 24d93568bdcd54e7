"""A notice says which matters of one cause people were told of: another one is told anew"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("notices", sa.Column("about", sa.Text(), server_default="", nullable=False))
