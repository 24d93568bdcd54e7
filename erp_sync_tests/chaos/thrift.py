"""What a seed does not pay for: importing the quality engine, an engine for each comparison, redacting exchanges,
escaping the same texts, reading them and taking the same addresses apart in every call, several times over for a
signature, looking for cookies in answers without one.

A rule on a row says the same whoever evaluates it, which `test_thrift` holds against the engine itself.
"""

from __future__ import annotations

import atexit
import base64
import hmac
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl

import duckdb
import httpx
from oauthlib import common as oauth_common
from oauthlib.oauth1.rfc5849 import utils as oauth_utils

from erp_sync.components import states
from erp_sync.quality import gate
from erp_sync.quality.gate import Broken, CannotJudge, Judgement, Suite
from erp_sync.transport.auth import OAuth1
from erp_sync.transport.policies import Log


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
    rows = records if isinstance(records, list) else records.to_dict("records")
    broken = []
    for rule in suite.rules:
        holds, column = _HOLDS[rule.expectation], rule.arguments["column"]
        # As the engine does it: what is not there breaks no rule.
        try:
            places = tuple(
                place
                for place, row in enumerate(rows)
                if (value := row[column]) is not None and value == value and not holds(value, rule.arguments)
            )
        except TypeError as failure:
            raise CannotJudge(suite.name, rule.name, str(failure)) from failure
        if places:
            broken.append(Broken(rule=rule, rows=places))
    return Judgement(rows=len(rows), rules=len(suite.rules), broken=tuple(broken))


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


_escaped = lru_cache(4096)(oauth_utils.escape)


def signed(self: OAuth1, request: httpx.Request) -> str:
    """`OAuth1._header` in one go: address and parameters are taken apart, sorted and written once."""
    if request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return _header(self, request)
    signer, url = self._signer, request.url
    ours = [
        ("oauth_nonce", signer.nonce or oauth_common.generate_nonce()),
        ("oauth_timestamp", signer.timestamp or oauth_common.generate_timestamp()),
        ("oauth_version", "1.0"),
        ("oauth_signature_method", signer.signature_method),
        ("oauth_consumer_key", signer.client_key),
        ("oauth_token", signer.resource_owner_key),
    ]
    query = parse_qsl(url.query.decode("ascii"), keep_blank_values=True)
    pairs = sorted((_escaped(name), _escaped(value)) for name, value in [*query, *ours])
    address = f"{url.scheme}://{url.netloc.decode('ascii')}{url.raw_path.partition(b'?')[0].decode('ascii')}"
    # What is escaped holds no other characters that are to be.
    twice = "&".join(map("=".join, pairs)).replace("%", "%25").replace("&", "%26").replace("=", "%3D")
    base = "&".join((_escaped(request.method), _escaped(address), twice))
    key = f"{_escaped(signer.client_secret)}&{_escaped(signer.resource_owner_secret)}".encode()
    digest = hmac.digest(key, base.encode(), signer.signature_method.removeprefix("HMAC-").lower())
    ours.append(("oauth_signature", base64.b64encode(digest).decode()))
    words = [f'{_escaped(name)}="{oauth_utils.escape(value)}"' for name, value in ours]
    realm = [f'realm="{signer.realm}"'] if signer.realm else []
    return f"OAuth {', '.join([*realm, *words])}"


_header = OAuth1._header
_extract_cookies = httpx.Cookies.extract_cookies


def cookies_kept(self: httpx.Cookies, response: httpx.Response) -> None:
    """`Cookies.extract_cookies` where there is a cookie."""
    if "set-cookie" in response.headers:
        _extract_cookies(self, response)


@contextmanager
def thrifty() -> Iterator[None]:
    original = gate.judge
    # The gate's own name is what `judge_apart` asks.
    for module in (gate, states):
        module.judge = judge  # type: ignore[attr-defined]
    duckdb.connect = _Cursor  # type: ignore[misc,assignment]
    urls = httpx._urls
    remembered = (
        mock.patch.object(oauth_utils, "escape", lru_cache(4096)(oauth_utils.escape)),
        mock.patch.object(urllib.parse, "quote_from_bytes", lru_cache(4096)(urllib.parse.quote_from_bytes)),
        mock.patch.object(urllib.parse, "unquote_to_bytes", lru_cache(4096)(urllib.parse.unquote_to_bytes)),
        mock.patch.object(urls, "urlparse", lru_cache(4096)(urls.urlparse)),
        mock.patch.object(OAuth1, "_header", signed),
        mock.patch.object(httpx.Cookies, "extract_cookies", cookies_kept),
    )
    record, Log._record = Log._record, lambda *_: None  # type: ignore[method-assign]
    try:
        with ExitStack() as stack:
            for one in remembered:
                stack.enter_context(one)
            yield
    finally:
        Log._record = record  # type: ignore[method-assign]
        duckdb.connect = _connect
        for module in (gate, states):
            module.judge = original  # type: ignore[attr-defined]
