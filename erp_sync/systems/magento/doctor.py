"""Is this store ready? Reads and compares, changes nothing.

Checks: credentials, clock, modules, what the integration may read, websites and store views, sources, edition,
input limits, the product attributes that are mapped and those that the store requires, and whether the latest order
can be mapped. Where a write is guarded by the resource of a read (core: webapi.xml; products, source items) the read
tells of it. For the other resources a write is sent that cannot be carried out: of an order that cannot exist, or
without its required argument. The store looks at the resource before it looks at the arguments (core:
Webapi/Controller/Rest/InputParamsResolver), so 401 says that it is missing, and 400 or 404 that it is there.
"""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.diagnosis import Diagnosis, Verdict
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import BadRecord, MappingProblem
from erp_sync.systems.magento.capabilities import LIMITS_SOURCE, PAGE_LIMIT
from erp_sync.systems.magento.client import MagentoClient, segment
from erp_sync.systems.magento.criteria import Criteria
from erp_sync.systems.magento.mapping.products import ATTRIBUTES
from erp_sync.systems.magento.ports.raw import StoreViews
from erp_sync.transport.errors import NotAuthenticated, Rejected, TransportError

# A signature's time may be 300 s off (core: Magento\Framework\Oauth\Helper, unconfirmed for 2.4.8).
CLOCK_WARNING_SECONDS, CLOCK_ERROR_SECONDS = 30.0, 270.0
READS = {
    "orders": "Sales > Operations > Orders",
    "shipments": "Sales > Operations > Shipments",
    "creditmemos": "Sales > Operations > Credit Memos",
    "customers/search": "Customers > All Customers",
    "products": "Catalog > Inventory > Products",
    "inventory/source-items": "Stores > Inventory > Sources",
    "inventory/sources": "Stores > Inventory > Sources",
}
# Resources of writes that no GET is guarded by (core: webapi.xml and acl.xml of Magento_Sales, Magento_Catalog): where
# they are ticked, for what, and a write of theirs that cannot be carried out. No order has id 0 (core: OrderRepository
# answers "An ID is needed"); a list of prices and a comment are required arguments.
WRITES = {
    "Magento_Sales::ship": (
        "Sales > Operations > Orders > Actions > Ship",
        "shipments, parcels and their e-mails",
        "order/0/ship",
    ),
    "Magento_Sales::comment": (
        "Sales > Operations > Orders > Actions > Comment",
        "the ERP's number on the order",
        "orders/0/comments",
    ),
    "Magento_Catalog::catalog": ("Catalog", "base, special and tier prices", "products/base-prices"),
    "Magento_Sales::cancel": (
        "Sales > Operations > Orders > Actions > Cancel",
        "cancellations from the ERP",
        "orders/0/cancel",
    ),
}
# Modules that flows cannot do without, and for what.
MODULES = {
    "Magento_Sales": "orders, shipments",
    "Magento_InventoryApi": "stock per source",
    "Magento_AsynchronousOperations": "products in bulk",
}
CREDENTIALS_MEND = (
    "Compare the keys with System > Integrations, and whether the integration is active. A token alone works "
    "only where the shop allows it (oauth/consumer/enable_integration_as_bearer)."
)
_TEXTS_SHOWN = 10


def examine(
    client: MagentoClient,
    connection: ConnectionSettings,
    mappings: Mapping[str, RecordMapping],
    lookups: Lookups,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Diagnosis]:
    """All checks, in the order in which an operator would mend. Ends early where nobody may log in."""
    first = _credentials(client, connection, clock)
    if first[0].verdict is Verdict.ERROR:
        return first
    return [
        *first,
        _modules(client),
        *_reads(client),
        *_writes(client),
        *_stores(client, connection),
        _sources(client),
        _edition(client, connection),
        _input_limits(client, connection),
        *_attributes(client, connection),
        _required_attributes(client, connection),
        _latest_order(client, connection, mappings["sales_order"], lookups),
    ]


def _credentials(
    client: MagentoClient, connection: ConnectionSettings, clock: Callable[[], datetime]
) -> list[Diagnosis]:
    try:
        date = client.server_date()
    except NotAuthenticated as error:
        return [_error("credentials", str(error), CREDENTIALS_MEND)]
    except TransportError as error:
        return [_error("connection", str(error), f"Is {connection.base_url} right and reachable?")]
    result = [_ok("credentials", "accepted")]
    try:
        server = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return [*result, _warning("clock", "the store gave no date to compare with")]
    skew = abs((server.astimezone(UTC) - clock()).total_seconds())
    mend = "Synchronise this machine's clock: signatures carry the time."
    text = f"{skew:.0f} s apart from the store"
    if skew > CLOCK_ERROR_SECONDS:
        return [*result, _error("clock", text, mend)]
    return [*result, _warning("clock", text, mend) if skew > CLOCK_WARNING_SECONDS else _ok("clock", text)]


