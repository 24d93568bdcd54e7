"""What a seed does not pay for: importing the quality engine, an engine for each comparison, redacting exchanges,
escaping the same texts, reading them and taking the same addresses apart in every call, several times over for a
signature, looking for cookies in answers without one, learning anew what is to be redacted and how classes look.

A rule on a row says the same whoever evaluates it, which `test_thrift` holds against the engine itself. So it does for
addresses and signatures. What is remembered, is for as long as the process lives.
"""

from __future__ import annotations

import atexit
import base64
import hmac
import re
import typing
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, lru_cache
from typing import Any
from unittest import mock

import duckdb
import httpx
import sqlalchemy as sa
from oauthlib import common as oauth_common
from oauthlib.oauth1 import Client
from oauthlib.oauth1.rfc5849 import utils as oauth_utils

from erp_sync.components import states
from erp_sync.quality import gate
from erp_sync.quality.gate import Broken, CannotJudge, Judgement, Suite
from erp_sync.transport.auth import OAuth1
from erp_sync.transport.policies import Log
from erp_sync.transport.redaction import Redactor


def _between(value: Any, rule: Mapping[str, Any]) -> bool:
    least, most = rule.get("min_value"), rule.get("max_value")
    if least is not None and (value <= least if rule.get("strict_min") else value < least):
        return False
    return most is None or not (value >= most if rule.get("strict_max") else value > most)


_HOLDS: dict[str, Callable[[Any, Mapping[str, Any]], bool]] = {
    "ExpectColumnValuesToBeBetween": _between,
    "ExpectColumnValueLengthsToBeBetween": lambda value, rule: _between(len(value), rule),
    "ExpectColumnValuesToBeInSet": lambda value, rule: value in rule["value_set"],
    "ExpectColumnValuesToMatchRegex": lambda value, rule: re.search(rule["regex"], value) is not None,
}


def judge(suite: Suite, records: Sequence[dict[str, Any]] | Any) -> Judgement:
    """`gate.judge` without its engine. Raises KeyError for a rule of a kind that is new here."""
    broken = []
    for rule in suite.rules:
        holds, column = _HOLDS[rule.expectation], rule.arguments["column"]
        values = [row[column] for row in records] if isinstance(records, list) else records[column].tolist()
        # As the engine does it: what is not there breaks no rule.
        try:
            places = tuple(
                place
                for place, value in enumerate(values)
                if value is not None and value == value and not holds(value, rule.arguments)
            )
        except TypeError as failure:
            raise CannotJudge(suite.name, rule.name, str(failure)) from failure
        if places:
            broken.append(Broken(rule=rule, rows=places))
    return Judgement(rows=len(records), rules=len(suite.rules), broken=tuple(broken))


class _Cursor:
    """In the place of a database in memory of its own: a cursor of one that is there."""

    whole: Any = None

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Any:
        if _Cursor.whole is None:
            _Cursor.whole = _connect(":memory:")
            _Cursor.whole.execute("SET threads = 1")
        self._cursor = _Cursor.whole.cursor()
        return self._cursor

    def __exit__(self, *_: object) -> None:
        self._cursor.close()


_connect = duckdb.connect


@atexit.register
def _close() -> None:
    """Left open, the interpreter's end complains of a page of leaks."""
    if _Cursor.whole is not None:
        _Cursor.whole.close()
        _Cursor.whole = None


# -- addresses and signatures ----------------------------------------------------------------------

_escaped = lru_cache(4096)(oauth_utils.escape)
_parsed = lru_cache(512)(urllib.parse.parse_qsl)
_urlparse = httpx._urls.urlparse
# Of a system of the simulation, its characters escaped as they are to be.
_PLAIN = re.compile(
    r"(https?)://([a-z][a-z0-9_-]*\.chaos)((?:/(?!\.)(?:[\w.~:!-]++|%[0-9A-Fa-f]{2})*+)++)"
    r"(?:\?((?:[\w.~&=-]++|%[0-9A-Fa-f]{2})*+))?",
    re.ASCII,
)


def pairs(query: str, *given: Any, **options: Any) -> list[tuple[str, str]]:
    """`urllib.parse.parse_qsl`: who signs a call, receives it and tells of it asks for the same."""
    return list(_parsed(query, *given, **options))


@lru_cache(4096)
def address(url: str = "", **parts: Any) -> Any:
    """`httpx.URL`'s parser, which looks at each character; where there is nothing to escape or to leave out, what it
    gives is what it gets."""
    found = _PLAIN.fullmatch(url) if not parts else None
    if found is None:
        return _urlparse(url, **parts)
    scheme, host, path, query = found.groups()
    return httpx._urlparse.ParseResult(scheme, "", host, None, path, query, None)


def signed(self: OAuth1, request: httpx.Request) -> str:
    """`OAuth1._header` in one go: address and parameters are taken apart, sorted and written once."""
    if request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return _header(self, request)
    url = request.url
    path, _, query = url.raw_path.decode("ascii").partition("?")
    return _authorization(self._signer, request.method, f"{url.scheme}://{url.netloc.decode('ascii')}{path}", query)


