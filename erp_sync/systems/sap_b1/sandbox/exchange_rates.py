"""Currencies and exchange rates as the Service Layer tells them: SBOBobService's functions (contract 1.27: POST).

``SBOBobService_GetCurrencyRate {"Currency": "EUR", "Date": "20261130"}`` answers the company's currency for one of
the other: a bare number in v1, ``{"value": …}`` in v2 (public code of several integrations); a day without a rate is
code -4006 (obs.). ``SBOBobService_SetCurrencyRate {"Currency", "Rate", "RateDate"}`` answers 204 (obs.). Unconfirmed:
the answer for the company's own currency (refused here), and that a rate that is there is overwritten without being
asked for.

In life every posting date needs a rate of its own and somebody enters it in the morning: with option
`rates_carry_on` the latest one is as good as entered, without it each day's own counts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.sandbox.core import Response, json_response
from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import JSON, ServiceLayerError, malformed, not_found, rule
from erp_sync.systems.sap_b1.sandbox.values import date_text, exact, number

NO_RATE = -4006


def stored(context: Context, currency: str, day: str) -> Decimal | None:
    """Local currency for one unit of another on a day, or None without a rate."""
    compared = "<=" if context.options.rates_carry_on else "="
    found = context.store.value(
        f"SELECT rate FROM exchange_rates WHERE currency = ? AND day {compared} ? ORDER BY day DESC LIMIT 1",
        currency, day,
    )  # fmt: skip
    return None if found is None else Decimal(found)


def get_rate(context: Context, body: Any) -> Response:
    """Raises ServiceLayerError."""
    currency, day = _named(context, body, "Date")
    found = stored(context, currency, day)
    if found is None:
        raise ServiceLayerError(NO_RATE, f"Update the exchange rate, '{currency}'")
    return _answer(context, number(found))


def set_rate(context: Context, body: Any) -> Response:
    """Raises ServiceLayerError."""
    currency, day = _named(context, body, "RateDate")
    try:
        rate = exact(body.get("Rate"))
    except ValueError as error:
        raise malformed("Invalid value for property 'Rate'") from error
    if rate <= 0:
        raise rule("Enter an exchange rate above zero")  # words unconfirmed
    context.store.run("INSERT OR REPLACE INTO exchange_rates VALUES (?, ?, ?)", currency, day, str(number(rate)))
    return Response(204)


def local_currency(context: Context, body: Any) -> Response:
    return _answer(context, context.options.local_currency)


def _named(context: Context, body: Any, date_name: str) -> tuple[str, str]:
    """Currency and day of a call."""
    if not isinstance(body, dict):
        raise malformed("Property 'Currency' is mandatory")
    currency = body.get("Currency")
    if not isinstance(currency, str) or not rows.exists(context.store, "Currencies", currency):
        raise not_found()
    if currency == context.options.local_currency:
        raise rule(f"'{currency}' is the local currency")  # words unconfirmed
    return currency, date_text(body.get(date_name), date_name, "SBOBobService")


def _answer(context: Context, value: Decimal | str) -> Response:
    if context.version == "v1":
        return json_response(value, 200, content_type=JSON)
    mark = f"{context.origin}{context.root}/$metadata#Edm.{'String' if isinstance(value, str) else 'Double'}"
    return json_response({"@odata.context": mark, "value": value}, 200, content_type=JSON)
