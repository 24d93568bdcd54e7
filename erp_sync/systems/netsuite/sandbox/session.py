"""One request's view of the account: its database, its time, what it wrote and what it has to say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from erp_sync.sandbox.core import Commit
from erp_sync.systems.netsuite.sandbox.errors import already_exists
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.store import Store, utc_text

# External ids are unique within a group, not a record type (Oracle help, section_N3436356).
GROUP_TABLES = {"transaction": "transaction", "entity": "customer", "item": "item"}

FIRST_IDS = {"customer": 2001, "transaction": 20001, "item": 1000, "customrecord": 1}


@dataclass(frozen=True)
class Written:
    """A record that was saved, for the scripts that run after it."""

    record: str
    internal_id: int
    change: str


@dataclass
class Session:
    """Attributes:
    origin: scheme and host of the request, for links and Location.
    names: X-NetSuite-PropertyNameValidation: what to do with unknown properties (Error, Warning, Ignore).
    values: X-NetSuite-PropertyValueValidation: what to do with bad values.
    warnings: properties dropped under Warning.
    commits: documents written, for the journal.
    restlet: the request runs as a SuiteScript, which may set what REST may not (legacy tax).
    replace: sublists of a transform whose lines in the body are all there shall be (``?replace=item``).
    search: prefix of the tables that searches read, where they lag behind.
    """

    store: Store
    options: Options
    moment: datetime
    origin: str = "https://sandbox.invalid"
    names: str = "Warning"
    values: str = "Error"
    warnings: list[str] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    restlet: bool = False
    search: str = ""
    replace: frozenset[str] = frozenset()

    @cached_property
    def now(self) -> str:
        """This moment as stored: UTC text to the second."""
        return utc_text(self.moment)

    @cached_property
    def today(self) -> str:
        """The account's date (its time zone)."""
        return self.moment.astimezone(self.options.zone).strftime("%Y-%m-%d")

    @property
    def base(self) -> str:
        return f"{self.origin}/services/rest/record/v1"

    def next_number(self, name: str, first: int = 1) -> int:
        """The next of a numbering sequence; numbers of undone transactions are given again."""
        number = self.store.value("SELECT next FROM sandbox_number WHERE name = ?", name)
        if number is None:
            self.store.insert("sandbox_number", name=name, next=first + 1)
            return first
        self.store.update("sandbox_number", {"name": name}, next=number + 1)
        return int(number)

    def new_id(self, table: str) -> int:
        """Internal id of a new row. The tables' ranges do not overlap, so that a mixed-up id is found out."""
        return self.next_number(f"id of {table}", FIRST_IDS[table])

    def claim_external_id(self, group: str, external_id: str | None, own_id: int | None = None) -> None:
        """Refuse an external id that another record of the group has."""
        if external_id is None:
            return
        table = GROUP_TABLES.get(group, group)
        other = self.store.value(f'SELECT id FROM "{table}" WHERE externalid = ?', external_id)
        if other is not None and other != own_id:
            raise already_exists(group)

    def wrote(self, record: str, document: str | None, internal_id: int, change: str = "create") -> None:
        """Note a document for the journal: its external id, or its internal id where it has none."""
        self.commits.append(Commit(record, document or str(internal_id), change))
        self.written.append(Written(record, internal_id, change))

    def custom_fields(self) -> dict[str, dict[str, Any]]:
        """Custom fields of the account: those of the options and those installed since."""
        installed = self.store.value("SELECT value FROM sandbox_state WHERE name = 'custom_fields'")
        return {**self.options.custom_fields, **(json.loads(installed) if installed else {})}

    def custom_records(self) -> dict[str, dict[str, str]]:
        installed = self.store.value("SELECT value FROM sandbox_state WHERE name = 'custom_records'")
        return {**self.options.custom_records, **(json.loads(installed) if installed else {})}


def at(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)
