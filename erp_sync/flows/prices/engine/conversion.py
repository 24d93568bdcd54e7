"""A price for another unit, in another currency, before and after a percentage: for one, and as SQL for all.

`digits` are those to which the ERP rounds each price that it calculates (`ports.pricing.Precedence.price_digits`), half
up; None is as exact as decimals go, and a division has six digits. What is not calculated is never rounded.

An exchange rate is what one is multiplied with and what it is divided by: a rate that an ERP keeps the other way round
is divided by, since its reciprocal has no end.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

from erp_sync.model.price_terms import SCALE

EXACT = Context(prec=60)
HUNDRED = Decimal(100)
ONE = Decimal(1)
Rate = tuple[Decimal, Decimal]
SAME: Rate = (ONE, ONE)

_MILLIONTHS = "CAST(1000000 AS DECIMAL(20, 0))"


def converted(price: Decimal, factor: Decimal, rate: Rate, digits: int | None) -> Decimal:
    """A price for `factor` times the unit, in the currency that `rate` leads to."""
    up, down = rate
    if factor != 1:
        price = _rounded(EXACT.multiply(price, factor), digits)
    if rate == SAME:
        return price
    if down == 1:
        return _rounded(EXACT.multiply(price, up), digits)
    exact = _rounded(price, SCALE if digits is None else None)
    return _rounded(EXACT.divide(EXACT.multiply(exact, up), down), SCALE if digits is None else digits)


def before_discount(price: Decimal, own: Decimal | None, digits: int | None = None) -> Decimal:
    """The price that `own` per cent came off; of 100 % and more nobody knows it, the price stays."""
    if not own or own >= HUNDRED:
        return price
    before = EXACT.divide(EXACT.multiply(_rounded(price, SCALE), HUNDRED), HUNDRED - own)
    return _rounded(before, SCALE if digits is None else digits)


def discounted(price: Decimal, percent: Decimal | None, digits: int | None) -> Decimal:
    if not percent:
        return price
    return _rounded(EXACT.divide(EXACT.multiply(price, HUNDRED - percent), HUNDRED), digits)


def converted_sql(price: str, factor: str, rates: str, same: str, digits: int | None) -> str:
    """`converted` of a DECIMAL(38, 6), where `factor` is an expression, `same` says that the currency is the same, and
    `rates` is the table with the columns up and down. NULL without a rate."""
    if digits is None:
        in_unit = _as(f"{price} * {factor}", digits)
    else:
        in_unit = (
            f"CASE WHEN {factor} = 1 THEN {_as(price, digits)} ELSE {_rounded_sql(f'{price} * {factor}', digits)} END"
        )
    multiplied = _rounded_sql(f"CAST({in_unit} AS DECIMAL(38, 12)) * {rates}.up", digits)
    divided = _divided_sql(f"round({in_unit}, {SCALE})", f"{rates}.up", f"{rates}.down", digits)
    return f"CASE WHEN {same} THEN {in_unit} WHEN {rates}.down = 1 THEN {multiplied} ELSE {divided} END"


def before_discount_sql(price: str, own: str, digits: int | None) -> str:
    """`before_discount` of what `converted_sql` made, where `own` is below 100."""
    return _divided_sql(f"round({price}, {SCALE})", "100", f"(100 - {own})", digits)


def discounted_sql(price: str, percent: str, digits: int | None) -> str:
    """`discounted` of what `converted_sql` made."""
    less = f"({price}) * (100 - {percent}) * CAST(0.01 AS DECIMAL(3, 2))"
    if digits is None:
        return less
    return f"CASE WHEN {percent} = 0 THEN {_as(price, digits)} ELSE {_rounded_sql(less, digits)} END"


def _rounded(price: Decimal, digits: int | None) -> Decimal:
    if digits is None:
        return price
    return price.quantize(ONE.scaleb(-digits), rounding=ROUND_HALF_UP, context=EXACT)


def _as(price: str, digits: int | None) -> str:
    """Of one type in all branches: DuckDB's own choice for two decimals of 38 digits has the smaller scale."""
    return f"CAST({price} AS DECIMAL(38, {18 if digits is None else SCALE}))"


def _rounded_sql(price: str, digits: int | None) -> str:
    return _as(price if digits is None else f"round({price}, {digits})", digits)


def _divided_sql(price: str, up: str, down: str, digits: int | None) -> str:
    """price * up / down, half away from zero; all of them have six digits, and `down` is above zero."""
    places = SCALE if digits is None else digits
    above = f"abs(CAST({price} * {_MILLIONTHS} AS HUGEINT)) * CAST({up} * {_MILLIONTHS} AS HUGEINT)"
    below = f"(CAST({down} * {_MILLIONTHS} AS HUGEINT) * {10 ** (SCALE - places)})"
    whole = f"(2 * {above} + {below}) // (2 * {below}) * sign({price})"
    unit = f"CAST({ONE.scaleb(-places)} AS DECIMAL({places + 1}, {places}))"
    return _as(f"CAST({whole} AS DECIMAL(38, 0)) * {unit}", digits)
