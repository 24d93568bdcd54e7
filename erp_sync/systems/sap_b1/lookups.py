"""Look-up tables from the connection's settings, where no ledger gives them (tests, single tools)."""

from __future__ import annotations

from collections.abc import Mapping

from erp_sync.ports.raw import MappingProblem


class SettingsLookups:
    """Setting ``lookups: {table: {key: value}}``. An unknown table answers nothing."""

    def __init__(self, tables: Mapping[str, Mapping[str, str]] | None) -> None:
        self._tables = tables or {}

    def get(self, table: str, key: str) -> str | None:
        found = (self._tables.get(table) or {}).get(key)
        return None if found is None else str(found)

    def require(self, table: str, key: str) -> str:
        found = self.get(table, key)
        if found is None:
            raise MappingProblem(f"unmapped_{table}", table, key, f"look-up table {table} has no row for it")
        return found

    def reverse(self, table: str, value: str) -> list[str]:
        if table not in self._tables:
            return [value]
        return [str(key) for key, mapped in self._tables[table].items() if str(mapped) == value]
