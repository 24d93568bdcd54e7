"""Sandboxes: the vendors' systems on this machine, and who lives in them.

Kit of a sandbox: `core` (what a vendor's package implements), `clock`, `latency`, `faults`, `journal`, `contract`,
`server`, `control`, `stale`, `testing`. Processes: `supervisor`, `run`, `tls`. Life: `retailer` (from ``data/sample``),
`catalogue`, `people`, `shoppers`, `warehouse`, `caller`. Judgement: `checker`, which knows of erp_sync nothing.
"""
