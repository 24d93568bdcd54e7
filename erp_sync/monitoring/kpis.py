"""What is measured of an installation, and the arithmetic of it. Values in, figures out; nothing is read here.

A figure that cannot be known (nothing happened, nothing was compared, no rate is set) is None: never zero, never
100 %. Ratios are shares of one, times are seconds. Money and quantities are Decimal, to the last hand that a person
or a program takes them from; only Prometheus and Dagster's plots, which know nothing else, get floats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

#: Where documents and rows stand that are not finished.
QUEUE = ("due", "later", "claimed", "waiting", "held", "dead", "quarantine")
QUANTILES = ("p50", "p95", "p99")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOW = timedelta(0)
MONTH = timedelta(days=30)
#: What is divided (an amount by orders) has as many digits behind the point; what is added up keeps its own.
DIVIDED = Decimal("0.000001")

Value = int | float | Decimal

#: How long a decision keeps a person, by kind, where a route's `decision_takes` does not say: an assumption.
ASSUMED = {
    "approved": timedelta(minutes=3),
    "rejected": timedelta(minutes=3),
    "retried": timedelta(minutes=2),
    "edited": timedelta(minutes=10),
    "dismissed": timedelta(minutes=3),
    "undone": timedelta(minutes=5),
}

#: Counters of the ledger: rows that comparisons of everything judged, and those of them that were equal.
ROWS_COMPARED, ROWS_EQUAL = "full_rows_compared", "full_rows_equal"
#: Units of orders that the reconciliation saw, and those of them that wait for stock that is not there.
UNITS_ORDERED, UNITS_SHORT = "units_ordered", "units_short"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure should be: above `least`, or below `most`."""

    least: float | None = None
    most: float | None = None

    def met(self, value: Value | None) -> bool | None:
        """None where the value is unknown."""
        if value is None:
            return None
        return (self.least is None or value > self.least) and (self.most is None or value < self.most)

    def limit(self) -> float:
        """The bound itself."""
        return self.least if self.least is not None else self.most if self.most is not None else math.nan


