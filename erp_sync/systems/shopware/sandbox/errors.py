"""Errors as the API prints them: ``{"errors": [{code, status, title, detail, meta, source}]}``.

Facts: shopware/shopware src/Core, Framework/ShopwareHttpException, Api/EventListener/ErrorResponseFactory,
Validation/WriteConstraintViolationException (no title, a `template`, codes of Symfony's constraints),
DataAbstractionLayer/Exception/SearchRequestException and the exceptions named at each function.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

BLANK = "c1051bb4-d103-4f74-8988-acbcafc7fdc3"
WRONG_TYPE = "ba785a8c-82cb-4283-967c-3cf342181b40"
TOO_LONG = "d94b19cc-114f-4f44-9cc4-4138e80a87b9"
MISSING_FIELD = "2fa2158c-2a7f-484b-98aa-975522539ff8"

Error = dict[str, Any]


class ShopwareError(Exception):
    """What the API answers instead: a status and a list of errors."""

    def __init__(self, errors: Sequence[Error], status: int = 400) -> None:
        self.errors, self.status = list(errors), status
        super().__init__("; ".join(str(error.get("detail")) for error in errors))

    def body(self) -> dict[str, Any]:
        return {"errors": self.errors}


class Counted(ShopwareError):
    """A refusal that keeps what the call has written so far: that an attempt was made."""


def title(status: int) -> str:
    """Symfony's text of a status."""
    return HTTPStatus(status).phrase


def error(
    code: str, detail: str | None, *, status: int = 400, parameters: Mapping[str, Any] | None = None,
    pointer: str | None = None,
) -> Error:  # fmt: skip
    """An error of a ShopwareHttpException; without parameters PHP prints an empty list."""
    made: Error = {
        "status": str(status), "code": code, "title": title(status), "detail": detail,
        "meta": {"parameters": dict(parameters) if parameters else []},
    }  # fmt: skip
    if pointer is not None:
        made["source"] = {"pointer": pointer}
    return made


def failure(code: str, detail: str, *, status: int = 400, parameters: Mapping[str, Any] | None = None) -> ShopwareError:
    return ShopwareError([error(code, detail, status=status, parameters=parameters)], status)


def plain(status: int, detail: str | None, code: str = "0", heading: str | None = None) -> ShopwareError:
    """An exception that is none of Shopware's own: no meta."""
    return ShopwareError(
        [{"code": code, "status": str(status), "title": heading or title(status), "detail": detail}], status
    )


# -- what a field may not hold -------------------------------------------------------------------------------------


def violation(
    message: str, pointer: str, *, code: str = "FRAMEWORK__WRITE_CONSTRAINT_VIOLATION", template: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Error:  # fmt: skip
    return {
        "code": code, "status": "400", "detail": message, "template": template or message,
        "meta": {"parameters": dict(parameters) if parameters else []}, "source": {"pointer": pointer},
    }  # fmt: skip


def blank(pointer: str) -> Error:
    return violation("This value should not be blank.", pointer, code=BLANK, parameters={"{{ value }}": "null"})


def wrong_type(pointer: str, wanted: str, value: Any) -> Error:
    return violation(
        f"This value should be of type {wanted}.", pointer, code=WRONG_TYPE,
        template="This value should be of type {{ type }}.",
        parameters={"{{ value }}": _shown(value), "{{ type }}": wanted},
    )  # fmt: skip


def too_long(pointer: str, limit: int, value: str) -> Error:
    return violation(
        f"This value is too long. It should have {limit} characters or less.", pointer, code=TOO_LONG,
        template="This value is too long. It should have {{ limit }} character or less.|This value is too long. It "
        "should have {{ limit }} characters or less.",
        parameters={"{{ value }}": f'"{value}"', "{{ limit }}": str(limit)},
    )  # fmt: skip


def missing(pointer: str, field: str) -> Error:
    """A price without gross, net or currencyId (Symfony's Collection constraint)."""
    return violation("This field is missing.", pointer, code=MISSING_FIELD, parameters={"{{ field }}": f'"{field}"'})


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return "array" if isinstance(value, list | dict) else str(value)


# -- named failures ------------------------------------------------------------------------------------------------


def invalid_id(value: Any) -> ShopwareError:
    """Uuid/Exception/InvalidUuidException."""
    return failure("FRAMEWORK__INVALID_UUID", f"Value is not a valid UUID: {value}", parameters={"input": value})


def not_found(entity: str, identity: str) -> ShopwareError:
    """Api/Exception/ResourceNotFoundException."""
    return failure(
        "FRAMEWORK__RESOURCE_NOT_FOUND",
        f"The {entity} resource with the following primary key was not found: id({identity})",
        status=404,
        parameters={"type": entity, "primaryKey": {"id": identity}, "primaryKeyString": f"id({identity})"},
    )


def missing_privileges(wanted: Sequence[str]) -> ShopwareError:
    """Api/Exception/MissingPrivilegeException: `detail` is JSON in a string."""
    detail = json.dumps({"message": "Missing privilege", "missingPrivileges": list(wanted)}, separators=(",", ":"))
    return failure("FRAMEWORK__MISSING_PRIVILEGE_ERROR", detail, status=403)


def no_route(method: str, path: str) -> ShopwareError:
    """Symfony's router."""
    return plain(404, f'No route found for "{method} {path}"')


def no_method(method: str, path: str, allowed: Sequence[str]) -> ShopwareError:
    """Symfony's router, for an address that is there; it names the methods in a header, too."""
    return plain(405, f'No route found for "{method} {path}": Method Not Allowed (Allow: {", ".join(allowed)})')


def foreign_key(entity: str, field: str, reference: str) -> ShopwareError:
    """The database's own words; code and the constraint's exact name are unconfirmed."""
    column = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in field)
    return plain(
        500,
        "An exception occurred while executing a query: SQLSTATE[23000]: Integrity constraint violation: 1452 Cannot "
        f"add or update a child row: a foreign key constraint fails (`shopware`.`{entity}`, CONSTRAINT "
        f"`fk.{entity}.{column}` FOREIGN KEY (`{column}`) REFERENCES `{reference}` (`id`))",
        "1452",
    )


