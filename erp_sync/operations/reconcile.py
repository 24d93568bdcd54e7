"""Both systems compared record by record, flow by flow: what is missing, too much, or different.

Reads only: the systems in pages, the ledger for what is known to be open. Nothing is believed that was read before.
"""

from __future__ import annotations

from datetime import timedelta

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.operations.reconcile_orders import reconcile_orders
from erp_sync.operations.reconcile_shipments import reconcile_shipments
from erp_sync.operations.reconcile_states import reconcile_states
from erp_sync.operations.reconciliation import Progress, Reconciliation
from erp_sync.ports.raw import Window


def reconcile(
    here: Installation,
    route: RouteSpec,
    flow: str,
    *,
    days: int | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Reconciliation:
    """Compare one flow: documents created in the last `days` (the route's window), state as it is now.

    What lies before the flow's start does not count. Raises the TransportError tree where a system does not answer,
    CannotDo.
    """
    kind, spec = FLOWS[flow], route.flows[flow]
    if not kind.delivers:
        progress(f"{kind.title} of {route.erp} and {route.store}", 0, 1)
        return reconcile_states(here, route, kind, spec)
    now = here.ledger.now()
    since = now - (route.reconcile_window if days is None else timedelta(days=days))
    window = Window(start=max(since, spec.start or since), end=now)
    compare = reconcile_orders if flow == "orders" else reconcile_shipments
    return compare(here, route, window, progress)
