"""Entry point: everything Dagster loads."""

import gc
import warnings

# All that is made here stays: to look for garbage meanwhile would find none, and takes a tenth of a second.
gc.disable()

import dagster as dg  # noqa: E402

from erp_sync import settings  # noqa: E402
from erp_sync.components.configuration import read_configuration  # noqa: E402
from erp_sync.components.frequencies import check_frequencies  # noqa: E402
from erp_sync.components.route import installation_definitions  # noqa: E402
from erp_sync.operations.chores import CHORES  # noqa: E402
from erp_sync.operations.kpi_asset import kpi_definitions  # noqa: E402
from erp_sync.operations.reconcile_asset import reconcile_definitions  # noqa: E402

try:
    configuration = read_configuration(settings.load().defs)
    check_frequencies(configuration)
    with warnings.catch_warnings():
        # Single-run backfills are beta in this version of Dagster; said once per asset, that drowns everything else.
        warnings.simplefilter("ignore", dg.BetaWarning)
        defs = dg.Definitions.merge(
            installation_definitions(configuration, CHORES),
            kpi_definitions(configuration),
            reconcile_definitions(configuration),
        )
finally:
    gc.enable()
