"""Rates of a day, as SAP keeps them.

That is what one unit of a foreign currency is in the local one, or the other way round where the company says so
(`Company.direct_rates`). Who converts the other way divides by it: its reciprocal has no end. Two foreign currencies
are converted by way of the local one (unconfirmed).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from erp_sync.model.price_terms import ExchangeRate
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping
from erp_sync.systems.sap_b1.mapping.item_prices import number
from erp_sync.systems.sap_b1.mapping.price_terms import amount
from erp_sync.systems.sap_b1.mapping.special_prices import day

EXCHANGE_RATE = RecordMapping(
    "exchange_rate",
    Direction.TO_CANONICAL,
    (
        Field("day", "day", day, required=True, note="the company's day on which it was asked for"),
        Field("currency", "currency", rules.text(), required=True),
        Field("into", "into", rules.text(), required=True),
        Field("rate", "rate", number, required=True,
              note="what SBOBobService_GetCurrencyRate answers"),
    ),
    ExchangeRate,
)  # fmt: skip


def rates_of(record: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The payload: ``day``, ``local`` (ISO code), ``rates`` ({ISO code: SAP's rate}), ``direct``."""
    local = record["local"]
    for currency, rate in record["rates"].items():
        kept = amount(rate)
        if kept <= 0 or currency == local:
            continue
        of, into = (currency, local) if record["direct"] else (local, currency)
        yield f"rates.{currency}", {"day": record["day"], "currency": of, "into": into, "rate": kept}
