"""Keys that a document's write moves besides its own are held while it may be on its way"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "moving_keys",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "delivery_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("connection", "entity", "key", "delivery_id", "step", name=op.f("pk_moving_keys")),
    )
    op.create_index("ix_moving_keys_delivery_id", "moving_keys", ["delivery_id"], unique=False)
    op.add_column("known_state", sa.Column("moving_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("known_state", sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True))
