"""Money and quantities are decimals from the parser to the database.

A vendor's number is read as text, quantised once to the storage scale of its field (vendors print
float noise: 10.994999999999999 is 10.995), and only then rounded to the digits of its currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext

from erp_sync.model.advice import Advice

ZERO = Decimal(0)
_EXACT = Context(prec=60)
_UNITS = [Decimal(1).scaleb(-scale) for scale in range(13)]

# ISO 4217 minor units that differ from two.
_MINOR_UNITS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
    "RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip


class BadNumber(ValueError):
    """A vendor's value is not a finite decimal number."""

    advice = Advice(
        means="A vendor sent something else than a number where an amount or a quantity stands. The record is in "
        "quarantine, the others go.",
        look=("erp-sync deadletters --code malformed_record",),
        do="Correct the field at its source.",
    )

    def __init__(self, value: object) -> None:
        self.value = value
        super().__init__(f"{value!r} is not a number")


def decimal_of(value: object, scale: int = 4) -> Decimal:
    """The number a vendor sent, quantised half-up to the storage scale of its field.

    Accepts text, int, Decimal, and float (through its shortest text, for parsers that are not ours).
    Raises BadNumber for anything that is not a finite number.
    """
    if isinstance(value, bool) or value is None:
        raise BadNumber(value)
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
        if not number.is_finite():
            raise BadNumber(value)
        return number.quantize(_UNITS[scale], rounding=ROUND_HALF_UP, context=_EXACT)
    except InvalidOperation as error:
        raise BadNumber(value) from error


def minor_units(currency: str) -> int:
    """Digits after the decimal point of a currency (ISO 4217): JPY 0, EUR 2, KWD 3."""
    return _MINOR_UNITS.get(currency, 2)


def round_money(amount: Decimal, currency: str, rounding: str = ROUND_HALF_UP) -> Decimal:
    """Round once to the currency's digits; 10.995 USD is 11.00 half-up."""
    return amount.quantize(Decimal(1).scaleb(-minor_units(currency)), rounding=rounding)


def allocate(total: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Split `total` in proportion to `weights`, so that the parts add up to it to the cent.

    Largest remainder: the parts that lost most by rounding down get the cents that are left, the
    earlier part first. With all weights zero the parts are as equal as they can be. Works for
    negative totals. Raises ValueError without weights, for a negative weight, or for a total finer
    than the currency.
    """
    if not weights:
        raise ValueError("nothing to split the amount over")
    if any(weight < 0 for weight in weights):
        raise ValueError("a weight is negative")
    unit = Decimal(1).scaleb(-minor_units(currency))
    if total != total.quantize(unit):
        raise ValueError(f"{total} is finer than {currency} allows")
    whole = sum(weights, ZERO)
    shares = list(weights) if whole else [Decimal(1)] * len(weights)
    whole = whole or Decimal(len(weights))
    sign = -1 if total < 0 else 1
    units = int(abs(total) / unit)
    with localcontext() as context:
        context.prec = 60
        exact = [units * share / whole for share in shares]
    parts = [int(value) for value in exact]
    order = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], index))
    for index in order[: units - sum(parts)]:
        parts[index] += 1
    return [sign * part * unit for part in parts]
