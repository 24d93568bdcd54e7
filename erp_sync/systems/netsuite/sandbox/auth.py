"""Who may call: token-based authentication (OAuth 1.0a) and OAuth 2.0 client credentials, verified.

OAuth 1.0: base string and signature by RFC 5849 sections 3.4 and 3.6 with HMAC-SHA256 from the standard
library; the client signs with another implementation. Assertions are verified with joserfc.

Facts: NetSuite help, Token-based Authentication and OAuth 2.0 Client Credentials Flow: realm is the account
id in upper case; PS256/384/512 and ES256/384/512 but not RS256; ``exp`` at most 60 minutes after ``iat``;
``aud`` is the token endpoint; access tokens live 3600 s. One INVALID_LOGIN for every cause. Unconfirmed: the
window of 5 minutes for timestamps, and that an assertion may be used again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from erp_sync.sandbox.core import Request, Response
from erp_sync.systems.netsuite.sandbox.errors import VendorError
from erp_sync.systems.netsuite.sandbox.options import Options
from erp_sync.systems.netsuite.sandbox.store import Store

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"
TIMESTAMP_WINDOW_SECONDS = 300
TOKEN_SECONDS = 3600
ALGORITHMS = ("PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_PARAMETER = re.compile(r'\s*([A-Za-z_]+)="([^"]*)"\s*(?:,|$)')


def invalid_login() -> VendorError:
    """One answer for every cause."""
    return VendorError(
        "INVALID_LOGIN",
        "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI at "
        "Setup > Users/Roles > User Management > View Login Audit Trail.",
        status=401,
    )


class Authority:
    """The account's credentials and the checks against them.

    Credentials are made once per database and survive `reset`. The RSA key of the certificate is made when
    first asked for, since that takes a while.
    """

    def __init__(self, store: Store, options: Options) -> None:
        self._store, self._options = store, options
        self._tokens = self._state("tokens", self._new_tokens)
        self._last_prune = 0

    def _state(self, name: str, make: Any) -> dict[str, Any]:
        stored = self._store.value("SELECT value FROM sandbox_state WHERE name = ?", name)
        if stored is None:
            stored = json.dumps(make())
            with self._store.transaction():
                self._store.insert("sandbox_state", name=name, value=stored)
        return json.loads(stored)

    def _new_tokens(self) -> dict[str, str]:
        names = ("consumer_key", "consumer_secret", "token_id", "token_secret", "client_id")
        return {name: secrets.token_hex(32) for name in names}

    @staticmethod
    def _new_certificates() -> dict[str, str]:
        return {
            "certificate_id": secrets.token_urlsafe(32),
            "private_key_pem": _made_rsa_key(),
            "ec_certificate_id": secrets.token_urlsafe(32),
            "ec_private_key_pem": _pem(ec.generate_private_key(ec.SECP256R1())),
        }

    def credentials(self) -> dict[str, str]:
        """What an integration is given: token-based, and client credentials with an RSA and an EC certificate."""
        certificates = self._state("certificates", self._new_certificates)
        return {"account": self._options.account, **self._tokens, **certificates}

    # --- every call ------------------------------------------------------------------------------------

    def check(self, request: Request, wall: datetime, scope: str) -> None:
        """Let the request pass or raise VendorError 401. `scope`: rest_webservices or restlets."""
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "oauth":
            self._check_signature(request, rest, int(wall.timestamp()))
        elif scheme.lower() == "bearer":
            self._check_bearer(rest.strip(), int(wall.timestamp()), scope)
        else:
            raise invalid_login()

    def _check_signature(self, request: Request, header: str, wall: int) -> None:
        parameters = dict(_header_parameters(header))
        if parameters.pop("realm", None) != self._options.account:
            raise invalid_login()
        signature = parameters.get("oauth_signature", "")
        expected = sign(
            request,
            parameters,
            self._tokens["consumer_secret"],
            self._tokens["token_secret"],
        )
        timestamp = parameters.get("oauth_timestamp", "")
        nonce = parameters.get("oauth_nonce", "")
        holds = hmac.compare_digest(expected.encode(), signature.encode())
        for name, own in (("oauth_consumer_key", "consumer_key"), ("oauth_token", "token_id")):
            holds &= hmac.compare_digest(self._tokens[own].encode(), parameters.get(name, "").encode())
        holds &= parameters.get("oauth_signature_method") == "HMAC-SHA256"
        holds &= parameters.get("oauth_version", "1.0") == "1.0"
        holds &= len(nonce) >= 6
        holds &= timestamp.isdigit() and abs(int(timestamp) - wall) <= TIMESTAMP_WINDOW_SECONDS
        if not holds or not self._fresh(parameters, nonce, int(timestamp), wall):
            raise invalid_login()

    def _fresh(self, parameters: dict[str, str], nonce: str, timestamp: int, wall: int) -> bool:
        if wall - self._last_prune > TIMESTAMP_WINDOW_SECONDS:
            self._store.run("DELETE FROM sandbox_nonce WHERE at < ?", wall - 2 * TIMESTAMP_WINDOW_SECONDS)
            self._last_prune = wall
        cursor = self._store.run(
            "INSERT OR IGNORE INTO sandbox_nonce VALUES (?, ?, ?, ?)",
            parameters["oauth_consumer_key"], parameters["oauth_token"], nonce, timestamp,
        )  # fmt: skip
        return cursor.rowcount == 1

    def _check_bearer(self, token: str, wall: int, scope: str) -> None:
        row = self._store.one(
            "SELECT scope, expires FROM sandbox_bearer WHERE digest = ?", hashlib.sha256(token.encode()).hexdigest()
        )
        if row is None or row["expires"] <= wall or scope not in row["scope"].split():
            raise invalid_login()

    # --- the token endpoint -----------------------------------------------------------------------------

    def grant(self, request: Request, wall: datetime) -> Response:
        """POST to the token endpoint: an access token for a signed assertion, else 400 {"error": ...}."""
        form = request.form()
        if form.get("grant_type") != "client_credentials":
            return _refused("unsupported_grant_type")
        if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
            return _refused("invalid_request")
        claims = self._claims(form.get("client_assertion", ""), request, int(wall.timestamp()))
        if claims is None:
            return _refused("invalid_grant")
        scopes = claims["scope"]
        token = secrets.token_urlsafe(48)
        expires = int(wall.timestamp()) + TOKEN_SECONDS
        with self._store.transaction():
            self._store.run("DELETE FROM sandbox_bearer WHERE expires <= ?", int(wall.timestamp()))
            digest = hashlib.sha256(token.encode()).hexdigest()
            self._store.insert("sandbox_bearer", digest=digest, scope=" ".join(scopes), expires=expires)
        body = {"access_token": token, "expires_in": str(TOKEN_SECONDS), "token_type": "bearer"}
        return Response(200, {"content-type": "application/json"}, json.dumps(body).encode())

    def _claims(self, assertion: str, request: Request, wall: int) -> dict[str, Any] | None:
        """The assertion's claims with `scope` as a list, or None for one that does not hold."""
        try:
            header = json.loads(_unpadded(assertion.split(".")[0]))
            keys = self._state("certificates", self._new_certificates)
            key: RSAKey | ECKey
            if header.get("kid") == keys["certificate_id"]:
                key = _rsa_key(keys["private_key_pem"])
            elif header.get("kid") == keys["ec_certificate_id"]:
                key = ECKey.import_key(keys["ec_private_key_pem"])
            else:
                return None
            claims = jwt.decode(assertion, key, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError):
            return None
        url = urlsplit(request.url)
        audiences = claims.get("aud")
        audiences = audiences if isinstance(audiences, list) else [audiences]
        allowed = {f"{url.scheme}://{url.netloc}{TOKEN_PATH}", f"https://{self._options.host}{TOKEN_PATH}"}
        scopes = claims.get("scope")
        scopes = scopes.split() if isinstance(scopes, str) else scopes
        issued, expires = claims.get("iat"), claims.get("exp")
        holds = (
            header.get("typ") == "JWT"
            and claims.get("iss") == self._tokens["client_id"]
            and bool(allowed & set(audiences))
            and isinstance(issued, int)
            and isinstance(expires, int)
            and issued - TIMESTAMP_WINDOW_SECONDS <= wall < expires
            and 0 < expires - issued <= 3600
            and isinstance(scopes, list)
            and bool(scopes)
            and set(scopes) <= {"rest_webservices", "restlets", "suite_analytics", "mcp"}
        )
        return {**claims, "scope": scopes} if holds else None


