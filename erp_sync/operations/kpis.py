"""The installation's key figures, as ledger and exchange log have them. Calls no vendor.

What they are and what they should be: `erp_sync.monitoring.kpis`. Their windows end now.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import msgspec

from erp_sync.components.configuration import Mode, RouteSpec, WrongConfiguration
from erp_sync.components.documents import flow_module
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.ledger.overview import FlowCounts
from erp_sync.ledger.performance import Intervention
from erp_sync.monitoring.kpis import (
    ASSUMED,
    DAY,
    KPIS,
    QUEUE,
    ROWS_COMPARED,
    ROWS_EQUAL,
    UNITS_ORDERED,
    UNITS_SHORT,
    Figure,
    Value,
    cost,
    in_window,
    per_order,
    quantiles,
    ratio,
)
from erp_sync.operations.lack_of_stock import Said, lacks, loss_of
from erp_sync.transport.exchanges import Calls

#: Verdicts of calls that did what they should.
FINE = ("ok", "authentication")


class Rates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Setting `cost` of a connection: what a call and a month cost."""

    currency: str
    per_call: Decimal = Decimal(0)
    per_month: Decimal = Decimal(0)


def figures(here: Installation) -> list[Figure]:
    """Every figure of every flow that is not off, route by route. Some ten queries, whatever the number of flows.

    Raises WrongConfiguration where a connection's rates cannot be read.
    """
    return [figure for part in Gathering(here).parts() for figure in part]


def rates_of(here: Installation, connection: str) -> Rates | None:
    """What a connection's calls cost; None where its setting `cost` is not there. Raises WrongConfiguration."""
    setting = here.configuration.connection(connection).settings.get("cost")
    if setting is None:
        return None
    try:
        # As text first: a rate of 0.1 in YAML is a tenth.
        texts = {name: str(value) for name, value in setting.items()} if isinstance(setting, dict) else setting
        rates = msgspec.convert(texts, Rates, strict=False)
    except msgspec.ValidationError as error:
        raise WrongConfiguration(f"connection {connection}", "settings.cost", str(error)) from error
    if min(rates.per_call, rates.per_month) < 0:
        raise WrongConfiguration(f"connection {connection}", "settings.cost", "a rate is below zero")
    return rates


