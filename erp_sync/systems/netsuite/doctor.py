"""Is this account ready? Reads and compares, changes nothing.

Checks: credentials, clock, API versions, concurrency, every query that a flow runs, the mapped fields against the
account's own metadata, the tax engine, the order RESTlet, saved searches, items of one name, and what may be written.
That the search RESTlet tells, which runs as the token's role (Oracle NetSuite help, N/runtime, User.getPermission).
Where it is not installed these permissions are named as untested: metadata lists a record to who may only view it
(unconfirmed), and the query that lists a role's permissions (help, Use Case for Retrieving Permissions Assigned to a
Role) needs the role's id, which no answer to a token tells.
"""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from erp_sync.ports.diagnosis import Diagnosis, Verdict
from erp_sync.ports.mapping import Direction, RecordMapping
from erp_sync.systems.netsuite import adoption, orders, shipments
from erp_sync.systems.netsuite.capabilities import CAPABILITIES
from erp_sync.systems.netsuite.catalogue import item_reading
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync.systems.netsuite.mapping.order import LEGACY, SUITETAX
from erp_sync.systems.netsuite.order_status import order_reading
from erp_sync.systems.netsuite.rows import RowReader
from erp_sync.transport.errors import NotAuthenticated, Rejected, TransportError

# OAuth 1.0 timestamps are refused a few minutes off (Oracle names no figure: unconfirmed).
CLOCK_WARNING_SECONDS, CLOCK_ERROR_SECONDS = 30.0, 240.0

CREDENTIALS_MEND = (
    "Compare account, keys and role with Setup > Integration; the Login Audit Trail names the cause. "
    "Check the clock of this machine."
)

SEARCH_SCRIPT, SEARCH_DEPLOYMENT = "customscript_erp_sync_search", "customdeploy_erp_sync_search"

# Record of each mapping that writes.
RECORDS = {"customer": "customer", "sales_order": "salesOrder", "customer_deposit": "customerDeposit"}

LEVELS = ("none", "view", "create", "edit", "full")
CREATE, EDIT = 2, 3

# Permissions with which flows write, their level, which includes those below, and for what; as INSTALL.md says.
# Keys as public code queries them (TRAN_SALESORD) or by the same pattern (unconfirmed).
WRITES = (
    ("Lists > Customers", "LIST_CUSTJOB", EDIT, "customers of orders, and their currencies"),
    ("Transactions > Sales Order", "TRAN_SALESORD", EDIT, "orders and their cancellation"),
    ("Transactions > Customer Deposit", "TRAN_CUSTDEP", CREATE, "payments"),
)
TAX_DETAILS = ("Transactions > Tax Details Tab", "TRAN_TAXDETAILSTAB", EDIT, "the store's tax on orders")

PROBES = {
    "stock": "SELECT ail.item, ail.location, ail.quantityonhand, ail.quantityavailable, ail.quantitycommitted, "
    "ail.quantitybackordered, ail.quantityonorder, ail.lastquantityavailablechange FROM aggregateitemlocation ail "
    "WHERE ail.item = 0 ORDER BY ail.item, ail.location",
    "order lines": "SELECT tl.transaction, tl.item, tl.quantityshiprecv FROM transactionline tl "
    "WHERE tl.transaction = 0 ORDER BY tl.id",
}


def examine(
    client: NetSuiteClient,
    mappings: Mapping[str, RecordMapping],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Diagnosis]:
    """All checks, in the order in which an operator would mend. Ends early where nobody may log in."""
    first = _credentials(client, clock)
    if first[0].verdict is Verdict.ERROR:
        return first
    settings = client.connection.settings
    return [
        *first,
        _versions(client),
        _concurrency(client),
        *_queries(client),
        *_fields(client, mappings),
        _tax_engine(client),
        *([_order_script(client)] if settings.get("tax_engine") == LEGACY else []),
        *_searches(client),
        _item_names(client),
        *_writes(client),
    ]


def _writes(client: NetSuiteClient) -> Iterable[Diagnosis]:
    settings = client.connection.settings
    tax = [TAX_DETAILS] if settings.get("tax_engine", SUITETAX) == SUITETAX else []
    wanted = (*WRITES, *tax)
    try:
        script, deployment = _search_script(settings)
        held = client.permissions(script, deployment, [key for _, key, _, _ in wanted])
    except TransportError:
        held = {}
    place = "Setup > Users/Roles > Manage Roles > the token's role > Permissions"
    for name, key, level, what in wanted:
        check, has = f"permission {name}", held.get(key)
        if has is None:
            yield Diagnosis(
                check=check,
                verdict=Verdict.UNTESTED,
                found=f"{LEVELS[level]}: needed for {what}",
                mend=f"Install this version of erp_sync_search_restlet.js, which tells; or look at {place}; or, with "
                "the role's internal id, SuiteQL: SELECT name, permkey, permlevel FROM rolepermissions WHERE role = ID "
                f"(here {key}).",
            )
        elif has < level:
            yield _error(
                check, f"{LEVELS[has]}; {LEVELS[level]} is needed for {what}", f"{place}: set it to {LEVELS[level]}."
            )
        else:
            yield _ok(check, f"{LEVELS[has]}; {LEVELS[level]} is needed for {what}")


