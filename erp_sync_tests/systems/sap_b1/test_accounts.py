"""A business partner, as `BusinessAccount`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.mapping import Context
from erp_sync.ports.raw import BadRecord
from erp_sync.systems.sap_b1.mapping.business_account import BUSINESS_ACCOUNT

TODAY = date(2026, 11, 30)
PARTNER: dict[str, Any] = {
    "CardCode": "C10010",
    "CardName": "Noether Maschinenbau GmbH",
    "Currency": "##",
    "CreditLimit": "25000.0",
    "CurrentAccountBalance": "1200.50",
    "OpenDeliveryNotesBalance": "0.0",
    "OpenOrdersBalance": "99.5",
    "VatLiable": "vLiable",
    "Frozen": "tNO",
    "Valid": "tNO",
    "UpdateDate": "2026-11-29",
    "UpdateTime": "10:00:01",
}


def account(**changes: Any) -> Any:
    connection = ConnectionSettings(
        name="sap_de", vendor="sap_b1", base_url="", credentials={}, time_zone="Europe/Berlin"
    )
    context = Context(connection, values={"connection": "sap_de", "today": TODAY})
    return BUSINESS_ACCOUNT.apply({**PARTNER, **changes}, context, "C10010")


def test_amounts_are_exact_and_the_balance_is_all_that_is_not_paid() -> None:
    found = account()
    assert (found.credit_limit, found.open_balance, found.currency) == (Decimal(25000), Decimal(1300), "")


@pytest.mark.parametrize(
    ("changes", "active"),
    [
        ({}, True),
        ({"Frozen": "tYES"}, False),
        ({"Frozen": "tYES", "FrozenFrom": "2026-12-01"}, True),
        ({"Frozen": "tYES", "FrozenFrom": "2026-11-30", "FrozenTo": "2026-11-30"}, False),
        ({"Frozen": "tYES", "FrozenTo": "2026-11-29"}, True),
        ({"Valid": "tYES"}, True),
        ({"Valid": "tYES", "ValidTo": "2026-11-29"}, False),
        ({"Valid": "tYES", "ValidFrom": "2026-11-01", "ValidTo": "2026-11-30"}, True),
    ],
)
def test_an_account_is_locked_on_the_days_that_it_is_frozen_or_not_valid(changes: Any, active: bool) -> None:
    assert account(**changes).active is active


def test_an_exemption_has_its_certificate_and_its_last_day() -> None:
    found = account(VatLiable="vExempted", ExemptNum="K-17", ExemptionValidityDateTo="2027-06-30T00:00:00Z")
    assert (found.tax_exempt, found.exemption_certificate, found.exempt_until) == (True, "K-17", date(2027, 6, 30))


def test_a_limit_that_is_no_number_stops_its_account_and_is_named() -> None:
    with pytest.raises(BadRecord, match="CreditLimit"):
        account(CreditLimit="much")
