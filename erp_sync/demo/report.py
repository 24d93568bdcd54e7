"""The demo's report as a person reads it: what came of the day, what needs somebody, what it cost.

``python -m erp_sync.demo.report data/demo/report.json`` shows one again.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

WIDTH = 34
SHOWN = 12
NOT_SETTLED = "LOOK: work was still under way when this was counted: make it again for the day's figures."


def text(report: Mapping[str, Any]) -> str:
    """Sections of figures. ``ok`` stands where a figure is as it has to be, ``LOOK`` where it is not."""
    return "\n".join(line for section in _sections(report) for line in (*section, "")).rstrip()


def _sections(it: Mapping[str, Any]) -> Iterator[list[str]]:
    yield [
        f"A shopping day of {it['orders_placed']} orders, profile {it.get('profile', '-')}, "
        f"in {it.get('wall_s', 0):.0f} s of wall time",
        "Counted from the sandboxes' databases and journals; latencies are wall seconds.",
        *([] if it.get("settled", True) else [NOT_SETTLED]),
    ]
    yield _orders(it)
    yield _latencies(it)
    yield _store(it)
    yield from _articles(it)
    yield from _people(it.get("own", {}))
    yield _calls(it)
    own = it.get("own", {})
    if runs := own.get("runs"):
        yield [
            _line("Dagster runs", sum(runs.values()), ", ".join(f"{count} {state}" for state, count in runs.items())),
            *_events(own),
        ]
    yield ["next: erp-sync status; erp-sync deadletters; erp-sync trace ORDER; make up to browse the Dagster UI"]


def _orders(it: Mapping[str, Any]) -> list[str]:
    mismatches = it["order_total_mismatches"]
    return [
        _line("Orders placed in the store", it["orders_placed"]),
        _line("  readable in the ERP", it["orders_in_erp"]),
        _line("  held, with a reason", it["orders_held"]),
        _line("  dead letters, with a reason", it["orders_dead_lettered"], _counts(_reasons(it))),
        _line("  cancelled in the store", it["orders_cancelled"], "before or after they were sent"),
        _zero("  lost", it["orders_lost"]),
        _zero("  twice in the ERP", it["orders_duplicated"]),
        _zero("  deposits twice", it.get("deposits_duplicated", 0)),
        _zero("  claimed otherwise than they are", it.get("false_claims", 0)),
        _zero(
            "  cancelled on one side only",
            it.get("orders_cancelled_open_in_erp", 0) + it.get("orders_open_but_closed_in_erp", 0),
        ),
        *_left_before(it),
        _zero("  totals that differ", mismatches.get("orders", 0), "header, lines, tax and payments compared"),
    ]


def _reasons(it: Mapping[str, Any]) -> dict[str, int]:
    """Reasons of the orders that are dead letters and not in the ERP."""
    listed = [one for one in it.get("own", {}).get("not_in_erp") or () if one["is"] == "dead_lettered"]
    return dict(Counter(one["reason"].partition(":")[0] for one in listed))


def _left_before(it: Mapping[str, Any]) -> list[str]:
    """Orders that the store cancelled after goods of theirs had left: they stay open in the ERP, a person decides."""
    gone = it.get("orders_cancelled_after_shipping", 0)
    return [_line("  cancelled after goods had left", gone, "erp-sync deadletters names them")] if gone else []


def _latencies(it: Mapping[str, Any]) -> list[str]:
    lines = [f"{'Seconds until it is there':<{WIDTH}}{'count':>9}{'p50':>9}{'p95':>9}{'max':>9}"]
    for name, words in (
        ("order_latency_s", "  order: placed to readable in the ERP"),
        ("stock_latency_s", "  stock: changed to right in the store"),
        ("shipment_latency_s", "  parcel: shipped to on the order"),
    ):
        figures = it.get(name) or {}
        if figures.get("count"):
            times = "".join(f"{figures[key]:>9.1f}" for key in ("p50", "p95", "max"))
            lines.append(f"{words:<{WIDTH + 4}}{figures['count']:>5}{times}")
    return lines


def _store(it: Mapping[str, Any]) -> list[str]:
    return [
        _line("Shipments in the ERP / the store", f"{it['shipments_in_erp']} / {it['shipments_in_store']}"),
        *_too_late(it),
        _zero(
            "  not booked, or twice, or of nothing",
            sum(it.get(f"shipments_{name}", 0) for name in ("missing", "twice", "unexplained")),
        ),
        _zero("  that differ", it.get("shipments_differing", 0), "units and parcels compared"),
        _line("  e-mails to customers", it["shipping_emails"]),
        _zero("  sent before the carrier had it", it["shipping_emails_early"]),
        _zero("  sent twice", it["shipping_emails_twice"]),
        _zero("Units oversold", it["oversold_units"]),
        _zero("Stock figures that differ", it["stock_mismatches"], f"of {it['stock_compared']:,} compared"),
        _zero("Prices that differ", it["price_mismatches"], f"of {it['prices_compared']:,} compared"),
    ]


def _articles(it: Mapping[str, Any]) -> Iterator[list[str]]:
    """What the buyer did in the ERP and what the store has of it; new articles wait for a person."""
    one = it.get("articles")
    if one is None:
        return
    waiting = it.get("own", {}).get("products_waiting_approval", 0)
    approved = f"{one['approved']} rows approved"
    yield [
        "Articles entered in the ERP during the day",
        _line("  new", one["new"], f"{one['new_in_store']} in the store, the others wait for approval"),
        _line("  changed", one["changed"], f"{one['changed_in_store']} in the store; {approved} by the operator"),
        _line("  ended", one["ended"], f"{one['ended_disabled_in_store']} disabled in the store"),
        _line("Products that wait for approval", waiting),
        *([f"  LOOK: the buyer could not go on: {one['failure']}"] if one.get("failure") else []),
    ]


def _events(own: Mapping[str, Any]) -> list[str]:
    """erp_sync's own figures of what the ERP pushed."""
    events, runs = own.get("events") or {}, own.get("runs_by_events") or {}
    if not events:
        return []
    return [
        _line("  started by events", sum(runs.values()), _counts(runs)),
        _line("Events of the ERP taken in", sum(events.values()), _counts(events)),
    ]


