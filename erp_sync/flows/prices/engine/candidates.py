"""What rows of terms ask for, in SQL: one candidate for each subject, source and break."""

from __future__ import annotations

from erp_sync.flows.prices.engine.conversion import before_discount_sql, converted_sql, discounted_sql
from erp_sync.flows.prices.engine.defects import Defect
from erp_sync.flows.prices.engine.terms_sql import ONE
from erp_sync.ports.pricing import Precedence, PriceSource

_AMOUNT = "DECIMAL(38, 26)"
_NEVER = "CAST(999999999999.999999 AS DECIMAL(18, 6))"  # a break that nobody reaches
_CURRENT = "coalesce(t.valid_from <= $day, true) AND coalesce($day <= t.valid_to, true) AND t.active"


def place_of(precedence: Precedence, source: PriceSource) -> int:
    """In the order; -1 where the ERP has no such source."""
    place = precedence.level(source)
    return -1 if place is None else place


def off_sql(precedence: Precedence, source: PriceSource, own: str) -> str:
    """The percentage that comes off: the row's own, or that of the discount rules in its place."""
    place = place_of(precedence, source)
    if place >= 0 and precedence.levels[place].discount != "none":
        return f"coalesce(s.percent, {own})"
    return own


def candidates_sql(precedence: Precedence, source: PriceSource, terms: str, key: str, subjects: str) -> str:
    """SQL of the candidates that rows of terms are: subject, place, rank, quantity, amount, problem (and owner, for
    promotions). Of several ranks the lowest counts: the ordered unit, then a period."""
    place = place_of(precedence, source)
    exact = place >= 0 and precedence.levels[place].exact_unit
    converted = "t.unit <> s.unit"
    factor = f"CASE WHEN {converted} THEN s.factor ELSE {ONE} END"
    promotion = source is PriceSource.PROMOTION
    joined = "t.subject = s.subject" if promotion else f"t.owner = s.{key} AND t.source = '{source}' AND {_CURRENT}"
    common = f"""
        s.subject, {place} AS place,
        CASE WHEN {converted} THEN 2 ELSE 0 END + CASE WHEN t.level = 'header' THEN 1 ELSE 0 END AS rank,
        CASE WHEN {converted} AND t.quantity > 0
             THEN coalesce(TRY(CAST(CAST((CAST(t.quantity * CAST(1000000 AS DECIMAL(20, 0)) AS HUGEINT) * 1000000
                    + CAST(s.factor * CAST(1000000 AS DECIMAL(20, 0)) AS HUGEINT) - 1)
                    // CAST(s.factor * CAST(1000000 AS DECIMAL(20, 0)) AS HUGEINT) AS DECIMAL(38, 0))
                  * CAST(0.000001 AS DECIMAL(7, 6)) AS DECIMAL(18, 6))), {_NEVER})
             ELSE t.quantity END AS quantity"""
    where = f"(t.unit = s.unit OR ({not exact} AND t.unit = s.own_unit)) AND {place} >= 0"
    owner = ", t.owner" if promotion else ""
    percent = off_sql(precedence, source, "t.discount")
    digits = precedence.price_digits
    price = converted_sql("CAST(t.price AS DECIMAL(38, 6))", factor, "r", "t.currency = s.currency", digits)
    if place >= 0 and precedence.levels[place].discount == "replaces":
        replaced = "s.percent IS NOT NULL AND t.discount <> 0 AND t.discount < 100"
        price = f"CASE WHEN {replaced} THEN {before_discount_sql(price, 't.discount', digits)} ELSE {price} END"
    return f"""
        SELECT {common},
               TRY(CAST({discounted_sql(price, off_sql(precedence, source, "0"), digits)} AS {_AMOUNT})) AS amount,
               CASE WHEN t.currency <> s.currency AND r.up IS NULL THEN '{Defect.NO_EXCHANGE_RATE}' ELSE '' END
                   AS problem{owner}
        FROM {subjects} s JOIN {terms} t ON {joined}
        LEFT JOIN rates r ON r.currency = t.currency AND r."into" = s.currency
        WHERE {where} AND t.price IS NOT NULL
        UNION ALL
        SELECT {common},
               CASE WHEN f.gross = s.gross
                    THEN TRY({discounted_sql("l.amount", percent, digits)}) END,
               CASE WHEN t.discount IS NULL THEN '{Defect.NO_PRICE_GIVEN}'
                    WHEN t.discount NOT BETWEEN -100 AND 100 THEN '{Defect.PERCENT_OUT_OF_RANGE}'
                    WHEN f.price_list IS NULL THEN '{Defect.UNKNOWN_PRICE_LIST}'
                    WHEN l.problem <> '' THEN l.problem
                    WHEN f.gross <> s.gross THEN '{Defect.GROSS_AND_NET}'
                    WHEN l.amount IS NULL THEN '{Defect.ITEM_IN_NO_LIST}'
                    ELSE '' END{owner}
        FROM {subjects} s JOIN {terms} t ON {joined}
        LEFT JOIN lists f ON f.price_list = CASE WHEN t.from_list = '' THEN s.price_list ELSE t.from_list END
        LEFT JOIN listed l ON l.price_list = f.price_list AND l.currency = s.currency AND l.item = s.item
             AND l.unit = s.unit
        WHERE {where} AND t.price IS NULL"""
