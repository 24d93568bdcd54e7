"""Integrations: client credentials for access tokens, and what a token allows.

Facts: shopware/shopware src/Core/Framework/Api/Controller/AuthController.php, Api/OAuth (an access token is a JWT,
signed with the installation's APP_SECRET, HS256), Api/EventListener/ErrorResponseFactory.php (title is the message of
the OAuth server, detail its hint); codes and messages are league/oauth2-server's (unconfirmed: read in no source).
"""

from __future__ import annotations

import hmac
import secrets
import string
from collections.abc import Iterable
from typing import Any

import jwt

from erp_sync.sandbox.core import BadJson, Request, Response, json_response
from erp_sync.systems.shopware.sandbox import apps, errors, limiter
from erp_sync.systems.shopware.sandbox.errors import ShopwareError
from erp_sync.systems.shopware.sandbox.shop import Shop

TOKEN_PATH = "/api/oauth/token"
_ALPHABET = string.ascii_uppercase + string.digits
_DENIED = "The resource owner or authorization server denied the request."


def credentials(shop: Shop) -> dict[str, str]:
    """What a connection needs, and the access key of the sales channel."""
    return {
        "client_id": _kept(shop, "client_id", lambda: "SWIA" + "".join(secrets.choice(_ALPHABET) for _ in range(22))),
        "client_secret": shop.secret("client_secret"),
        "access_key": access_key(shop),
    }


def access_key(shop: Shop) -> str:
    """``SWSC...``: of the first sales channel."""
    return _kept(shop, "access_key", lambda: "SWSC" + "".join(secrets.choice(_ALPHABET) for _ in range(22)))


def _kept(shop: Shop, key: str, make: object) -> str:
    found = shop.config(key)
    if found is None:
        assert callable(make)
        found = str(make())
        with shop.database.transaction():
            shop.configure(key, found)
    return found


def grant(shop: Shop, request: Request) -> Response:
    """An access token for the right secret; counts the attempt. Raises ShopwareError."""
    form = _form(request)
    key = f"oauth {form.get('username') or ''}-127.0.0.1"
    with shop.database.transaction():
        wait = limiter.attempt(shop, key)
    if wait:
        raise throttled(wait)
    if form.get("grant_type") != "client_credentials":
        raise errors.plain(
            400, "Check that all required parameters have been provided", "2",
            "The authorization grant type is not supported by the authorization server.",
        )  # fmt: skip
    known = credentials(shop)
    for name in ("client_id", "client_secret"):
        if not isinstance(form.get(name), str) or not form[name]:
            raise errors.plain(
                400 if name == "client_id" else 401,
                f"Check the `{name}` parameter" if name == "client_id" else None,
                "3" if name == "client_id" else "4",
                "The request is missing a required parameter, includes an invalid parameter value, includes a "
                "parameter more than once, or is otherwise malformed."
                if name == "client_id"
                else "Client authentication failed",
            )
    app = apps.client(shop, form["client_id"])
    right = app[0] if app else known["client_secret"] if form["client_id"] == known["client_id"] else ""
    if not right or not hmac.compare_digest(form["client_secret"], right):
        raise errors.plain(401, None, "4", "Client authentication failed")
    with shop.database.transaction():
        limiter.forget(shop, key)
    return json_response(
        {
            "token_type": "Bearer", "expires_in": shop.options.token_seconds,
            "access_token": _token(shop, form["client_id"]),
        },
        content_type="application/json",
    )  # fmt: skip


def throttled(seconds: int) -> ShopwareError:
    """Api/Controller/Exception/AuthThrottledException."""
    return errors.failure(
        "FRAMEWORK__AUTH_THROTTLED", f"Auth throttled for {seconds} seconds.", status=429,
        parameters={"seconds": seconds},
    )  # fmt: skip


def _form(request: Request) -> dict[str, str]:
    if "json" not in request.headers.get("content-type", ""):
        return request.form()
    try:
        body = request.json()
    except BadJson:
        return {}
    return body if isinstance(body, dict) else {}


def _token(shop: Shop, client_id: str) -> str:
    now = shop.clock.wall().timestamp()
    claims = {
        "aud": client_id, "jti": secrets.token_hex(40), "iat": now, "nbf": now,
        "exp": now + shop.options.token_seconds, "sub": "", "scopes": ["write"],
    }  # fmt: skip
    return jwt.encode(claims, shop.secret("app_secret"), algorithm="HS256")


def check(shop: Shop, request: Request) -> None:
    """Raises ShopwareError (401) unless the request bears a token that holds."""
    header = request.headers.get("authorization", "")
    token = header.removeprefix("Bearer ").strip()
    if not token:
        raise errors.plain(401, 'Missing "Authorization" header', "9", _DENIED)
    claims = _claims(shop, token)
    if claims is None:
        raise errors.plain(401, "Access token could not be verified", "9", _DENIED)
    if shop.clock.wall().timestamp() >= claims["exp"]:  # by the sandbox's own clock, which tests move
        raise errors.plain(401, "Access token could not be verified", "9", _DENIED)


def _claims(shop: Shop, token: str) -> dict[str, Any] | None:
    """What a token says, if this installation signed it."""
    try:
        return jwt.decode(
            token, shop.secret("app_secret"), algorithms=["HS256"],
            options={
                "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_sub": False, "verify_aud": False,
            },
        )  # fmt: skip
    except jwt.InvalidTokenError:
        return None


def privileges(shop: Shop, request: Request) -> tuple[str, ...] | None:
    """Rights of the token's client: of an app those of its manifest, of the integration as the options say."""
    claims = _claims(shop, request.headers.get("authorization", "").removeprefix("Bearer ").strip()) or {}
    app = apps.client(shop, str(claims.get("aud")))
    return app[1] if app else shop.options.privileges


def demand(shop: Shop, wanted: Iterable[str]) -> None:
    """Raises ShopwareError (403) for privileges that the caller lacks, e.g. ``product:read``."""
    if shop.privileges is None:
        return
    lacking = [one for one in dict.fromkeys(wanted) if one not in shop.privileges]
    if lacking:
        raise errors.missing_privileges(lacking)
