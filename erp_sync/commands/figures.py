"""Key figures as text: a table of the flows and one of the routes, every figure with its window and target."""

from __future__ import annotations

from typing import Any

from erp_sync.commands.output import columns

# Column of the flows' table: figure and label.
_OF_FLOWS = (
    ("success_rate", ""),
    ("latency", "p50"),
    ("latency", "p95"),
    ("latency", "p99"),
    ("documents_per_hour", "finished"),
    ("accuracy", ""),
)
# Narrower than the title, which a screen has no room for.
_SHORT = {"documents_per_hour": "finished"}
_OF_DECISIONS = ("manual_decisions", "decision_effort", "decision_wait")


def kpis_text(shown: list[Any]) -> list[str]:
    """Parts of the status, one a table. What misses its target is marked by an exclamation mark."""
    parts = []
    for route in dict.fromkeys(one.route for one in shown):
        mine = [one for one in shown if one.route == route]
        parts.append(f"KPIs of {route}\n" + _flows(mine))
        parts.append(_rest(mine))
    return [part for part in parts if part]


def _mark(one: Any) -> str:
    return f"{'! ' if one.met is False else ''}{one.text}"


def _head(one: Any) -> str:
    name = _SHORT.get(one.kpi) or " ".join(part for part in (one.title, one.label) if part)
    return f"{name} ({', '.join(part for part in (one.window, one.target) if part)})"


def _flows(shown: list[Any]) -> str:
    by_place = {(one.flow, one.kpi, one.label): one for one in shown if one.flow}
    heads = {(kpi, label): _head(one) for (_, kpi, label), one in by_place.items()}
    wanted = [name for name in _OF_FLOWS if name in heads]
    rows = []
    for flow in dict.fromkeys(one.flow for one in shown if one.flow):
        cells = [by_place.get((flow, *name)) for name in wanted]
        rows.append([flow, *["" if one is None else _mark(one) for one in cells]])
    return columns(["flow", *[heads[name] for name in wanted]], rows, indent="  ")


def _rest(shown: list[Any]) -> str:
    """What is the route's as a whole, decisions, and errors by kind, the most frequent of each flow first."""
    rows = []
    for one in shown:
        errors = one.kpi in ("document_error_rate", "call_error_rate")
        if not one.flow or errors or one.kpi in _OF_DECISIONS:
            rows.append((one.flow or "all", one.title, one.label, _mark(one), one.window, one.target))
    return columns(("flow", "figure", "of", "value", "window", "target"), rows, indent="  ") if rows else ""
