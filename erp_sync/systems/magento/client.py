"""How to talk to Magento 2.4 over REST: URLs, searches, paging, error bodies. No business words.

Facts: the published REST schema 2.4.8, commerce-webapi, and the core's ErrorProcessor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import httpx
import msgspec

from erp_sync.model.advice import Advice
from erp_sync.model.money import BadNumber, decimal_of
from erp_sync.ports.outcomes import Again
from erp_sync.systems.magento.criteria import Criteria, chunks, in_order, time_of
from erp_sync.transport.client import Call, Reply, path_segment, retry_after
from erp_sync.transport.errors import (
    NotAuthenticated,
    NotSentError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    TransportError,
)

LOCKED_RETRY_SECONDS = 1.0
MAINTENANCE_RETRY_SECONDS = 30.0
BACKPRESSURE_RETRY_SECONDS = 5.0


class Sender(Protocol):
    """The part of `transport.client.VendorClient` that is used here."""

    behind_seconds: float

    def send(self, call: Call) -> Reply: ...

    def close(self) -> None: ...


class BadAnswer(OutcomeUnknown):
    """The vendor answered with something of another shape than its contract says."""

    advice = Advice(
        means="The system answered something of another shape than its contract says. What may have been written is "
        "looked for before it is sent again.",
        look=("erp-sync trace NUMBER", "erp-sync doctor ROUTE"),
        do="Look at the answer in the trace. Mostly a proxy, firewall or module changes it: let that be mended.",
    )


class MagentoClient:
    """REST calls to one installation. Thread-safe as its sender is.

    Every method raises the errors of `erp_sync.transport.errors`.
    """

    def __init__(self, sender: Sender, *, store: str = "all") -> None:
        self._sender = sender
        self._store = store

    @property
    def behind_seconds(self) -> float:
        """By which the store's clock was behind ours when it answered last."""
        return self._sender.behind_seconds

    def close(self) -> None:
        self._sender.close()

    def get(
        self,
        path: str,
        *,
        operation: str,
        criteria: Criteria | None = None,
        params: Sequence[tuple[str, str]] = (),
        document: str = "",
        store: str | None = None,
        found_nothing: Callable[[Reply], bool] | None = None,
    ) -> Any:
        """Read. `path` is below ``V1/``, its segments already encoded (`segment`)."""
        pairs = [*(criteria.params() if criteria else ()), *params]
        return self._sender.send(
            Call(
                method="GET",
                path=self._path(path, store),
                params=pairs,
                operation=operation,
                document=document,
                repeatable=True,
                found_nothing=found_nothing,
            )
        ).json()

    def server_date(self) -> str:
        """The store's Date header, "" where there is none, of a cheap authenticated read."""
        call = Call(
            method="GET", path=self._path("store/storeViews", None), operation="doctor.credentials", repeatable=True
        )
        return self._sender.send(call).header("Date")

    def post(
        self,
        path: str,
        body: Any = None,
        *,
        operation: str,
        document: str = "",
        repeatable: bool = False,
        store: str | None = None,
        kind: str = "",
        method: str = "POST",
    ) -> Any:
        """Write, or read where the vendor reads by POST (then `repeatable`).

        `kind` is ``async`` or ``async/bulk`` for the asynchronous routes.
        """
        return self._sender.send(
            Call(
                method=method,
                path=self._path(path, store, kind),
                json=body,
                operation=operation,
                document=document,
                repeatable=repeatable,
            )
        ).json()

    def _path(self, path: str, store: str | None, kind: str = "") -> str:
        middle = f"{kind}/" if kind else ""
        return f"/rest/{store or self._store}/{middle}V1/{path}"

    def page(
        self,
        path: str,
        criteria: Criteria,
        *,
        operation: str,
        store: str | None = None,
        found_nothing: Callable[[Reply], bool] | None = None,
    ) -> tuple[list[dict[str, Any]], int]:
        """One page of a search and how many records there are in all."""
        answer = self.get(path, operation=operation, criteria=criteria, store=store, found_nothing=found_nothing)
        if not isinstance(answer, Mapping) or not isinstance(answer.get("total_count"), int):
            raise BadAnswer("a search was answered without total_count", operation=operation)
        items = answer.get("items")
        if items is None:
            if answer["total_count"]:  # taken for the end of the list, the rest would never be read
                raise BadAnswer("a page was answered without its records", operation=operation)
            items = []  # an empty list may come as null
        if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
            raise BadAnswer("a search was answered without a list of records", operation=operation)
        return items, answer["total_count"]

    def window(
        self,
        path: str,
        start: datetime,
        end: datetime,
        *,
        operation: str,
        page_size: int,
        time_field: str = "updated_at",
        id_field: str = "entity_id",
        id_name: str = "",
        fields: str = "",
        criteria: Criteria | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """All records whose time lies in [start, end), widened to whole seconds; none is skipped, none repeated.

        Rows that change while we page leave the window and would shift later pages. Therefore each page
        starts at the last time seen instead of at a page number; within one second it goes on by id.
        `fields`, if given, must answer time and id, and ``total_count``. `id_name` is the id's name in
        the answer where it differs from the field that is searched by (customers).
        """
        id_name = id_name or id_field
        base = (criteria or Criteria()).only(fields)
        bounded = base.before(time_field, end)
        first = _floor(start)
        seen: set[Any] = set()  # ids of the second `first`
        while True:
            search = bounded.since(time_field, first).sorted_by(time_field, id_field).paged(page_size)
            items, total = self.page(path, search, operation=operation)
            fresh = [item for item in items if _key(item, id_name) not in seen]
            if fresh:
                yield fresh
            if len(items) >= total or not items:
                return
            last = _latest(items, time_field, operation)
            if last > first:
                seen = {_key(item, id_name) for item in items if _time(item, time_field) == last}
                first = last
                continue
            # The whole page is of one second: the rest of that second by id, then on with the next one.
            yield from self._second(path, base, last, items[-1], operation, page_size, time_field, id_field, id_name)
            first, seen = last + timedelta(seconds=1), set()

    def _second(
        self,
        path: str,
        base: Criteria,
        second: datetime,
        after: dict[str, Any],
        operation: str,
        page_size: int,
        time_field: str,
        id_field: str,
        id_name: str,
    ) -> Iterator[list[dict[str, Any]]]:
        last = _key(after, id_name)
        while True:
            search = (
                base.since(time_field, second)
                .before(time_field, second + timedelta(seconds=1))
                .where(id_field, last, "gt")
                .sorted_by(id_field)
                .paged(page_size)
            )
            items, total = self.page(path, search, operation=operation)
            if items:
                yield items
            if len(items) >= total or not items:
                return
            last = _key(items[-1], id_name)

    def all(
        self,
        path: str,
        criteria: Criteria,
        *,
        operation: str,
        page_size: int,
        sort: Sequence[str],
        store: str | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """All records of a search, page by page, in a stable order, until total_count is reached.

        Before 2.4 a page past the end repeats the last page (magento2 issue 26988): the count ends it.
        """
        read, number = 0, 1
        while True:
            search = criteria.sorted_by(*sort).paged(page_size, number)
            items, total = self.page(path, search, operation=operation, store=store)
            if items:
                yield items
            read, number = read + len(items), number + 1
            if not items or read >= total:
                return

    def by_keys(
        self,
        path: str,
        field: str,
        keys: Sequence[str],
        *,
        operation: str,
        page_size: int,
        fields: str = "",
        also: Callable[[Criteria], Criteria] = lambda criteria: criteria,
        sort: Sequence[str] = (),
    ) -> Iterator[list[dict[str, Any]]]:
        """Records whose field is one of the keys, in as few calls as the URL's length allows.

        Ids go in the order of their numbers: what was placed first is read first, from call to call too.
        """
        for part in chunks(in_order(keys), page_size):
            criteria = also(Criteria().any_of(field, part).only(fields))
            yield from self.all(path, criteria, operation=operation, page_size=page_size, sort=sort or (field,))


def none_found(reply: Reply) -> bool:
    """For polls: a search that found nothing."""
    answer = reply.json()
    return isinstance(answer, Mapping) and answer.get("total_count") == 0


def number_in(item: Mapping[str, Any], name: str, otherwise: int | None = None) -> Decimal:
    """A number of a record that the vendor answered, at storage scale. Raises BadAnswer."""
    value = item.get(name)
    try:
        return decimal_of(otherwise if value is None and otherwise is not None else value)
    except BadNumber as error:
        raise BadAnswer(f"{name} of {item.get('sku', 'a record')}: {error}") from error


def segment(text: str) -> str:
    """One segment of a path. Raises ValueError for a slash: many web servers answer 404 to ``%2F``."""
    if "/" in text:
        raise ValueError(f"{text!r} cannot stand in a URL of the vendor: it contains a slash")
    return path_segment(text)


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _key(item: Any, id_field: str) -> Any:
    return item.get(id_field)


def _time(item: Any, time_field: str) -> datetime | None:
    try:
        return time_of(str(item.get(time_field, "")))
    except ValueError:
        return None


def _latest(items: Sequence[Mapping[str, Any]], time_field: str, operation: str) -> datetime:
    """The last readable time of a page; a record without one is the reader's problem, not paging's."""
    times = [moment for item in items if (moment := _time(item, time_field)) is not None]
    if not times:
        raise BadAnswer(f"no record of a page has a readable {time_field}", operation=operation)
    return times[-1]


# Error bodies ---------------------------------------------------------------------------------


def rendered(message: str, parameters: Any) -> str:
    """The message with its placeholders filled in; the vendor sends them apart (ErrorProcessor).

    ``%1`` counts from one in a list; ``%name`` is a key of an object. What has no parameter stays. Price
    calls declare a list and still name the placeholders: then the values come in the names' order.
    """
    if isinstance(parameters, Mapping):
        values = {str(name): value for name, value in parameters.items()}
    elif isinstance(parameters, list):
        values = {str(position): value for position, value in enumerate(parameters, start=1)}
        names = list(dict.fromkeys(re.findall(r"%([A-Za-z]\w*)", message)))
        if len(names) == len(parameters):
            values |= dict(zip(names, parameters, strict=True))
    else:
        return message

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        # "%SKU." and "%fieldName" may run into the next word: the longest known name wins.
        for length in range(len(name), 0, -1):
            if name[:length] in values:
                return _text(values[name[:length]]) + name[length:]
        return match.group()

    return re.sub(r"%(\w+)", fill, message)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def error_text(body: Any) -> str:
    """All that an error body says, for a reader: message, its errors, or the messages of a fatal error."""
    if not isinstance(body, Mapping):
        return ""
    parts: list[str] = []
    if isinstance(body.get("message"), str):
        parts.append(rendered(body["message"], body.get("parameters")))
    for one in body.get("errors") or ():
        if isinstance(one, Mapping) and isinstance(one.get("message"), str):
            parts.append(rendered(one["message"], one.get("parameters")))
    messages = body.get("messages")
    if isinstance(messages, Mapping):
        for one in messages.get("error") or ():
            if isinstance(one, Mapping) and isinstance(one.get("message"), str):
                parts.append(one["message"])
    return "; ".join(" ".join(part.split()) for part in parts if part)


class _Meaning(msgspec.Struct, frozen=True):
    """What a known text of the vendor means. `pattern` is looked for in the unrendered message."""

    pattern: str
    code: str
    again: Again = Again.NEVER
    retry_after_seconds: float | None = None


# In the order of their test. Texts of the core; where they are quoted from is in the fact of each port.
_MEANINGS = (
    _Meaning("Deadlock|deadlock|Lock wait timeout", "locked", Again.LATER, LOCKED_RETRY_SECONDS),
    _Meaning("Could not save a shipment", "could_not_save", Again.LATER, LOCKED_RETRY_SECONDS),
    _Meaning("Could not save Source Item", "could_not_save", Again.LATER, LOCKED_RETRY_SECONDS),
    _Meaning("Not all of your products are available", "not_enough_stock", Again.LATER, 60.0),
    _Meaning("Shipment Document Validation Error", "shipment_invalid"),
    _Meaning("Creditmemo Document Validation Error", "refund_invalid"),
    _Meaning("Validation Failed", "invalid_value"),
    _Meaning("No such entity", "not_found"),
    _Meaning("requested (product|order|entity).* (doesn't|does not) exist", "not_found"),
    _Meaning("Request does not match any route", "unknown_route"),
    _Meaning("same email address already exists", "exists"),
    _Meaning("is not part of the order status history", "status_not_allowed"),
)


def outcome(response: httpx.Response) -> TransportError | None:
    """What an answer means; None is a good answer. Pure: reads only the response.

    A 5xx of the application proves nothing: an exception may come after the commit of an earlier
    transaction of the same call. Only where the web tier says that it is down for maintenance, the
    application was not reached.
    """
    status = response.status_code
    if 200 <= status < 300:
        return None
    body = _decoded(response)
    text = error_text(body) or f"HTTP {status} without a message"
    if status == 429:
        return Throttled(text, retry_after_seconds=retry_after(response) or BACKPRESSURE_RETRY_SECONDS)
    if status in (400, 401, 403):
        refused = _credentials(status, body, text)
        if refused is not None:
            return refused
    if status == 503 and (body is None and "maintenance" in response.text.lower()):
        return NotSentError(
            "the store is down for maintenance",
            retry_after_seconds=retry_after(response) or MAINTENANCE_RETRY_SECONDS,
        )
    raw = body.get("message", "") if isinstance(body, Mapping) else ""
    if 400 <= status < 500 and body is None:
        return Rejected(status, f"http_{status}", "the web server refused the request", body=response.text)
    if status >= 500:
        if isinstance(raw, str) and re.search(_MEANINGS[0].pattern, raw):
            return Rejected(
                status, "locked", text, again=Again.LATER, retry_after_seconds=LOCKED_RETRY_SECONDS, body=response.text
            )
        return OutcomeUnknown(text, status=status)
    for meaning in _MEANINGS:
        if re.search(meaning.pattern, text):
            return Rejected(
                status,
                meaning.code,
                text,
                again=meaning.again,
                retry_after_seconds=meaning.retry_after_seconds,
                body=response.text,
            )
    return Rejected(status, "not_found" if status == 404 else "refused", text, body=response.text)


def _decoded(response: httpx.Response) -> Any:
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _credentials(status: int, body: Any, text: str) -> TransportError | None:
    """Errors of authentication and authorisation (OAuth 1.0a texts of the core's OAuth helper)."""
    words = text.lower()
    if "nonce" in words and ("used" in words or "already" in words):
        return NotSentError("the vendor has seen this nonce before", retry_after_seconds=0.0)
    oauth = ("timestamp", "signature", "consumer key", "consumer_key", "token_re", "token is", "parameter_absent")
    if status in (401, 403) or (status == 400 and "oauth" in words and any(word in words for word in oauth)):
        hint = (
            "; check the integration's keys, whether it is active, and its resources (System > Integrations), and put "
            "new keys where the connection reads them"
        )
        return NotAuthenticated(f"HTTP {status}: {text}{hint}")
    return None
