"""Scripts for NetSuite, as text: no runtime of theirs is at hand."""

from __future__ import annotations

import re
from pathlib import Path

from erp_sync.systems import netsuite

ORDER = (Path(netsuite.__path__[0]) / "suitescript" / "erp_sync_order_restlet.js").read_text()


def test_creating_and_changing_an_order_ask_alike_whether_its_lines_are_taxed() -> None:
    """Else an order would be created with tax on the order, and changed with tax on its lines."""
    assert len(re.findall(r"getSublistFields\(", ORDER)) == 1
    assert len(re.findall(r"if \(taxedOnLines\(order\)\)", ORDER)) == 2