class Kpi(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of figure.

    Attributes:
        metric: its name for Prometheus, in base units.
        unit: ``ratio``, ``seconds``, ``documents``, ``decisions``, ``units``, ``calls``, ``currency``.
        window: over which it is counted, up to now; zero: as it is now.
        label: what tells several figures of one flow apart; "" where there is one.
        of_route: it is a route's as a whole, not of each flow.
        words: what it says, for people.
    """

    name: str
    metric: str
    title: str
    unit: str
    window: timedelta
    words: str
    label: str = ""
    of_route: bool = False
    target: Target | None = None


KPIS: dict[str, Kpi] = {
    kpi.name: kpi
    for kpi in (
        Kpi(
            name="success_rate",
            metric="erp_sync_success_ratio",
            title="success rate",
            unit="ratio",
            window=DAY,
            target=Target(least=0.995),
            words="Documents delivered, of those delivered, dead-lettered, quarantined or dismissed after they had "
            "died; of state flows rows applied, of those applied or refused.",
        ),
        Kpi(
            name="latency",
            metric="erp_sync_latency_seconds",
            title="latency",
            unit="seconds",
            window=DAY,
            label="quantile",
            words="From a document's change at its source to the last confirmed write; of state flows from the "
            "comparison to its last row written. Past that is caught up with, and what waited for a person, is left "
            "out.",
        ),
        Kpi(
            name="document_error_rate",
            metric="erp_sync_document_error_ratio",
            title="document errors",
            unit="ratio",
            window=DAY,
            label="kind",
            words="Documents and rows that failed with this code, of all that ended or failed.",
        ),
        Kpi(
            name="call_error_rate",
            metric="erp_sync_api_error_ratio",
            title="API errors",
            unit="ratio",
            window=DAY,
            label="kind",
            words="API calls that ended with this error, of all calls of the flow that did not merely find nothing.",
        ),
        Kpi(
            name="queue_depth",
            metric="erp_sync_queue_documents",
            title="queue",
            unit="documents",
            window=NOW,
            label="state",
            words="Documents and rows of plans that are not finished, by where they stand.",
        ),
        Kpi(
            name="oldest_due",
            metric="erp_sync_queue_oldest_seconds",
            title="oldest due",
            unit="seconds",
            window=NOW,
            words="How long the oldest document or row that may go has waited; zero where none waits.",
        ),
        Kpi(
            name="documents_per_hour",
            metric="erp_sync_documents_per_hour",
            title="documents in the last hour",
            unit="documents",
            window=HOUR,
            label="what",
            words="New documents accepted, and documents finished, in the last hour.",
        ),
        Kpi(
            name="manual_decisions",
            metric="erp_sync_manual_decisions",
            title="manual decisions",
            unit="decisions",
            window=DAY,
            label="kind",
            words="What people decided: approved, rejected, retried, edited, dismissed, undone.",
        ),
        Kpi(
            name="decision_effort",
            metric="erp_sync_manual_effort_seconds",
            title="time spent on decisions (assumed)",
            unit="seconds",
            window=DAY,
            label="kind",
            words="What the decisions kept people busy, all together: nobody measures it, each counts as long as the "
            "route's `decision_takes` says of its kind, else as is assumed, and never longer than its matter had "
            "waited. What one command decided of many documents is one decision here.",
        ),
        Kpi(
            name="decision_wait",
            metric="erp_sync_manual_decision_wait_seconds",
            title="waited for a decision",
            unit="seconds",
            window=DAY,
            label="quantile",
            words="From the moment something was held, or died, to a person's decision about it: how long its matter "
            "waited, not how long anybody was busy with it.",
        ),
        Kpi(
            name="accuracy",
            metric="erp_sync_accuracy_ratio",
            title="accuracy",
            unit="ratio",
            window=2 * DAY,
            words="Rows that were equal, of those that comparisons of everything compared; of inventory: stock "
            "accuracy.",
        ),
        Kpi(
            name="oversell_rate",
            of_route=True,
            metric="erp_sync_oversell_ratio",
            title="oversell rate",
            unit="ratio",
            window=2 * DAY,
            target=Target(most=0.001),
            words="Units that orders of the store wait for without stock, of the units ordered: as the ERP said in "
            "the daily reconciliation.",
        ),
        Kpi(
            name="placed_to_picked",
            of_route=True,
            metric="erp_sync_order_picked_seconds",
            title="placed to picked",
            unit="seconds",
            window=DAY,
            label="quantile",
            words="From an order's placement to the creation of its first fulfillment in the ERP.",
        ),
        Kpi(
            name="placed_to_shipped",
            of_route=True,
            metric="erp_sync_order_shipped_seconds",
            title="placed to shipped",
            unit="seconds",
            window=DAY,
            label="quantile",
            words="From an order's placement to its first fulfillment marked as shipped in the ERP.",
        ),
        Kpi(
            name="cancelled_units",
            of_route=True,
            metric="erp_sync_stock_cancelled_units",
            title="units cancelled for lack of stock",
            unit="units",
            window=DAY,
            words="Units that the ERP cancelled, with their order or with a closed line of it, with a reason that the "
            "flow's `lack_of_stock` names, each once; unknown where that names none, or the ERP's connection has no "
            "field that reasons are read from.",
        ),
        Kpi(
            name="cancelled_revenue",
            of_route=True,
            metric="erp_sync_stock_cancelled_revenue",
            title="revenue cancelled for lack of stock",
            unit="currency",
            window=DAY,
            label="currency",
            words="What these units would have brought with their share of discount and tax, and with the shipping "
            "where nothing of the order is left: of an order that was cancelled whole its grand total.",
        ),
        Kpi(
            name="calls_per_order",
            of_route=True,
            metric="erp_sync_api_calls_per_order",
            title="API calls per order",
            unit="calls",
            window=DAY,
            words="All calls of the route's flows to both systems, looks that found nothing included, per order "
            "delivered. Looks of a day that began before the window count by their share of time.",
        ),
        Kpi(
            name="cost_per_order",
            of_route=True,
            metric="erp_sync_cost_per_order",
            title="cost per order",
            unit="currency",
            window=DAY,
            label="currency",
            words="These calls at the rates in the connections' setting `cost`, and the day's share of its monthly "
            "rate, per order delivered.",
        ),
    )
}


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one flow, or of a route where `flow` is "".

    Attributes:
        label: its quantile, state, kind or currency; "" where there is one figure of the kind.
        value: None: unknown.
        of: how many cases it was worked out from, where that says how much to believe it.
    """

    kpi: str
    route: str
    flow: str = ""
    label: str = ""
    value: Value | None
    of: int | None = None

    @property
    def met(self) -> bool | None:
        """Is it as it should be? None where that is unknown or nothing is aimed at."""
        target = KPIS[self.kpi].target
        return target.met(self.value) if target is not None else None


def ratio(part: int | Decimal, whole: int | Decimal) -> float | None:
    """Share of a whole; unknown where there is nothing.

    Raises ValueError for what is no share of anything.
    """
    if part < 0 or whole < part:
        raise ValueError(f"{part} of {whole} is no share")
    return float(part / Decimal(whole)) if whole else None


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest of the values that at least this share of them does not exceed (nearest rank)."""
    if not 0 < share <= 1:
        raise ValueError(f"{share} is no share of the values")
    if not values:
        return None
    # Decimal, since 0.95 * 20 is a little more than 19 in binary.
    rank = math.ceil(Decimal(str(share)) * len(values))
    return sorted(values)[rank - 1]


def quantiles(values: Sequence[float]) -> dict[str, float | None]:
    """p50, p95 and p99."""
    return {name: percentile(values, int(name[1:]) / 100) for name in QUANTILES}


def per_order(amount: Decimal, orders: int) -> Decimal | None:
    """Of each order; unknown where there was none."""
    return (amount / orders).quantize(DIVIDED, ROUND_HALF_EVEN) if orders else None


def in_window(amounts: Mapping[tuple[float, float], int], start: float, end: float) -> float:
    """What falls into a window of what was counted over spans of time, spread evenly over each; seconds.

    Args:
        amounts: (begin, end) of each span to what was counted in it.
    """
    total = 0.0
    for (begin, until), amount in amounts.items():
        common = min(end, until) - max(start, begin)
        if common > 0:
            total += amount * common / (until - begin)
    return total


def cost(
    calls: Decimal, *, per_call: Decimal = Decimal(0), per_month: Decimal = Decimal(0), window: timedelta = DAY
) -> Decimal:
    """What these calls cost, with the window's share of a month of 30 days."""
    share = Decimal(window // timedelta(microseconds=1)) / Decimal(MONTH // timedelta(microseconds=1))
    return calls * per_call + per_month * share


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with everything that is needed to judge it. `target` and `window` in words; `met`: None where nothing is
    aimed at, or the figure is unknown."""

    kpi: str
    title: str
    route: str
    flow: str
    label: str
    value: Value | None
    unit: str
    window: str
    target: str
    met: bool | None
    of: int | None
    text: str


def shown(figure: Figure) -> Shown:
    """A figure with its unit, window and target beside it."""
    kpi = KPIS[figure.kpi]
    return Shown(
        kpi=kpi.name,
        title=kpi.title,
        route=figure.route,
        flow=figure.flow,
        label=figure.label,
        value=figure.value,
        unit=figure.label if kpi.unit == "currency" else kpi.unit,
        window=window_text(kpi),
        target=aim(kpi),
        met=figure.met,
        of=figure.of,
        text=text(kpi, figure.value, figure.label),
    )


def text(kpi: Kpi, value: Value | None, label: str = "") -> str:
    """A figure as people read it, with its unit."""
    if value is None:
        return "unknown"
    if kpi.unit == "ratio":
        return f"{value * 100:.2f} %" if value < 0.9995 or value == 1 else f"{value * 100:.3f} %"
    if kpi.unit == "seconds":
        return _duration(float(value))
    if kpi.unit == "currency":
        return f"{value:,.4f} {label}" if -1 < value < 1 else f"{value:,.2f} {label}"
    number = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    return f"{number} {kpi.unit.removesuffix('s') if number == '1' else kpi.unit}"


def _duration(seconds: float) -> str:
    for size, unit in ((2 * 86_400, "d"), (2 * 3_600, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds / {'d': 86_400, 'h': 3_600, 'min': 60}[unit]:.1f} {unit}"
    return f"{seconds:.1f} s"


def aim(kpi: Kpi) -> str:
    """A target as people read it; "" where there is none."""
    if kpi.target is None:
        return ""
    return f"{'above' if kpi.target.least is not None else 'below'} {kpi.target.limit() * 100:g} %"


def window_text(kpi: Kpi) -> str:
    """``24 h``, ``1 h``, ``now``."""
    return f"{kpi.window // HOUR} h" if kpi.window else "now"
