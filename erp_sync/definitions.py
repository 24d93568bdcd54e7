"""Entry point: everything Dagster loads."""

from erp_sync import settings
from erp_sync.components.configuration import read_configuration
from erp_sync.components.route import installation_definitions

defs = installation_definitions(read_configuration(settings.load().defs))
