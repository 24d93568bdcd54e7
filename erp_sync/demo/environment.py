"""Where the demo's route leads: which sandboxes stand at its ends, and the environment variables that point it there.

A sandbox of the demo is called as its vendor. Nothing else is said of a vendor than what stands in the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from erp_sync.components.configuration import Configuration, ConnectionSpec, FromEnvironment

# What an account of the vendor is in the demo, beside its sandbox's own defaults.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    # The ERP decides which warehouse ships what, and tells of what was shipped and counted.
    "netsuite": {"automatic_locations": True, "push_records": ["itemFulfillment", "inventoryAdjustment"]},
}
# By vendor whose system tells of changes: its sandbox's options for where to and signed with what, and the connection's
# credential for the same secret.
TELLS: Mapping[str, tuple[str, str, str]] = {"netsuite": ("push_url", "push_secret", "push_secret")}


@dataclass(frozen=True)
class Ends:
    """The connections that a route leads between. Their vendors' names are their sandboxes'."""

    store: ConnectionSpec
    erp: ConnectionSpec

    @classmethod
    def of(cls, configuration: Configuration) -> Ends:
        """Of the demo's route, which is the first."""
        route = next(iter(configuration.routes.values()))
        return cls(configuration.connection(route.store), configuration.connection(route.erp))

    @property
    def vendors(self) -> list[str]:
        return [self.erp.vendor, self.store.vendor]


def sandbox_environment(configuration: Configuration, status: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Values of the variables that the connections read, from the sandboxes of a `supervisor.status()`.

    What is optional and no sandbox has is left out. Raises KeyError for a credential that a sandbox should have.
    """
    found: dict[str, str] = {}
    for connection in configuration.connections.values():
        state = status[connection.vendor]
        if isinstance(connection.base_url, FromEnvironment):
            found[connection.base_url.env] = str(state["base_url"])
        for name, value in connection.credentials.items():
            if isinstance(value, FromEnvironment) and not (value.optional and name not in state["credentials"]):
                found[value.env] = str(state["credentials"][name])
    return found


def events_of(connection: ConnectionSpec, port: int, secret: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Options by which a system's sandbox tells of its changes to the event service at that port, and the environment
    in which the connection knows the secret. Nothing of a vendor whose system does not.
    """
    if connection.vendor not in TELLS:
        return {}, {}
    address, signed, credential = TELLS[connection.vendor]
    value = connection.credentials.get(credential)
    environment = {value.env: secret} if isinstance(value, FromEnvironment) else {}
    return {address: f"http://127.0.0.1:{port}/events/{connection.name}", signed: secret}, environment