def _modules(client: MagentoClient) -> Diagnosis:
    """Magento has one version of its REST API, V1; what it can do is said by the modules that are on."""
    check = "API version and modules"
    try:
        names = {str(one) for one in client.get("modules", operation="doctor.read_modules")}
    except NotAuthenticated:
        return _warning(check, "may not be read", "Give the integration the resource Magento_Backend::module.")
    except TransportError as error:
        return _warning(check, f"could not be read: {error}")
    missing = [f"{name} ({what})" for name, what in MODULES.items() if name not in names]
    if missing:
        return _error(
            check, f"V1 answers, without {', '.join(missing)}", "Enable them: bin/magento module:enable NAME."
        )
    return _ok(check, f"V1 answers; {len(names)} modules, with {', '.join(sorted(MODULES))}")


def _reads(client: MagentoClient) -> Iterable[Diagnosis]:
    for path, resource in READS.items():
        check = f"reading {path}"
        try:
            _, count = client.page(path, Criteria().paged(1), operation="doctor.read")
        except NotAuthenticated as error:
            yield _error(check, str(error), f"Give the integration the resource {resource}.")
        except TransportError as error:
            yield _error(check, str(error), "Is this a Magento 2.4 with Multi Source Inventory?")
        else:
            yield _ok(check, f"allowed, {count} records")


def _writes(client: MagentoClient) -> Iterable[Diagnosis]:
    """By writes that the store refuses for what they say, after it has looked at who says it."""
    for resource, (place, what, path) in WRITES.items():
        check = f"writing with {resource}"
        mend = f"System > Integrations > the integration > API: tick {place}, then save and reauthorise it."
        try:
            client.post(path, {}, operation="doctor.try_write")
        except NotAuthenticated as error:
            yield _error(check, f"refused, needed for {what}: {error}", mend)
        except Rejected as error:
            if error.status in (400, 404):
                yield _ok(check, f"allowed, for {what}")
            else:
                yield _untold(check, what, str(error), mend)
        except TransportError as error:
            yield _untold(check, what, str(error), mend)
        else:
            yield _ok(check, f"allowed, for {what}")


def _untold(check: str, what: str, why: str, mend: str) -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.UNTESTED, found=f"needed for {what}; {why}", mend=mend)


def _stores(client: MagentoClient, connection: ConnectionSettings) -> Iterable[Diagnosis]:
    try:
        views = client.get("store/storeViews", operation="doctor.read_views")
        websites = client.get("store/websites", operation="doctor.read_websites")
    except TransportError as error:
        yield _error("websites and store views", str(error), "Give the integration the resource Stores > Settings.")
        return
    codes = {str(one["code"]): str(one["id"]) for one in websites}
    view_ids = {str(one["id"]): str(one["code"]) for one in views}
    yield _ok("websites and store views", f"websites {', '.join(sorted(codes))}; views {', '.join(view_ids.values())}")
    settings = connection.settings
    named = {str(settings["website"])} if settings.get("website") else set()
    named |= {str(one["website"]) for one in settings.get("stores") or ()}
    for name in sorted(named - set(codes)):
        known = ", ".join(sorted(codes))
        yield _error(f"website {name}", "does not exist", f"Setting website or stores: it has {known}.")
    for number in sorted({str(one) for one in settings.get("order_stores") or ()} - set(view_ids)):
        yield _error(f"store view {number}", "does not exist", f"order_stores: there are {', '.join(view_ids)}.")
    for number in sorted({str(one) for one in settings.get("website_ids") or ()} - set(codes.values())):
        yield _error(f"website id {number}", "does not exist", "Correct the setting website_ids.")


def _sources(client: MagentoClient) -> Diagnosis:
    try:
        items, _ = client.page("inventory/sources", Criteria().paged(100), operation="doctor.read_sources")
    except TransportError as error:
        return _error("sources", str(error), "Give the integration the resource Stores > Inventory > Sources.")
    enabled = [str(one["source_code"]) for one in items if one.get("enabled", True)]
    if not enabled:
        return _error("sources", "none is enabled", "Enable a source per warehouse in Stores > Inventory > Sources.")
    return _ok("sources", f"enabled: {', '.join(sorted(enabled))}")


