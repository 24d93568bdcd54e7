"""Which route, flow or row is meant; a wrong name is refused with the names that exist."""

from __future__ import annotations

from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation
from erp_sync.model.advice import Advice
from erp_sync.ports.connection import Connector


class CannotDo(Exception):
    """What was asked cannot be done as it was asked. One sentence, with what to do instead."""

    advice = Advice(
        means="What was asked cannot be done as it was asked. Nothing was changed.",
        look=("erp-sync --help",),
        do="Do what the message says instead.",
    )


def routes(here: Installation, name: str | None) -> list[RouteSpec]:
    """The route of that name, all where none is given. Raises CannotDo."""
    known = here.configuration.routes
    if name is None:
        return list(known.values())
    if name not in known:
        raise CannotDo(f"no route is called {name}; configured are: {', '.join(sorted(known)) or 'none'}")
    return [known[name]]


def route(here: Installation, name: str | None) -> RouteSpec:
    """One route: the one of that name, or the only one. Raises CannotDo."""
    found = routes(here, name)
    if len(found) != 1:
        names = ", ".join(sorted(here.configuration.routes)) or "none"
        raise CannotDo(f"say which route; configured are: {names}")
    return found[0]


def flow(chosen: RouteSpec, name: str) -> tuple[FlowKind, FlowSpec]:
    """A flow of a route. Raises CannotDo for one that does not exist or that the route does not have."""
    if name not in FLOWS:
        raise CannotDo(f"no flow is called {name}; there are: {', '.join(FLOWS)}")
    if name not in chosen.flows:
        raise CannotDo(f"route {chosen.name} has no flow {name}; it has: {', '.join(chosen.flows)}")
    return FLOWS[name], chosen.flows[name]


def flow_name(name: str | None) -> str | None:
    """The name itself. Raises CannotDo for a flow that does not exist."""
    if name is not None and name not in FLOWS:
        raise CannotDo(f"no flow is called {name}; there are: {', '.join(FLOWS)}")
    return name


def connection(here: Installation, name: str) -> str:
    """The connection of that name, or the only one to that vendor. Raises CannotDo."""
    known = here.configuration.connections
    if name in known:
        return name
    of_vendor = sorted(one for one, spec in known.items() if spec.vendor == name)
    if len(of_vendor) == 1:
        return of_vendor[0]
    if of_vendor:
        raise CannotDo(f"there are {len(of_vendor)} connections to {name}; say which: {', '.join(of_vendor)}")
    raise CannotDo(f"no connection is called {name}; configured are: {', '.join(sorted(known)) or 'none'}")


def connector(here: Installation, chosen: RouteSpec, side: str) -> Connector:
    """The connector of the route's store or ERP. Raises CannotDo for wrong settings or credentials."""
    try:
        return here.connector_for(chosen, side)
    except (ValueError, KeyError) as error:  # each says which setting or credential of which connection
        raise CannotDo(f"connection {getattr(chosen, side)}: {_words(error)}") from error


def _words(error: Exception) -> str:
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
