"""How a database is named to people: its URL without what is secret."""

from __future__ import annotations

import sqlalchemy as sa

_HIDDEN = "***"


def place(url: str | sa.engine.URL) -> str:
    """The URL with its password hidden, also where that stands in the query (``?password=...``), as drivers allow."""
    shown = sa.engine.make_url(url)
    secret = {name: _HIDDEN for name in shown.query if "pass" in name.lower() or "secret" in name.lower()}
    return shown.update_query_dict(secret).render_as_string(hide_password=True)
