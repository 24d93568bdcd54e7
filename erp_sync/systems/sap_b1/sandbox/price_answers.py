"""What accounts pay, by the thousand: the rules of `pricing`, asked as a row of an order asks them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from erp_sync.sandbox.price_evidence import NoPrice, PricePaid, PriceQuestion
from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_building import check_currency
from erp_sync.systems.sap_b1.sandbox.errors import ServiceLayerError, rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity
from erp_sync.systems.sap_b1.sandbox.masterdata import inactive, partner
from erp_sync.systems.sap_b1.sandbox.options import Options
from erp_sync.systems.sap_b1.sandbox.pricing import item_price, list_prices, units
from erp_sync.systems.sap_b1.sandbox.pricing.question import Question
from erp_sync.systems.sap_b1.sandbox.store import Store


def kept(connection: sqlite3.Connection, questions: Sequence[PriceQuestion]) -> list[PricePaid | NoPrice]:
    """The answers of a company that somebody else runs, with the options that it ran with last."""
    store = Store.over(connection)
    return answers(store, Options.kept(store), questions)


def answers(store: Store, options: Options, questions: Sequence[PriceQuestion]) -> list[PricePaid | NoPrice]:
    """An answer to each question. What a document would refuse has no price, and says why."""
    context = Context(store, options, datetime.now(options.zone))  # the questions bring their own day
    units_by_code = {
        code: entry for entry, code in store.rows("SELECT k1, json_extract(data, '$.Code') FROM \"UnitOfMeasurements\"")
    }

    @cache
    def item_of(code: str) -> Entity | None:
        return rows.read(store, "Items", code)

    @cache
    def partner_of(code: str, day: str) -> Entity:
        return partner(Context(store, options, datetime.fromisoformat(day)), code)

    def answer(question: PriceQuestion) -> PricePaid | NoPrice:
        day = question.at.astimezone(options.zone).strftime("%Y-%m-%d")
        try:
            owner, item = partner_of(question.account, day), item_of(question.item)
            asked = _asked(context, question, owner, item, day, units_by_code)
            offer = item_price.price(context, asked)
        except ServiceLayerError as error:
            return NoPrice(error.message)
        if not offer.unit_price and offer.source.startswith(("dpsActivePriceList", "dpsInactivePriceList")):
            return NoPrice(f"no price in {offer.why}")
        gross = list_prices.is_gross(context, asked.price_list)
        return PricePaid(offer.net(options.price), gross, offer.why)

    return [answer(question) for question in questions]


def _asked(
    context: Context, question: PriceQuestion, owner: Entity, item: Entity | None, day: str, entries: dict[str, Any]
) -> Question:
    """Raises ServiceLayerError for what no order could hold."""
    if item is None:
        raise rule(f"There is no item {question.item}")
    if inactive(item, day) or item.get("SalesItem") == "tNO":
        raise rule(f"Item {question.item} is not sold")
    check_currency(context, owner, question.currency)
    uom = units.base(context, item)
    if question.unit and units.is_manual(item):
        if question.unit not in (item.get("InventoryUOM"), item.get("SalesUnit")):
            raise rule(f"Item {question.item} is not sold by {question.unit}")
    elif question.unit:
        if question.unit not in entries:
            raise rule(f"There is no unit {question.unit}")
        uom = entries[question.unit]
        units.factor(context, item, uom)
    return Question(
        owner, item, day, question.quantity, uom,
        int(owner.get("PriceListNum") or context.options.default_price_list), question.currency,
    )  # fmt: skip
