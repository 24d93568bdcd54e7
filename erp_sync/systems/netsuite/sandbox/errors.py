"""NetSuite's error bodies.

Form: Oracle help, Error Handling in REST Web Services (section_156570709583): ``o:errorDetails`` with
``detail``, ``o:errorCode`` and where it happened: ``o:errorPath`` (body), ``o:urlPath``, ``o:errorHeader``,
``o:errorQueryParam``.
"""

from __future__ import annotations

import json

from erp_sync.sandbox.core import Response

ERROR_TYPE = "application/vnd.oracle.resource+json; type=error; charset=UTF-8"
_RFC = "https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec10."
_TITLES = {
    400: ("Bad Request", _RFC + "4.1"),
    401: ("Unauthorized", _RFC + "4.2"),
    403: ("Forbidden", _RFC + "4.4"),
    404: ("Not Found", _RFC + "4.5"),
    405: ("Method Not Allowed", _RFC + "4.6"),
    409: ("Conflict", _RFC + "4.10"),
    413: ("Request Entity Too Large", _RFC + "4.14"),
    415: ("Unsupported Media Type", _RFC + "4.16"),
    429: ("Too Many Requests", "https://tools.ietf.org/html/rfc6585#section-4"),
    500: ("Internal Server Error", _RFC + "5.1"),
    503: ("Service Unavailable", _RFC + "5.4"),
}


class VendorError(Exception):
    """A request that NetSuite refuses. Nothing of it is kept.

    Attributes:
        path: JSON path in the body, e.g. ``item.items[0].item``.
        title: differs from the status's own only for the idempotency error.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = 400,
        path: str | None = None,
        url_path: str | None = None,
        header: str | None = None,
        query: str | None = None,
        title: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.code, self.detail, self.status, self.path = code, detail, status, path
        self.url_path, self.header, self.query, self.title = url_path, header, query, title
        self.headers = headers or {}
        super().__init__(f"{status} {code}: {detail}")

    def body(self) -> dict[str, object]:
        title, kind = _TITLES[self.status]
        where = {
            "o:errorPath": self.path,
            "o:urlPath": self.url_path,
            "o:errorHeader": self.header,
            "o:errorQueryParam": self.query,
        }
        detail = {
            "detail": self.detail,
            **{name: value for name, value in where.items() if value is not None},
            "o:errorCode": self.code,
        }
        return {"type": kind, "title": self.title or title, "status": self.status, "o:errorDetails": [detail]}

    def response(self) -> Response:
        return Response(self.status, {"content-type": ERROR_TYPE, **self.headers}, json.dumps(self.body()).encode())


ACCESSING = "Error while accessing a resource. "


def user_error(detail: str, path: str | None = None) -> VendorError:
    """A rule of the business was broken."""
    return VendorError("USER_ERROR", ACCESSING + detail, path=path)


def missing(label: str, path: str | None = None) -> VendorError:
    return user_error(f"Please enter value(s) for: {label}.", path)


def invalid_reference(value: object, field: str, path: str) -> VendorError:
    """A reference to what does not exist, is inactive, or is not allowed here."""
    return user_error(f"You have entered an Invalid Field Value {value} for the following field: {field}", path)


def invalid_value(field: str, path: str) -> VendorError:
    """A value of the wrong type or form (wording unconfirmed)."""
    return VendorError(
        "INVALID_CONTENT",
        f"Invalid value for the resource or sub-resource field '{field}'. Provide a valid value.",
        path=path,
    )


def not_found(url_path: str) -> VendorError:
    return VendorError(
        "NONEXISTENT_ID",
        "The record instance does not exist. Provide a valid record instance ID.",
        status=404,
        url_path=url_path,
    )


def already_exists(group: str) -> VendorError:
    """The external id is taken within its group (Oracle, Shared Internal and External IDs: section_N3436356).

    "This entity already exists." is measured for customers; the wording for transactions is unconfirmed.
    """
    what = "entity" if group == "entity" else "record"
    return user_error(f"This {what} already exists.")
