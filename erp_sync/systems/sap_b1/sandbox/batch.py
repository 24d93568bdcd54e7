"""``$batch``: parts that are done one after the other, and change sets that are done whole or not at all.

Fact sheet, section 4: multipart/mixed with ``application/http`` parts; the first failure stops it and later parts
stay unanswered; a change set is one transaction without GET, whose failure rolls it back and yields **one** response
part; ``$1`` refers to what Content-ID 1 made. The outer status is 202 in v1 and 200 in v2, whatever came of the parts;
a malformed body is 400 with code -1000. An inner If-Match is ignored. There is no transaction across parts.

Not documented, seen on 10.0 build 1000310 (b1sl-python 0.16.0): ``Prefer: odata.continue-on-error`` lets later parts
follow a failed one, and the server breaks down (HTTP 502) when it meets a change set whose last request fails; what
the parts before it did stays.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from erp_sync.sandbox.core import Request, Response
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import ServiceLayerError, malformed
from erp_sync.systems.sap_b1.sandbox.faults import proxy

_BOUNDARY = re.compile(r'multipart/mixed\s*;\s*boundary="?([^";]+)"?', re.IGNORECASE)
_REFERENCE = re.compile(r"^\$(\w+)")
_REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
            412: "Precondition Failed", 500: "Internal Server Error"}  # fmt: skip

Handler = Callable[[Context, Request], Response]


@dataclass(frozen=True)
class Part:
    """One inner request with its Content-ID ("" without one)."""

    request: Request
    content_id: str = ""


Group = list[Part]


def parse(request: Request, context: Context) -> list[Part | Group]:
    """Parts and change sets in their order. Raises ServiceLayerError (-1000) for what is no batch."""
    found: list[Part | Group] = []
    for headers, content in _split(request.headers.get("content-type", ""), request.body):
        kind = headers.get("content-type", "")
        if _BOUNDARY.search(kind):
            group = [_part(inner, text, request) for inner, text in _split(kind, content)]
            for part in group:
                if part.request.method == "GET":
                    raise malformed("A change set cannot contain query operations")
                if not part.content_id and context.version == "v2":
                    raise malformed("Content-ID is mandatory in a change set")  # words unconfirmed
            found.append(group)
        else:
            found.append(_part(headers, content, request))
    if not found:
        raise malformed("Incomplete Batch Request Body!")
    return found


def _split(content_type: str, body: bytes) -> list[tuple[dict[str, str], bytes]]:
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise malformed("Content-Type of a batch request must be multipart/mixed with a boundary")
    text = body.replace(b"\r\n", b"\n")
    pieces = (b"\n" + text).split(b"\n--" + match[1].encode())
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise malformed("Incomplete Batch Request Body!")
    return [_headed(piece.lstrip(b"\n")) for piece in pieces[1:-1]]


def _headed(piece: bytes) -> tuple[dict[str, str], bytes]:
    """Header lines and what follows the first empty line; a piece that begins with one has no headers."""
    head, _, content = (b"\n" + piece).partition(b"\n\n")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers, content


def _part(headers: dict[str, str], content: bytes, outer: Request) -> Part:
    if "application/http" not in headers.get("content-type", ""):
        raise malformed("A part of a batch request must be application/http")
    line, _, rest = content.lstrip(b"\n").partition(b"\n")
    words = line.decode("utf-8", "replace").split()
    if len(words) < 2:
        raise malformed("A part of a batch request has no request line")
    inner, body = _headed(rest)
    inner = {name: value for name, value in inner.items() if name and name != "if-match"}
    method, target = words[0].upper(), " ".join(words[1:-1]) if words[-1].startswith("HTTP/") else " ".join(words[1:])
    content_id = headers.get("content-id", "") or inner.get("content-id", "")
    return Part(Request.build(method, _absolute(target, outer), headers=inner, body=body.strip()), content_id)


def _absolute(target: str, outer: Request) -> str:
    """A target is absolute, from the host (``/b1s/v2/Orders``), or from the service root (``Orders``, ``$1``)."""
    if "://" in target:
        return target
    url = urlsplit(outer.url)
    root = outer.path.strip("/").rpartition("/")[0]
    path = target if target.startswith("/b1s/") else f"/{root}/{target.lstrip('/')}"
    return f"{url.scheme}://{url.netloc}{path}"


def run(context: Context, parts: list[Part | Group], handle: Handler, *, go_on: bool = False) -> Response:
    """Do the parts, each with its own commit; answers the multipart response, or 502. `go_on`: past failures."""
    boundary = f"batchresponse_{uuid.uuid4()}"
    answers = []
    for part in parts:
        if isinstance(part, Part):
            response = _alone(context, part, handle)
            answers.append(_written(response, part.content_id))
            failed = response.status >= 400
        else:
            text, last = _change_set(context, part, handle)
            answers.append(text)
            failed = last is not None
            if go_on and last is part[-1]:
                return proxy(502)
        if failed and not go_on:
            break
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + answer + b"\r\n" for answer in answers)
    body += b"--" + boundary.encode() + b"--\r\n"
    status = 202 if context.version == "v1" else 200
    return Response(status, {"content-type": f"multipart/mixed;boundary={boundary}"}, body)


def _alone(context: Context, part: Part, handle: Handler) -> Response:
    before = len(context.commits), len(context.events)
    try:
        with context.store.transaction():
            return handle(context, part.request)
    except ServiceLayerError as error:
        if not error.keep:
            del context.commits[before[0] :], context.events[before[1] :]
        return error.response(context.version, batch=True)


def _change_set(context: Context, group: Group, handle: Handler) -> tuple[bytes, Part | None]:
    """The text of the change set's part, and the request that failed. A failure is one part, whatever came before."""
    boundary = f"changesetresponse_{uuid.uuid4()}"
    before = len(context.commits), len(context.events)
    made: dict[str, str] = {}
    answers = []
    try:
        with context.store.transaction():
            for part in group:
                response = _whole(context, _resolved(part.request, made), handle)
                if part.content_id and "location" in response.headers:
                    made[part.content_id] = response.headers["location"].rpartition("/")[2]
                answers.append(_written(response, part.content_id))
    except ServiceLayerError as error:
        del context.commits[before[0] :], context.events[before[1] :]
        return _written(error.response(context.version, batch=True), part.content_id), part
    head = f"Content-Type: multipart/mixed;boundary={boundary}\r\n\r\n".encode()
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + answer + b"\r\n" for answer in answers)
    return head + body + b"--" + boundary.encode() + b"--\r\n", None


def _whole(context: Context, request: Request, handle: Handler) -> Response:
    """One request of a change set: a refusal undoes everything, a draft that waits for approval too (unconfirmed)."""
    try:
        return handle(context, request)
    except ServiceLayerError as error:
        error.keep = False
        raise


def _resolved(request: Request, made: dict[str, str]) -> Request:
    """The request with ``$1`` put in its path's first segment. Raises ServiceLayerError for an unknown one."""
    root, _, below = request.path.strip("/").partition("/")
    version, _, target = below.partition("/")
    match = _REFERENCE.match(target)
    if match is None:
        return request
    if match[1] not in made:
        raise malformed(f"Content-ID '{match[1]}' is not known")
    path = f"/{root}/{version}/{made[match[1]]}{target[match.end() :]}"
    url = request.url.replace(request.path, path, 1)
    return Request.build(request.method, url, headers=dict(request.headers), body=request.body)


def _written(response: Response, content_id: str) -> bytes:
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id:
        head.append(f"Content-ID: {content_id}")
    lines = [*head, "", f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name.title()}: {value}" for name, value in response.headers.items()]
    if response.body:
        lines.append(f"Content-Length: {len(response.body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + response.body
