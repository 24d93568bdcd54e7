"""What a run received is found by its id"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index("ix_received_run_id", "received", ["run_id"], unique=False)
