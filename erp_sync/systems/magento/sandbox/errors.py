"""Magento's exceptions as the web API shows them.

Facts: magento/magento2 `Framework/Webapi/ErrorProcessor` (which exception becomes which status),
`Framework/Webapi/Rest/Response` (shape of the body). Placeholders (%1, %fieldName) are not substituted
in the body; the values stand beside the message in `parameters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

REQUIRED_FIELD = '"%fieldName" is required. Enter and try again.'
NO_SUCH_ENTITY = "No such entity with %fieldName = %fieldValue"
NOT_AUTHORISED = "The consumer isn't authorized to access %resources."
NO_ROUTE = "Request does not match any route."


Problem = tuple[str, dict[str, Any] | list[Any]]
"""A raw message and its parameters, by name or in the order of %1, %2."""


class MagentoError(Exception):
    """What a service throws and the web API prints: status, raw message, parameters, further errors."""

    status = 400

    def __init__(
        self,
        message: str,
        parameters: dict[str, Any] | Sequence[Any] | None = None,
        *,
        status: int | None = None,
        errors: Sequence[Problem] | None = None,
        code: int | None = None,
    ) -> None:
        self.message, self.parameters, self.errors, self.code = message, parameters, errors, code
        if status is not None:
            self.status = status
        super().__init__(message)

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"message": self.message}
        if self.errors:
            body["errors"] = [{"message": message, "parameters": values} for message, values in self.errors]
        if self.code:
            body["code"] = self.code
        if self.parameters:
            body["parameters"] = self.parameters
        return body


class LocalizedException(MagentoError):
    """A business error: 400."""


class InputException(MagentoError):
    """Input that a service refuses: 400."""

    @classmethod
    def required(cls, names: Sequence[str]) -> InputException:
        """Missing arguments; two and more are listed under `errors`."""
        if len(names) == 1:
            return cls(REQUIRED_FIELD, {"fieldName": names[0]})
        return cls(
            "One or more input exceptions have occurred.",
            errors=[(REQUIRED_FIELD, {"fieldName": name}) for name in names],
        )


class NoSuchEntityException(MagentoError):
    """404."""

    status = 404

    @classmethod
    def single(cls, field: str, value: Any) -> NoSuchEntityException:
        return cls(NO_SUCH_ENTITY, {"fieldName": field, "fieldValue": value})


class AuthorizationException(MagentoError):
    """401, also for a token that has expired or was never issued."""

    status = 401

    @classmethod
    def resource(cls, resource: str) -> AuthorizationException:
        return cls(NOT_AUTHORISED, {"resources": resource})


class NoRoute(MagentoError):
    """404 of the router, not of a service."""

    status = 404

    def __init__(self) -> None:
        super().__init__(NO_ROUTE)


class InternalError(Exception):
    """Any exception that is not Magento's own: masked as a 500 with a report id outside developer mode."""
