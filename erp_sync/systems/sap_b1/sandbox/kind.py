"""What an entity set does beyond storing what it is sent; one subclass for each set that does more."""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.entities import EntitySet
from erp_sync.systems.sap_b1.sandbox.errors import EXISTS, ServiceLayerError, malformed
from erp_sync.systems.sap_b1.sandbox.paths import unrecognized

Entity = dict[str, Any]


class Kind:
    """An entity set that stores what it is sent.

    Entities are in the inner form (`values`). Every method runs inside the call's transaction and may raise
    ServiceLayerError.
    """

    #: Paths after the key that are actions of this set, e.g. Close.
    actions: frozenset[str] = frozenset()

    def __init__(self, entity: EntitySet) -> None:
        self.entity = entity

    def new(self, context: Context, sent: Entity) -> Entity:
        """The entity that a POST makes, checked and complete, not yet stored."""
        for name in self.entity.keys:
            if self.entity.counter and sent.get(name) is None:
                sent[name] = self.number(context)
            elif sent.get(name) in (None, ""):
                raise malformed(f"Property '{name}' of '{self.entity.type_name}' is mandatory")
        if rows.exists(context.store, self.entity.name, *rows.key_of(self.entity, sent)):
            raise self.exists(sent)
        return sent

    def number(self, context: Context) -> int:
        """The next number of the key, past those that an administrator gave."""
        highest = context.store.value(f'SELECT COALESCE(MAX(k1), 0) FROM "{self.entity.name}"')
        return max(int(highest) + 1, context.store.next(f"{self.entity.name} key"))

    def exists(self, sent: Entity) -> ServiceLayerError:
        """-2035 (fact sheet, section 6; words obs.)."""
        return ServiceLayerError(EXISTS, "This entry already exists in the following tables (ODBC -2035)")

    def added(self, context: Context, entity: Entity) -> None:
        """The entity is stored; what follows from it."""

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        """The entity that a PATCH or PUT makes of `before`; `after` has the sent values merged in."""
        return after

    def removable(self, context: Context, entity: Entity) -> None:
        """A DELETE is asked for."""

    def shown(self, context: Context, entity: Entity) -> Entity:
        """The entity with what is computed when it is read."""
        return entity

    def act(self, context: Context, entity: Entity, action: str, body: Any) -> Response:
        """One of `actions` on an entity that exists."""
        raise unrecognized()

    def document(self, context: Context, entity: Entity) -> str:
        """What the journal calls the entity."""
        return ",".join(str(value) for value in rows.key_of(self.entity, entity))