def unique(entity: str, fields: Sequence[str], value: Any) -> ShopwareError:
    """Content/Product/Exception/DuplicateProductNumberException; others are the database's words (unconfirmed)."""
    if entity == "product":
        return failure(
            "CONTENT__DUPLICATE_PRODUCT_NUMBER", f'Product with number "{value}" already exists.',
            parameters={"number": value},
        )  # fmt: skip
    return plain(
        500,
        "An exception occurred while executing a query: SQLSTATE[23000]: Integrity constraint violation: 1062 "
        f"Duplicate entry '{value}' for key '{entity}.uniq.{entity}.{'__'.join(fields)}'",
        "1062",
    )


def restricted(entity: str, usages: Mapping[str, int]) -> ShopwareError:
    """Write/Validation/RestrictDeleteViolationException."""
    shown = ", ".join(f"{name} ({count})" for name, count in usages.items())
    return failure(
        "FRAMEWORK__DELETE_RESTRICTED",
        f"The delete request for {entity} was denied due to a conflict. The entity is currently in use by: {shown}",
        status=409,
        parameters={
            "entity": entity, "usagesString": shown,
            "usages": [{"entityName": name, "count": count} for name, count in usages.items()],
        },
    )  # fmt: skip


def unmapped(field: str, entity: str) -> ShopwareError:
    """Dbal/Exception/UnmappedFieldException."""
    name = field.rpartition(".")[2]
    return failure(
        "FRAMEWORK__UNMAPPED_FIELD", f'Field "{name}" in entity "{entity}" was not found.',
        parameters={"field": name, "entity": entity},
    )  # fmt: skip


def no_association(name: str) -> ShopwareError:
    """Exception/AssociationNotFoundException; its status is ShopwareHttpException's own 500."""
    return failure(
        "FRAMEWORK__ASSOCIATION_NOT_FOUND", f"Can not find association by name {name}", status=500,
        parameters={"association": name},
    )  # fmt: skip


def write_intent(entity: str) -> ShopwareError:
    """Write/Command/WriteTypeIntendException: a PATCH of what does not exist."""
    wanted, got = "UpdateCommand", "InsertCommand"
    prefix = "Shopware\\Core\\Framework\\DataAbstractionLayer\\Write\\Command\\"
    return failure(
        "FRAMEWORK__WRITE_TYPE_INTEND_ERROR",
        f'Expected command for "{entity}" to be "{prefix}{wanted}". (Got: {prefix}{got})'
        "Hint: Use POST method to create new entities.",
        parameters={"definition": entity, "expectedClass": prefix + wanted, "actualClass": prefix + got},
    )
