"""A call and its reply."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from erp_sync.transport.errors import OutcomeUnknown

Params = Mapping[str, str] | Sequence[tuple[str, str]]

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def decode_json(data: bytes | str) -> Any:
    """JSON with exact numbers: int, and Decimal for whatever has a point or an exponent.

    Raises msgspec.DecodeError.
    """
    return _decoder.decode(data)


def encode_json(value: Any) -> bytes:
    """JSON with Decimals as exact numbers. A float is refused with TypeError: it is no amount."""
    _refuse_floats(value)
    return _encoder.encode(value)


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float; send Decimal, int or text")
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)


def path_segment(text: str) -> str:
    """Text as one segment of a path: `A/B 1` is ``A%2FB%201``."""
    return urllib.parse.quote(text, safe="~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, sent at most once unless it is repeatable.

    Attributes:
        method: GET, POST ...
        path: below the connection's base URL, segments already encoded (`path_segment`), or an absolute
            URL on a host that the client knows (a next-link).
        params: of the query, decoded; added to those that `path` has. Encoded as RFC 3986 says (blank
            is %20).
        json: body, encoded with exact numbers; no floats.
        content: body as bytes. At most one of json, content and form.
        form: body as form fields.
        headers: beside those of the client and of authentication.
        operation: name for errors and exchange log, e.g. ``sales_order.create``.
        document: key of the document, for errors and exchange log; "" takes that of the call context.
        repeatable: sending twice has the effect of sending once (reads; writes of guarantee class A
            and B with their key). Such a call is tried again inside the client; any other is sent once.
        timeout: seconds for one attempt, from the start of sending to the last byte; None takes the
            client's.
        deadline_seconds: for everything: waiting for slots, attempts, pauses between. None takes the
            client's.
        expected: statuses of 400 and above that are answers, not errors (404 of a lookup). The
            connector's `outcome` does not see them.
        json_reply: a body of a good answer must be JSON; if it is not, the outcome is unknown.
        cost: points of the connection's rate that it is taken to cost until the answer says (`VendorClient.cost`).
        found_nothing: of a poll: whether the reply says that there is nothing. Such exchanges are
            counted, not kept.
    """

    method: str
    path: str
    operation: str
    repeatable: bool
    params: Params = ()
    json: Any = None
    content: bytes | None = None
    form: Params | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    document: str = ""
    timeout: float | None = None
    deadline_seconds: float | None = None
    expected: tuple[int, ...] = ()
    json_reply: bool = True
    cost: float = 1.0
    found_nothing: Callable[[Reply], bool] | None = None

    def __post_init__(self) -> None:
        if (self.json is not None) + (self.content is not None) + (self.form is not None) > 1:
            raise ValueError(f"{self.operation}: give one of json, content and form")

    def body(self) -> tuple[bytes, str]:
        """The body and its content type ("" where there is none to name)."""
        if self.json is not None:
            return encode_json(self.json), "application/json"
        if self.form is not None:
            return encode_pairs(self.form).encode(), "application/x-www-form-urlencoded"
        return self.content or b"", ""


def encode_pairs(params: Params) -> str:
    """Query or form text; keys and values encoded as RFC 3986 says, order kept."""
    pairs = params.items() if isinstance(params, Mapping) else params
    return urllib.parse.urlencode(list(pairs), quote_via=urllib.parse.quote, safe="~")


@dataclass(slots=True, kw_only=True)
class Reply:
    """A good answer, read to its end.

    Attributes:
        status: HTTP status.
        headers: case does not matter.
        content: body, decompressed.
        elapsed: seconds from the start of sending to the last byte of the attempt that succeeded.
        url: that was called, with secrets taken out.
        origin: URL that was called, without its query, for relative links.
    """

    status: int
    headers: httpx.Headers
    content: bytes
    elapsed: float
    url: str
    origin: str = ""
    _decoded: Any = None

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, numbers exact. Raises OutcomeUnknown where it is not JSON."""
        if self._decoded is None:
            try:
                self._decoded = decode_json(self.content)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise OutcomeUnknown(
                    f"the body of HTTP {self.status} is not JSON: {error}", status=self.status
                ) from error
        return self._decoded

    def header(self, name: str, default: str = "") -> str:
        return self.headers.get(name, default)
