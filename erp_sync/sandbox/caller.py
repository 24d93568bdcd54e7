"""How people and other software call the vendors' APIs: a few lines over httpx and oauthlib.

Nothing of the project's own transport is used, so that what shoppers and warehouses do stays independent of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, Client


class Refused(RuntimeError):
    """The system said no. Attributes: status, message (the vendor's words), body."""

    def __init__(self, method: str, url: str, status: int, body: Any) -> None:
        self.status, self.body = status, body
        self.message = _words(body)
        super().__init__(f"{method} {url}: {status} {self.message}")


class Caller:
    """Calls one system under a name (User-Agent), signed by OAuth 1.0 when credentials are given.

    One caller per thread. `http`, with a `request` as httpx.Client has it, sends the calls instead of a client of this
    name. Raises Refused for any status from 400, httpx errors for what got lost on the way.
    """

    def __init__(
        self,
        base_url: str,
        agent: str,
        credentials: Mapping[str, str] | None = None,
        *,
        token: str = "access_token",
        token_secret: str = "access_token_secret",
        realm: str | None = None,
        ca_certificate: str | None = None,
        timeout: float = 60.0,
        http: Any = None,
    ) -> None:
        self.base_url, self.realm = base_url.rstrip("/"), realm
        self._http = http or httpx.Client(
            headers={"user-agent": agent}, timeout=timeout, verify=_context(base_url, ca_certificate), trust_env=False
        )
        self._signer: Client | None = None
        if credentials is not None:
            self._signer = Client(
                credentials["consumer_key"],
                client_secret=credentials["consumer_secret"],
                resource_owner_key=credentials[token],
                resource_owner_secret=credentials[token_secret],
                signature_method=SIGNATURE_HMAC_SHA256,
                realm=realm,
            )

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        bearer: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One call; `path` begins with ``/`` and carries its query, percent-encoded."""
        url = self.base_url + path
        sent = {"accept": "application/json", **(headers or {})}
        if bearer is not None:
            sent["authorization"] = f"Bearer {bearer}"
        elif self._signer is not None:
            _, signed, _ = self._signer.sign(url, method)
            sent["authorization"] = signed["Authorization"]
        content = None
        if body is not None:
            sent["content-type"] = "application/json"
            content = json.dumps(body, default=_number).encode()
        answer = self._http.request(method, url, content=content, headers=sent)
        if answer.status_code >= 400:
            raise Refused(method, url, answer.status_code, decoded(answer))
        return answer

    def json(self, method: str, path: str, body: Any = None, *, bearer: str | None = None, **options: Any) -> Any:
        """The decoded answer of one call; numbers are int or Decimal."""
        return decoded(self.send(method, path, body, bearer=bearer, **options))


def decoded(answer: httpx.Response) -> Any:
    """The JSON of an answer, its text when it is no JSON, None without a body."""
    if not answer.content:
        return None
    if "json" not in answer.headers.get("content-type", ""):
        return answer.text
    return json.loads(answer.content, parse_float=Decimal)


def _context(base_url: str, ca_certificate: str | None) -> Any:
    if base_url.startswith("http://"):  # nothing to trust, and reading the machine's authorities takes 40 ms
        return False
    if ca_certificate is None:
        return True
    import ssl

    return ssl.create_default_context(cafile=ca_certificate)


def _number(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _words(body: Any) -> str:
    if isinstance(body, dict):
        if "o:errorDetails" in body:
            return "; ".join(str(detail.get("detail", detail)) for detail in body["o:errorDetails"])
        if "message" not in body and isinstance(body.get("errors"), list):
            return "; ".join(str(error.get("detail", error)) for error in body["errors"] if isinstance(error, dict))
        error = body.get("error")
        if isinstance(error, dict) and isinstance(error.get("message"), str):  # OData 4
            return str(error["message"])
        return str(body.get("message") or body.get("title") or body)
    return str(body)[:300]
