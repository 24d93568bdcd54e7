"""A worker in a process of its own: delivers the orders that are due, until it has or is killed."""

from __future__ import annotations

import os
import sys

from erp_sync.components.configuration import read_configuration
from erp_sync.components.documents import drain_documents
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.settings import load


def main(home: str, defs: str) -> None:
    settings = load({"ERP_SYNC_HOME": home, "ERP_SYNC_DEFS": defs})
    here = Installation(settings, read_configuration(settings.defs))
    drain_documents(
        here, here.configuration.routes["us"], FLOWS["orders"], owner=f"worker:{os.getpid()}", lane="normal"
    )
    here.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
