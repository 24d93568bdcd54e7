"""Delivery: drains due documents of a flow to their target, exactly once in effect.

A delivery is a list of steps, each with its own key and receipt, resumed at the first unconfirmed one.
Every send is in the ledger before it leaves. What follows an unknown outcome is said by the operation's
guarantee class:

- A, B: the same request again; the target refuses or recognises a second one.
- C: wait the settle time, search by our key, then send once.
- D: search by content; never again by itself.

Nothing here knows a vendor or Dagster. One drain uses `senders` threads; several drains at once are
normal, the ledger's claims keep them apart.

`drain` claims and hands out, `leases` keeps what is claimed, `preparation` looks up what many documents need,
`sending` takes one document through its steps, `resuming` asks what became of a step sent before, `recording` writes
what a step came to, `endings` how a delivery ends for now.
"""

from erp_sync.flows.delivery.drain import Drain
from erp_sync.flows.delivery.report import DrainReport

__all__ = ["Drain", "DrainReport"]