def _search_script(settings: Mapping[str, Any]) -> tuple[str, str]:
    return (
        str(settings.get("search_script", SEARCH_SCRIPT)),
        str(settings.get("search_deployment", SEARCH_DEPLOYMENT)),
    )


def _credentials(client: NetSuiteClient, clock: Callable[[], datetime]) -> list[Diagnosis]:
    try:
        date = client.server_date()
    except NotAuthenticated as error:
        return [_error("credentials", str(error), CREDENTIALS_MEND)]
    except TransportError as error:
        return [_error("connection", str(error), f"Is {client.connection.base_url} right and reachable?")]
    result = [_ok("credentials", "accepted")]
    if not date:
        return [*result, _warning("clock", "NetSuite gave no date to compare with", "")]
    skew = abs((email.utils.parsedate_to_datetime(date).astimezone(UTC) - clock()).total_seconds())
    mend = "Synchronise this machine's clock: signatures carry the time."
    if skew > CLOCK_ERROR_SECONDS:
        return [*result, _error("clock", f"{skew:.0f} s apart from NetSuite", mend)]
    if skew > CLOCK_WARNING_SECONDS:
        return [*result, _warning("clock", f"{skew:.0f} s apart from NetSuite", mend)]
    return [*result, _ok("clock", f"{skew:.0f} s apart from NetSuite")]


def _versions(client: NetSuiteClient) -> Diagnosis:
    """The record service of the version that is spoken here lists its records; the query service answered before."""
    try:
        records = client.records()
    except TransportError as error:
        mend = "Turn on REST Web Services (Setup > Company > Enable Features), and give the role that permission."
        return _error("API versions", f"record/v1 does not answer: {error}", mend)
    missing = sorted(set(RECORDS.values()) - set(records))
    if missing:
        return _error("API versions", f"record/v1 lists no {', '.join(missing)}", "Enable the feature for the role.")
    return _ok("API versions", f"record/v1 lists {len(records)} records, query/v1 answers")


def _concurrency(client: NetSuiteClient) -> Diagnosis:
    configured = client.connection.settings.get("limits") or {}
    wanted = int(configured.get("concurrency") or CAPABILITIES.limits.concurrency or 0)
    try:
        reply = client.governance()
    except TransportError as error:
        return _warning("concurrency", f"could not be read: {error}", "")
    if reply.status != 200:
        return _warning(
            "concurrency",
            f"only an administrator may read the account's limit; {wanted} requests at once are assumed",
            "Compare with Setup > Integration > Integration Governance; set `limits: {concurrency: N}`.",
        )
    limits = reply.json()
    # What is allocated to this integration, else what the account has left for those without an allocation.
    names = ("integrationConcurrencyLimit", "accountUnallocatedConcurrencyLimit", "accountConcurrencyLimit")
    limit = next((int(limits[name]) for name in names if limits.get(name)), 0)
    if limit and limit < wanted:
        return _error(
            "concurrency",
            f"the account allows {limit}, {wanted} are configured",
            f"Set `limits: {{concurrency: {limit}}}`.",
        )
    return _ok("concurrency", f"the account allows {limit or 'an unknown number'}, {wanted} are used")


def _queries(client: NetSuiteClient) -> Iterable[Diagnosis]:
    readings = {
        "orders": order_reading(client.connection.settings),
        "shipments": shipments.FULFILLMENTS,
        "customers": adoption.CUSTOMERS,
        "items": item_reading(client.connection.settings),
        "orders to adopt": adoption.ORDERS,
        "deposits to adopt": adoption.DEPOSITS,
    }
    statements = {name: RowReader(client, one).statement(f"{one.key} = 0", "") for name, one in readings.items()}
    for name, statement in (statements | PROBES).items():
        try:
            client.query(statement, operation="doctor.query")
        except Rejected as error:
            yield _error(
                f"query of {name}",
                error.message,
                "The role lacks a permission, or the account lacks a column: compare the setting that names it.",
            )
        except TransportError as error:
            yield _warning(f"query of {name}", str(error), "Run the doctor again.")
        else:
            # Rows that a role may not see are no error: an empty answer proves the columns only.
            yield _ok(f"query of {name}", "all columns exist")


def _fields(client: NetSuiteClient, mappings: Mapping[str, RecordMapping]) -> Iterable[Diagnosis]:
    for name, record in RECORDS.items():
        mapping = mappings.get(name)
        if mapping is None or mapping.direction is not Direction.TO_VENDOR:
            continue
        try:
            catalog = client.catalog(record)
        except TransportError as error:
            yield _warning(f"fields of {record}", f"metadata could not be read: {error}", "")
            continue
        if catalog is None:
            yield _error(f"record {record}", "the account has no such record, or the role may not see it",
                         "Enable the feature, or give the role the permission.")  # fmt: skip
            continue
        missing, unclear = compare_fields(catalog, mapping.target_paths())
        for path in missing:
            custom = path.rpartition(".")[2].startswith("cust")
            yield _error(
                f"field {path} of {record}",
                "the account's metadata lists no such field",
                "Create the custom field."
                if custom
                else "Enable the feature it belongs to, or drop it in the overlay.",
            )
        if unclear:
            yield _warning(f"fields of {record}", f"cannot be told from metadata: {', '.join(sorted(unclear))}", "")
        if not missing:
            yield _ok(f"fields of {record}", f"all {len(mapping.target_paths())} mapped fields are known")