class Gathering:
    """One look at everything, at one moment."""

    def __init__(self, here: Installation) -> None:
        self.here, self.now = here, here.ledger.now()
        self.routes = list(here.configuration.routes.values())
        self.flows = [
            (route, name) for route in self.routes for name, spec in route.flows.items() if spec.mode is not Mode.OFF
        ]
        self.end = self.now + timedelta(microseconds=1)  # what happened at this moment is in
        self.outcomes = here.ledger.performance.outcomes(self._since("success_rate"), self.end)
        self.calls: list[Calls] = here.exchanges.calls(self._since("call_error_rate"), self.end)

    def _since(self, kpi: str) -> datetime:
        return self.now - KPIS[kpi].window

    def parts(self) -> Iterator[list[Figure]]:
        """By kind of figure."""
        yield from (
            self.success(),
            self.errors(),
            self.call_errors(),
            self.latency(),
            self.queues(),
            self.throughput(),
            self.decisions(),
            self.accuracy(),
            self.oversell(),
            self.order_times(),
            self.cancelled(),
            self.costs(),
        )

    def success(self) -> list[Figure]:
        found = []
        for route, flow in self.flows:
            one = self.outcomes.get((route.name, flow))
            good, bad = (one.delivered, one.failed.total()) if one is not None else (0, 0)
            found.append(_figure("success_rate", route, flow, ratio(good, good + bad), of=good + bad))
        return found

    def errors(self) -> list[Figure]:
        """Only kinds that there were: no code is named for nothing."""
        return [
            _figure("document_error_rate", route, flow, ratio(count, total), label=code, of=total)
            for route, flow in self.flows
            if (one := self.outcomes.get((route.name, flow))) is not None
            for total in (one.delivered + one.failed.total(),)
            for code, count in one.failed.most_common()
        ]

    def call_errors(self) -> list[Figure]:
        made: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for call in self.calls:
            for route in call.route.split(","):
                made[route, call.flow][call.verdict] += call.count
        return [
            _figure("call_error_rate", route, flow, ratio(count, verdicts.total()), label=verdict, of=verdicts.total())
            for route, flow in self.flows
            for verdicts in (made[route.name, flow],)
            for verdict, count in verdicts.most_common()
            if verdict not in FINE
        ]

    def latency(self) -> list[Figure]:
        found = self.here.ledger.performance.latencies(self._since("latency"), self.end)
        return [
            figure
            for route, flow in self.flows
            for figure in _quantiles("latency", route, flow, found.get((route.name, flow), []))
        ]

    def queues(self) -> list[Figure]:
        counted = self.here.ledger.overview.flows([(route.name, flow) for route, flow in self.flows])
        found = []
        for route, flow in self.flows:
            one = counted[route.name, flow]
            depth = _depth(one)
            found += [_figure("queue_depth", route, flow, depth[state], label=state) for state in QUEUE]
            waits = (self.now - one.oldest_due).total_seconds() if one.oldest_due is not None else 0.0
            found.append(_figure("oldest_due", route, flow, max(0.0, waits)))
        return found

    def throughput(self) -> list[Figure]:
        since = self._since("documents_per_hour")
        activity = self.here.ledger.activity
        counts = {
            "accepted": activity.accepted(since, self.end),
            "finished": activity.finished(since, self.end),
        }
        return [
            _figure("documents_per_hour", route, flow, counted[route.name, flow], label=what)
            for route, flow in self.flows
            if FLOWS[flow].delivers
            for what, counted in counts.items()
        ]

    def decisions(self) -> list[Figure]:
        made = self.here.ledger.performance.interventions(self._since("manual_decisions"), self.end)
        found = []
        for route, flow in self.flows:
            mine = [one for one in made if (one.route, one.flow) == (route.name, flow)]
            for kind, count in sorted(Counter(one.kind for one in mine).items()):
                found.append(_figure("manual_decisions", route, flow, count, label=kind))
            efforts = _efforts(route, mine)
            for kind, taken in sorted(efforts.items()):
                total = sum(taken, timedelta(0)).total_seconds()
                found.append(_figure("decision_effort", route, flow, total, label=kind, of=len(taken)))
            waited = [(one.at - one.since).total_seconds() for one in mine if one.since is not None]
            if waited:
                found += _quantiles("decision_wait", route, flow, waited)
        return found

    def accuracy(self) -> list[Figure]:
        sums = self.here.ledger.metrics.sums(self._since("accuracy"))
        found = []
        for route, flow in self.flows:
            if FLOWS[flow].delivers:
                continue
            compared = sums.get((route.name, flow, ROWS_COMPARED), 0)
            same = sums.get((route.name, flow, ROWS_EQUAL), 0)
            found.append(_figure("accuracy", route, flow, ratio(same, compared), of=compared))
        return found

    def oversell(self) -> list[Figure]:
        sums = self.here.ledger.metrics.sums(self._since("oversell_rate"))
        found = []
        for route in self.routes:
            ordered = sums.get((route.name, "orders", UNITS_ORDERED), 0)
            short = sums.get((route.name, "orders", UNITS_SHORT), 0)
            found.append(_figure("oversell_rate", route, "", ratio(min(short, ordered), ordered), of=ordered))
        return found

    def order_times(self) -> list[Figure]:
        """From the fulfillments that the shipments flow received."""
        performance = self.here.ledger.performance
        firsts = performance.first_shipments(self._since("placed_to_shipped"), self.end)
        found = []
        for route in self.routes:
            if "shipments" not in route.flows:
                continue
            mine = [one for one in firsts if one.route == route.name and one.order]
            placed = performance.placed(route.name, {one.order for one in mine})
            for kpi, attribute in (("placed_to_picked", "created"), ("placed_to_shipped", "shipped")):
                took = [
                    max(0.0, (moment - placed[one.order]).total_seconds())
                    for one in mine
                    if one.order in placed and (moment := getattr(one, attribute)) is not None
                ]
                found += _quantiles(kpi, route, "", took)
        return found

    def cancelled(self) -> list[Figure]:
        """By the ERP, with a reason that the flow's rule `lack_of_stock` names; unknown where it names none, and where
        the ERP's connection tells no reasons: then not one is cancelled for lack of stock as far as anybody sees."""
        told = self.here.ledger.performance.accepted_ids(self._since("cancelled_units"), self.end, "order_status")
        found = []
        for route in self.routes:
            flow = route.flows.get("order_status")
            words = [str(one).lower() for one in (flow.rules.get("lack_of_stock") or ())] if flow is not None else []
            if not words or not self.here.capabilities_of(route.erp).reading("order_status").tells_reason:
                found += [_figure(kpi, route, "", None) for kpi in ("cancelled_units", "cancelled_revenue")]
                continue
            found += self._cancelled(route, words, told.get(route.name, set()))
        return found

    def _cancelled(self, route: RouteSpec, words: Sequence[str], told: Collection[str]) -> list[Figure]:
        """`told`: the ERP's ids of the orders about which it said something in the window."""
        performance = self.here.ledger.performance
        decode = flow_module("order_status", "transform").decode
        updates: defaultdict[str, list[Said]] = defaultdict(list)
        for versions in performance.versions(route.name, "order_status", told).values():
            for one in versions:
                update = decode(one.payload)
                updates[update.order_key].append(Said(id=one.id, at=one.accepted_at, update=update))
        # Only of what was cancelled for want of stock the orders are read.
        short = {order: said for order, said in updates.items() if any(lacks(one.update, words) for one in said)}
        decode = flow_module("orders", "transform").decode
        orders = performance.versions(route.name, "orders", short)
        since = self._since("cancelled_units")
        units, revenue, count = Decimal(0), defaultdict[str, Decimal](Decimal), 0
        for order, versions in orders.items():
            loss = loss_of(short[order], [(one.id, decode(one.payload)) for one in versions], words, since)
            if loss.units or loss.revenue:
                count += 1
                units += loss.units
                revenue[loss.currency] += loss.revenue
        amounts = [
            _figure("cancelled_revenue", route, "", amount, label=currency, of=count)
            for currency, amount in sorted(revenue.items())
        ]
        return [_figure("cancelled_units", route, "", units, of=count), *amounts]

    def costs(self) -> list[Figure]:
        found = []
        calls = self._calls()
        for route in self.routes:
            one = self.outcomes.get((route.name, "orders"))
            orders = one.first if one is not None else 0
            made = {name: calls[name, route.name] for name in (route.store, route.erp)}
            found.append(
                _figure("calls_per_order", route, "", per_order(sum(made.values(), Decimal(0)), orders), of=orders)
            )
            money: dict[str, Decimal] = {}
            for name, count in made.items():
                rates = rates_of(self.here, name)
                if rates is None:
                    continue
                sharing = sum(1 for other in self.routes if name in (other.store, other.erp))
                amount = cost(count, per_call=rates.per_call, per_month=rates.per_month / sharing, window=DAY)
                money[rates.currency] = money.get(rates.currency, Decimal(0)) + amount
            found += [
                _figure("cost_per_order", route, "", per_order(amount, orders), label=currency, of=orders)
                for currency, amount in sorted(money.items())
            ]
        return found

    def _calls(self) -> defaultdict[tuple[str, str], Decimal]:
        """Calls by connection and route; what several routes read together is shared between them."""
        found: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        amounts = [(one.connection, one.route, Decimal(one.count)) for one in self.calls]
        start = self._since("calls_per_order")
        for poll in self.here.exchanges.empty_polls(since=start):
            midnight = datetime.combine(poll.day, time(0), tzinfo=UTC).timestamp()
            # Today's were made by now; those of the day before, evenly over it.
            span = (midnight, min(midnight + DAY.total_seconds(), max(self.now.timestamp(), midnight + 1)))
            share = in_window({span: poll.polls}, start.timestamp(), self.end.timestamp())
            amounts.append((poll.connection, poll.route, Decimal(str(round(share, 3)))))
        for connection, names, count in amounts:
            routes = names.split(",")
            for route in routes:
                found[connection, route] += count / len(routes)
        return found