def signed_by_people(
    self: Client, uri: str, http_method: str = "GET", *others: Any, **more: Any
) -> tuple[str, dict[str, str], Any]:
    """`Client.sign` in one go, where only an address is to be signed."""
    if others or more or not _PLAIN.fullmatch(uri):
        return _sign(self, uri, http_method, *others, **more)  # type: ignore[no-any-return]
    place, _, query = uri.partition("?")
    return uri, {"Authorization": _authorization(self, http_method.upper(), place, query)}, None


@lru_cache(64)
def _keyed(key: str, method: str) -> hmac.HMAC:
    """To be copied: a key that was read once, by an algorithm that was looked up once."""
    return hmac.new(key.encode(), digestmod=method)


def _authorization(signer: Client, method: str, place: str, query: str) -> str:
    """The header of a call without a form; `place` is its address without the query."""
    ours = [
        ("oauth_nonce", signer.nonce or oauth_common.generate_nonce()),
        ("oauth_timestamp", signer.timestamp or oauth_common.generate_timestamp()),
        ("oauth_version", "1.0"),
        ("oauth_signature_method", signer.signature_method),
        ("oauth_consumer_key", signer.client_key),
        ("oauth_token", signer.resource_owner_key),
    ]
    escaped = sorted(
        [(_escaped(name), _escaped(value)) for name, value in [*pairs(query, keep_blank_values=True), *ours]]
    )
    # What is escaped holds no other characters that are to be.
    twice = "&".join(map("=".join, escaped)).replace("%", "%25").replace("&", "%26").replace("=", "%3D")
    base = "&".join((_escaped(method), _escaped(place), twice))
    key = f"{_escaped(signer.client_secret)}&{_escaped(signer.resource_owner_secret)}"
    keyed = _keyed(key, signer.signature_method.removeprefix("HMAC-").lower()).copy()
    keyed.update(base.encode())
    ours.append(("oauth_signature", base64.b64encode(keyed.digest()).decode()))
    words = [f'{_escaped(name)}="{oauth_utils.escape(value)}"' for name, value in ours]
    realm = [f'realm="{signer.realm}"'] if signer.realm else []
    return f"OAuth {', '.join([*realm, *words])}"


_header, _sign = OAuth1._header, Client.sign
_extract_cookies = httpx.Cookies.extract_cookies


def cookies_kept(self: httpx.Cookies, response: httpx.Response) -> None:
    """`Cookies.extract_cookies` where there is a cookie."""
    if "set-cookie" in response.headers:
        _extract_cookies(self, response)


# -- what is known -----------------------------------------------------------------------------------

_redactors: dict[frozenset[tuple[str, str]], Redactor] = {}
_make_redactor = Redactor.__init__


def redactor(self: Redactor, credentials: Mapping[str, str] | None = None) -> None:
    """`Redactor.__init__`: all of the same secrets remember together what they found. A seed makes some 75."""
    secrets = frozenset((credentials or {}).items())
    if secrets not in _redactors:
        _make_redactor(self, credentials)
        _redactors[secrets] = self
    vars(self).update(vars(_redactors[secrets]))


_REMEMBERED = (
    (oauth_utils, "escape", lru_cache(4096)(oauth_utils.escape)),
    (urllib.parse, "quote_from_bytes", lru_cache(4096)(urllib.parse.quote_from_bytes)),
    (urllib.parse, "unquote_to_bytes", lru_cache(4096)(urllib.parse.unquote_to_bytes)),
    (urllib.parse, "parse_qsl", pairs),
    (httpx._urls, "urlparse", address),
    (OAuth1, "_header", signed),
    (Client, "sign", signed_by_people),
    (httpx.Cookies, "extract_cookies", cookies_kept),
    (Redactor, "__init__", redactor),
    # Both look through a class and its bases, for each value of a statement and each question whether something has
    # the methods of a protocol.
    (sa.util, "get_cls_kwargs", cache(sa.util.get_cls_kwargs)),
    (typing, "_get_protocol_attrs", cache(typing._get_protocol_attrs)),  # type: ignore[attr-defined]
)


@contextmanager
def thrifty() -> Iterator[None]:
    original = gate.judge
    # The gate's own name is what `judge_apart` asks.
    for module in (gate, states):
        module.judge = judge  # type: ignore[attr-defined]
    duckdb.connect = _Cursor  # type: ignore[misc,assignment]
    record, Log._record = Log._record, lambda *_: None  # type: ignore[method-assign]
    try:
        with ExitStack() as stack:
            for owner, name, ours in _REMEMBERED:
                stack.enter_context(mock.patch.object(owner, name, ours))
            yield
    finally:
        Log._record = record  # type: ignore[method-assign]
        duckdb.connect = _connect
        for module in (gate, states):
            module.judge = original  # type: ignore[attr-defined]
