"""Who calls: OAuth 1.0a of integrations, tokens of administrators and customers.

Signatures are verified with the standard library (RFC 5849, section 3.4). Messages and order of the checks:
magento/magento2 `Framework/Oauth/Oauth`, `Integration/Model/Oauth`. Times are technical time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from erp_sync.sandbox.core import Request
from erp_sync.systems.magento.sandbox.errors import (
    AuthorizationException,
    InputException,
    LocalizedException,
    MagentoError,
    NoSuchEntityException,
)
from erp_sync.systems.magento.sandbox.routing import ANONYMOUS, SELF, Call, Route, User, route
from erp_sync.systems.magento.sandbox.shop import Shop

CONSUMER_ID = 1
TIME_DEVIATION_SECONDS = 600  # a timestamp may lie this far ahead; an old one is accepted
ADMIN_TOKEN_HOURS = 4
CUSTOMER_TOKEN_HOURS = 1
ADMIN_USER = "admin"

_METHODS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
_REQUIRED = (
    "oauth_consumer_key",
    "oauth_signature",
    "oauth_signature_method",
    "oauth_nonce",
    "oauth_timestamp",
    "oauth_token",
)
_BAD_SIGN_IN = (
    "The account sign-in was incorrect or your account is disabled temporarily. Please wait and try again later."
)


def credentials(shop: Shop) -> dict[str, str]:
    """The integration's keys and the administrator's sign-in; the same for one seed."""
    return {
        "consumer_key": shop.secret("consumer_key"),
        "consumer_secret": shop.secret("consumer_secret"),
        "access_token": shop.secret("access_token"),
        "access_token_secret": shop.secret("access_token_secret"),
        "admin_username": ADMIN_USER,
        "admin_password": shop.secret("admin_password", 16),
    }


class OAuthError(MagentoError):
    """A request whose OAuth does not hold: 401."""

    status = 401


def identify(shop: Shop, request: Request) -> User | None:
    """Whose credentials these are; None for none. Raises MagentoError for OAuth that does not hold.

    A Bearer token that is unknown or has expired is no error here: the caller is then nobody.
    """
    header = request.headers.get("authorization", "")
    if re.search(r"oauth ", header, re.IGNORECASE) and not header.lower().startswith("bearer"):
        _verify(shop, request, header)
        return User("integration", CONSUMER_ID)
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    token = token.strip()
    if token == credentials(shop)["access_token"] and shop.options.integration_as_bearer:
        return User("integration", CONSUMER_ID)
    row = shop.database.row("SELECT * FROM oauth_token WHERE token = ? AND revoked = 0", [token])
    if row is None or (row["expires_at"] and row["expires_at"] <= shop.wall()):
        return None
    return User(row["user_kind"], row["user_id"])


def allowed(user: User | None, route: Route, refused_resources: frozenset[str]) -> None:
    """Raises AuthorizationException when this caller may not use the route."""
    if route.resource == ANONYMOUS:
        return
    if user is not None:
        if route.resource == SELF:
            if user.kind == "customer":
                return
        elif user.kind in ("integration", "admin") and route.resource not in refused_resources:
            return
    raise AuthorizationException.resource(route.resource)


def spend_nonce(shop: Shop, request: Request) -> None:
    """A nonce and timestamp work once per consumer; they are spent before the signature is looked at."""
    header = request.headers.get("authorization", "")
    if header.lower().startswith("bearer") or not re.search(r"oauth ", header, re.IGNORECASE):
        return
    given = _header_parameters(header)
    _checked(shop, given)
    known = shop.database.run(
        "INSERT OR IGNORE INTO oauth_nonce VALUES (?, ?, ?)",
        [given["oauth_nonce"], CONSUMER_ID, int(given["oauth_timestamp"])],
    )
    if not known:
        raise OAuthError("The nonce is already being used by the consumer with ID %1.", [str(CONSUMER_ID)])


@lru_cache(maxsize=256)  # asked for three times in a call
def _header_parameters(header: str) -> Mapping[str, str]:
    position = header.lower().find("oauth ")
    found = {}
    for part in header[position + 6 :].split(","):
        name, equals, value = part.strip().partition("=")
        if equals and re.search(r"oauth_[a-z_-]+", name):
            found[unquote(name)] = unquote(value.strip('"'))
    return MappingProxyType(found)


def _checked(shop: Shop, given: Mapping[str, str]) -> None:
    if given.get("oauth_version", "1.0") != "1.0":
        raise InputException('The "%1" Oauth version isn\'t supported.', [given["oauth_version"]])
    missing = [name for name in _REQUIRED if name not in given]
    if missing:
        raise InputException.required(missing)
    if len(given["oauth_token"]) != 32:
        raise InputException("The token length is invalid. Check the length and try again.")
    if given["oauth_signature_method"] not in _METHODS:
        raise InputException("Signature method %1 is not supported", [given["oauth_signature_method"]])
    if len(given["oauth_consumer_key"]) != 32:
        raise InputException("Consumer key is not the correct length")
    if given["oauth_consumer_key"] != credentials(shop)["consumer_key"]:
        raise OAuthError("A consumer having the specified key does not exist")
    stamp = given["oauth_timestamp"]
    latest = shop.clock.wall().timestamp() + TIME_DEVIATION_SECONDS
    if not stamp.isdigit() or int(stamp) <= 0 or int(stamp) > latest:
        raise InputException("The timestamp value in the oauth_timestamp parameter is invalid.")


def _verify(shop: Shop, request: Request, header: str) -> None:
    given = _header_parameters(header)
    _checked(shop, given)
    keys = credentials(shop)
    if given["oauth_token"] != keys["access_token"]:
        raise OAuthError("Specified token does not exist")
    if shop.config("sandbox/integration_revoked") == "1":
        raise OAuthError("Access token has been revoked")
    expected = _expected(request.method, request.url, header, keys["consumer_secret"], keys["access_token_secret"])
    if not hmac.compare_digest(expected, given["oauth_signature"]):
        raise OAuthError("The signature is invalid. Verify and try again.")


@lru_cache(maxsize=256)  # a call is looked at before it is let in, and again when its turn comes
def _expected(method: str, url: str, header: str, consumer_secret: str, token_secret: str) -> str:
    """The signature that the request is to carry."""
    given = _header_parameters(header)
    parameters = {name: value for name, value in given.items() if name != "oauth_signature"}
    parameters |= _query_parameters(urlsplit(url).query)
    return signature(method, url, parameters, consumer_secret, token_secret, given["oauth_signature_method"])


def _query_parameters(query: str) -> dict[str, str]:
    """As `Oauth/Helper/Request` reads them: a part without exactly one "=" is left out of the signature."""
    pairs = (part.split("=") for part in query.split("&"))
    return {unquote_plus(pair[0]): unquote_plus(pair[1]) for pair in pairs if len(pair) == 2}


def signature(
    method: str, url: str, parameters: dict[str, str], consumer_secret: str, token_secret: str, algorithm: str
) -> str:
    """RFC 5849 signature over all parameters (oauth_* and query), base64."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if parts.port and (scheme, parts.port) not in (("http", 80), ("https", 443)):
        host = f"{host}:{parts.port}"
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in parameters.items())
    normalised = "&".join(f"{name}={value}" for name, value in pairs)
    # What is encoded holds no other characters that are to be.
    normalised = normalised.replace("%", "%25").replace("&", "%26").replace("=", "%3D")
    base = "&".join((method.upper(), _encoded(f"{scheme}://{host}{parts.path or '/'}"), normalised))
    key = f"{_encoded(consumer_secret)}&{_encoded(token_secret)}"
    return base64.b64encode(hmac.new(key.encode(), base.encode(), _METHODS[algorithm]).digest()).decode()


