"""The rounding rule of `ports.pricing`, as SQL over exact decimals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from erp_sync.ports.pricing import Mode, Rounding, digits_of


def rounded_sql(amount: str, currency: str, currencies: Iterable[str], rules: Mapping[str, Rounding]) -> str:
    """An expression for `amount` (DECIMAL(38, 26), not below zero) rounded by the rule of `currency`.

    DuckDB rounds half away from zero; what another mode does otherwise is a unit more or less.
    """
    by_rule: dict[tuple[int, Mode], list[str]] = {}
    for one in sorted(set(currencies)):
        by_rule.setdefault((digits_of(one, rules), rules.get(one, Rounding()).mode), []).append(one)
    cases = [
        f"WHEN {currency} IN ({', '.join(_quoted(one) for one in several)}) THEN {_by(amount, *rule)}"
        for rule, several in by_rule.items()
    ]
    return f"CASE {' '.join(cases)} END" if cases else f"CAST({amount} AS DECIMAL(18, 6))"


def _by(amount: str, digits: int, mode: Mode) -> str:
    nearest = f"round({amount}, {digits})"
    unit = f"CAST({10.0**-digits:.{digits}f} AS DECIMAL(18, 6))"
    half = f"CAST({5 * 10.0 ** -(digits + 1):.{digits + 1}f} AS DECIMAL(18, 6))"
    odd = f"CAST({nearest} * {10**digits} AS HUGEINT) % 2 = 1"
    above = f"{nearest} - {amount}"
    change = {
        "half_up": "0",
        "half_down": f"CASE WHEN {above} = {half} THEN {unit} ELSE 0 END",
        "half_even": f"CASE WHEN {above} = {half} AND {odd} THEN {unit} ELSE 0 END",
        "down": f"CASE WHEN {above} > 0 THEN {unit} ELSE 0 END",
        "up": f"CASE WHEN {above} < 0 THEN -{unit} ELSE 0 END",
    }[mode]
    return f"CAST({nearest} - {change} AS DECIMAL(18, 6))"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
