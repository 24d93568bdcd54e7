"""The installation that all parts share: database, entities, clock, options, and what a call has written."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.core import Commit
from erp_sync.systems.shopware.sandbox import names
from erp_sync.systems.shopware.sandbox.database import Database
from erp_sync.systems.shopware.sandbox.options import Options
from erp_sync.systems.shopware.sandbox.pricing.rules import RuleBook
from erp_sync.systems.shopware.sandbox.schema import entities
from erp_sync.systems.shopware.sandbox.schema.fields import Entity
from erp_sync.systems.shopware.sandbox.search import Reader
from erp_sync.systems.shopware.sandbox.writing.writer import Command, Writer

#: What a document is called in the journal, where it has a business key.
_BUSINESS_KEYS = {"product": "productNumber", "order": "orderNumber", "customer": "customerNumber"}
#: Fields of a product whose writes the journal tells by themselves.
_TOLD = ("stock", "price")
COMMERCIAL = ("b2b_", "custom_price")
_CHANGES = {"insert": "create", "update": "update", "delete": "delete"}


class Shop:
    """One installation. The lists are of the call under way: what was written, state changes,
    orders placed by shoppers, customers who logged in (id and context token)."""

    def __init__(self, database: Database, clock: Clock, options: Options) -> None:
        self.database, self.clock, self.options = database, clock, options
        self.commits: list[Commit] = []
        self.written: list[Command] = []
        self.states: list[StateChange] = []
        self.privileges: tuple[str, ...] | None = None
        self.rules = RuleBook(database)
        self.placed: list[str] = []
        self.logins: list[tuple[str, str]] = []

    @property
    def entities(self) -> Mapping[str, Entity]:
        return entities()

    def entity(self, name: str) -> Entity:
        return entities()[name]

    def known(self, name: str) -> Entity | None:
        """An entity that somebody names; those of Commercial are known only where it is installed."""
        absent = not self.options.commercial and name.startswith(COMMERCIAL)
        return None if absent else self.entities.get(name)

    def begin(self, privileges: tuple[str, ...] | None = None) -> None:
        """A new call, by somebody with these rights (None: all); nothing of the last one is left."""
        self.privileges = privileges
        self.commits, self.written, self.states, self.placed, self.logins = [], [], [], [], []

    def now(self) -> str:
        """Calendar time as it is stored."""
        return names.stored_time(self.clock.now())

    def wall(self, plus: float = 0.0) -> str:
        """Technical time as it is stored, `plus` seconds from now."""
        moment: datetime = self.clock.wall() + timedelta(seconds=plus)
        return names.stored_time(moment)

    def new_id(self) -> str:
        return names.new_id(self.clock.now())

    def reader(self, *, version: str = names.LIVE_VERSION, inheritance: bool = False) -> Reader:
        return Reader(self.database, self.entities, version=version, inheritance=inheritance)

    def writer(self, *, version: str = names.LIVE_VERSION, system: bool = False) -> Writer:
        return Writer(self.database, self.entities, self.clock.now(), version=version, system=system)

    def note(self, commands: Iterable[Command]) -> None:
        """Keep what was written, for the journal and for webhooks."""
        for command in commands:
            self.written.append(command)
            if command.entity.name in ("rule", "rule_condition"):
                self.rules.forget()
            if command.key[1] != names.LIVE_VERSION:
                continue
            document, change = self._document(command), _CHANGES[command.operation]
            self.commits.append(Commit(command.entity.name, document, change))
            if command.entity.name == "product":
                self.commits += [Commit(f"product.{name}", document, change) for name in _TOLD if name in command.given]

    def _document(self, command: Command) -> str:
        field = _BUSINESS_KEYS.get(command.entity.name)
        values = {**(command.before or {}), **command.columns}
        return str(values.get(field) or command.key[0]) if field else command.key[0]

    # -- configuration -------------------------------------------------------------------------------------------

    def config(self, key: str) -> str | None:
        found: str | None = self.database.value("SELECT value FROM sandbox_config WHERE key = ?", [key])
        return found

    def configure(self, key: str, value: str) -> None:
        self.database.run("INSERT OR REPLACE INTO sandbox_config VALUES (?, ?)", [key, value])

    def secret(self, key: str, length: int = 32) -> str:
        """A random value that the installation keeps."""
        found = self.config(key)
        if found is None:
            found = secrets.token_urlsafe(length)
            with self.database.transaction():
                self.configure(key, found)
        return found

    def state(self, machine: str, technical_name: str) -> str:
        """Id of a state."""
        return names.fixed_id("state", machine, technical_name)

    def raw(self, entity: str, identity: str) -> dict[str, Any] | None:
        """The live row as stored."""
        return self.database.row(
            f'SELECT * FROM "{entity}" WHERE id = ?'
            + (' AND "versionId" = ?' if self.entity(entity).versioned else ""),
            [identity, names.LIVE_VERSION] if self.entity(entity).versioned else [identity],
        )


class StateChange:
    """A transition that took place: for webhooks."""

    def __init__(self, machine: str, entity: str, identity: str, before: str, after: str) -> None:
        self.machine, self.entity, self.identity, self.before, self.after = machine, entity, identity, before, after
