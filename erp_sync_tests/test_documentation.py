"""Every command and every setting is documented: a feature is code, test and documentation together."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_sync import settings
from erp_sync.components import known_names
from erp_sync.components.configuration import ConnectionSpec, FastLane, FlowSpec, RouteSpec
from erp_sync_tests.test_cli import ALL

ROOT = Path(settings.__file__).parent.parent
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
# Explained inside the braces of the setting that holds them.
IN_BRACES = ("client_id", "keys", "delay_seconds", "every_seconds", "entities", "silent_after_seconds")
READS = re.compile(r"""(?:settings\.get\(|settings\[|\.setting\(|by_website\()\s*"([a-z_]+)\"""")


def section(text: str, title: str) -> str:
    """From a heading to the next one of its rank."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def settings_read(vendor: str) -> Iterator[str]:
    """Names of settings that a vendor's client reads; a sandbox has none of them."""
    folder = ROOT / "erp_sync" / "systems" / vendor
    for file in folder.rglob("*.py"):
        if "sandbox" not in file.relative_to(folder).parts:
            yield from READS.findall(file.read_text())


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_readme_names_every_command(path: tuple[str, ...]) -> None:
    group, *sub = path
    rows = [line.split("|")[1] for line in section(README, "Commands").splitlines() if line.startswith("| `")]
    words = [re.findall(r"[a-z]+", row) for row in rows]
    assert any({group, *sub} <= set(row) for row in words), f"erp-sync {' '.join(path)} is not in the README's table"


@pytest.mark.parametrize("name", sorted(settings._KNOWN))
def test_the_readme_names_every_setting_of_the_environment(name: str) -> None:
    assert f"| `{name}` |" in README


@pytest.mark.parametrize("model", [ConnectionSpec, RouteSpec, FlowSpec, FastLane])
def test_every_field_of_the_yaml_is_documented(model: type[ConnectionSpec]) -> None:
    assert [name for name in model.model_fields if f"`{name}`" not in SETTINGS] == []


def test_no_field_is_documented_that_does_not_exist() -> None:
    """Fields of a route that nobody read were promised here."""
    told = set(re.findall(r"`([a-z_]+)`", " ".join(line.split("|")[1] for line in _rows("field", "field of a flow"))))
    known = {name for model in (ConnectionSpec, RouteSpec, FlowSpec) for name in model.model_fields}
    assert told - known == set()


def _rows(*headers: str) -> Iterator[str]:
    """Rows of the tables of the settings whose first column is called so."""
    shown = False
    for line in SETTINGS.splitlines():
        shown = line.startswith("|") and (shown or any(line.startswith(f"| {one} |") for one in headers))
        if shown and line.startswith("| `"):
            yield line


@pytest.mark.parametrize("flow", sorted({*known_names.RULES, *known_names.GUARDS}))
def test_every_guard_and_rule_is_documented(flow: str) -> None:
    told = set(re.findall(r"`([a-z_]+)`", " ".join(_rows("guard", "rule"))))
    assert {*known_names.GUARDS.get(flow, ()), *known_names.RULES.get(flow, ())} <= told


@pytest.mark.parametrize("vendor", known_names.vendors())
def test_every_setting_that_is_read_may_be_given_and_is_documented(vendor: str) -> None:
    """One that is not in the list of the capabilities is refused at start."""
    own = importlib.import_module(f"erp_sync.systems.{vendor}.capabilities")
    inside = {name for names in own.NAMES_IN.values() for name in names}
    assert set(settings_read(vendor)) - {*own.SETTINGS, *known_names.SETTINGS, *inside} == set()
    assert [name for name in (*own.SETTINGS, *inside) if f"`{name}`" not in SETTINGS and name not in IN_BRACES] == []


@pytest.mark.parametrize("vendor", known_names.vendors())
def test_every_setting_that_a_connection_reads_is_documented(vendor: str) -> None:
    read = set(settings_read(vendor))
    assert len(read) >= 10
    assert sorted(name for name in read if f"`{name}`" not in SETTINGS and name not in ("client_id", "keys")) == []
