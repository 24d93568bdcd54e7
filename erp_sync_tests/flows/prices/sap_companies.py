"""Random companies with awkward price terms, as SAP Business One keeps them: nothing in them is wrong.

Policies, periods, breaks, specials of lists with and without a discount of their own, discount groups, properties,
several currencies and units, agreements, gross lists, lists without a price.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from erp_sync.model.price_terms import (
    Account,
    AccountGroup,
    Agreement,
    Combination,
    DiscountRule,
    ExchangeRate,
    Item,
    ItemUnit,
    ListPrice,
    Policy,
    PriceList,
    PriceTerms,
    SpecialPrice,
)

DAY = date(2026, 11, 30)
LOCAL = "USD"
ACCOUNTS, GROUPS, LISTS = ("A", "B", "C"), ("plumbers", "smiths"), ("L1", "L2", "L3")
ITEMS = ("bolt", "nut", "wire")
BOX = "bolt"  # is sold in boxes too
PRICES = st.sampled_from([Decimal(one) for one in ("10", "9.5", "12.34", "0.05", "7.77", "1234.5", "3.33")])
PERCENTS = st.sampled_from([Decimal(one) for one in ("5", "7", "12.5", "33.3", "0", "100", "-3")])
GROUP_PERCENTS = PERCENTS.filter(lambda one: 0 <= one <= 100)  # SAP takes no others
CURRENCIES = st.sampled_from(("USD", "USD", "EUR", "GBP"))
SPANS = (
    (DAY - timedelta(40), DAY - timedelta(20)),
    (DAY - timedelta(10), DAY),
    (DAY, None),
    (DAY - timedelta(10), None),
    (DAY + timedelta(1), None),
)


@st.composite
def _special(draw: st.DrawFn, owner: dict[str, str], item: str) -> list[SpecialPrice]:
    """A header, a period with its breaks, or both."""
    common = {**owner, "item": item, "currency": draw(CURRENCIES)}
    # A period of a list follows that list, if any.
    from_list = owner.get("price_list") or draw(st.sampled_from(LISTS))

    def priced(follows: bool) -> dict[str, Any]:
        if follows:
            return {"discount": draw(PERCENTS), "from_list": from_list}
        return {"price": draw(PRICES), "discount": draw(st.one_of(st.none(), PERCENTS.filter(lambda one: one < 100)))}

    rows = []
    if item != BOX and draw(st.booleans()):
        since, until = draw(st.sampled_from((*SPANS, (None, None))))
        rows.append(SpecialPrice(**common, valid_from=since, valid_to=until, **priced(draw(st.booleans()))))
    if not rows or draw(st.booleans()):
        since, until = draw(st.sampled_from(SPANS))
        follows = draw(st.booleans())
        # Whether boxes reach a partner's breaks in pieces is unconfirmed.
        most = 0 if item == BOX and "account" in owner else 3
        breaks = draw(st.lists(st.sampled_from((2, 5, 10)), unique=True, max_size=most))
        steps = [(0, "")] + [(one, draw(st.sampled_from(("", "box"))) if item == BOX else "") for one in breaks]
        rows += [
            SpecialPrice(
                **common, level="period", quantity=Decimal(one), unit=unit, valid_from=since, valid_to=until,
                **priced(follows),
            )
            for one, unit in steps
        ]  # fmt: skip
    return rows


@st.composite
def _discount_rule(draw: st.DrawFn, name: str) -> list[DiscountRule]:
    scope, scoped_to = draw(
        st.sampled_from([("all", ""), *(("group", one) for one in GROUPS), *(("account", one) for one in ACCOUNTS)])
    )
    matches = [("item", one) for one in ITEMS]
    matches += [("item_group", "metal"), ("manufacturer", "Hilti"), ("property", "zinc"), ("property", "long")]
    lines = draw(st.lists(st.sampled_from(matches), unique=True, min_size=1, max_size=3))
    since, until = draw(st.sampled_from((*SPANS, (None, None), (None, None))))
    common = {
        "rule": name, "scope": scope, "scoped_to": scoped_to, "valid_from": since, "valid_to": until,
        "relation": draw(st.sampled_from(list(Combination))), "active": draw(st.sampled_from((True, True, False))),
    }  # fmt: skip
    return [DiscountRule(**common, match=match, matched=what, percent=draw(GROUP_PERCENTS)) for match, what in lines]


@st.composite
def companies(draw: st.DrawFn) -> PriceTerms:
    lists = [
        PriceList(price_list=one, currency=draw(st.sampled_from(("USD", "USD", "EUR"))), gross=gross)
        for one, gross in zip(LISTS, (False, False, True), strict=True)
    ]
    accounts = [
        Account(
            account=one,
            group=draw(st.sampled_from(GROUPS)),
            price_list=draw(st.sampled_from(LISTS)),
            currency=draw(CURRENCIES),
            policy=draw(st.sampled_from((Policy.DEFAULT, *Policy))),
            every_source=draw(st.booleans()),
            combination=draw(st.sampled_from(list(Combination))),
            no_discounts=draw(st.sampled_from((False, False, True))),
        )
        for one in ACCOUNTS
    ]
    items = [
        Item(
            item=one,
            group=draw(st.sampled_from(("metal", "cable"))),
            manufacturer=draw(st.sampled_from(("Hilti", "Bosch"))),
            properties=draw(st.sampled_from(((), ("zinc",), ("zinc", "long")))),
            no_discounts=draw(st.sampled_from((False, False, True))),
            unit="pc",
            sold_in=("pc", "box") if one == BOX else (),
        )
        for one in ITEMS
    ]
    listed = []
    for one in lists:
        for item in ITEMS:
            price = draw(st.one_of(PRICES, PRICES, st.just(Decimal(0)), st.none()))
            if price is None:
                continue
            listed.append(ListPrice(price_list=one.price_list, item=item, currency=one.currency, price=price))
            if draw(st.booleans()):
                extra = "GBP"
                listed.append(ListPrice(price_list=one.price_list, item=item, currency=extra, price=draw(PRICES)))
            if item == BOX and draw(st.booleans()):
                box = draw(PRICES)
                listed.append(
                    ListPrice(price_list=one.price_list, item=item, unit="box", currency=one.currency, price=box)
                )
    specials: list[SpecialPrice] = []
    owners = [*({"account": one} for one in ACCOUNTS), *({"price_list": one} for one in LISTS)]
    for owner in owners:
        for item in ITEMS:
            if draw(st.integers(0, 2)) == 0:
                specials += draw(_special(owner, item))
    agreements = []
    for number in range(draw(st.integers(0, 2))):
        since, until = draw(st.sampled_from(SPANS))
        agreements.append(
            Agreement(
                agreement=f"BA-{number}", account=ACCOUNTS[number], item=draw(st.sampled_from(ITEMS[1:])),
                price=draw(PRICES), currency=draw(CURRENCIES), valid_from=since, valid_to=until,
                active=draw(st.sampled_from((True, True, False))),
            )
        )  # fmt: skip
    return PriceTerms(
        account_groups=tuple(AccountGroup(group=one) for one in GROUPS),
        accounts=tuple(accounts),
        items=tuple(items),
        item_units=(ItemUnit(item=BOX, unit="box", factor=Decimal(12)),),
        price_lists=tuple(lists),
        list_prices=tuple(listed),
        exchange_rates=tuple(
            ExchangeRate(
                day=DAY, currency=one, into=LOCAL, rate=draw(st.sampled_from((Decimal("1.1"), Decimal("0.8375"))))
            )
            for one in ("EUR", "GBP")
        ),
        discount_rules=tuple(row for n in range(draw(st.integers(0, 3))) for row in draw(_discount_rule(f"D{n}"))),
        special_prices=tuple(specials),
        agreements=tuple(agreements),
    )
