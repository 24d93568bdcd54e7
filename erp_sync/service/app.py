"""The web application: POST /events/{connection}, its challenge by GET, POST /prices/{route}/{account} for a shop whose
customer logs in, /health, and /metrics for Prometheus.

Answers to POST: 200 stored (also what was stored before, and what by a setting waits for the next poll anyway), 401
signature, 403 outside the time window, 404 no such connection or none that takes notifications, 408 too slow, 413 too
large, 422 signed but not understood, 503 not configured or not storable now. Vendors try again after 5xx and, as a
rule, not after 4xx: what is refused for good is found by polling.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DBAPIError
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from erp_sync.components.configuration import WrongConfiguration
from erp_sync.ledger.errors import LedgerError
from erp_sync.model.advice import Advice
from erp_sync.monitoring.exposition import Exposition
from erp_sync.ports.notifications import NotificationRefused
from erp_sync.service.price_checks import NotAsked, PriceChecks
from erp_sync.service.receiving import Receiver
from erp_sync.transport.exchange_store import WrongExchangeLog

log = logging.getLogger(__name__)

BODY_SECONDS = 10.0
RETRY_SECONDS = 5
STATUS = {
    "bad_signature": 401,
    "out_of_window": 403,
    "unknown_connection": 404,
    "not_expected": 404,
    "malformed": 422,
}
# What a challenge may be made of: whatever is echoed must not mean anything to a browser.
_CHALLENGE = re.compile(r"[A-Za-z0-9._-]{1,200}")


class TooLarge(NotificationRefused):
    advice = Advice(
        means="A message to the event service was larger than any event is. It was not read.",
        look=("tail -n 50 $ERP_SYNC_HOME/logs/*.log",),
        do="Look at who sends it; let the proxy refuse it.",
    )

    code = "too_large"


def create_app(
    receiver: Receiver, exposition: Exposition | None = None, price_checks: PriceChecks | None = None
) -> FastAPI:
    """The application around one receiver; without an `exposition` there is no /metrics, without `price_checks` no
    /prices."""
    app = FastAPI(title="erp_sync events", openapi_url="/openapi.json", docs_url=None, redoc_url=None)

    @app.post("/events/{connection}", summary="Take a change notification of a connection's system")
    async def take(connection: str, request: Request) -> JSONResponse:
        try:
            gate = receiver.gate(connection)
            body = await _body(request, gate.rules.body_bytes)
            taken = await run_in_threadpool(receiver.take, connection, _headers(request), body)
        except TooLarge as refused:
            return _refused(connection, 413, refused.code, refused.problem)
        except NotificationRefused as refused:
            return _refused(connection, STATUS[refused.code], refused.code, refused.problem)
        except ClientDisconnect:
            return _refused(connection, 400, "incomplete", "the sender hung up before the end of the body")
        except TimeoutError:
            return _refused(connection, 408, "too_slow", f"the body did not arrive within {BODY_SECONDS:.0f} s")
        except WrongConfiguration as wrong:
            # The sender cannot mend it and must not read it; it is worth another try once it is mended.
            log.error("connection is not configured", extra={"connection": connection, "problem": str(wrong)})
            return _refused(connection, 503, "not_configured", f"connection {connection} is not configured")
        except (LedgerError, DBAPIError) as error:
            log.error("notification not stored", extra={"connection": connection, "error": str(error)})
            return _refused(connection, 503, "not_stored", "the inbox cannot be written now")
        ignored = {"ignored": taken.ignored} if taken.ignored else {}
        return JSONResponse({"stored": taken.stored, "duplicates": taken.duplicates, **ignored})

    @app.get("/events/{connection}", summary="Echo the challenge with which a sender registers this address")
    async def challenge(connection: str, request: Request) -> JSONResponse:
        try:
            gate = receiver.gate(connection)
        except NotificationRefused as refused:
            return _refused(connection, 404, refused.code, refused.problem)
        except WrongConfiguration:
            return _refused(connection, 503, "not_configured", f"connection {connection} is not configured")
        name, header = gate.rules.challenge, gate.rules.challenge_header
        given = (request.headers.get(header, "") if header else request.query_params.get(name, "")) if name else ""
        if not _CHALLENGE.fullmatch(given):
            return _refused(connection, 400, "no_challenge", "a POST is expected here, or a challenge to echo")
        return JSONResponse({name: given})

    @app.get("/health", summary="Whether events can be stored, and which connections take any")
    async def health() -> JSONResponse:
        content: dict[str, Any] = {"status": "ok", "connections": await run_in_threadpool(receiver.connections)}
        try:
            content["waiting"] = await run_in_threadpool(receiver.waiting)
        except (LedgerError, DBAPIError) as error:
            log.error("inbox cannot be read", extra={"error": str(error)})
            return JSONResponse({**content, "status": "the inbox cannot be read"}, status_code=503)
        return JSONResponse(content)

    if price_checks is not None:

        @app.post(
            "/prices/{route}/{account}", summary="What an account sees, against the ERP's terms; then a live look"
        )
        async def prices(route: str, account: str, request: Request) -> JSONResponse:
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            try:
                told = await run_in_threadpool(
                    price_checks.answer, route, account, token if kind.lower() == "bearer" else ""
                )
            except NotAsked as refused:
                return _refused(route, refused.status, "not_admitted", refused.problem)
            except WrongConfiguration as wrong:
                log.error("route is not configured", extra={"route": route, "problem": str(wrong)})
                return _refused(route, 503, "not_configured", f"route {route} is not configured")
            except (LedgerError, DBAPIError) as error:
                log.error("prices cannot be read", extra={"route": route, "error": str(error)})
                return _refused(route, 503, "not_read", "the ledger cannot be read now")
            return JSONResponse(told, background=BackgroundTask(price_checks.compare, route, account))

    if exposition is not None:

        @app.get("/metrics", summary="Key figures for Prometheus", response_class=Response)
        async def metrics() -> Response:
            try:
                page = await run_in_threadpool(exposition.page)
            except (LedgerError, DBAPIError, WrongExchangeLog, WrongConfiguration) as error:
                # A scrape that fails is told by Prometheus itself; figures that are old would look like new ones.
                log.error("figures cannot be read", extra={"error": str(error)})
                return Response("the figures cannot be read now; the log of the service says why\n", status_code=503)
            return Response(page, media_type=exposition.content_type)

    return app


async def _body(request: Request, most: int) -> bytes:
    """The raw body. Raises TooLarge before more than `most` bytes are held, TimeoutError."""
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > most:
        raise TooLarge(f"{said} bytes; at most {most} are taken")
    parts: list[bytes] = []
    held = 0
    stream: AsyncIterator[bytes] = request.stream()
    async with asyncio.timeout(BODY_SECONDS):
        async for part in stream:
            held += len(part)
            if held > most:
                raise TooLarge(f"more than {most} bytes")
            parts.append(part)
    return b"".join(parts)


def _headers(request: Request) -> dict[str, str]:
    """Names in lower case; a header given twice is joined, so that no copy of it is overlooked."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _refused(connection: str, status: int, code: str, problem: str) -> JSONResponse:
    log.warning(
        "notification refused", extra={"connection": connection, "status": status, "code": code, "problem": problem}
    )
    headers = {"retry-after": str(RETRY_SECONDS)} if status == 503 else {}
    return JSONResponse({"error": code, "message": problem}, status_code=status, headers=headers)
