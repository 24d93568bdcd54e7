"""What a PATCH makes of an entity: sent properties replace, sent rows merge, unsent ones stay.

Fact sheet, section 4: a sent collection merges row by row (``LineNum`` or the row's key; else the row is appended);
the header ``B1S-ReplaceCollectionsOnPatch: true`` removes the rows that were not sent.
"""

from __future__ import annotations

from typing import Any

from erp_sync.systems.sap_b1.sandbox import contract
from erp_sync.systems.sap_b1.sandbox.entities import ROW_KEYS


def merged(type_name: str, old: dict[str, Any], sent: dict[str, Any], *, replace: bool) -> dict[str, Any]:
    """The entity afterwards; neither argument is changed. `sent` is normalised."""
    found = dict(old)
    kinds = contract.properties(type_name)
    for name, value in sent.items():
        row_type = contract.element(kinds.get(name, ""))
        if row_type is not None and value is not None:
            found[name] = _rows(row_type, name, old.get(name) or [], value, replace=replace)
        elif isinstance(value, dict):
            found[name] = merged(kinds[name], old.get(name) or {}, value, replace=replace)
        else:
            found[name] = value
    return found


def _rows(
    row_type: str, collection: str, old: list[dict[str, Any]], sent: list[dict[str, Any]], *, replace: bool
) -> list[dict[str, Any]]:
    rows = [] if replace else list(old)
    for row in sent:
        known = _known(old, ROW_KEYS.get(collection, ()), row)
        if known is None:
            rows.append(row)
            continue
        after = merged(row_type, known, row, replace=replace)
        if replace:
            rows.append(after)
        else:
            rows[_place(rows, known)] = after
    return rows


def _known(rows: list[dict[str, Any]], keys: tuple[tuple[str, ...], ...], row: dict[str, Any]) -> dict[str, Any] | None:
    for names in keys:
        key = [row.get(name) for name in names]
        if None not in key:
            return next((one for one in rows if [one.get(name) for name in names] == key), None)
    return None


def _place(rows: list[dict[str, Any]], known: dict[str, Any]) -> int:
    return next(index for index, row in enumerate(rows) if row is known)
