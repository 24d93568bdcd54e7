"""Faults that a sandbox can be told to make, per endpoint, while it runs.

| kind | what the client sees | committed |
|---|---|---|
| timeout_before | no answer until it gives up | no |
| timeout_after_commit | no answer until it gives up | yes, before it gave up |
| late_commit | no answer; `seconds` after it gave up the write commits | yes, late |
| too_many_requests | the vendor's 429 | no |
| server_error | the vendor's 500 | no; with when="after": yes |
| drop_connection | connection reset | no; with when="after": yes |
| truncate_body | headers and half of the body, then the end (no body: a reset) | yes |
| maintenance | 503 | no |
| stale_read | an answer from the state at the time the rule was set | - |
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from erp_sync.sandbox.core import Endpoint, Request

KINDS = (
    "timeout_before",
    "timeout_after_commit",
    "late_commit",
    "too_many_requests",
    "server_error",
    "drop_connection",
    "truncate_body",
    "maintenance",
    "stale_read",
)
_WHEN = ("before", "after")


class WrongFault(ValueError):
    """A fault rule cannot be: the message names the field and what is expected."""


@dataclass
class FaultRule:
    """When to misbehave, and how.

    Attributes:
        endpoint: pattern (``*``, ``?``) on the endpoint's name or on the path.
        method: HTTP method or ``*``.
        document: pattern on the document key that the request tells; ``*`` matches those without too.
        times: how often at most; None: until removed.
        skip: matching calls let through first.
        probability: of each matching call, from a generator seeded with `seed`.
        seconds: late_commit: delay of the commit after the client gave up. timeouts: answer 504 after this long
            even if the client still waits (None: never). too_many_requests, maintenance: Retry-After.
        when: for drop_connection and server_error, before or after the commit.
    """

    kind: str
    endpoint: str = "*"
    method: str = "*"
    document: str = "*"
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seed: int = 0
    seconds: float | None = None
    when: str = "before"
    id: int = 0
    made: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise WrongFault(f"kind is {self.kind!r}; expected one of {', '.join(KINDS)}")
        if self.when not in _WHEN:
            raise WrongFault(f"when is {self.when!r}; expected before or after")
        if not 0 < self.probability <= 1:
            raise WrongFault(f"probability is {self.probability}; expected more than 0, at most 1")
        if self.times is not None and self.times < 1:
            raise WrongFault(f"times is {self.times}; expected 1 or more, or none for always")
        if self.skip < 0 or (self.seconds is not None and self.seconds < 0):
            raise WrongFault("skip and seconds cannot be negative")
        if self.kind == "late_commit" and self.seconds is None:
            raise WrongFault("seconds is missing; late_commit needs the delay after the client gave up")
        self._random = random.Random(self.seed)

    @classmethod
    def of(cls, data: dict[str, Any]) -> FaultRule:
        """A rule from JSON. Raises WrongFault for unknown or wrong fields."""
        known = {"kind", "endpoint", "method", "document", "times", "skip", "probability", "seed", "seconds", "when"}
        if unknown := set(data) - known:
            raise WrongFault(f"unknown field {sorted(unknown)[0]!r}; known are {', '.join(sorted(known))}")
        if "kind" not in data:
            raise WrongFault(f"kind is missing; expected one of {', '.join(KINDS)}")
        try:
            return cls(**data)
        except TypeError as error:
            raise WrongFault(f"a field has the wrong type: {error}") from error

    def matches(self, endpoint: Endpoint, request: Request) -> bool:
        return (
            (fnmatchcase(endpoint.name, self.endpoint) or fnmatchcase(request.path, self.endpoint))
            and self.method.upper() in ("*", request.method)
            and (self.document == "*" or fnmatchcase(endpoint.document or "", self.document))
            and (self.kind != "stale_read" or not endpoint.writes)
        )

    def describe(self) -> dict[str, Any]:
        data = asdict(self)
        data.pop("_random", None)
        return data


class Faults:
    """The rules in force. The first rule that matches and fires decides; a spent rule stays listed."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._ids = itertools.count(1)
        self.rules: list[FaultRule] = []
        for rule in rules:
            self.add(rule)

    def add(self, rule: FaultRule) -> FaultRule:
        rule.id = next(self._ids)
        self.rules.append(rule)
        return rule

    def remove(self, rule_id: int | None = None) -> int:
        """Remove one rule, or all. Returns how many went."""
        before = len(self.rules)
        self.rules = [rule for rule in self.rules if rule_id is not None and rule.id != rule_id]
        return before - len(self.rules)

    def pick(self, endpoint: Endpoint, request: Request) -> FaultRule | None:
        """The fault to make on this call, which is counted as made."""
        for rule in self.rules:
            if not rule.matches(endpoint, request) or (rule.times is not None and rule.made >= rule.times):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability < 1 and rule._random.random() >= rule.probability:
                continue
            rule.made += 1
            return rule
        return None
