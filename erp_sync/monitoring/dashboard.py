"""The Grafana dashboard over exactly the metrics of `erp_sync.monitoring.exposition`.

`python -m erp_sync.monitoring.dashboard > docs/grafana.json` writes it anew.
"""

from __future__ import annotations

import json
from typing import Any

from erp_sync.monitoring.exposition import LOOKED, TARGETS, labels
from erp_sync.monitoring.kpis import KPIS, Kpi, aim, window_text

WIDTH, HEIGHT, COLUMNS = 8, 8, 3
_UNITS = {"ratio": "percentunit", "seconds": "s"}


def dashboard() -> dict[str, Any]:
    """For Grafana 10 and later: a panel of each key figure, its target as a line, filtered by route."""
    panels = [_panel(number, kpi) for number, kpi in enumerate(KPIS.values())]
    panels.append(_age(len(panels)))
    return {
        "uid": "erp-sync-kpis",
        "title": "erp_sync: key figures",
        "tags": ["erp_sync"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "route",
                    "label": "Route",
                    "type": "query",
                    "datasource": _SOURCE,
                    "query": {"query": "label_values(erp_sync_queue_documents, route)", "refId": "routes"},
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": panels,
    }


_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _place(number: int) -> dict[str, int]:
    row, column = divmod(number, COLUMNS)
    return {"h": HEIGHT, "w": WIDTH, "x": column * WIDTH, "y": row * HEIGHT}


def _panel(number: int, kpi: Kpi) -> dict[str, Any]:
    names = labels(kpi)
    targets = [_query("A", f'{kpi.metric}{{route=~"$route"}}', " ".join(f"{{{{{name}}}}}" for name in names))]
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if kpi.target is not None:
        targets.append(_query("B", f'{TARGETS}{{metric="{kpi.metric}"}}', f"target: {aim(kpi)}"))
        over = kpi.target.most is not None
        steps = [{"color": "green" if over else "red", "value": None}]
        steps.append({"color": "red" if over else "green", "value": kpi.target.limit()})
    window = f"last {window_text(kpi)}" if kpi.window else "now"
    said = [] if "last" in kpi.title else [window]
    notes = ", ".join([*said, *([f"aim {aim(kpi)}"] if kpi.target is not None else [])])
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": f"{kpi.title[0].upper()}{kpi.title[1:]}" + (f" ({notes})" if notes else ""),
        "description": kpi.words,
        "datasource": _SOURCE,
        "gridPos": _place(number),
        "targets": targets,
        "fieldConfig": {
            "defaults": {
                "unit": _UNITS.get(kpi.unit, "short"),
                "custom": {
                    "lineWidth": 2,
                    "spanNulls": False,
                    "thresholdsStyle": {"mode": "line" if kpi.target is not None else "off"},
                },
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _age(number: int) -> dict[str, Any]:
    return {
        "id": number + 1,
        "type": "stat",
        "title": "Age of these figures",
        "description": "Where it grows, the event service gives no figures: its log says why.",
        "datasource": _SOURCE,
        "gridPos": _place(number),
        "targets": [_query("A", f"time() - {LOOKED}", "age")],
        "fieldConfig": {
            "defaults": {
                "unit": "s",
                "thresholds": {
                    "mode": "absolute",
                    "steps": [{"color": "green", "value": None}, {"color": "red", "value": 300}],
                },
            },
            "overrides": [],
        },
    }


def _query(name: str, expression: str, legend: str) -> dict[str, Any]:
    return {"refId": name, "datasource": _SOURCE, "expr": expression, "legendFormat": legend}


def text() -> str:
    """As the file has it."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
