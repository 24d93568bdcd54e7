"""Is this company ready? Reads and compares, changes nothing.

Checks: log-in, the user-defined field of our key and those of the mapping, warehouses that settings name, the time zone
where the server tells its time, every entity set that a flow reads, approval requests, and what decides prices. What
the user may write cannot be told without writing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from erp_sync.ports.diagnosis import Diagnosis, Verdict
from erp_sync.ports.mapping import Direction, RecordMapping
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.capabilities import key_field
from erp_sync.systems.sap_b1.client import Query, ServiceLayerClient
from erp_sync.systems.sap_b1.deliveries import DELIVERING
from erp_sync.systems.sap_b1.doctor_prices import price_terms
from erp_sync.systems.sap_b1.stock import MOVING
from erp_sync.transport.errors import NoSession, NotAuthenticated, Rejected, TransportError

#: A key that no document has.
NOBODY = "erp_sync_doctor"
#: What clocks may differ by without being in another zone: zones are a quarter of an hour apart at least.
_CLOCKS_APART = timedelta(minutes=7)
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?(Z|[+-]00:?00)?")
ENTITY_SETS = {"sales_order": "Orders", "customer": "BusinessPartners"}
CREDENTIALS_MEND = "Compare company database, user and password; look whether the user is locked or lacks a licence."
FIELD_MEND = (
    "An administrator makes it (Tools, Customization Tools, User-Defined Fields - Management, Marketing Documents, "
    "Title; alphanumeric, 50), then restarts the Service Layer."
)


def examine(client: ServiceLayerClient, mappings: Mapping[str, RecordMapping]) -> list[Diagnosis]:
    """All checks, in the order in which an operator would mend. Ends early where nobody may log in."""
    first = _login(client)
    if first.verdict is Verdict.ERROR:
        return [first]
    return [
        first,
        *_key_field(client),
        *_user_fields(client, mappings),
        *_warehouses(client),
        _clock(client),
        *_reads(client),
        *price_terms(client),
        *_writes(),
    ]


def _login(client: ServiceLayerClient) -> Diagnosis:
    check = "log-in"
    try:
        _look(client, "Currencies", "Code")
    except NotAuthenticated as refused:
        return _error(check, refused.why, CREDENTIALS_MEND)
    except NoSession as full:
        return _error(check, full.why, "Wait until a run has ended, or raise the connection's limit of sessions.")
    except Rejected as rejected:
        return _ok(check, f"logged in; currencies may not be read: {rejected.message}")
    except TransportError as error:
        return _error(check, str(error), "Look at address, port (50000), certificate and network.")
    return _ok(check, "logged in")


def _key_field(client: ServiceLayerClient) -> Iterator[Diagnosis]:
    field = key_field(client.connection.settings)
    for name in ("Orders", "Drafts"):
        where = odata.equals(field, NOBODY)
        yield _tried(
            f"user-defined field {field} of {name}",
            partial(_look, client, name, "DocEntry", where, (field,)),
            FIELD_MEND,
        )


def _user_fields(client: ServiceLayerClient, mappings: Mapping[str, RecordMapping]) -> Iterator[Diagnosis]:
    """Of headers; those of lines cannot be asked for alone."""
    for name, entity_set in ENTITY_SETS.items():
        mapping = mappings[name]
        fields = sorted(path for path in mapping.target_paths() if path.startswith("U_") and "." not in path)
        if mapping.direction is not Direction.TO_VENDOR:
            continue
        for field in fields:
            if field == key_field(client.connection.settings):
                continue
            key = "DocEntry" if entity_set == "Orders" else "CardCode"
            nobody = odata.equals(key, 0) if key == "DocEntry" else odata.equals(key, NOBODY)
            yield _tried(
                f"user-defined field {field} of {entity_set}",
                partial(_look, client, entity_set, key, nobody, (field,)),
                "Make the field, or drop it from the connection's mapping.",
            )


def _warehouses(client: ServiceLayerClient) -> Iterator[Diagnosis]:
    settings = client.connection.settings
    entries = [settings, *(settings.get("websites") or {}).values()]
    codes = {str(one["warehouse"]) for one in entries if one and one.get("warehouse")}
    codes |= {str(one) for one in settings.get("stock_warehouses") or ()}
    if not codes:
        return
    try:
        where = odata.any_of("WarehouseCode", sorted(codes))
        there = {str(row["WarehouseCode"]) for row in _look(client, "Warehouses", "WarehouseCode", where)}
    except TransportError as error:
        yield _warning(
            "warehouses of the settings", str(error), "Let the user read warehouses; the settings may be right."
        )
        return
    for code in sorted(codes):
        check = f"warehouse {code}"
        if code in there:
            yield _ok(check, "there")
        else:
            yield _error(check, "not there", "Correct warehouse, websites or stock_warehouses in the settings.")


def _reads(client: ServiceLayerClient) -> Iterator[Diagnosis]:
    settings = client.connection.settings
    documents = dict.fromkeys(
        [
            *("Orders", "Drafts"),
            *(settings.get("delivering_documents") or DELIVERING),
            *(settings.get("moving_documents") or MOVING),
        ]
    )
    keys = {**dict.fromkeys(documents, "DocEntry"), "Items": "ItemCode", "BusinessPartners": "CardCode"}
    keys |= {"ItemGroups": "Number", "Manufacturers": "Code", "ProductTrees": "TreeCode", "ApprovalRequests": "Code"}
    for entity_set, key in keys.items():
        text = key in ("ItemCode", "CardCode", "TreeCode")
        where = odata.equals(key, NOBODY if text else 0)
        yield _tried(
            f"reading {entity_set}",
            partial(_look, client, entity_set, key, where),
            "Give the user this authorization, or leave the set out where a setting names it.",
        )


def _clock(client: ServiceLayerClient, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Diagnosis:
    """The connection's time zone against the server's own time. Stamps have no zone: with a wrong one changes are read
    hours late, or never, and dates are of another day.

    `CompanyService_GetCurrentServerTime` is published (contract 1.27), the form of what it answers is not: what looks
    like no date with a time is no answer.
    """
    check, zone = "time zone of the server", client.connection.time_zone
    mend = (
        "Compare the clock of the SAP server with time_zone of the connection. With Manage Company Time (General "
        "Settings, Display) stamps are in the company's zone, not the server's."
    )
    try:
        told = str(client.asked("CompanyService_GetCurrentServerTime", operation="doctor.read"))
    except TransportError as error:
        told = f"it does not tell its time: {getattr(error, 'message', '') or error}"
    found = _TIME.search(told)
    if found is None:
        return Diagnosis(check=check, verdict=Verdict.UNTESTED, found=f"cannot be checked; {told}", mend=mend)
    server = datetime.fromisoformat(f"{found[1]}T{found[2]}")
    here = now().astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    away = abs(server - here)
    if away <= _CLOCKS_APART:
        return _ok(check, f"{found[1]} {found[2]}, as in {zone}")
    if found[3] and abs(server - now().astimezone(UTC).replace(tzinfo=None)) <= _CLOCKS_APART:
        words = f"cannot be checked; it tells the time as UTC ({told})"
        return Diagnosis(check=check, verdict=Verdict.UNTESTED, found=words, mend=mend)
    return _error(check, f"the server says {found[1]} {found[2]}, in {zone} it is {here:%Y-%m-%d %H:%M}", mend)


def _writes() -> Iterable[Diagnosis]:
    for what in ("Orders and BusinessPartners", "OrdersService_Preview", "Orders(n)/Cancel and /Close"):
        yield Diagnosis(
            check=f"writing {what}",
            verdict=Verdict.UNTESTED,
            found="cannot be told without writing",
            mend="Administration, System Initialization, Authorizations: full authorization of the user for sales "
            "orders and business partner master data.",
        )


def _look(
    client: ServiceLayerClient, entity_set: str, key: str, where: str = "", select: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    query = Query(entity_set=entity_set, key=(key,), where=where, select=(key, *select))
    return client.rows(query, operation="doctor.read")


def _tried(check: str, look: Callable[[], Any], mend: str) -> Diagnosis:
    try:
        look()
    except TransportError as error:
        return _error(check, getattr(error, "message", "") or str(error), mend)
    return _ok(check, "there")


def _ok(check: str, found: str) -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.OK, found=found)


def _warning(check: str, found: str, mend: str) -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.WARNING, found=found, mend=mend)


def _error(check: str, found: str, mend: str) -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.ERROR, found=found, mend=mend)
