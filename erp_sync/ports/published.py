"""What a vendor publishes of its records, for the mapping document: which fields there are at all."""

from __future__ import annotations

import msgspec


class PublishedField(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    path: as mappings name it, list elements as ``[]``.
    type: in the vendor's words.
    required: None where the contract does not say.
    """

    path: str
    type: str
    required: bool | None = None


class PublishedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the vendor's contract. `origin` cites it.

    Attributes:
        letters_count: upper and lower case are different names (SuiteQL columns are not).
    """

    name: str
    origin: str
    fields: tuple[PublishedField, ...]
    letters_count: bool = True


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """Which mappings and operations serve one entity in one role.

    Attributes:
        mappings: names of record mappings.
        operations: names of writing operations.
        no_target: of a target, canonical fields that it has no field for or that serve otherwise, each with why.
    """

    mappings: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    no_target: dict[str, str] = {}
