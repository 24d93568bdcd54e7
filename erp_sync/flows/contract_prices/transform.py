"""The flow as runs see it: it plans over tables (`flows.table_flow`)."""

from __future__ import annotations

from collections.abc import Sequence

from erp_sync.flows.contract_prices import book, picture
from erp_sync.flows.contract_prices.native import ladder_of as together
from erp_sync.flows.contract_prices.planner import plan_tables
from erp_sync.flows.contract_prices.rules import GUARDS, Rules, convert_rules
from erp_sync.flows.state_flow import microseconds
from erp_sync.model.price_terms import Row
from erp_sync.ports.raw import RawRecord

__all__ = ["GUARDS", "Rules", "book", "convert_rules", "order", "picture", "plan_tables", "together"]


def order(rows: Sequence[Row], record: RawRecord) -> int:
    """Place in the order of values: when the source changed the record; 0 where it does not say."""
    return microseconds(record.source_time) if record.source_time is not None else 0
