"""Points the shipped routes at running sandboxes: their URLs and credentials as environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Environment variable -> credential of the sandbox; "" is its base URL.
VARIABLES = {
    "magento": {
        "MAGENTO_US_URL": "",
        "MAGENTO_US_CONSUMER_KEY": "consumer_key",
        "MAGENTO_US_CONSUMER_SECRET": "consumer_secret",
        "MAGENTO_US_ACCESS_TOKEN": "access_token",
        "MAGENTO_US_ACCESS_TOKEN_SECRET": "access_token_secret",
    },
    "netsuite": {
        "NETSUITE_US_URL": "",
        "NETSUITE_US_ACCOUNT": "account",
        "NETSUITE_US_CONSUMER_KEY": "consumer_key",
        "NETSUITE_US_CONSUMER_SECRET": "consumer_secret",
        "NETSUITE_US_TOKEN_ID": "token_id",
        "NETSUITE_US_TOKEN_SECRET": "token_secret",
    },
}


def sandbox_environment(status: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Environment variables for the sandboxes of a `supervisor.status()`; by vendor name."""
    found: dict[str, str] = {}
    for vendor, variables in VARIABLES.items():
        state = status[vendor]
        for variable, credential in variables.items():
            found[variable] = str(state["credentials"][credential] if credential else state["base_url"])
    return found