def _edition(client: MagentoClient, connection: ConnectionSettings) -> Diagnosis:
    """Returns exist in Commerce only; Open Source does not know the route."""
    configured = str(connection.settings.get("edition", "open_source"))
    try:
        client.page("returns", Criteria().paged(1), operation="doctor.read_returns")
        found = "commerce"
    except Rejected as error:
        if error.status != 404:
            return _warning("edition", f"could not be told: {error}")
        found = "open_source"
    except NotAuthenticated:
        found = "commerce"  # the route is there; the integration may not use it
    except TransportError as error:
        return _warning("edition", f"could not be told: {error}")
    if found != configured:
        return _error("edition", f"the store is {found}, configured is {configured}", f"Set `edition: {found}`.")
    return _ok("edition", found)


def _input_limits(client: MagentoClient, connection: ConnectionSettings) -> Diagnosis:
    configured = bool(connection.settings.get("input_limits", False))
    search = Criteria().where("entity_id", 0).paged(PAGE_LIMIT + 1)
    try:
        client.page("orders", search, operation="doctor.read_limits")
        found = False
    except Rejected as error:
        if error.status != 400:
            return _warning("input limits", f"could not be told: {error}")
        found = True
    except TransportError as error:
        return _warning("input limits", f"could not be told: {error}")
    words = {True: "on", False: "off"}
    if found and not configured:
        return _error("input limits", "on, configured is off", f"Set `input_limits: true` ({LIMITS_SOURCE}).")
    if configured and not found:
        return _warning("input limits", "off, configured is on: batches are smaller than need be")
    return _ok("input limits", words[found])


def _attributes(client: MagentoClient, connection: ConnectionSettings) -> Iterable[Diagnosis]:
    for field, code in (ATTRIBUTES | (connection.settings.get("product_attributes") or {})).items():
        check = f"product attribute {code}"
        try:
            client.get(f"products/attributes/{segment(str(code))}", operation="doctor.read_attribute")
        except Rejected as error:
            mend = f"Make it in Stores > Attributes > Product, or take {field} out of product_attributes."
            yield _error(check, error.message, mend)
        except TransportError as error:
            yield _warning(check, str(error))
        else:
            yield _ok(check, f"takes {field}")


def _required_attributes(client: MagentoClient, connection: ConnectionSettings) -> Diagnosis:
    """Attributes that the store wants of every product and that no mapping fills: new products are refused."""
    check = "required product attributes"
    search = Criteria().where("is_required", 1).where("is_user_defined", 1).paged(PAGE_LIMIT)
    try:
        items, _ = client.page("products/attributes", search, operation="doctor.read_attributes")
    except TransportError as error:
        return _warning(check, f"could not be read: {error}")
    filled = {str(code) for code in (ATTRIBUTES | (connection.settings.get("product_attributes") or {})).values()}
    missing = sorted({str(one["attribute_code"]) for one in items} - filled)
    if missing:
        mend = "Map them in the setting product_attributes, or make them optional in Stores > Attributes > Product."
        return _warning(check, f"not mapped: {', '.join(missing)}", mend)
    return _ok(check, "all are mapped" if items else "the store adds none to the core's")


def _latest_order(
    client: MagentoClient, connection: ConnectionSettings, mapping: RecordMapping, lookups: Lookups
) -> Diagnosis:
    """Maps the last order and names what came and is not mapped."""
    check = "mapping of the latest order"
    search = Criteria(sort=(("entity_id", "DESC"),)).paged(1)
    try:
        items, _ = client.page("orders", search, operation="doctor.read_latest_order")
    except TransportError as error:
        return _warning(check, str(error))
    if not items:
        return _warning(check, "there is no order yet")
    order = items[0]
    values: dict[str, Any] = {
        "website": StoreViews(client, connection).website(order.get("store_id")),
        "version": "doctor",
    }
    number = str(order.get("increment_id"))
    try:
        mapping.apply(order, Context(connection, lookups, values), str(order.get("entity_id")))
    except BadRecord as error:
        return _error(check, f"order {number}: {error}", "Correct the mapping of the connection.")
    except MappingProblem as error:
        return _warning(check, f"order {number} would wait: {error}", "Add the missing row to the look-up table.")
    dropped = mapping.unread(order)
    some = ", ".join(dropped[:_TEXTS_SHOWN]) + (" ..." if len(dropped) > _TEXTS_SHOWN else "")
    return _ok(check, f"order {number} maps; not mapped: {some or 'nothing'} ({len(dropped)} fields)")


def _ok(check: str, found: str) -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.OK, found=found)


def _warning(check: str, found: str, mend: str = "Run the doctor again.") -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.WARNING, found=found, mend=mend)


def _error(check: str, found: str, mend: str) -> Diagnosis:
    return Diagnosis(check=check, verdict=Verdict.ERROR, found=found, mend=mend)
