"""Loading of state: due rows of plans to the target."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.giving_up import end_process
from erp_sync.components.installation import Installation
from erp_sync.components.table_book import plans_tables
from erp_sync.flows.convergence import Convergence, ConvergenceReport, waiting_code
from erp_sync.model.keys import Entity
from erp_sync.ports.documents import Requirement


def load_states(
    here: Installation, route: RouteSpec, kind: FlowKind, *, owner: str, lane: str = "normal"
) -> ConvergenceReport:
    """Write whatever is due of the flow's plans."""
    from erp_sync.transport.context import call_context

    target = here.connector_for(route, kind.target).port(kind.entity, "target")
    connection = getattr(route, kind.target)
    # A run of the fast lane takes only what is urgent: it must not wait behind a full comparison.
    lanes = ("now",) if lane == "now" else ("now", "normal", "bulk")
    with call_context(run_id=owner.split(":")[0], lane=lane, route=route.name, flow=kind.name):
        drain = Convergence(
            here.ledger,
            target,
            route=route.name,
            flow=kind.name,
            entity=kind.entity,
            connection=connection,
            source=getattr(route, kind.source),
            owner=owner,
            senders=min(4, here.concurrency(connection)),
            ordered=plans_tables(kind),
            lanes=lanes,
            give_up=end_process,
        )
        report = drain.run()
        # Variants wait for their configurable product, which this very run may have made.
        while kind.entity == Entity.PRODUCT and (
            release(here, connection, drain.take_created()) + _release_priced(here, route, kind, drain.take_needs())
        ):
            report = drain.run()
        _release_made(here, connection, drain.take_needs())
        if kind.entity == Entity.PRICE:
            priced = {target.sku(key) for key in report.applied_keys}
            here.ledger.plans.release_waiting(connection, _codes(Entity.PRICE, priced))
        return report


def _release_made(here: Installation, connection: str, needs: Collection[Requirement]) -> None:
    """What rows waited for may have been made after they asked for it and before they waited."""
    skus = [need.key for need in needs if need.entity == Entity.PRODUCT]
    made = here.ledger.plans.made(connection, Entity.PRODUCT, skus, waiting_code(Requirement(Entity.PRICE, "")))
    here.ledger.plans.release_waiting(connection, _codes(Entity.PRODUCT, made))


def _release_priced(here: Installation, route: RouteSpec, kind: FlowKind, needs: Collection[Requirement]) -> int:
    """Products that were made without a price, and have got one since: nobody else sees that they wait only now."""
    skus = {need.key for need in needs if need.entity == Entity.PRICE}
    if not skus:
        return 0
    connection = getattr(route, kind.target)
    prices = here.connector_for(route, kind.target).port(Entity.PRICE, "target")
    known = here.ledger.known.table(connection, Entity.PRICE, None, ("scope", "key", "value"))
    there = {
        prices.sku(key)
        for key, value in zip(known.column("key").to_pylist(), known.column("value").to_pylist(), strict=True)
        if value is not None
    }
    return here.ledger.plans.release_waiting(connection, _codes(Entity.PRICE, skus & there))


def _codes(entity: str, keys: Collection[str]) -> list[str]:
    return [waiting_code(Requirement(entity, key)) for key in keys]


def release(here: Installation, connection: str, skus: Sequence[str]) -> int:
    """These products are in the target now: what waits for them is due. Gives how many rows of plans."""
    if not skus:
        return 0
    here.ledger.deliveries.release_waiting(connection, Entity.PRODUCT, skus)
    return here.ledger.plans.release_waiting(connection, _codes(Entity.PRODUCT, skus))
