"""Documents are kept packed on SQLite: those that are there are packed, too

PostgreSQL compresses them by itself. What was written before could be read as it stands; it is nearly all of a ledger,
though. The file does not shrink: what becomes free in it is filled again.
"""

from alembic import op

from erp_sync.packing import DOCUMENTS, packed

revision = "0014"
down_revision = "0013"

_COLUMNS = (
    ("received", "payload"),
    ("deliveries", "payload"),
    ("deliveries", "corrected"),
    ("corrections", "original"),
    ("corrections", "corrected"),
    ("quarantine", "row"),
    ("inbox", "payload"),
    ("hand_shipments", "payload"),
)


def upgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        return
    raw = bind.connection.dbapi_connection
    assert raw is not None
    raw.create_function("packed", 1, lambda value: packed(value, DOCUMENTS), deterministic=True)
    for table, column in _COLUMNS:
        op.execute(
            f'UPDATE "{table}" SET "{column}" = packed("{column}")'
            f' WHERE length("{column}") >= 96 AND substr("{column}", 1, 2) <> X\'007A\''
        )
