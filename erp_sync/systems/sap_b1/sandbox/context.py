"""One call's surroundings: database, installation, the server's local time, and what the call commits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from erp_sync.sandbox.core import Commit
from erp_sync.systems.sap_b1.sandbox.errors import Version
from erp_sync.systems.sap_b1.sandbox.options import Options
from erp_sync.systems.sap_b1.sandbox.store import Store
from erp_sync.systems.sap_b1.sandbox.user_fields import UserFields


@dataclass
class Context:
    """What handlers work with.

    Attributes:
        moment: the sandbox's calendar in the server's own zone (fact sheet, section 3; local time: unconfirmed).
        origin: scheme and host that the client used, for absolute links.
        user: who logged in.
        commits: what this call made durable, for the journal.
        administrator: an import by hand, which no add-on's rule looks at.
        price_lists, discount_groups: all of them once they were asked for; whoever changes one sets None.
        events: (object, transaction, key) of every change, for webhooks.
    """

    store: Store
    options: Options
    moment: datetime
    version: Version = "v2"
    origin: str = "https://localhost:50000"
    user: str = "manager"
    administrator: bool = False
    commits: list[Commit] = field(default_factory=list)
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    price_lists: dict[int, dict[str, Any]] | None = None
    discount_groups: list[dict[str, Any]] | None = None

    @property
    def today(self) -> str:
        """The server's date, ``YYYY-MM-DD``."""
        return self.moment.strftime("%Y-%m-%d")

    @property
    def time(self) -> str:
        return self.moment.strftime("%H:%M:%S")

    @property
    def root(self) -> str:
        return f"/b1s/{self.version}"

    @cached_property
    def user_fields(self) -> UserFields:
        return UserFields.usable(self.store)

    def setting(self, name: str) -> Any:
        """A setting of the company that an administrator may change while it runs; else the option."""
        return self.store.state(f"setting {name}", getattr(self.options, name))
