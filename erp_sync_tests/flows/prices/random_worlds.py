"""Random small worlds of price terms: few names, so that everything meets everything, and bad input among them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
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
    Promotion,
    SpecialPrice,
)
from erp_sync_tests.flows.prices.worlds import TODAY

ACCOUNTS, ITEMS = ("A", "B", "C", "D"), ("bolt", "nut", "wire")
LISTS, GROUPS = ("L1", "L2", "L3"), ("plumbers", "smiths")
UNITS = ("pc", "box", "drum")
CURRENCIES = ("USD", "EUR", "JPY")
MAKERS, PROPERTIES = ("Hilti", "Bosch"), ("zinc", "m8", "long")

# Cents that round in the middle, and equal ones often.
AMOUNTS = st.sampled_from([Decimal(one) for one in ("10", "9.5", "10.995", "0.125", "8.004999", "1234.5", "7", "0")])
PERCENTS = st.sampled_from([Decimal(one) for one in ("5", "7", "12.5", "33.333333", "0", "100", "-3")])
QUANTITIES = st.sampled_from([Decimal(one) for one in ("0", "1", "2", "2.5", "7", "10", "100", "0.5")])
# What no system should send, and what the columns take.
HUGE = st.sampled_from([Decimal(one) for one in ("999999999999.999999", "100000000000", "99999999999", "-5")])
WILD = st.sampled_from([Decimal(one) for one in ("-600", "101", "999.999999", "-100")])
DAYS = st.sampled_from([None, None, None, *(TODAY + timedelta(days=n) for n in (-10, -1, 0, 1, 10))])


def _rows(row: st.SearchStrategy, most: int, least: int = 0) -> st.SearchStrategy:
    return st.lists(row, min_size=least, max_size=most).map(tuple)


def _unique(row: st.SearchStrategy, most: int, key, least: int = 0) -> st.SearchStrategy:
    return st.lists(row, min_size=least, max_size=most, unique_by=key).map(tuple)


def _mostly(usual: st.SearchStrategy, other: st.SearchStrategy) -> st.SearchStrategy:
    return st.integers(0, 7).flatmap(lambda drawn: other if drawn == 7 else usual)


def _dates(backwards: bool) -> st.SearchStrategy[tuple[date | None, date | None]]:
    spans = st.tuples(DAYS, DAYS)
    return spans if backwards else spans.filter(lambda span: None in span or span[0] <= span[1])


@st.composite
def _dated(draw: st.DrawFn, record: type, fields: dict[str, st.SearchStrategy], backwards: bool) -> msgspec.Struct:
    since, until = draw(_dates(backwards))
    return record(valid_from=since, valid_to=until, **{name: draw(value) for name, value in fields.items()})


@st.composite
def _ladder(draw: st.DrawFn, clean: bool) -> tuple[SpecialPrice, ...]:
    """A header or period and its breaks, of an account or a list; what is not clean may have one break twice."""
    owner = draw(st.sampled_from((*ACCOUNTS, *LISTS)))
    since, until = draw(_dates(not clean))
    quantities = draw(st.lists(QUANTITIES, min_size=1, max_size=4, unique=clean))
    common = {
        "account" if owner in ACCOUNTS else "price_list": owner,
        "item": draw(st.sampled_from(ITEMS)),
        "unit": draw(st.sampled_from(("", "", "box"))),
        "level": draw(st.sampled_from(("header", "period"))),
        "from_list": draw(st.sampled_from(("", "", *LISTS))),
        "valid_from": since,
        "valid_to": until,
    }
    rows = []
    amounts, percents = (AMOUNTS, PERCENTS) if clean else (_mostly(AMOUNTS, HUGE), _mostly(PERCENTS, WILD))
    for quantity in quantities:
        price = draw(st.one_of(st.none(), amounts, amounts))
        discount = draw(PERCENTS if price is None and clean else st.one_of(st.none(), percents))
        currency = "USD" if clean else draw(st.sampled_from(("USD", "USD", "EUR")))
        rows.append(SpecialPrice(quantity=quantity, price=price, discount=discount, currency=currency, **common))
    return tuple(rows)


def _place(row: SpecialPrice) -> tuple[str, ...]:
    return (row.account, row.price_list, row.item, row.unit, row.level)


@st.composite
def worlds(draw: st.DrawFn, *, clean: bool = False, promotions: bool = True) -> PriceTerms:
    """`clean`: no dates that run backwards, one currency in an agreement; much else may still be wrong."""
    currencies = st.sampled_from(CURRENCIES)
    accounts = st.sampled_from(ACCOUNTS)
    account = st.builds(
        Account,
        account=accounts,
        group=st.sampled_from(GROUPS if clean else (*GROUPS, "ghosts")),
        price_list=st.sampled_from(LISTS[: 2 if clean else 3]),
        currency=st.sampled_from(("USD", "USD", "EUR", "JPY")),
        policy=st.sampled_from([Policy.DEFAULT, *Policy]),
        every_source=st.booleans(),
        combination=st.sampled_from(list(Combination)),
        no_discounts=st.sampled_from((False, False, True)),
    )
    item = st.builds(
        Item,
        item=st.sampled_from(ITEMS),
        group=st.sampled_from(("fasteners", "cables")),
        manufacturer=st.sampled_from(MAKERS),
        properties=st.lists(st.sampled_from(PROPERTIES), unique=True).map(tuple),
        no_discounts=st.sampled_from((False, False, True)),
        unit=st.just("pc"),
        sold_in=st.sampled_from(((), ("pc",), ("pc", "box"), ("box",))),
    )
    unit = st.builds(
        ItemUnit,
        item=st.sampled_from(ITEMS),
        unit=st.sampled_from(UNITS[1:]),
        factor=st.sampled_from(
            [Decimal(one) for one in (("10", "3", "0.25") if clean else ("10", "3", "0.25", "0", "1e11", "0.000001"))]
        ),
    )
    lists = st.builds(
        PriceList,
        price_list=st.sampled_from(LISTS),
        currency=st.sampled_from(("USD", "USD", "EUR")),
        gross=st.just(False) if clean else st.sampled_from((False, False, True)),
        base_list=st.sampled_from(("", "", *(LISTS if not clean else ()))),
        active=st.sampled_from((True, True, True, clean)),
    )
    listed = st.builds(
        ListPrice,
        price_list=st.sampled_from(LISTS),
        item=st.sampled_from(ITEMS),
        unit=st.sampled_from(("", "", "box")),
        currency=st.sampled_from(("USD", "USD", "EUR")),
        price=AMOUNTS if clean else _mostly(AMOUNTS, HUGE),
    )
    rate = st.builds(
        ExchangeRate,
        day=st.sampled_from([TODAY + timedelta(days=n) for n in (-3, 0, 1)]),
        currency=currencies,
        into=currencies,
        rate=st.sampled_from(
            [Decimal(one) for one in ("0.9", "1.1", "151.35", "0.006607", *(() if clean else ("0", "1e11")))]
        ),
    )
    rule_fields = {
        "rule": st.sampled_from(("D1", "D2")),
        "percent": PERCENTS if clean else _mostly(PERCENTS, WILD),
        "relation": st.sampled_from(list(Combination)),
        "active": st.sampled_from((True, True, False)),
    }
    scopes = (("all", st.just("")), ("group", st.sampled_from(GROUPS)), ("account", accounts))
    matches = (
        ("all", st.just("")),
        ("item", st.sampled_from(ITEMS)),
        ("item_group", st.just("fasteners")),
        ("manufacturer", st.sampled_from(MAKERS)),
        ("property", st.sampled_from(PROPERTIES)),
    )
    rules = st.one_of(
        *(
            _dated(
                DiscountRule,
                {**rule_fields, "scope": st.just(one), "scoped_to": to, "match": st.just(match), "matched": what},
                not clean,
            )
            for one, to in scopes
            for match, what in matches
        )
    )
    agreement_fields = {
        "agreement": st.sampled_from(("BA-1", "BA-2")),
        "account": accounts,
        "item": st.sampled_from(ITEMS),
        "unit": st.sampled_from(("", "box")),
        "price": AMOUNTS if clean else _mostly(AMOUNTS, HUGE),
        "currency": st.sampled_from(CURRENCIES[: 1 if clean else 2]),
        "active": st.sampled_from((True, True, False)),
    }
    hours = st.sampled_from([datetime(2026, 11, day, tzinfo=UTC) for day in (29, 30)])
    promotion = st.builds(
        Promotion,
        promotion=st.sampled_from(("P1", "P2")),
        scope=st.just("all"),
        item=st.sampled_from(ITEMS),
        unit=st.sampled_from(("", "box")),
        quantity=QUANTITIES,
        price=AMOUNTS,
        currency=st.sampled_from(("USD", "EUR")),
        starts=hours,
        ends=hours.map(lambda hour: hour + timedelta(days=1)),
    )

    def each(record: st.SearchStrategy, field: str, names: tuple[str, ...]) -> tuple:
        """One of every name: in a world that is not clean some are missing."""
        kept = names if clean else draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
        return tuple(msgspec.structs.replace(draw(record), **{field: name}) for name in sorted(kept))

    prices = [
        ListPrice(price_list=one, item=item, currency=draw(st.sampled_from(("USD", "EUR"))), price=draw(AMOUNTS))
        for one in LISTS
        for item in ITEMS
        if clean or draw(st.booleans())
    ]
    more = draw(_rows(listed, 3))
    by_key = {(one.price_list, one.item, one.unit or "pc", one.currency): one for one in (*more, *prices)}
    rates = draw(_rows(rate, 8, 2))
    if clean:
        rates += tuple(
            ExchangeRate(day=TODAY, currency=one, into=into, rate=draw(st.sampled_from((Decimal("0.9"), Decimal(2)))))
            for one in CURRENCIES
            for into in CURRENCIES
        )
    boxes = tuple(msgspec.structs.replace(draw(unit), item=one, unit="box") for one in ITEMS)
    ladders = draw(st.lists(_ladder(clean), min_size=4 if clean else 0, max_size=10))
    if clean:  # one for each owner, item, unit and level: dates cannot overlap
        ladders = list({_place(one[0]): one for one in ladders}.values())
    return PriceTerms(
        account_groups=tuple(AccountGroup(group=one) for one in GROUPS),
        accounts=draw(_unique(account, 4, lambda one: one.account, least=1)),
        items=each(item, "item", ITEMS),
        item_units=draw(_unique(unit, 4, lambda one: (one.item, one.unit))) if not clean else boxes,
        price_lists=each(lists, "price_list", LISTS),
        list_prices=tuple(by_key.values()),
        exchange_rates=tuple({(one.day, one.currency, one.into): one for one in rates}.values()),
        discount_rules=draw(_rows(rules, 4)),
        special_prices=tuple(row for one in ladders for row in one),
        agreements=draw(_rows(_dated(Agreement, agreement_fields, not clean), 3)),
        promotions=draw(_rows(promotion, 2)) if promotions else (),
    )