@lru_cache(maxsize=1024)  # names and keys are the same in every call
def _encoded(text: str) -> str:
    return quote(text, safe="-._~")


def password_hash(password: str, salt: str) -> str:
    """Magento's form hash:salt:version, version 1 (SHA-256)."""
    return f"{hashlib.sha256((salt + password).encode()).hexdigest()}:{salt}:1"


def password_matches(password: str, kept: str | None) -> bool:
    if not kept or kept.count(":") != 2:
        return False
    _, salt, _ = kept.split(":")
    return hmac.compare_digest(password_hash(password, salt), kept)


def issue(shop: Shop, kind: str, user_id: int, hours: int) -> str:
    """A new token of an administrator or customer."""
    token = secrets.token_hex(16)
    expires = (shop.clock.wall() + timedelta(hours=hours)).isoformat(timespec="microseconds")
    shop.database.insert(
        "oauth_token",
        {"token": token, "user_kind": kind, "user_id": user_id, "created_at": shop.wall(), "expires_at": expires},
    )
    return token


@route("POST", "/V1/integration/admin/token", resource=ANONYMOUS, kind="auth")
def admin_token(call: Call) -> Any:
    if call.shop.options.two_factor:
        raise LocalizedException(
            "Please use the 2fa provider-specific endpoints to obtain a token.", {"active_providers": ["google"]}
        )
    keys = credentials(call.shop)
    if (call.body["username"], call.body["password"]) != (keys["admin_username"], keys["admin_password"]):
        raise AuthorizationException(_BAD_SIGN_IN)
    return issue(call.shop, "admin", 1, ADMIN_TOKEN_HOURS)


