"""Exchange rates by SBOBobService: what a day's rate is, in either version's form."""

from __future__ import annotations

from decimal import Decimal

import pytest

RATES = {"exchange_rates": [{"currency": "EUR", "rate": "1.25", "date": "2026-11-01"}]}


def asked(company, day, currency="EUR", **kinds):
    return company.call("POST", "SBOBobService_GetCurrencyRate", {"Currency": currency, "Date": day}, **kinds)


def test_a_rate_in_both_forms(company):
    company.core.seed(RATES)
    assert asked(company, "20261101").body["value"] == Decimal("1.25")
    assert asked(company, "2026-11-01", version="v1").body == Decimal("1.25")
    assert company.call("POST", "SBOBobService_GetLocalCurrency", version="v1").body == "USD"


@pytest.mark.parametrize(("carry_on", "status"), [(True, 200), (False, 400)])
def test_a_day_without_a_rate(make_company, carry_on, status):
    company = make_company(rates_carry_on=carry_on)
    company.core.seed(RATES)
    assert asked(company, "20261102").status == status
    answer = asked(company, "20261031")
    assert (answer.status, answer.code, answer.message) == (400, "-4006", "Update the exchange rate, 'EUR'")
    company.done("SBOBobService_SetCurrencyRate", {"Currency": "EUR", "Rate": "1.3", "RateDate": "20261102"})
    assert asked(company, "20261102").body["value"] == Decimal("1.3")


@pytest.mark.parametrize(("currency", "code"), [("XXX", "-2028"), ("USD", "-10"), (None, "-2028")])
def test_a_currency_that_has_no_rate(company, currency, code):
    assert asked(company, "20261101", currency).code == code
