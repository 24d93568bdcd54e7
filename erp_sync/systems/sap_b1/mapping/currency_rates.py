"""Rates of a day between all currencies that have one, made of those into the company's own currency.

SAP keeps what one unit of a foreign currency is in the local one, or the other way round where the company says so
(`Company.direct_rates`). Two foreign currencies are converted by way of the local one (unconfirmed).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.price_terms import ExchangeRate
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping
from erp_sync.systems.sap_b1.mapping.item_prices import number, quotient
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
              note="answers of SBOBobService_GetCurrencyRate, divided by each other, with 6 digits"),
    ),
    ExchangeRate,
)  # fmt: skip


def rates_of(record: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The payload: ``day``, ``local`` (ISO code), ``rates`` ({ISO code: SAP's rate}), ``direct``."""
    local = record["local"]
    worth = {local: Decimal(1)}
    for currency, rate in record["rates"].items():
        given = amount(rate)
        if given > 0:
            worth[currency] = given if record["direct"] else quotient(Decimal(1), given)
    for currency, one in worth.items():
        for into, other in worth.items():
            if currency == into:
                continue
            rate = quotient(one, other)
            if not record["direct"] and currency == local:
                # As it stands, not by way of its reciprocal.
                rate = amount(record["rates"][into])
            if rate > 0:
                yield f"rates.{currency}", {"day": record["day"], "currency": currency, "into": into, "rate": rate}
