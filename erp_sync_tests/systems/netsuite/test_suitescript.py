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


def test_where_the_order_is_taxed_as_a_whole_added_lines_are_asked_for_before_its_tax_is_written() -> None:
    """Else the tax of a line that the store has not sold would be lost."""
    change = ORDER[ORDER.index("const change = ") : ORDER.index("const existing = ")]
    whole = change[change.index("} else {") : change.index("order.save(")]
    assert whole.index("isTaxed(order, at(line))") < whole.index("throw refusal('ERP_SYNC_ADDED_LINES'")
    assert whole.index("throw refusal('ERP_SYNC_ADDED_LINES'") < whole.index("'taxamountoverride'")
    assert ORDER.count("ERP_SYNC_ADDED_LINES") == 2
