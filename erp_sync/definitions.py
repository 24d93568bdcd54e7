"""Entry point: everything Dagster loads."""

import gc
import warnings

import dagster as dg

from erp_sync import settings
from erp_sync.components.configuration import read_configuration
from erp_sync.components.frequencies import check_frequencies
from erp_sync.components.route import installation_definitions
from erp_sync.operations.kpi_asset import kpi_definitions
from erp_sync.operations.reconcile_asset import reconcile_definitions

configuration = read_configuration(settings.load().defs)
check_frequencies(configuration)
# All that is made here stays: to look for garbage meanwhile would find none.
gc.disable()
try:
    with warnings.catch_warnings():
        # Single-run backfills are beta in this version of Dagster; said once per asset, that drowns everything else.
        warnings.simplefilter("ignore", dg.BetaWarning)
        defs = dg.Definitions.merge(
            installation_definitions(configuration),
            kpi_definitions(configuration),
            reconcile_definitions(configuration),
        )
finally:
    gc.enable()
