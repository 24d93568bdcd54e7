"""The demo's routes go live on the day that is played."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from erp_sync import settings
from erp_sync.components.configuration import read_configuration
from erp_sync.components.route import daily_partitions
from erp_sync.demo.day import DEFS, routes_of_today


def test_the_first_partition_is_today_and_nothing_else_differs(tmp_path: Path) -> None:
    home = settings.load({"ERP_SYNC_HOME": str(tmp_path)})
    ours = read_configuration(routes_of_today(home))
    shipped = read_configuration(DEFS)
    (today,) = daily_partitions(ours).get_partition_keys()
    assert today == f"{datetime.now(UTC):%Y-%m-%d}"
    for name, flow in shipped.routes["netsuite_magento"].flows.items():
        start = ours.routes["netsuite_magento"].flows[name].start
        assert ours.routes["netsuite_magento"].flows[name] == flow.model_copy(update={"start": start})


def test_look_up_tables_are_found_beside_the_routes(tmp_path: Path) -> None:
    home = settings.load({"ERP_SYNC_HOME": str(tmp_path)})
    routes_of_today(home)
    ours = read_configuration(routes_of_today(home))  # a second demo in the same home
    assert Path(ours.routes["netsuite_magento"].lookups or "").is_relative_to(tmp_path)