@route("POST", "/V1/tfa/provider/google/authenticate", resource=ANONYMOUS, kind="auth")
def admin_token_with_code(call: Call) -> Any:
    """The one-time code is RFC 6238 over the secret in `status()["credentials"]["otp_secret"]`."""
    keys = credentials(call.shop)
    if (call.body["username"], call.body["password"]) != (keys["admin_username"], keys["admin_password"]):
        raise AuthorizationException(_BAD_SIGN_IN)
    if call.body["otp"] not in one_time_codes(call.shop):
        raise AuthorizationException("Invalid code.")
    return issue(call.shop, "admin", 1, ADMIN_TOKEN_HOURS)


def otp_secret(shop: Shop) -> str:
    return base64.b32encode(bytes.fromhex(shop.secret("otp", 40))).decode()


def one_time_codes(shop: Shop) -> set[str]:
    """Codes of this half minute and its neighbours."""
    secret = base64.b32decode(otp_secret(shop))
    step = int(shop.clock.wall().timestamp()) // 30
    codes = set()
    for counter in (step - 1, step, step + 1):
        digest = hmac.new(secret, counter.to_bytes(8, "big"), hashlib.sha1).digest()
        offset = digest[-1] & 15
        codes.add(f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}")
    return codes


@route("POST", "/V1/integration/customer/token", resource=ANONYMOUS, kind="auth")
def customer_token(call: Call) -> Any:
    website = call.shop.store(call.store_id)["website_id"]
    row = call.shop.database.row(
        "SELECT entity_id, password FROM customer_entity WHERE email = ? AND website_id = ?",
        [call.body["username"], website],
    )
    if row is None or not password_matches(call.body["password"], row["password"]):
        raise AuthorizationException(_BAD_SIGN_IN)
    return issue(call.shop, "customer", row["entity_id"], CUSTOMER_TOKEN_HOURS)


@route("POST", "/V1/integration/customer/revoke-customer-token", resource=SELF, kind="auth")
def revoke_customer_token(call: Call) -> Any:
    call.shop.database.run(
        "UPDATE oauth_token SET revoked = 1 WHERE user_kind = 'customer' AND user_id = ?", [call.user.id]
    )
    return True


def current_customer(call: Call) -> dict[str, Any]:
    """The customer whose token it is."""
    row = call.shop.database.row("SELECT * FROM customer_entity WHERE entity_id = ?", [call.user.id])
    if row is None:
        raise NoSuchEntityException.single("customerId", call.user.id)
    return row
