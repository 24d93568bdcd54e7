from __future__ import annotations

import pytest

from erp_sync.ports.diagnosis import Verdict
from erp_sync.transport.errors import NotAuthenticated, OutcomeUnknown, Rejected
from erp_sync_tests.systems.shopware.samples import CHANNEL, order
from erp_sync_tests.systems.shopware.shop import Shop

CURRENCY = [{"id": "b7d2554b0ce847cd82f3ac9bd1c0dfca", "isoCode": "EUR"}]


def verdicts(shop: Shop, **settings: object) -> dict[str, Verdict]:
    return {one.check: one.verdict for one in shop.connector(**settings).examine()}


def test_a_shop_that_is_ready():
    found = verdicts(Shop(order=[order()], currency=CURRENCY, product=[], custom_price=[]), base_currency="EUR")
    assert set(found.values()) == {Verdict.OK}
    assert {"credentials", "clock", "right to read order", "page size", "latest order"} <= set(found)


def test_nothing_else_is_looked_at_where_the_credentials_are_refused():
    shop = Shop()
    shop.answer("POST", "search/.*", NotAuthenticated("HTTP 401: no"))
    (only,) = shop.connector().examine()
    assert (only.check, only.verdict) == ("credentials", Verdict.ERROR)
    assert only.mend


def test_a_missing_right_and_a_lower_limit_say_what_to_do():
    shop = Shop(currency=CURRENCY, product=[], custom_price=[])
    refusal = Rejected(403, "missing_privilege", "the integration's role lacks order:read")
    shop.answer("POST", "search/order", refusal)
    found = {one.check: one for one in shop.connector().examine()}
    assert found["right to read order"].verdict is Verdict.ERROR
    assert "order:read" in found["right to read order"].found
    assert found["page size"].verdict is Verdict.ERROR
    assert found["latest order"].verdict is Verdict.WARNING


def test_an_order_that_would_be_a_dead_letter_is_told_before_it_is_one():
    broken = order(taxStatus="mixed")
    found = verdicts(Shop(order=[broken], currency=CURRENCY, product=[], custom_price=[]))
    assert found["latest order"] is Verdict.WARNING
    assert verdicts(Shop(order=[], currency=CURRENCY, product=[], custom_price=[]))["latest order"] is Verdict.UNTESTED


def test_the_latest_order_that_is_looked_at_is_one_that_is_read():
    newer = order(number=2, salesChannelId="d" * 32, taxStatus="mixed")
    shop = Shop(order=[order(number=1), newer], currency=CURRENCY, product=[], custom_price=[])
    assert verdicts(shop)["latest order"] is Verdict.WARNING
    assert verdicts(shop, order_sales_channels=[CHANNEL])["latest order"] is Verdict.OK


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [({}, Verdict.WARNING), ({"base_currency": "USD"}, Verdict.ERROR), ({"base_currency": "EUR"}, Verdict.OK)],
)
def test_the_shops_own_currency_is_compared_with_the_setting(settings, verdict):
    found = verdicts(Shop(order=[order()], currency=CURRENCY, product=[], custom_price=[]), **settings)
    assert found["base currency"] is verdict


def test_a_clock_that_is_behind_and_a_shop_that_does_not_answer():
    shop = Shop(order=[order()], currency=CURRENCY, product=[], custom_price=[])
    shop.behind_seconds = 90.0
    assert verdicts(shop)["clock"] is Verdict.WARNING
    silent = Shop()
    silent.answer("POST", "search/.*", OutcomeUnknown("no answer in time"))
    assert verdicts(silent) == {"credentials": Verdict.WARNING}


def test_a_shop_without_prices_of_customers_is_told_unless_rules_are_used():
    shop = Shop(order=[order()], currency=CURRENCY, product=[])
    shop.answer("POST", "search/custom-price", Rejected(404, "not_found", "No route found"))
    assert verdicts(shop, base_currency="EUR")["customer prices"] is Verdict.WARNING
    assert verdicts(shop, base_currency="EUR", account_prices="rule")["customer prices"] is Verdict.OK