@lru_cache(maxsize=16)
def _rsa_key(pem: str) -> RSAKey:
    """Read once: whether its numbers make a key is tried out, which takes a quarter of a second."""
    return RSAKey.import_key(pem)


def base_string(request: Request, oauth: dict[str, str]) -> str:
    """The signature base string of RFC 5849 section 3.4.1."""
    url = urlsplit(request.url)
    pairs = [(name, value) for name, value in oauth.items() if name not in ("realm", "oauth_signature")]
    pairs += parse_qsl(url.query, keep_blank_values=True)
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/x-www-form-urlencoded":
        pairs += parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    encoded = sorted((_escape(name), _escape(value)) for name, value in pairs)
    default_port = {"http": 80, "https": 443}.get(url.scheme)
    host = (url.hostname or "").lower()
    if url.port and url.port != default_port:
        host = f"{host}:{url.port}"
    parameters = "&".join(f"{name}={value}" for name, value in encoded)
    # What is escaped holds no other characters that are to be.
    parameters = parameters.replace("%", "%25").replace("&", "%26").replace("=", "%3D")
    return "&".join(
        (
            request.method.upper(),
            _escape(f"{url.scheme.lower()}://{host}{url.path or '/'}"),
            parameters,
        )
    )


def sign(request: Request, oauth: dict[str, str], consumer_secret: str, token_secret: str) -> str:
    """The HMAC-SHA256 signature of RFC 5849 section 3.4.2, in Base64."""
    key = f"{_escape(consumer_secret)}&{_escape(token_secret)}".encode()
    digest = hmac.new(key, base_string(request, oauth).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


@cache
def _made_rsa_key() -> str:
    """Made once per process, which takes a sixth of a second of CPU: accounts that one process serves share the key,
    and each has a certificate id of its own, by which the key is found."""
    return _pem(rsa.generate_private_key(65537, 3072))


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@lru_cache(maxsize=1024)  # names and keys are the same in every call
def _escape(text: str) -> str:
    return quote(text, safe="-._~")


def _header_parameters(header: str) -> list[tuple[str, str]]:
    return [(name, unquote(value)) for name, value in _PARAMETER.findall(header)]


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _refused(error: str) -> Response:
    return Response(400, {"content-type": "application/json"}, json.dumps({"error": error}).encode())
