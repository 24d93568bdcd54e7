"""Judges what happened, from the sandboxes' databases and journals alone.

A system's tables are its vendor's: its sandbox tells what stands in them (`erp_sync.sandbox.evidence`).

Nothing of erp_sync's flows, ledger or transport is imported or read. What erp_sync says that it holds or has
dead-lettered comes in as a list of claims, and each is checked: a claimed order must have been placed and must not
be in the ERP. Every placed order is in the ERP, cancelled, or truthfully claimed; else it is lost.

Latencies are wall seconds between commits in the two journals.
"""

from erp_sync.sandbox.checker.check import Report, check
from erp_sync.sandbox.checker.sources import Claim, Conventions
from erp_sync.sandbox.files import SystemFiles

__all__ = ["Claim", "Conventions", "Report", "SystemFiles", "check"]
