"""Is this shop ready? Reads and compares, changes nothing.

Checks: credentials, clock, what the integration may read, the size of a page, the shop's own currency, whether it has
prices of single customers, and whether the latest order can be mapped.
"""

from __future__ import annotations

from collections.abc import Iterator

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.diagnosis import Diagnosis, Verdict
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.raw import BadRecord, MappingProblem
from erp_sync.systems.shopware.client import CURSOR, ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.ports.currency import ShopCurrency
from erp_sync.systems.shopware.ports.orders import OrderSource
from erp_sync.transport.errors import NotAuthenticated, Rejected, TransportError

# A time of change is the shop's clock's: a window overlaps by the declared lateness, and the clock is corrected for.
CLOCK_WARNING_SECONDS = 30.0
READS = {"order": "Orders: View", "product": "Products: View"}


def examine(
    client: ShopwareClient, settings: ConnectionSettings, orders: OrderSource, lookups: Lookups
) -> list[Diagnosis]:
    """All checks; those that need credentials are left out where they are refused."""
    try:
        client.search("currency", Criteria().at_most(1), operation="doctor.credentials")
    except NotAuthenticated as error:
        return [
            Diagnosis(
                check="credentials",
                verdict=Verdict.ERROR,
                found=str(error),
                mend="Put the integration's access key where the connection reads it, and restart.",
            )
        ]
    except Rejected:
        pass  # the right to read currencies is judged below, with the orders that need it
    except TransportError as error:
        return [Diagnosis(check="credentials", verdict=Verdict.WARNING, found=f"cannot be told: {error}")]
    found = [Diagnosis(check="credentials", verdict=Verdict.OK, found="accepted")]
    found += [_clock(client), *_rights(client)]
    found.append(_page(client, orders))
    found.append(_currency(client, settings))
    found.append(_own_prices(client, settings))
    found.append(_latest(orders, client, lookups))
    return found


def _clock(client: ShopwareClient) -> Diagnosis:
    behind = client.behind_seconds
    if behind > CLOCK_WARNING_SECONDS:
        return Diagnosis(
            check="clock",
            verdict=Verdict.WARNING,
            found=f"the shop's clock is {behind:.0f} s behind ours",
            mend="Set the clocks of both machines by NTP.",
        )
    return Diagnosis(check="clock", verdict=Verdict.OK, found="not behind ours")


def _rights(client: ShopwareClient) -> Iterator[Diagnosis]:
    for entity, right in READS.items():
        check = f"right to read {entity}"
        try:
            client.search(entity, Criteria().at_most(1), operation="doctor.rights")
        except Rejected as error:
            yield Diagnosis(
                check=check,
                verdict=Verdict.ERROR,
                found=error.message,
                mend=f"Give the integration's role the right {right} (Settings, System, Users & permissions).",
            )
        except TransportError as error:
            yield Diagnosis(check=check, verdict=Verdict.WARNING, found=f"cannot be told: {error}")
        else:
            yield Diagnosis(check=check, verdict=Verdict.OK, found="may be read")


def _page(client: ShopwareClient, orders: OrderSource) -> Diagnosis:
    size = orders.capabilities.reading("sales_order").page_size
    try:
        client.search(
            "order", Criteria().at_most(size).including({"order": ("id", CURSOR)}), operation="doctor.page_size"
        )
    except Rejected as error:
        return Diagnosis(
            check="page size",
            verdict=Verdict.ERROR,
            found=error.message,
            mend="Set the connection's page_size to the shop's shopware.api.max_limit.",
        )
    except TransportError as error:
        return Diagnosis(check="page size", verdict=Verdict.WARNING, found=f"cannot be told: {error}")
    return Diagnosis(check="page size", verdict=Verdict.OK, found=f"{size} rows are answered at once")


def _currency(client: ShopwareClient, settings: ConnectionSettings) -> Diagnosis:
    """Whether the setting names the shop's own currency: prices are written in it, rates are of it."""
    declared = settings.settings.get("base_currency")
    try:
        own = ShopCurrency(client).code()
    except TransportError as error:
        return Diagnosis(check="base currency", verdict=Verdict.WARNING, found=f"cannot be told: {error}")
    mend = f"Set the connection's base_currency to {own}."
    if declared is None:
        found = f"the shop's own is {own}; base_currency is not set"
        return Diagnosis(check="base currency", verdict=Verdict.WARNING, found=found, mend=mend)
    if str(declared) != own:
        found = f"the shop's own is {own}, base_currency is {declared}"
        return Diagnosis(check="base currency", verdict=Verdict.ERROR, found=found, mend=mend)
    return Diagnosis(check="base currency", verdict=Verdict.OK, found=own)


def _own_prices(client: ShopwareClient, settings: ConnectionSettings) -> Diagnosis:
    """Whether the shop has prices of single customers: only Commercial has, and without it the path is not there."""
    check = "customer prices"
    if settings.settings.get("account_prices") == "rule":
        return Diagnosis(check=check, verdict=Verdict.OK, found="not used: an account's prices stand in a rule")
    try:
        client.search("custom-price", Criteria().at_most(1), operation="doctor.customer_prices")
    except Rejected as error:
        mend = "Are contract prices written: install and license Commercial, let the role read custom_price, or set "
        mend += "account_prices to rule."
        return Diagnosis(check=check, verdict=Verdict.WARNING, found=error.message, mend=mend)
    except TransportError as error:
        return Diagnosis(check=check, verdict=Verdict.WARNING, found=f"cannot be told: {error}")
    return Diagnosis(check=check, verdict=Verdict.OK, found="the shop has them")


def _latest(orders: OrderSource, client: ShopwareClient, lookups: Lookups) -> Diagnosis:
    """The latest order of those that are read, mapped as the flow would."""
    latest = Criteria(sort=((CURSOR, "DESC"),)).where(*orders.limits).at_most(1).including({"order": ("id",)})
    try:
        ids = [str(row.get("id")) for row in client.search("order", latest, operation="doctor.latest_order").rows]
        records = [record for page in orders.fetch(ids) for record in page] if ids else []
        if not records:
            return Diagnosis(check="latest order", verdict=Verdict.UNTESTED, found="the shop has no order that is read")
        order = orders.to_canonical(records[0], lookups)
    except (BadRecord, MappingProblem) as error:
        return Diagnosis(
            check="latest order",
            verdict=Verdict.WARNING,
            found=str(error),
            mend="The order would be a dead letter: see the runbook's entry of this reason.",
        )
    except TransportError as error:
        return Diagnosis(check="latest order", verdict=Verdict.WARNING, found=f"cannot be told: {error}")
    return Diagnosis(check="latest order", verdict=Verdict.OK, found=f"{order.number} can be mapped")
