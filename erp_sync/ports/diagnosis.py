"""What a doctor found at a connection. A doctor reads and compares; it changes nothing."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but not as it should, or could not be told
    ERROR = "error"  # a flow will fail
    UNTESTED = "untested"  # cannot be told without writing: nothing is wrong that could be seen


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One check.

    Attributes:
        check: what was looked at, e.g. ``custom field custbody_channel of salesOrder``.
        found: what there is, in words.
        mend: what an operator does about it, or how to look by hand at what is untested; empty where nothing is to do.
    """

    check: str
    verdict: Verdict
    found: str
    mend: str = ""
