"""What a system can do about a person's data: find it, give it, delete or anonymise it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from erp_sync.model.personal import PersonalTexts


class Treatment(StrEnum):
    DELETED = "deleted"
    ANONYMISED = "anonymised"  # the record stays, without the person
    KEPT = "kept"  # `why` says what keeps it, and who can do what about it


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a system that is about the person. `data` is the record as the system gives it; `open`: goods are
    still to be sent, for which the address is needed."""

    entity: str
    native_id: str
    data: dict[str, Any] = {}
    open: bool = False


class Treated(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one record. Nothing of it is personal."""

    entity: str
    native_id: str
    how: Treatment
    why: str = ""


class PersonalData(Protocol):
    """`privacy()` of a connector. Every method raises CallFailed; what is done twice changes nothing (class A).

    A system's package has ``privacy.py`` with ``FIELDS``: names of personal fields in its records.
    """

    def find(self, person: PersonalTexts) -> list[Holding]:
        """Every record about the person, those that are to be treated first."""

    def newer(
        self, person: PersonalTexts, found: Sequence[Holding], known: Collection[tuple[str, str]]
    ) -> list[Holding]:
        """Of what was found: what is of a new business with a person whose erasure was asked for before it began, and
        what that needs, such as the customer record on which it is booked.

        Args:
            person: with the orders of then.
            known: (entity, native id) of what was found when it was asked for.
        """

    def erase(self, person: PersonalTexts, holding: Holding) -> list[Treated]:
        """Delete it where that may be, else anonymise it. What cannot be reached is told as kept."""
