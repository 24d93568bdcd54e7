"""Random price questions, asked of SAP Business One's own rules and of the store's rows that the engine made.

A distributor's contracts, made awkward: other policies, discount groups, periods to come, lists with tax, volume prices
of lists. They are loaded as the company's own objects; SAP's sandbox answers by its own rules, which
share no code with the engine, and the store by the rows that the engine makes of the same terms. Nothing may differ.
BENCH_SCALE is of the distributor (0.01), BENCH_QUESTIONS how many are asked (10,000).
"""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime
from datetime import time as clock_time
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from erp_sync.flows.prices.engine.evaluation import Store
from erp_sync.flows.prices.engine.factoring import factor
from erp_sync.flows.prices.engine.schedules import resolve
from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember
from erp_sync.model.price_terms import (
    Account,
    Combination,
    DiscountRule,
    Policy,
    PriceList,
    SpecialPrice,
    records,
    table,
)
from erp_sync.ports.pricing import rounded
from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.distributor import Distributor
from erp_sync.sandbox.price_evidence import PricePaid, PriceQuestion
from erp_sync.systems.sap_b1.pricing import PRECEDENCE
from erp_sync.systems.sap_b1.sandbox import create
from erp_sync.systems.sap_b1.sandbox.price_answers import answers
from erp_sync.systems.shopware.pricing import MEANS

LOCAL, DIGITS = "EUR", 4
QUANTITIES = (1, 2, 9, 10, 49, 50, 99, 100, 499, 500, 2000)


def measure() -> dict[str, Any]:
    distributor = Distributor.scaled(float(os.environ.get("BENCH_SCALE", "0.01")))
    asked = int(os.environ.get("BENCH_QUESTIONS", "10000"))
    terms = awkward(distributor)
    draw = random.Random(distributor.seed)
    accounts = {one["account"]: one["currency"] for one in terms["accounts"].to_pylist()}
    noon = datetime.combine(distributor.day, clock_time(12), UTC)
    negotiated = [(row["account"], row["item"]) for row in terms["special_prices"].to_pylist() if row["account"]]
    names, items = sorted(accounts), distributor.item_names
    questions = []
    for _ in range(asked):
        # Half of them about what was negotiated.
        account, item = draw.choice(negotiated) if draw.random() < 0.5 else (draw.choice(names), draw.choice(items))
        questions.append(PriceQuestion(account, item, Decimal(draw.choice(QUANTITIES)), accounts[account], noon))

    core = create(":memory:", ManualClock(), {"local_currency": LOCAL, "price_decimals": DIGITS})
    rows = {name: [_plain(row) for row in one.to_pylist()] for name, one in terms.items()}
    core.seed({"price_terms": rows})
    began = time.perf_counter()
    by_sap = answers(core.store, core.options, questions)
    sap_s = time.perf_counter() - began
    core.store.close()

    precedence = msgspec.structs.replace(PRECEDENCE, price_digits=DIGITS)
    schedules = resolve(terms, precedence, day=distributor.day)
    native = factor(schedules, MEANS).tables()
    store = Store(
        records(native["rows"], NativeRow), records(native["rules"], NativeRule), records(native["members"], RuleMember)
    )
    held = {(row["account"], row["item"]) for row in schedules.quarantine().to_pylist()}
    different, without, in_quarantine = [], 0, 0
    for one, said in zip(questions, by_sap, strict=True):
        if held & {(one.account, one.item), (one.account, ""), ("", one.item)}:
            in_quarantine += 1
            continue
        row = store.price(one.account, one.item, "pc", one.currency, one.quantity)
        due = (rounded(said.amount, one.currency, {}), said.gross) if isinstance(said, PricePaid) else None
        without += due is None
        if (row and (row.price, row.gross)) != due:
            different.append(f"{one.account} {one.item} {one.quantity}: SAP {said}, store {row}")
    return {
        "accounts": len(accounts),
        "items": len(items),
        "questions": len(questions),
        "differences": len(different),
        "first_differences": different[:3],
        "without_a_price": without,
        "held": in_quarantine,
        "sap_s": round(sap_s, 2),
    }


def awkward(distributor: Distributor) -> dict[str, Any]:
    """The distributor's tables, with terms of every kind that SAP has."""
    tables = distributor.tables()
    draw = random.Random(distributor.seed + 1)
    accounts = [
        msgspec.structs.replace(
            one,
            policy=draw.choice((Policy.DEFAULT, *Policy)),
            every_source=draw.random() < 0.5,
            combination=draw.choice(list(Combination)),
            no_discounts=draw.random() < 0.1,
        )
        for one in records(tables["accounts"], Account)
    ]
    lists = [
        msgspec.structs.replace(one, gross=number % 4 == 3)
        for number, one in enumerate(records(tables["price_lists"], PriceList))
    ]
    fifth = max(10, len(distributor.item_names) // 5)
    volume = []
    for number, (which, item) in enumerate(
        (one, item) for one in lists for item in draw.sample(distributor.item_names, fifth)
    ):
        common = {"price_list": which.price_list, "item": item, "level": "period", "currency": which.currency}
        starts = datetime(distributor.day.year, 1 if number % 5 else 12, 1, tzinfo=UTC).date()
        for quantity, price in ((0, "1.95"), (10, "1.8"), (100, "1.7333")):
            off = Decimal(draw.choice((0, 5, 10)))
            volume.append(
                SpecialPrice(
                    **common, quantity=Decimal(quantity), price=Decimal(price), discount=off or None, valid_from=starts
                )
            )
    rules = [
        *records(tables["discount_rules"], DiscountRule),
        *(
            DiscountRule(
                rule=f"own-{number}", scope="account", scoped_to=draw.choice(accounts).account, match="item_group",
                matched=f"category-{draw.randrange(60):02}", percent=Decimal(draw.choice(("7", "12.5", "33.33"))),
            )
            for number in range(len(accounts))
        ),
    ]  # fmt: skip
    specials = tables["special_prices"]
    return tables | {
        "accounts": table(Account, accounts),
        "price_lists": table(PriceList, lists),
        "discount_rules": table(DiscountRule, rules),
        "special_prices": pa.concat_tables([specials, table(SpecialPrice, volume)]),
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: msgspec.to_builtins(value) for name, value in row.items()}
