"""RESTlets of the account: scripts that this project installs, as their SuiteScript behaves.

``/app/site/hosting/restlet.nl?script=..&deploy=..`` (Oracle help, RESTlets). Installed here:

- customscript_erp_sync_order: creates an order with the store's tax on accounts with legacy tax, which REST
  cannot write; asks first whether the external id is there. Protocol: `suitescript/erp_sync_order_restlet.js`.
- customscript_erp_sync_search: pages through a saved search, at most `row_limit` rows a call; tells the levels of the
  role's permissions (Oracle help, User.getPermission).

Errors are the script's: 400 with ``{"error": {"code", "message"}}``; beyond the account's concurrency 400 with
SSS_REQUEST_LIMIT_EXCEEDED. That an unknown script is 404 with SSS_INVALID_SCRIPTLET_ID is unconfirmed.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.core import BadJson, Request, Response, json_response
from erp_sync.systems.netsuite.sandbox.errors import VendorError
from erp_sync.systems.netsuite.sandbox.rest import permitted
from erp_sync.systems.netsuite.sandbox.sales_order import SalesOrder
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import AMOUNT, decimal, text_of
from erp_sync.systems.netsuite.sandbox.suiteql.service import SuiteQLService

PATH = "/app/site/hosting/restlet.nl"
ORDER, SEARCH = "customscript_erp_sync_order", "customscript_erp_sync_search"
SCRIPTS = {ORDER: "customdeploy_erp_sync_order", SEARCH: "customdeploy_erp_sync_search"}

# Scripts and deployments have numbers, too.
_NUMBERS = {"1001": ORDER, "1002": SEARCH}

# Saved searches of the account, as the queries behind them. A saved search answers what its author chose.
SEARCHES = {
    "customsearch_erp_sync_stock": (
        "SELECT a.item AS item, i.itemid AS sku, a.location AS location, a.quantityonhand AS onhand, "
        "a.quantityavailable AS available FROM aggregateitemlocation a JOIN item i ON i.id = a.item "
        "ORDER BY a.item, a.location"
    ),
    "customsearch_erp_sync_prices": (
        "SELECT p.item AS item, i.itemid AS sku, p.pricelevel AS level, p.quantity AS quantity, p.price AS price "
        "FROM itemprice p JOIN item i ON i.id = p.item ORDER BY p.item, p.pricelevel, p.quantity"
    ),
}


def script_of(request: Request) -> str | None:
    """The script that a request names, by script id or number, with its own deployment."""
    named = request.parameter("script") or ""
    script = _NUMBERS.get(named, named)
    return script if script in SCRIPTS and request.parameter("deploy") in (SCRIPTS[script], "1") else None


def failure(code: str, message: str, status: int = 400) -> Response:
    return json_response({"error": {"code": code, "message": message}}, status)


FAULTS = {
    "too_many_requests": lambda: failure("SSS_REQUEST_LIMIT_EXCEEDED", "Request limit exceeded."),
    "server_error": lambda: failure("UNEXPECTED_ERROR", "An unexpected error has occurred.", 500),
    "maintenance": lambda: failure("SERVICE_UNAVAILABLE", "NetSuite is down for maintenance.", 503),
}


class Restlets:
    """Runs the script that the request names."""

    def __init__(self, orders: SalesOrder, queries: SuiteQLService) -> None:
        self._orders, self._queries = orders, queries

    def handle(self, session: Session, request: Request) -> Response:
        """Answer; the caller undoes what a refused script wrote."""
        script = script_of(request)
        if script is None or script not in session.options.scripts:
            return failure("SSS_INVALID_SCRIPTLET_ID", "That RESTlet is invalid, disabled, or no longer exists.", 404)
        session.restlet, session.names = True, "Ignore"
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if request.method in ("POST", "PUT") and not kind:
            # Oracle help, Creating a Content-Type Header (section_4619215993); the body is unconfirmed.
            return failure("UNSUPPORTED_MEDIA_TYPE", "The header Content-Type is missing.", 415)
        try:
            # Any other type reaches the script as one text (section_4407966008).
            body = request.json() if kind == "application/json" and request.body.strip() else {}
        except BadJson as error:
            return failure("INVALID_REQUEST", f"The request body is not valid JSON: {error}")
        if script == SEARCH and request.method == "GET" and request.parameter("permissions"):
            names = str(request.parameter("permissions")).split(",")
            return json_response(
                {"role": 1000, "permissions": {name: session.options.permission(name) for name in names}}
            )
        if script == SEARCH and request.method == "GET":
            return self._search(session, request)
        if script == ORDER and request.method == "GET":
            return json_response({"name": "erp_sync_order", "version": "2"})
        if script == ORDER and request.method == "POST":
            return self._order(session, body)
        return failure("SSS_INVALID_SCRIPTLET_METHOD", f"The script has no function for {request.method}.", 405)

    # --- orders ------------------------------------------------------------------------------------------

    def _order(self, session: Session, request: Any) -> Response:
        body = request.get("body") if isinstance(request, dict) else None
        if isinstance(body, dict) and request.get("record") == "salesOrder" and request.get("id") and body.get("item"):
            return self._change(session, str(request["id"]), body, request.get("tax") or {})
        if not isinstance(body, dict) or request.get("record") != "salesOrder" or not body.get("externalId"):
            return failure("ERP_SYNC_BAD_REQUEST", "record salesOrder, body and body.externalId are required")
        found = self._existing(session, str(body["externalId"]))
        if found is not None:
            return found
        permitted(session.options, "salesOrder", "POST")
        # A script's own failure is not REST's: the record layer says it in SuiteScript's words.
        order = self._orders.create(session, {**body, **self._tax(session, body, request.get("tax") or {})})
        self._set_total_tax(session, order, request.get("tax") or {})
        row = self._orders.row(session, order)
        assert row is not None
        return json_response({"id": str(order), "tranId": row["tranid"], "existed": False})

    def _change(self, session: Session, identity: str, body: dict[str, Any], tax: dict[str, Any]) -> Response:
        """Lines of an order that is there, and its tax, in one save."""
        permitted(session.options, "salesOrder", "PATCH")
        order = self._orders.row(session, int(identity)) if identity.isdigit() else None
        if order is None:
            return failure("RCRD_DSNT_EXIST", f"That record does not exist. path: {identity}")
        known = session.store.all(
            'SELECT id, istaxable, foreignamount FROM transactionline WHERE "transaction" = ?', order["id"]
        )
        numbers = {row["id"] for row in known}
        for line in [*body["item"]["items"], *(one for one in tax["details"] if one["line"] is not None)]:
            if line["line"] not in numbers:
                return failure("ERP_SYNC_NO_LINE", f"order {identity} has no line {line['line']}")
        added = [
            str(row["id"])
            for row in known
            if row["id"] in tax.get("addedLines", ()) and row["istaxable"] != "F" and decimal(row["foreignamount"])
        ]
        if added and session.options.legacy_tax_on != "lines":
            words = f"it is taxed as a whole, and the store has not sold what is on line {', '.join(added)}"
            return failure("ERP_SYNC_ADDED_LINES", words)
        # NetSuite's own of shipping stays: the script sets that of lines alone.
        shipping = decimal(order["taxtotal"]) - self._tax_on_lines(session, order["id"])
        self._orders.update(session, order["id"], {"item": body["item"]})
        total = Decimal(str(tax["total"]))
        if session.options.legacy_tax_on == "lines":
            for one in tax["details"]:
                if one["line"] is not None:
                    keys = {"transaction": order["id"], "id": one["line"]}
                    session.store.update(
                        "transactionline", keys, taxamount=text_of(Decimal(str(one["amount"])), AMOUNT)
                    )
            # Lines that are not named keep their tax.
            total = self._tax_on_lines(session, order["id"]) + shipping
        self._orders.override_tax(session, order["id"], text_of(total, AMOUNT))
        return json_response({"id": identity, "tranId": order["tranid"], "existed": True})

    def _tax_on_lines(self, session: Session, order: int) -> Decimal:
        taxed = session.store.all('SELECT taxamount FROM transactionline WHERE "transaction" = ?', order)
        return sum((decimal(row["taxamount"]) for row in taxed), Decimal(0))

    def _existing(self, session: Session, external_id: str) -> Response | None:
        order = self._orders.by_external_id(session, external_id)
        if order is None:
            return None
        number = session.store.value('SELECT tranid FROM "transaction" WHERE id = ?', order)
        return json_response({"id": str(order), "tranId": number, "existed": True})

    def _tax(self, session: Session, body: dict[str, Any], tax: dict[str, Any]) -> dict[str, Any]:
        """Tax as fields of the record: on lines where the account taxes lines, else on the order."""
        details = tax.get("details") or []
        if session.options.tax != "legacy":
            return {}
        if session.options.legacy_tax_on == "order":
            return {"isTaxable": bool(details), **({"taxItem": details[0]["taxCode"]} if details else {})}
        items = []
        for index, line in enumerate((body.get("item") or {}).get("items", [])):
            own = [detail for detail in details if detail.get("line") == index]
            if own:
                rate = sum((Decimal(str(detail["rate"])) for detail in own), Decimal(0))
                line = {**line, "taxCode": own[0]["taxCode"], "taxRate1": rate}
            items.append(line)
        return {"item": {"items": items}}

    def _set_total_tax(self, session: Session, order: int, tax: dict[str, Any]) -> None:
        details = tax.get("details") or []
        if session.options.tax != "legacy" or not details:
            return
        total = Decimal(str(tax.get("total", 0)))
        if session.options.legacy_tax_on == "lines":
            amounts: dict[int | None, Decimal] = {}
            for detail in details:
                amounts[detail.get("line")] = amounts.get(detail.get("line"), Decimal(0)) + Decimal(
                    str(detail["amount"])
                )
            for index, amount in amounts.items():
                if index is not None:
                    keys = {"transaction": order, "id": 1 + 3 * index}
                    session.store.update("transactionline", keys, taxamount=text_of(amount, AMOUNT))
            total = sum(amounts.values(), Decimal(0))
        self._orders.override_tax(session, order, text_of(total, AMOUNT))

    # --- saved searches ----------------------------------------------------------------------------------

    def _search(self, session: Session, request: Request) -> Response:
        """``search``, ``start`` and ``end`` (as SuiteScript's getRange); at most `row_limit` rows a call."""
        searches = {**SEARCHES, **_installed(session)}
        name = request.parameter("search") or ""
        if name not in searches:
            return failure("INVALID_SEARCH", f"That search or mass update does not exist: {name}.")
        try:
            start = int(request.parameter("start") or 0)
            end = int(request.parameter("end") or start + session.options.row_limit)
        except ValueError:
            return failure("SSS_INVALID_SEARCH_RESULT_INDEX", "start and end must be numbers.")
        if not 0 <= start < end or end - start > session.options.row_limit:
            return failure(
                "SSS_SEARCH_RESULT_LIMIT_EXCEEDED",
                f"No more than {session.options.row_limit} search results may be requested at one time.",
            )
        rows, total = self._queries.run(session, searches[name], end - start, start)
        return json_response(
            {"search": name, "start": start, "rows": rows, "count": len(rows), "more": start + len(rows) < total}
        )


def _installed(session: Session) -> dict[str, str]:
    stored = session.store.value("SELECT value FROM sandbox_state WHERE name = 'saved_searches'")
    return json.loads(stored) if stored else {}


def refused(error: VendorError) -> Response:
    """A record that the script could not save, as the script reports it."""
    code = "INVALID_KEY_OR_REF" if "Invalid Field Value" in error.detail else error.code
    return failure(code, error.detail.removeprefix("Error while accessing a resource. "))
