"""What stands in front of Service Layer: the proxy's pages, and the node that is sick.

Overload and outages are the proxy's (502, 503, 504), whose bodies are not JSON (fact sheet, section 6; their words are
those of Apache, which Service Layer is delivered with: unconfirmed). There is no 429.
"""

from __future__ import annotations

from erp_sync.sandbox.core import Response, json_response
from erp_sync.systems.sap_b1.sandbox.errors import JSON, ServiceLayerError, Version

_PAGES = {404: "Not Found", 502: "Proxy Error", 503: "Service Unavailable", 504: "Gateway Timeout"}
_KINDS = {"too_many_requests": 503, "server_error": 502, "maintenance": 503}


def proxy(status: int) -> Response:
    title = f"{status} {_PAGES[status]}"
    page = (
        '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n'
        f"<html><head>\n<title>{title}</title>\n</head><body>\n<h1>{_PAGES[status]}</h1>\n</body></html>\n"
    )
    return Response(status, {"content-type": "text/html; charset=iso-8859-1"}, page.encode())


def response(kind: str) -> Response | None:
    status = _KINDS.get(kind)
    return None if status is None else proxy(status)


def sick_node(version: Version) -> Response:
    """HTTP 500 code 407: fails only sessions with the broken node's ROUTEID (obs.; the words are unconfirmed)."""
    error = ServiceLayerError(407, "Internal error of the node", 500)
    return json_response(error.body(version), 500, content_type=JSON)
