"""Look-up tables as mappings see them. The ledger holds them with history; CSV is import and export."""

from __future__ import annotations

from typing import Protocol


class Lookups(Protocol):
    """Read access to the look-up tables in force for one route.

    Tables: ``sku_map``, ``payment_methods``, ``shipping_methods``, ``carriers``, ``tax_codes``,
    ``customer_groups``, ``price_lists``, ``locations``, ``websites``, ``regions`` (``US/Californa`` to ``CA``).
    """

    def get(self, table: str, key: str) -> str | None:
        """The mapped value, None where no row or rule answers.

        Raises MappingProblem where two rules of the table match (names file and lines).
        """

    def require(self, table: str, key: str) -> str:
        """Like `get`. Raises MappingProblem(code=``unmapped_<table>``) where nothing answers."""

    def reverse(self, table: str, value: str) -> list[str]:
        """Keys that the table maps to this value, as far as its rules can be turned round."""


class Passthrough:
    """Lookups that map every key to itself: for tests and for tables a route does not use."""

    def get(self, table: str, key: str) -> str | None:
        return key

    def require(self, table: str, key: str) -> str:
        return key

    def reverse(self, table: str, value: str) -> list[str]:
        return [value]
