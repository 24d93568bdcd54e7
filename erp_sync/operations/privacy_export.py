"""A person's right to know: everything that is held of them, here and in the systems. What `privacy.erase` removes is
in it, part by part."""

from __future__ import annotations

from typing import Any

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger import erasing
from erp_sync.model.personal import PersonalTexts
from erp_sync.operations import papers, personal_files, personal_places


def export(here: Installation, what: str) -> dict[str, Any]:
    """As JSON takes it. `what`: e-mail address, or CONNECTION:CUSTOMER. Raises CannotDo, CallFailed."""
    email = personal_places.email_of(here, what)
    person, held = personal_places.found(here, here.ledger.privacy.texts(email))
    exchanges = [
        {
            "time": one.time, "connection": one.connection, "operation": one.operation, "url": one.url,
            "request": here.exchanges.text(one, "request"), "response": here.exchanges.text(one, "response"),
        }
        for one in here.exchanges.about(person)
    ]  # fmt: skip
    return {
        "person": email,
        "systems": {name: [msgspec.to_builtins(one) for one in some] for name, some in held.items()},
        "ledger": _shown(erasing.held(here.ledger.database, person, personal_places.fields_of(here))),
        "lake": _lake(here, person),
        "exchanges": exchanges,
        "handed_out": papers.about(here.settings, person),
        "logs": {
            str(path.relative_to(here.settings.home)): lines
            for path in personal_files.texts(here.settings)
            if (lines := personal_files.lines_about(path, person))
        },
        "dagster": _shown(personal_files.held(here.settings, person)),
    }


def _lake(here: Installation, person: PersonalTexts) -> dict[str, list[dict[str, Any]]]:
    """Every version of every record, as received."""
    found = {}
    for connection, entity, ids in personal_places.in_lake(here, person):
        table = here.lake.table(connection, entity, columns=["native_id", "version", "payload"])
        rows = [row for row in table.to_pylist() if row["native_id"] in set(ids) and row["payload"]]
        if rows:
            found[f"{connection}/{entity}"] = [{**row, "payload": _value(row["payload"])} for row in rows]
    return found


def _shown(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {
        table: [{name: _value(value) for name, value in row.items()} for row in rows] for table, rows in tables.items()
    }


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value
