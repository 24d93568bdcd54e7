"""The installation of a seed: the YAML that ships, pointed at the seed's sandboxes."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from unittest import mock

from erp_sync.components.configuration import Mode, read_configuration
from erp_sync_tests.chaos.campaign import ROUTE
from erp_sync_tests.chaos.house import FLOWS, defs, people_of
from erp_sync_tests.chaos.judge import judge
from erp_sync_tests.chaos.processes.play import schedule_of
from erp_sync_tests.chaos.processes.world import infect, world, write_route

VENDORS = {"magento_us": "magento", "netsuite_us": "netsuite"}
KEYS = ("account", "consumer_key", "consumer_secret", "token_id", "token_secret", "access_token", "access_token_secret")
STATES = {
    name: {"base_url": f"http://127.0.0.1:{port}", "credentials": {key: f"{name} {key}" for key in KEYS}}
    for port, name in enumerate(VENDORS, 4000)
}


def test_the_shipped_route_is_on_in_all_flows_that_are_played_and_waits_for_nobody(tmp_path: Path):
    write_route(defs(), tmp_path / "defs", ROUTE, VENDORS, STATES)
    written = read_configuration(tmp_path / "defs")
    route = written.route(ROUTE)
    assert set(route.flows) == set(FLOWS)
    assert {flow.mode for flow in route.flows.values()} == {Mode.ON}
    assert {flow.approval for flow in route.flows.values()} == {"none"}
    assert {flow.every.total_seconds() for flow in route.flows.values()} == {2}


def test_an_erp_that_tells_of_changes_is_listened_to(tmp_path: Path):
    erp = people_of("netsuite")
    assert erp.event_options("http://there", "word") == {"push_url": "http://there", "push_secret": "word"}
    told = {**STATES["netsuite_us"]["credentials"], **erp.event_credentials("word")}
    states = {**STATES, "netsuite_us": {**STATES["netsuite_us"], "credentials": told}}
    write_route(defs(), tmp_path / "defs", ROUTE, VENDORS, states)
    assert read_configuration(tmp_path / "defs").connection("netsuite_us").credentials["push_secret"] == "word"


def test_its_connections_are_the_sandboxes_with_what_each_vendor_s_chaos_declares(tmp_path: Path):
    write_route(defs(), tmp_path / "defs", ROUTE, VENDORS, STATES)
    written = read_configuration(tmp_path / "defs")
    for name, vendor in VENDORS.items():
        connection = written.connection(name)
        assert connection.base_url == STATES[name]["base_url"]
        assert connection.credentials["consumer_key"] == f"{name} consumer_key"
        assert connection.settings.items() >= people_of(vendor).REAL_TIME.items()


def test_a_world_in_which_nothing_has_happened_is_sound_to_the_judge():
    """The judge is asked at a seed's end only, and was written for tier one's house."""
    with world(ROUTE, schedule_of(ROUTE, 1)) as here, closing(here.installation()) as installation:
        assert judge(here, installation, []).words() == []


def test_a_defect_is_in_every_process_and_leaves_it_a_single_thread(tmp_path: Path):
    """A fork server with more does not start: no seed of a mutant would be played."""
    look = "import psutil, sitecustomize; print(psutil.Process().num_threads(), sitecustomize.__file__)"
    with mock.patch.dict(os.environ):
        infect(tmp_path / "mutant", "acknowledge_before_send")
        told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["1", str(tmp_path / "mutant" / "sitecustomize.py")]
