"""Service Layer's errors: numbers, words and the two shapes of the body.

v1: ``{"error": {"code": -10, "message": {"lang": "en-us", "value": "…"}}}``; v2: ``{"error": {"code": "-10",
"details": [{"code": "", "message": ""}], "message": "…"}}`` (fact sheet, section 6).
"""

from __future__ import annotations

from typing import Any, Literal

from erp_sync.sandbox.core import Response, json_response

Version = Literal["v1", "v2"]
JSON = "application/json;charset=utf-8"

BUSINESS_RULE, NOT_FOUND, EXISTS, VALIDATION, UNSUPPORTED = -10, -2028, -2035, -5002, -5006
TRANSACTION_NOTIFICATION, MALFORMED, CHANGED_MEANWHILE = -1116, -1000, -2039
NO_RECORDS = "No matching records found (ODBC -2028)"


class ServiceLayerError(Exception):
    """A refusal by Service Layer or by the company's rules.

    Attributes:
        code: number as in section 6 of the fact sheet.
        keep: what was written so far stays (an order that became a draft is refused *and* saved).
    """

    def __init__(self, code: int, message: str, status: int = 400, *, keep: bool = False) -> None:
        self.code, self.message, self.status, self.keep = code, message, status, keep
        super().__init__(f"{code} {message}")

    def body(self, version: Version, *, batch: bool = False) -> dict[str, Any]:
        if version == "v2":
            return {
                "error": {
                    "code": str(self.code),
                    "details": [{"code": "", "message": ""}],
                    "message": self.message,
                }
            }
        error: dict[str, Any] = {"code": self.code, "message": {"lang": "en-us", "value": self.message}}
        if batch:
            error["innererror"] = {"context": None, "trace": None}
        return {"error": error}

    def response(self, version: Version, *, batch: bool = False) -> Response:
        return json_response(self.body(version, batch=batch), self.status, content_type=JSON)


def rule(message: str) -> ServiceLayerError:
    """A business rule is broken: -10, 400."""
    return ServiceLayerError(BUSINESS_RULE, message)


def not_found(message: str = NO_RECORDS) -> ServiceLayerError:
    """-2028, 404: no such key, or a body that refers to something that does not exist (obs.)."""
    return ServiceLayerError(NOT_FOUND, message, 404)


def malformed(message: str) -> ServiceLayerError:
    """-1000, 400: the request itself is wrong."""
    return ServiceLayerError(MALFORMED, message)


def wrong_property(name: str, type_name: str) -> ServiceLayerError:
    """A body, $select or $orderby names what the type has not (words and number: obs.)."""
    return malformed(f"Property '{name}' of '{type_name}' is invalid")


def wrong_filter_property(name: str) -> ServiceLayerError:
    """A $filter names what the type has not (201: obs.)."""
    return ServiceLayerError(201, f"Property '{name}' is invalid")


def unsupported(message: str = "The requested action is not supported for this object.") -> ServiceLayerError:
    """-5006, 400 (words: manual v1.29, section 3.5.4)."""
    return ServiceLayerError(UNSUPPORTED, message)