def _figure(
    kpi: str, route: RouteSpec, flow: str, value: Value | None, *, label: str = "", of: int | None = None
) -> Figure:
    return Figure(kpi=kpi, route=route.name, flow=flow, label=label, value=value, of=of)


def _efforts(route: RouteSpec, made: Sequence[Intervention]) -> dict[str, list[timedelta]]:
    """How long each decision kept a person, by kind: as the route says, else as is assumed, and not longer than the
    oldest of its matters had waited. What one person decided at one moment is one decision."""
    takes = ASSUMED | {str(kind): taken for kind, taken in route.decision_takes.items()}
    waits: dict[tuple[str, str, datetime], timedelta] = {}
    for one in made:
        waited = one.at - one.since if one.since is not None else timedelta.max
        act = (one.kind, one.who, one.at)
        waits[act] = max(waits.get(act, timedelta(0)), waited)
    found: defaultdict[str, list[timedelta]] = defaultdict(list)
    for (kind, _, _), waited in waits.items():
        found[kind].append(min(takes[kind], waited))
    return dict(found)


def _quantiles(kpi: str, route: RouteSpec, flow: str, values: Sequence[float]) -> list[Figure]:
    return [_figure(kpi, route, flow, value, label=name, of=len(values)) for name, value in quantiles(values).items()]


def _depth(one: FlowCounts) -> dict[str, int]:
    counts = {state: one.deliveries.get(state, 0) for state in QUEUE}
    counts["due"] += one.rows_due
    counts["waiting"] += one.rows_waiting
    counts["held"] += one.plans_held
    counts["quarantine"] = one.quarantined
    return counts
