"""Sandbox and client of a vendor share no code: the modules of every vendor, not a list of some."""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest

import erp_sync.systems

VENDORS = sorted(path.parent.name for path in Path(erp_sync.systems.__file__).parent.glob("*/sandbox"))
#: The published contract of the vendor, which both are checked against.
SHARED = {"contract"}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("erp_sync")


@pytest.mark.parametrize("vendor", VENDORS)
def test_sandbox_and_client_import_nothing_of_each_other(imports: grimp.ImportGraph, vendor: str):
    package = f"erp_sync.systems.{vendor}"
    sandbox = {f"{package}.sandbox", *imports.find_descendants(f"{package}.sandbox")}
    client = imports.find_descendants(package) - sandbox - {f"{package}.{name}" for name in SHARED}
    assert len(sandbox) > 5
    assert len(client) > 5
    crossing = [
        (one, other)
        for ours, theirs in ((sandbox, client), (client, sandbox))
        for one in ours
        for other in imports.find_modules_directly_imported_by(one)
        if other in theirs
    ]
    assert crossing == []