def compare_fields(catalog: Mapping[str, Any], targets: Iterable[str]) -> tuple[list[str], list[str]]:
    """Mapped paths that the JSON schema of a record lacks, and those it does not describe far enough."""
    missing, unclear = [], []
    for target in sorted(targets):
        schema: Any = catalog
        for part in target.replace("[]", ".items").split("."):
            properties = schema.get("properties") if isinstance(schema, Mapping) else None
            if part == "items" and isinstance(schema, Mapping) and "items" in schema:
                schema = schema["items"]
                continue
            if not properties:
                unclear.append(target)
                break
            # Property names are not case sensitive on write (Oracle's own samples; unconfirmed).
            known = {name.lower(): value for name, value in properties.items()}
            if part.lower() not in known:
                missing.append(target)
                break
            schema = known[part.lower()]
    return missing, unclear


def _tax_engine(client: NetSuiteClient) -> Diagnosis:
    configured = str(client.connection.settings.get("tax_engine", SUITETAX))
    try:
        catalog = client.catalog("salesOrder") or {}
    except TransportError as error:
        return _warning("tax engine", f"metadata could not be read: {error}", "")
    names = {name.lower() for name in catalog.get("properties") or {}}
    found = SUITETAX if "taxdetailsoverride" in names else LEGACY if names & {"taxitem", "istaxable"} else ""
    if not found:
        return _warning("tax engine", "the metadata of salesOrder names no tax field", f"Is {configured} right?")
    if found != configured:
        return _error(
            "tax engine", f"the account runs {found}, configured is {configured}", f"Set `tax_engine: {found}`."
        )
    return _ok("tax engine", f"the account runs {found}")


def _order_script(client: NetSuiteClient) -> Diagnosis:
    settings = client.connection.settings
    script = str(settings.get("order_script", orders.ORDER_SCRIPT))
    deployment = str(settings.get("order_deployment", orders.ORDER_DEPLOYMENT))
    mend = "Install erp_sync_order_restlet.js and deploy it for the integration's role."
    try:
        answer = client.restlet_version(script, deployment)
    except TransportError as error:
        return _error(f"RESTlet {script}", str(error), mend)
    version = str(answer.get("version", "")) if isinstance(answer, Mapping) else ""
    if version != orders.ORDER_SCRIPT_VERSION:
        return _error(
            f"RESTlet {script}", f"version {version or 'unknown'}, needed {orders.ORDER_SCRIPT_VERSION}", mend
        )
    return _ok(f"RESTlet {script}", f"version {version}")


def _searches(client: NetSuiteClient) -> Iterable[Diagnosis]:
    """Saved searches of setting ``saved_searches`` ({search: labels}), by one row each."""
    settings = client.connection.settings
    script, deployment = _search_script(settings)
    for name, labels in (settings.get("saved_searches") or {}).items():
        check = f"saved search {name}"
        try:
            answer = client.saved_search(script, deployment, str(name))
        except TransportError as error:
            yield _error(
                check, str(error), "Install erp_sync_search_restlet.js and run erp_sync_saved_searches.js (INSTALL.md)."
            )
            continue
        rows = answer.get("rows") if isinstance(answer, Mapping) else None
        if not rows:
            yield _warning(check, "it runs and has no row: its labels cannot be told", "")
            continue
        missing = sorted({str(label).lower() for label in labels or ()} - set(rows[0]))
        if missing:
            # A value that is empty is left out of a row, too.
            mend = "Label the search's columns so, or correct the setting saved_searches."
            yield _warning(check, f"its first row has no {', '.join(missing)}", mend)
        else:
            yield _ok(check, f"runs; labels {', '.join(sorted(rows[0]))}")


def _item_names(client: NetSuiteClient) -> Diagnosis:
    try:
        rows = client.query(
            "SELECT itemid, COUNT(*) AS records FROM item WHERE isinactive = 'F' GROUP BY itemid "
            "HAVING COUNT(*) > 1 ORDER BY itemid",
            operation="doctor.item_names",
        )
    except TransportError as error:
        return _warning("item names", f"could not be read: {error}", "")
    if not rows:
        return _ok("item names", "each is used once")
    names = ", ".join(str(row["itemid"]) for row in rows[:10])
    return _error(
        "item names",
        f"{len(rows)} are used by several active items: {names}",
        "Orders for them wait: rename or inactivate.",
    )


def _ok(check: str, found: str) -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.OK, found=found)


def _warning(check: str, found: str, mend: str) -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.WARNING, found=found, mend=mend)


def _error(check: str, found: str, mend: str) -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.ERROR, found=found, mend=mend)
