"""A price as the shop has it, net and gross beside each other, and as canonical rows have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, decimal_of, round_money

NET, GROSS = "net", "gross"
_NET_DIGITS = Decimal(1).scaleb(-10)  # of a net price that follows from a gross one
_ROW_DIGITS = Decimal(1).scaleb(-6)  # of a canonical price


class Amounts:
    """Which of both sides leads is the connection's to say (setting ``price_amounts``): the vendor keeps both, works
    neither out of the other, and tells of none that it leads. `currencies`: id by ISO code."""

    def __init__(self, leading: str, currencies: Mapping[str, str]) -> None:
        self.leading = leading
        self._ids, self._codes = dict(currencies), {identity: code for code, identity in currencies.items()}

    def id_of(self, currency: str) -> str:
        return self._ids[currency]

    def knows(self, currency: str) -> bool:
        return currency in self._ids

    def both(self, amount: Decimal, rate: Decimal, currency: str) -> dict[str, Decimal]:
        """Net and gross, without more digits than the amount has; the side that follows is rounded: gross to the
        currency."""
        if self.leading == GROSS:
            return {NET: plain((amount * 100 / (100 + rate)).quantize(_NET_DIGITS)), GROSS: plain(amount)}
        return {NET: plain(amount), GROSS: round_money(amount * (100 + rate) / 100, currency)}

    def body(self, currency: str, amount: Decimal, rate: Decimal) -> dict[str, Any]:
        return {"currencyId": self._ids[currency], "linked": True, **self.both(amount, rate, currency)}

    def read(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
        """Prices by ISO code. Raises BadNumber."""
        return {
            self._codes[str(one.get("currencyId"))]: plain(decimal_of(one.get(self.leading)).quantize(_ROW_DIGITS))
            for one in rows
            if str(one.get("currencyId")) in self._codes
        }


def plain(amount: Decimal) -> Decimal:
    """Without zeros at its end and without exponent."""
    return Decimal(f"{amount.normalize():f}") if amount else ZERO
