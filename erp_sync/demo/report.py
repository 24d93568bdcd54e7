"""The demo's report as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text(report: Mapping[str, Any]) -> str:
    """Figures, one a line; nested ones indented."""
    lines: list[str] = []
    _lines(report, lines, 0)
    return "\n".join(lines)


def _lines(value: Mapping[str, Any], lines: list[str], depth: int) -> None:
    for name, item in value.items():
        if isinstance(item, Mapping) and depth < 2:
            lines.append(f"{'  ' * depth}{name}")
            _lines(item, lines, depth + 1)
        else:
            shown = ", ".join(f"{key} {one}" for key, one in item.items()) if isinstance(item, Mapping) else item
            lines.append(f"{'  ' * depth}{name:<{32 - 2 * depth}} {shown}")
