"""The version of a flow's mapping changes with whatever decides how a document comes out, and with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from erp_sync.components import mapping_version
from erp_sync.components.configuration import Configuration, read_configuration
from erp_sync.components.mapping_version import MappingVersion
from erp_sync_tests.operations.house import ERP, ROUTE, STORE, write_defs

ADDED = {"target": "custbody_channel", "constant": "web"}


def configured(folder: Path, **changes: Any) -> Configuration:
    write_defs(folder, **changes)
    return read_configuration(folder)


def version(folder: Path, flow: str = "orders", **changes: Any) -> MappingVersion:
    configuration = configured(folder, **changes)
    return mapping_version.mapping_version(configuration, configuration.routes[ROUTE], flow)


def test_the_same_configuration_read_again_has_the_same_version(tmp_path: Path) -> None:
    assert version(tmp_path / "one") == version(tmp_path / "two")


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        (
            {ERP: {"settings": {"mapping": {"sales_order": {"add": [ADDED]}}}}},
            {f"{ERP} sales_order", f"{ERP} settings"},
        ),
        ({ERP: {"settings": {"location": "7"}}}, {f"{ERP} settings"}),
        ({STORE: {"time_zone": "America/New_York"}}, {f"{STORE} settings"}),
    ],
    ids=["an overlay", "a setting that a rule looks at", "the time zone of dates"],
)
def test_a_change_gives_another_version_and_its_parts_say_which(
    tmp_path: Path, changes: dict[str, Any], changed: set[str]
) -> None:
    before, after = version(tmp_path / "before"), version(tmp_path / "after", **changes)
    assert before.value != after.value
    assert {name for name in before.parts if before.parts[name] != after.parts[name]} == changed


def test_what_no_rule_looks_at_leaves_the_version_alone(tmp_path: Path) -> None:
    limited = version(tmp_path / "after", **{ERP: {"settings": {"limits": {"concurrency": 3}}}})
    assert limited == version(tmp_path / "before")


def test_a_flow_consists_of_its_own_mappings_only(tmp_path: Path) -> None:
    orders, shipments = version(tmp_path / "one", "orders").parts, version(tmp_path / "two", "shipments").parts
    assert {name for name in orders if name.startswith(ERP)} == {
        f"{ERP} {part}" for part in ("customer", "sales_order", "customer_deposit", "settings")
    }
    assert {f"{ERP} shipment", f"{STORE} shipment.create"} <= shipments.keys()


def test_after_the_warm_up_nothing_is_worked_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = configured(tmp_path / "defs")
    mapping_version.warm(configuration)

    def never(*_: object) -> None:
        raise AssertionError("worked out again")

    monkeypatch.setattr("erp_sync.ports.mapping.RecordMapping.rows", never)
    assert mapping_version.mapping_version(configured(tmp_path / "again"), configuration.routes[ROUTE], "orders").value
