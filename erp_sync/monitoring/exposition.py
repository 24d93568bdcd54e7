"""Key figures as Prometheus reads them: a gauge of each kind, labelled by route, flow and what tells figures apart.

They are gauges, not counters: each is worked out anew over its window, up to the moment of the scrape. What is unknown
is not there. prometheus_client is imported on use.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from erp_sync.monitoring.kpis import KPIS, Figure, Kpi, window_text

TARGETS = "erp_sync_target_ratio"
LOOKED = "erp_sync_figures_timestamp_seconds"
METRICS = (*[kpi.metric for kpi in KPIS.values()], TARGETS, LOOKED)
"""Every name that a scrape may give."""
#: Figures are worked out at most once in so many seconds, whoever scrapes.
KEEP_SECONDS = 30.0


class Exposition:
    """The page at ``/metrics``. Thread-safe; one look at a time, kept for a short while.

    Args:
        look: works the figures out. What it raises `page` raises; nothing is kept then.
    """

    def __init__(
        self,
        look: Callable[[], Sequence[Figure]],
        *,
        keep_seconds: float = KEEP_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._look, self._keep, self._monotonic, self._wall = look, keep_seconds, monotonic, wall
        self._guard = threading.Lock()
        self._page = b""
        self._until = float("-inf")

    @property
    def content_type(self) -> str:
        """Of Prometheus' text format."""
        from prometheus_client import CONTENT_TYPE_LATEST

        return CONTENT_TYPE_LATEST

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        with self._guard:
            if self._monotonic() >= self._until:
                looked = self._wall()
                self._page = render(self._look(), looked)
                self._until = self._monotonic() + self._keep
            return self._page


def render(figures: Iterable[Figure], looked: float) -> bytes:
    """Figures in Prometheus' text format; `looked` in seconds since the epoch."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(list(figures), looked))
    return generate_latest(registry)


def labels(kpi: Kpi) -> list[str]:
    """Names of a metric's labels."""
    return ["route", *([] if kpi.of_route else ["flow"]), *([kpi.label] if kpi.label else [])]


class _Families:
    def __init__(self, figures: list[Figure], looked: float) -> None:
        self._figures, self._looked = figures, looked

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        for kpi in KPIS.values():
            family = GaugeMetricFamily(kpi.metric, f"{kpi.words} Window: {window_text(kpi)}.", labels=labels(kpi))
            for figure in self._figures:
                if figure.kpi == kpi.name and figure.value is not None:
                    values = [figure.route, *([] if kpi.of_route else [figure.flow])]
                    family.add_metric([*values, *([_label(kpi, figure)] if kpi.label else [])], float(figure.value))
            yield family
        targets = GaugeMetricFamily(
            TARGETS, "What the metric of this name should be above or below.", labels=["metric"]
        )
        for kpi in KPIS.values():
            if kpi.target is not None:
                targets.add_metric([kpi.metric], kpi.target.limit())
        yield targets
        yield GaugeMetricFamily(LOOKED, "When these figures were worked out, seconds since the epoch.", self._looked)


def _label(kpi: Kpi, figure: Figure) -> str:
    """Quantiles as Prometheus writes them: 0.95."""
    return f"0.{figure.label[1:].rstrip('0')}" if kpi.label == "quantile" else figure.label
