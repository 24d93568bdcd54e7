"""All rooms of the house: the routes and tables of every part, and what each does between calls."""

from __future__ import annotations

from erp_sync.sandbox.core import Request, Response
from erp_sync.systems.shopware.sandbox import (
    apps,
    auth,
    custom_prices,
    names,
    numbers,
    order_editing,
    resources,
    states,
    sync,
    versions,
    webhooks,
)
from erp_sync.systems.shopware.sandbox.courier import Courier
from erp_sync.systems.shopware.sandbox.routing import Call, Route, answer
from erp_sync.systems.shopware.sandbox.shop import Shop
from erp_sync.systems.shopware.sandbox.store import routes as store_routes
from erp_sync.systems.shopware.sandbox.store import session


def routes() -> list[Route]:
    return [
        Route("oauth.token", "POST", auth.TOKEN_PATH, "auth", _token),
        Route("info.version", "GET", "/api/_info/version", "read", _version),
        *resources.routes(),
        *sync.routes(),
        *numbers.routes(),
        *custom_prices.routes(),
        *states.routes(),
        *versions.routes(),
        *order_editing.routes(),
        *store_routes.routes(),
    ]


def tables() -> tuple[str, ...]:
    return (*session.SCHEMA, *apps.SCHEMA, *webhooks.SCHEMA)


def _token(call: Call) -> Response:
    return auth.grant(call.shop, call.request)


def _version(call: Call) -> Response:
    return answer({"version": names.VERSION})


def sales_channel(shop: Shop, request: Request) -> None:
    """Raises ShopwareError unless the request names a sales channel by its access key."""
    session.sales_channel(shop, request)


def record_events(shop: Shop) -> None:
    """Keep what webhooks are to tell of the call, in its transaction."""
    webhooks.record(shop)


def after(shop: Shop, courier: Courier) -> None:
    """What leaves as soon as a call has committed."""
    webhooks.hand_over(shop, courier)


def run_due(shop: Shop, courier: Courier) -> None:
    """What is due outside: webhooks of the queue, apps that register."""
    webhooks.run_due(shop, courier)
    apps.register_due(shop, courier)
