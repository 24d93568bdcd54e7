"""Can the terms of prices be read? Needed by contract prices only, so that what is missing is a warning."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from erp_sync.ports.diagnosis import Diagnosis, Verdict
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.client import Query, ServiceLayerClient
from erp_sync.systems.sap_b1.company import read_company, read_rates
from erp_sync.systems.sap_b1.term_tables import ITEMS, TABLES
from erp_sync.transport.errors import TransportError

#: A key that no record has.
NOBODY = "erp_sync_doctor"
RIGHTS = "For contract prices only: give the user this authorization."
RATES_MEND = (
    "For contract prices only: enter the rates of the day (Administration, Exchange Rates and Indexes), or leave "
    "currencies out by setting rate_currencies. Prices that would have to be converted are held until then."
)


def price_terms(client: ServiceLayerClient) -> Iterator[Diagnosis]:
    """Every set of the price terms, the company's own currency, and the rates of today."""
    for table in TABLES.values():
        check = f"reading {table.entity_set} for prices"
        where = odata.equals(table.key[0], 0 if table.numbered else NOBODY)
        select = (*table.key, "ItemPrices") if table is ITEMS else table.key
        query = Query(entity_set=table.entity_set, key=table.key, where=where, select=select)
        try:
            client.rows(query, operation="doctor.read")
        except TransportError as error:
            yield _warning(check, error, RIGHTS)
        else:
            yield _ok(check, "there")
    yield from _currencies(client)


def _currencies(client: ServiceLayerClient) -> Iterator[Diagnosis]:
    check = "currency of the company"
    try:
        company = read_company(client)
    except TransportError as error:
        yield _warning(check, error, RIGHTS)
        return
    yield _ok(check, company.local_iso)
    settings, zone = client.connection.settings, ZoneInfo(client.connection.time_zone)
    wanted = {str(one) for one in settings.get("rate_currencies") or ()}
    foreign = {
        code: iso
        for code, iso in company.currencies.items()
        if iso != company.local_iso and (not wanted or iso in wanted)
    }
    check = "exchange rates of today"
    try:
        rates = read_rates(client, foreign, datetime.now(UTC).astimezone(zone).date())
    except TransportError as error:
        yield _warning(check, error, RIGHTS)
        return
    missing = sorted(iso for code, iso in foreign.items() if code not in rates)
    if missing:
        yield Diagnosis(check=check, verdict=Verdict.WARNING, found=f"none for {', '.join(missing)}", mend=RATES_MEND)
    else:
        yield _ok(check, "there")


def _ok(check: str, found: str) -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.OK, found=found)


def _warning(check: str, error: TransportError, mend: str) -> Diagnosis:
    found = getattr(error, "message", "") or str(error)
    return Diagnosis(check=check, verdict=Verdict.WARNING, found=found, mend=mend)
