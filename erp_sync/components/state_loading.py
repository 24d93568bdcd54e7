"""Loading of state: due rows of plans to the target."""

from __future__ import annotations

from collections.abc import Sequence

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
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
            lanes=lanes,
        )
        report = drain.run()
        # Variants wait for their configurable product, which this very run may have made.
        while kind.entity == Entity.PRODUCT and release(here, connection, drain.take_created()):
            report = drain.run()
        return report


def release(here: Installation, connection: str, skus: Sequence[str]) -> int:
    """These products are in the target now: what waits for them is due. Gives how many rows of plans."""
    if not skus:
        return 0
    here.ledger.deliveries.release_waiting(connection, Entity.PRODUCT, skus)
    codes = [waiting_code(Requirement(Entity.PRODUCT, sku)) for sku in skus]
    return here.ledger.plans.release_waiting(connection, codes)
