"""`python -m erp_sync.service --port 3001`: serves until SIGTERM. Put a proxy with TLS before it."""

from __future__ import annotations

import argparse
import logging
import sys

import uvicorn

from erp_sync import settings as settings_module
from erp_sync.components.configuration import WrongConfiguration, read_configuration
from erp_sync.components.installation import Installation
from erp_sync.ledger.errors import LedgerError
from erp_sync.monitoring.exposition import Exposition
from erp_sync.operations.kpis import figures
from erp_sync.runtime.storage import StillRunning, initialise
from erp_sync.service.app import create_app
from erp_sync.service.price_checks import PriceChecks
from erp_sync.service.receiving import Receiver

# More at once than any sender has under way; what is beyond gets 503 and comes again.
MOST_REQUESTS = 100


def main(arguments: list[str] | None = None) -> int:
    """Serve. Exit code 2 and one sentence where the installation cannot be opened."""
    parser = argparse.ArgumentParser(prog="python -m erp_sync.service", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=3001)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = settings_module.load()
        configuration = read_configuration(settings.defs)
        initialise(settings)
        here = Installation(settings, configuration)
        inbox = here.ledger.inbox
    except (settings_module.WrongSetting, WrongConfiguration, LedgerError, StillRunning) as error:
        print(f"erp-sync: {error}", file=sys.stderr)
        return 2
    try:
        uvicorn.run(
            create_app(Receiver(configuration, inbox), Exposition(lambda: figures(here)), PriceChecks(here)),
            host=options.host,
            port=options.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_REQUESTS,
        )
    finally:
        here.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
