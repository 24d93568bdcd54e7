"""Entry point: everything Dagster loads."""

from erp_sync import settings
from erp_sync.components.configuration import read_configuration
from erp_sync.components.frequencies import check_frequencies
from erp_sync.components.route import installation_definitions

configuration = read_configuration(settings.load().defs)
check_frequencies(configuration)
defs = installation_definitions(configuration)
