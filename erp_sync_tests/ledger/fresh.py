"""New ledgers for tests: on SQLite a copy of one that this process migrated once, which takes a quarter of a second."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from erp_sync.ledger.migrate import upgrade


def create(url: str) -> None:
    """Make the ledger at `url`, where there is none yet, as `erp-sync init` would."""
    place = sa.make_url(url)
    if place.get_backend_name() != "sqlite" or not place.database:
        upgrade(url)
        return
    file = Path(place.database)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_bytes(_migrated())


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        upgrade(f"sqlite:///{folder}/new.db")
        return Path(folder, "new.db").read_bytes()
