"""What every price must satisfy before it is compared. Data only: judged in `erp_sync.quality`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erp_sync.model.price import Price

SUITE = "prices"

# ISO 4217, active codes of countries.
_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN "
    "BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS "
    "GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW "
    "KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD "
    "NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD "
    "SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES "
    "VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG "
)
CURRENCIES = _CODES.split()

RULES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    (
        "price_is_zero",
        "ExpectColumnValuesToBeBetween",
        {"column": "amount", "min_value": 0, "strict_min": True},
        "the price is zero or negative",
    ),
    (
        "unknown_currency",
        "ExpectColumnValuesToBeInSet",
        {"column": "currency", "value_set": CURRENCIES},
        "the currency is no ISO 4217 code",
    ),
    (
        "dates_are_in_order",
        "ExpectColumnValuesToBeBetween",
        {"column": "ends_before_it_begins", "max_value": 0},
        "the price ends before it begins",
    ),
    (
        "duplicate_sku",
        "ExpectColumnValuesToBeBetween",
        {"column": "others", "max_value": 0},
        "several items of the ERP have this SKU",
    ),
)


def columns(prices: Sequence[Price], others: Sequence[int]) -> dict[str, list[Any]]:
    """The frame that the rules judge; amounts in ten-thousandths. `others`: other rows with the same identity."""
    return {
        "amount": [int(price.amount * 10000) for price in prices],
        "currency": [price.currency for price in prices],
        "ends_before_it_begins": [
            int(bool(price.valid_from and price.valid_to and price.valid_to <= price.valid_from)) for price in prices
        ],
        "others": list(others),
    }
