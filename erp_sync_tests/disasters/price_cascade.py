"""Somebody in the ERP takes 90 % off everything, while a colleague reprices a few other articles.

Old way: an hour later all of it is in the shop. Ours: a price that jumps waits for a person, all of them in one plan
with one alert; the colleague's prices go.
"""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from erp_sync.ledger.plan_values import PlanState
from erp_sync.monitoring.alerting import Message
from erp_sync.operations.watching import Watchdog
from erp_sync.sandbox.catalogue import Line
from erp_sync.sandbox.files import reading
from erp_sync_tests.disasters.telling import Channel, Tell, Told
from erp_sync_tests.disasters.world import World, article, shop_of, stage, world

NAME = "price-cascade"
#: The issue gives the discount; how many articles there are, and how many a colleague reprices, it does not.
ARTICLES = 500
OTHERS = 20
LEFT = Decimal("0.1")
EVERY = 3600.0
LOOK = 300.0
#: Until somebody notices and the ERP's prices are put right.
HOURS = 4
SMALL = {"articles": 20, "others": 3, "hours": 1.25}
CENT = Decimal("0.01")


def play(tell: Tell, articles: int = ARTICLES, others: int = OTHERS, hours: float = HOURS) -> Told:
    draw = random.Random(NAME)
    items = [
        article(number, str(Decimal(draw.randint(199, 19900)) / 100)) for number in range(1, articles + others + 1)
    ]
    goods = shop_of(items, {item.sku: 1000 for item in items})
    with stage(goods) as set_up:
        tell(
            f"A shop of {len(items)} articles takes its prices from the ERP every hour. At 10 past, a user of the ERP "
            f"takes 90 % off {articles} of them; a colleague changes {others} others by a few per cent."
        )
        prices = {item.sku: item.price or Decimal(0) for item in items}
        with world(set_up) as old:
            script = old.script()

            def naive() -> None:
                while True:
                    script.prices()
                    old.here.sleep(EVERY)

            old.spawn(naive, "naive script")
            found_old = _hours(old, prices, articles, hours)
        tell(
            f"The old way: {found_old['wrong_prices']} wrong prices in the shop, "
            f"{found_old['sold_at_a_tenth']} of {found_old['orders']} orders sold at them before anybody noticed."
        )
        with world(set_up) as new:
            new.now_run("prices", full=True)
            new.every(EVERY, "prices")
            channel = Channel()
            watchdog = Watchdog(new.installation, channel)

            def watch() -> None:
                while True:
                    watchdog.look()
                    new.here.sleep(LOOK)

            new.spawn(watch, "watchdog")
            found_new = _hours(new, prices, articles, hours, channel.messages)
        tell(
            f"erp_sync: {found_new['wrong_prices']} wrong prices in the shop, {found_new['held_plans']} plan of "
            f"{found_new['held_rows']} rows held, {found_new['alerts']} alert; "
            f"{found_new['other_changes_in_store']} of {others} other changes went through."
        )
        for message in channel.messages:
            tell("  " + message.title)
    prevented = (
        found_old["wrong_prices"] == articles
        and found_new["wrong_prices"] == found_new["sold_at_a_tenth"] == found_new["writes_of_them"] == 0
        and (found_new["held_plans"], found_new["alerts"]) == (1, 1)
        and found_new["other_changes_in_store"] == others
    )
    return Told(NAME, found_old, found_new, prevented)


def _hours(
    here: World, prices: dict[str, Decimal], articles: int, hours: float, messages: list[Message] | None = None
) -> dict[str, Any]:
    """The user's mistake, the colleague's work, customers; figures from the store's database and journal."""
    skus = list(prices)
    here.after(600)
    began = here.here.now
    ids = {row["itemid"]: row["id"] for row in here.back.query("SELECT id, itemid FROM item ORDER BY id")}
    new: dict[str, Decimal] = {}
    for position, sku in enumerate(skus):
        factor = LEFT if position < articles else Decimal(here.random.choice((95, 97, 104, 108))) / 100
        new[sku] = (prices[sku] * factor).quantize(CENT, ROUND_HALF_UP)
        here.back.change(
            f"inventoryItem/{ids[sku]}", {"price": {"items": [{"priceLevel": {"id": "1"}, "price": new[sku]}]}}
        )
    cheap, few = set(skus[:articles]), skus[articles:]
    orders = 0
    for _ in range(round(hours * 4)):
        here.after(900)
        orders += here.buy(orders + 1, [Line(here.random.choice(skus[:articles]), 1)]).order_id is not None
    with reading(here.store.database) as store:
        shown = {
            row["sku"]: Decimal(str(row["price"]))
            for row in store.execute("SELECT sku, price FROM catalog_product_entity WHERE price IS NOT NULL")
        }
        sold = [
            (row["sku"], Decimal(str(row["price"]))) for row in store.execute("SELECT sku, price FROM sales_order_item")
        ]
    with reading(here.store.journal.path) as journal:
        written = [
            row["document"]
            for row in journal.execute(
                "SELECT document FROM commits WHERE entity = 'product_price' AND committed_at > ?", (began,)
            )
        ]
    found: dict[str, Any] = {
        "articles": len(skus),
        "wrong_prices": sum(shown[sku] == new[sku] for sku in cheap),
        "writes_of_them": sum(1 for document in written if document.split("|")[0] in cheap),
        "orders": orders,
        "sold_at_a_tenth": sum(price == new[sku] for sku, price in sold if sku in cheap),
        "other_changes_in_store": sum(shown[sku] == new[sku] for sku in few),
    }
    if messages is not None:
        plans = here.installation.ledger.plans.find(route=here.route.name, flow="prices", states=[PlanState.HELD])
        found |= {
            "held_plans": len(plans),
            "held_rows": sum(plan.row_count for plan in plans),
            "alerts": len(messages),
        }
    return found
