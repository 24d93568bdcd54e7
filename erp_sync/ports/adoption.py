"""Adoption: records that a person or an earlier integration entered, found by their natural keys."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Certainty(StrEnum):
    CERTAIN = "certain"  # one record, and what else is known of it agrees
    DOUBTFUL = "doubtful"  # several, or one that differs: a person decides
    MISSING = "missing"  # none


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """What a target has for one record of a source.

    Attributes:
        entity: canonical entity.
        native_id: id in the source.
        natural_key: what was searched for: order number, e-mail address, SKU.
        target_ids: candidates; exactly one where certain.
        ours: it carries our external id already.
        why: what agrees or does not, in words.
    """

    entity: str
    native_id: str
    natural_key: str
    certainty: Certainty
    target_ids: tuple[str, ...] = ()
    ours: bool = False
    why: str = ""
