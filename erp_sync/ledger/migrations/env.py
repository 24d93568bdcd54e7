"""Runs migrations on the connection that `erp_sync.ledger.migrate` hands over."""

from typing import Any, Literal

from alembic import context

from erp_sync.ledger.schema import Utc, metadata
from erp_sync.packing import Packed


def written(kind: str, item: Any, autogenerate: Any) -> str | Literal[False]:
    """A migration must not change when the ledger's own types do."""
    if kind == "type" and isinstance(item, Packed):
        return "sa.LargeBinary()"
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Utc) else False


connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=False, render_item=written)
context.run_migrations()
