"""The ERP answers slower than the client's time-out at peak hours, and commits.

Old way: whatever gives no answer is sent again, and the ERP has it twice. Ours: the order's own key is sent with it,
so that the ERP itself refuses a second one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.sandbox.catalogue import Line
from erp_sync_tests.disasters.telling import Tell, Told
from erp_sync_tests.disasters.world import World, article, shop_of, stage, world

NAME = "duplicate-orders"
#: Issue 5: "Ours: 0 of 2,000". At 500 orders an hour, the rate of the outage bench, that is four hours.
ORDERS = 2000
A_HOUR = 500
#: Of the ERP's writes at peak hours this share is answered after the time-out; the issue names none.
SLOW_SHARE = 0.10
#: How long after the client gave up the ERP commits what it was sent.
COMMITS_AFTER = 5.0
TIMEOUT = 30.0
PACE = 60.0
SMALL = {"orders": 24}


def play(tell: Tell, orders: int = ORDERS) -> Told:
    goods = shop_of([article(number) for number in range(1, 21)], {f"SKU-{n:03d}": 100_000 for n in range(1, 21)})
    with stage(goods) as set_up:
        tell(
            f"{orders} orders at {A_HOUR} an hour; {SLOW_SHARE:.0%} of what is written to the ERP is answered after "
            f"the {TIMEOUT:.0f} s that a client waits, and committed all the same."
        )
        with world(set_up) as old:
            script = old.script(TIMEOUT)

            def naive() -> None:
                while True:
                    script.orders(old.moment())
                    old.here.sleep(PACE)

            old.spawn(naive, "naive script")
            found_old = _peak(old, orders, ours=False)
        tell(f"The old way, sent again after each time-out: {found_old['duplicated']} orders are in the ERP twice.")
        with world(set_up) as new:
            new.every(PACE, "orders")
            found_new = _peak(new, orders, ours=True)
        tell(
            f"erp_sync, the same time-outs: {found_new['duplicated']} of {found_new['orders']} twice, "
            f"{found_new['lost']} lost."
        )
    prevented = not any(found_new[name] for name in ("duplicated", "lost", "customers_duplicated", "differ"))
    return Told(NAME, found_old, found_new, prevented and found_old["duplicated"] > 0)


def _peak(here: World, orders: int, *, ours: bool) -> Mapping[str, Any]:
    """Let the peak pass and all of it come to rest; the checker's figures."""
    here.trouble(kind="late_commit", system=here.erp.name, writes=True, chance=SLOW_SHARE, seconds=COMMITS_AFTER)
    pause = 3600 / A_HOUR
    for number in range(1, orders + 1):
        sku = f"SKU-{here.random.randint(1, 20):03d}"
        placed = here.buy(number, [Line(sku, here.random.choice((1, 1, 2)))])
        if placed.order_id is None:
            raise AssertionError(placed.why)
        here.after(pause * here.random.uniform(0.5, 1.5))
    here.erp.troubles.clear()
    left = None
    for _ in range(48):
        here.after(900)
        report = here.report(ours=ours)
        if left == (left := len(report.orders.lost)) == 0:
            break
    return {
        "orders": len(report.orders.placed),
        "in_erp": len(report.orders.in_erp),
        "duplicated": len(report.orders.duplicated),
        "customers_duplicated": len(report.orders.customers_duplicated),
        "lost": len(report.orders.lost),
        "differ": len({one.order for one in report.orders.differences}) if ours else None,
        "timeouts": here.house.network.faults["late_commit"],
    }
