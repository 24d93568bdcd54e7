"""Convergence: drains due rows of plans to their target, in batches, one write per key in flight.

Rows are claimed in batches of the target's size. A row is not sent where its key became unsure since it was
planned (a shipment moved it: it is read again and replanned), where its product is not there yet (it
waits), or where the target holds the value already. After an unknown outcome the key is blocked for the
settle time, read back, and planned again if it differs. A batch refused as a whole is bisected until the
poison rows stand alone. What the target took and has not done within the run's minute is handed to the next run:
its handle is in the ledger from the moment it came.

Nothing here knows a vendor or Dagster. Several drains at once are normal, the ledger's claims keep them apart.

`drain` claims batches and hands them out, `readiness` tells which rows of a batch may go, `sending` writes them and
asks what became of them, `endings` how a row ends for now, `isolation` keeps a defect of ours to its row.
"""

from erp_sync.flows.convergence.drain import Convergence
from erp_sync.flows.convergence.report import ConvergenceReport, waiting_code

__all__ = ["Convergence", "ConvergenceReport", "waiting_code"]