def _too_late(it: Mapping[str, Any]) -> list[str]:
    """What the warehouse shipped while the store cancelled its order: nothing can be booked, a person decides."""
    gone = it.get("shipments_of_cancelled_orders", 0)
    return (
        [_line("  left, and cancelled in the store meanwhile", gone, "erp-sync deadletters names them")] if gone else []
    )


def _people(own: Mapping[str, Any]) -> Iterator[list[str]]:
    found = own.get("not_in_erp") or []
    plans = own.get("plans_held") or {}
    letters = own.get("dead_letters") or {}
    if not found and not plans and not letters:
        return
    lines = ["Where the others are, and what waits for a person"]
    if letters:
        lines.append(_line("  dead letters of all flows", sum(letters.values()), _counts(letters)))
    lines += [f"  order {one['order']} is {one['is'].replace('_', ' ')}: {one['reason']}" for one in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"  ... {len(found) - SHOWN} more: erp-sync deadletters")
    for name, rows in plans.items():
        number, _, flow = name.partition(" ")
        lines.append(
            f"  plan p{number} of {flow}: {rows} rows wait; erp-sync plan p{number}, then erp-sync approve p{number}"
        )
    yield lines


def _calls(it: Mapping[str, Any]) -> list[str]:
    lines = [f"{'Calls that erp_sync made':<{WIDTH}}{'calls':>9}{'busy s':>9}{'slots':>9}{'refused':>9}"]
    for system, one in sorted(it["api_calls"].items()):
        lines.append(
            f"  {system:<{WIDTH - 2}}{one['total']:>9}{one['vendor_seconds']:>9.1f}"
            f"{one['slots_in_use_max']:>9}{one['refused']:>9}"
        )
        lines += [f"    {_counts(one['by_kind'])}"]
        if by_flow := one.get("by_flow"):
            lines += [f"    for {_counts(by_flow)}"]
        if breaches := one.get("contract_violations"):
            lines += [_zero("    outside the contract", breaches)]
    return lines


def _line(words: str, figure: Any, more: str = "") -> str:
    return f"{words:<{WIDTH}}{figure:>9}{'   ' + more if more else ''}"


def _zero(words: str, figure: int, more: str = "") -> str:
    return _line(words, figure, f"{'ok' if figure == 0 else 'LOOK'}{', ' + more if more else ''}")


def _counts(counts: Mapping[str, int] | Sequence[Any] | None) -> str:
    if not isinstance(counts, Mapping):
        return ""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]))


if __name__ == "__main__":
    print(text(json.loads(Path(sys.argv[1]).read_text())))
