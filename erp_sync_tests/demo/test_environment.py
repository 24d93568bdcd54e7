"""The demo's sandboxes and environment follow from its route."""

from __future__ import annotations

import pytest

from erp_sync.components.configuration import read_configuration
from erp_sync.demo.day import DEFS
from erp_sync.demo.environment import Ends, events_of, sandbox_environment

STATES = {
    "magento": {
        "base_url": "http://127.0.0.1:4001",
        "credentials": {
            "consumer_key": "ck", "consumer_secret": "cs", "access_token": "at", "access_token_secret": "ats",
        },
    },
    "netsuite": {
        "base_url": "http://127.0.0.1:4002",
        "credentials": {
            "account": "TSTDRV1", "consumer_key": "nck", "consumer_secret": "ncs", "token_id": "ti", "token_secret": 7,
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped():
    return read_configuration(DEFS)


def test_every_variable_of_the_route_is_set_from_its_sandbox_and_none_besides(shipped):
    told = sandbox_environment(shipped, STATES)
    assert told == {
        "MAGENTO_US_URL": "http://127.0.0.1:4001", "MAGENTO_US_CONSUMER_KEY": "ck",
        "MAGENTO_US_CONSUMER_SECRET": "cs", "MAGENTO_US_ACCESS_TOKEN": "at", "MAGENTO_US_ACCESS_TOKEN_SECRET": "ats",
        "NETSUITE_US_URL": "http://127.0.0.1:4002", "NETSUITE_US_ACCOUNT": "TSTDRV1",
        "NETSUITE_US_CONSUMER_KEY": "nck", "NETSUITE_US_CONSUMER_SECRET": "ncs", "NETSUITE_US_TOKEN_ID": "ti",
        "NETSUITE_US_TOKEN_SECRET": "7",
    }  # fmt: skip
    for connection in shipped.connections.values():
        resolved = connection.resolve(told)
        assert resolved.base_url == STATES[connection.vendor]["base_url"]


def test_a_credential_that_the_sandbox_lacks_is_named(shipped):
    without = {**STATES, "magento": {"base_url": "", "credentials": {"consumer_key": "ck"}}}
    with pytest.raises(KeyError, match="consumer_secret"):
        sandbox_environment(shipped, without)


def test_the_erp_tells_the_event_service_of_its_connection_and_the_store_tells_nobody(shipped):
    ends = Ends.of(shipped)
    assert (ends.store.name, ends.erp.name, ends.vendors) == ("magento_us", "netsuite_us", ["netsuite", "magento"])
    options, environment = events_of(ends.erp, 3001, "hush")
    assert options == {"push_url": "http://127.0.0.1:3001/events/netsuite_us", "push_secret": "hush"}
    assert environment == {"NETSUITE_US_PUSH_SECRET": "hush"}
    assert events_of(ends.store, 3001, "hush") == ({}, {})
