"""What prices refer to by number or by a code of the company's own: currencies, units of measure, rates of the day.

Small sets, read whole at the start of a reading. The company's settings are `CompanyService_GetAdminInfo` (contract
1.27); a rate is asked for by `SBOBobService_GetCurrencyRate` (contract 1.27: a POST; that its body is `Currency` and
`Date`, that v1 answers a bare number, and that no rate is code -4006 was seen in public code; what v2 puts around the
number is unconfirmed, and both shapes are read).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.systems.sap_b1.client import Query, ServiceLayerClient
from erp_sync.systems.sap_b1.errors import NOT_SUPPORTED
from erp_sync.transport.errors import OutcomeUnknown, Rejected

Row = dict[str, Any]
ADMIN_INFO = "CompanyService_GetAdminInfo"
CURRENCY_RATE = "SBOBobService_GetCurrencyRate"
#: As `errors.rejection` names codes that it has no word for.
NO_RATE = ("sap_4006",)
#: The manual group's: items in it have one unit, and no code for it.
MANUAL = -1
UNITS_OF_GROUP = "UoMGroupDefinitionCollection"
_ISO = re.compile(r"[A-Z]{3}")
_PAGE = 500


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    local_currency: SAP's code of it.
    currencies: ISO code by SAP's code, of all.
    units: code by UoMEntry.
    unit_groups: ``{"BaseUoM", "UoMGroupDefinitionCollection"}`` by entry.
    direct_rates: a rate is what one unit of the foreign currency is in the local one, not the other way round.
    """

    local_currency: str
    currencies: dict[str, str]
    units: dict[int, str]
    unit_groups: dict[int, Row]
    direct_rates: bool = True

    def iso(self, codes: Iterable[str]) -> dict[str, str]:
        """ISO codes of those of SAP's codes that are none themselves."""
        return {code: self.currencies[code] for code in sorted(codes) if self.currencies.get(code, code) != code}

    def unit_codes(self, entries: Iterable[int]) -> dict[str, str]:
        """Codes by entry, as text: the payload of a record is JSON."""
        return {str(one): self.units[one] for one in sorted(entries) if one in self.units}

    @property
    def local_iso(self) -> str:
        return self.currencies.get(self.local_currency, self.local_currency)


def read_company(client: ServiceLayerClient) -> Company:
    """Four calls, more where there are many units. Raises the TransportError tree."""
    info = client.act(ADMIN_INFO, {}, operation="price_terms.read_company", document="", repeatable=True)
    local = str(info.get("LocalCurrency") or "")
    if not local:
        raise OutcomeUnknown(f"{ADMIN_INFO} answers no LocalCurrency: which currency prices are in is unknown")
    codes = _all(client, "Currencies", ("Code",), ("Code", "DocumentsCode"))
    units = _all(client, "UnitOfMeasurements", ("AbsEntry",), ("AbsEntry", "Code"))
    parts = ("AbsEntry", "BaseUoM", UNITS_OF_GROUP)
    groups = _all(client, "UnitOfMeasurementGroups", ("AbsEntry",), parts)
    own = client.connection.settings.get("currencies") or {}
    return Company(
        local_currency=local,
        currencies=_iso_codes(codes, own),
        units={int(one["AbsEntry"]): str(one.get("Code") or one["AbsEntry"]) for one in units},
        unit_groups={int(one["AbsEntry"]): {name: one.get(name) for name in parts[1:]} for one in groups},
        # Of the two values only the word "direct" is documented (unconfirmed which is which; public code divides an
        # amount by the rate where it is tNO).
        direct_rates=info.get("DirectIndirectRate") != "tNO",
    )


def read_rates(client: ServiceLayerClient, codes: Iterable[str], day: date) -> dict[str, Decimal]:
    """The rate of each of SAP's currency codes on that day; one without a rate is left out. A call for each.

    None where this Service Layer has no such function: what had to be converted is then named for want of a rate.
    Raises the TransportError tree.
    """
    found = {}
    for code in codes:
        body = {"Currency": code, "Date": day.strftime("%Y%m%d")}
        try:
            answer = client.answer(CURRENCY_RATE, body, operation="price_terms.read_rate", document=code)
        except Rejected as rejected:
            if rejected.code == NOT_SUPPORTED:
                return {}
            if rejected.code not in NO_RATE:
                raise
            continue
        rate = answer.get("value") if isinstance(answer, Mapping) else answer
        if not isinstance(rate, int | Decimal) or isinstance(rate, bool):
            raise OutcomeUnknown(f"{CURRENCY_RATE} of {code} answers no number")
        if rate > 0:
            found[code] = Decimal(rate)
    return found


def _all(client: ServiceLayerClient, entity_set: str, key: tuple[str, ...], select: tuple[str, ...]) -> list[Row]:
    query = Query(entity_set=entity_set, key=key, select=select, page=_PAGE)
    return client.rows(query, operation="price_terms.read_company")


def _iso_codes(rows: Iterable[Mapping[str, Any]], own: Mapping[str, Any]) -> dict[str, str]:
    """Setting ``currencies`` ({ISO code: SAP's code}) before a code that is one, before DocumentsCode (that this is the
    ISO code is unconfirmed), before the code as it is."""
    found = {}
    for row in rows:
        code, other = str(row["Code"]), str(row.get("DocumentsCode") or "")
        found[code] = code if _ISO.fullmatch(code) or not _ISO.fullmatch(other) else other
    return found | {str(code): str(iso) for iso, code in own.items()}
