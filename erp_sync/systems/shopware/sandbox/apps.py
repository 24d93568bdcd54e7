"""Apps: installed by an administrator, they register with their server and hear webhooks that are signed.

Facts: shopware/shopware src/Core/Framework/App/Lifecycle/Registration (PrivateHandshake, AppRegistrationService); fact
sheet, section 11. The shop asks the app's server with a query signed by the app's secret; the answer proves the same
secret and gives the shop's, which signs everything from then on; the shop confirms with keys of the Admin API.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import string
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from erp_sync.systems.shopware.sandbox import names
from erp_sync.systems.shopware.sandbox.courier import Carry, Courier, Note
from erp_sync.systems.shopware.sandbox.names import fixed_id
from erp_sync.systems.shopware.sandbox.shop import Shop

SCHEMA = (
    """CREATE TABLE sandbox_app (id TEXT PRIMARY KEY, name TEXT, version TEXT, registration_url TEXT, app_secret TEXT,
        shop_secret TEXT, api_key TEXT, secret_key TEXT, privileges TEXT, status TEXT)""",
)
WAITING, REGISTERING, REGISTERED = "waiting", "registering", "registered"
_ALPHABET = string.ascii_uppercase + string.digits


def shop_url(shop: Shop) -> str:
    return shop.options.shop_url


def shop_id(shop: Shop) -> str:
    return shop.secret("shop_id", 12)


def install(shop: Shop, entries: list[Mapping[str, Any]]) -> None:
    """Apps as their manifests have them: [{name, version, registration_url, secret, permissions ["order:read"],
    webhooks [{name, url, event}]}]. They register when the queue is next looked after."""
    for one in entries:
        identity = fixed_id("app", one["name"])
        shop.database.insert("sandbox_app", {
            "id": identity, "name": one["name"], "version": one.get("version", "1.0.0"),
            "registration_url": one["registration_url"], "app_secret": one["secret"], "shop_secret": None,
            "api_key": "SWIA" + "".join(secrets.choice(_ALPHABET) for _ in range(22)),
            "secret_key": secrets.token_urlsafe(32), "privileges": json.dumps(list(one.get("permissions") or ())),
            "status": WAITING,
        }, instead="OR REPLACE")  # fmt: skip
        writer = shop.writer(system=True)
        for hook in one.get("webhooks") or ():
            writer.upsert(shop.entity("webhook"), {
                "id": fixed_id("webhook", one["name"], hook["name"]), "name": hook["name"], "url": hook["url"],
                "eventName": hook["event"], "onlyLiveVersion": hook.get("only_live_version", False), "appId": identity,
            }, "/0")  # fmt: skip
        writer.execute()


def _app(shop: Shop, identity: str | None) -> dict[str, Any] | None:
    return shop.database.row("SELECT * FROM sandbox_app WHERE id = ?", [identity]) if identity else None


def secret(shop: Shop, identity: str | None) -> str | None:
    """The shop's secret with the app; None for a webhook of no app, which is not signed."""
    row = _app(shop, identity)
    return row["shop_secret"] if row else None


def source(shop: Shop, identity: str | None) -> dict[str, str]:
    row = _app(shop, identity)
    return {"appVersion": row["version"], "shopId": shop_id(shop)} if row else {}


def may_hear(shop: Shop, identity: str | None, event: str) -> bool:
    """Whether a webhook's app is there and has the right to read what the event is about."""
    if not identity:
        return True
    row = _app(shop, identity)
    if row is None or row["status"] != REGISTERED:
        return False
    entity = "order" if event.startswith(("state_enter.order", "checkout.order")) else event.partition(".")[0]
    if event.startswith("checkout.customer"):
        entity = "customer"
    return f"{entity}:read" in json.loads(row["privileges"])


def client(shop: Shop, client_id: str) -> tuple[str, tuple[str, ...]] | None:
    """Secret and privileges of a registered app's integration."""
    row = shop.database.row("SELECT * FROM sandbox_app WHERE api_key = ? AND status = ?", [client_id, REGISTERED])
    return (row["secret_key"], tuple(json.loads(row["privileges"]))) if row else None


def register_due(shop: Shop, courier: Courier) -> None:
    """Begin the handshake of apps that wait for it."""
    for row in shop.database.rows("SELECT * FROM sandbox_app WHERE status = ?", [WAITING]):
        with shop.database.transaction():
            shop.database.update("sandbox_app", {"id": row["id"]}, {"status": REGISTERING})
        courier.take(_handshake(row, shop_id(shop), shop_url(shop), int(shop.clock.wall().timestamp())))


def _signed(text: str, key: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def _handshake(row: dict[str, Any], identity: str, url: str, timestamp: int) -> Any:
    def job(send: Carry) -> Note:
        try:
            given = _registered(send, row, identity, url, timestamp)
        except (OSError, ValueError, KeyError) as error:
            failure = f"failed: {error}"
            return lambda there: _kept(there, row["id"], {"status": failure})
        return lambda there: _kept(there, row["id"], {"status": REGISTERED, "shop_secret": given})

    return job


def _registered(send: Carry, row: dict[str, Any], identity: str, url: str, timestamp: int) -> str:
    """The secret that both have from now on. Raises OSError, ValueError, KeyError."""
    query = urlencode({"shop-id": identity, "shop-url": url, "timestamp": str(timestamp)})
    headers = {"shopware-app-signature": _signed(query, row["app_secret"]), "sw-version": names.VERSION}
    if row["shop_secret"]:  # registered before: signed by the old secret, too
        headers["shopware-shop-signature"] = _signed(query, row["shop_secret"])
    join = "&" if "?" in row["registration_url"] else "?"
    status, body = send("GET", f"{row['registration_url']}{join}{query}", b"", headers)
    answer = json.loads(body)
    if status >= 400 or "error" in answer:
        raise ValueError(str(answer.get("error") or f"HTTP {status}"))
    proof = _signed(f"{identity}{url}{row['name']}", row["app_secret"])
    if not hmac.compare_digest(proof, str(answer.get("proof") or "").strip()):
        raise ValueError("The app server provided an invalid proof")
    given = str(answer["secret"])
    payload = json.dumps({
        "apiKey": row["api_key"], "secretKey": row["secret_key"], "timestamp": str(timestamp), "shopUrl": url,
        "shopId": identity,
    }, separators=(",", ":"))  # fmt: skip
    confirmed, _ = send("POST", answer["confirmation_url"], payload.encode(), {
        "content-type": "application/json", "shopware-shop-signature": _signed(payload, given),
        "sw-version": names.VERSION,
    })  # fmt: skip
    if confirmed >= 400:
        raise ValueError(f"the confirmation was answered with HTTP {confirmed}")
    return given


def _kept(there: object, identity: str, columns: dict[str, Any]) -> None:
    assert isinstance(there, Shop)
    there.database.update("sandbox_app", {"id": identity}, columns)


def shown(shop: Shop) -> dict[str, str]:
    """Status by name of app."""
    return {
        row["name"]: row["status"] for row in shop.database.rows("SELECT name, status FROM sandbox_app ORDER BY name")
    }
