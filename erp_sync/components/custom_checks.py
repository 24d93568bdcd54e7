"""Rules of quality over custom fields, as a flow's YAML declares them: the fields are an installation's own.

A custom field that a rule looks at is a column of what the flow's suite judges, named as in mappings
(``custom.channel``). A record that breaks a rule goes to quarantine as ``custom_<name>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from erp_sync.model.money import BadNumber, decimal_of

if TYPE_CHECKING:
    from erp_sync.quality.gate import Rule

#: Flows whose records have custom fields.
FLOWS = ("orders", "order_status", "shipments", "products")


class CustomCheck(BaseModel):
    """One rule of one custom field; an empty field breaks `required` only.

    Attributes:
        name: stable, goes into reasons.
        field: e.g. ``custom.channel``.
        one_of, matches: of its text; `matches` is a regular expression of the whole.
        at_least, at_most: of its number; what is no number is out of bounds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    field: str = Field(pattern=r"^custom\.\w+$")
    required: bool = False
    one_of: tuple[str, ...] = ()
    matches: str = ""
    at_least: Decimal | None = None
    at_most: Decimal | None = None

    @field_validator("at_least", "at_most", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        return str(value) if isinstance(value, float) else value  # 0.1 is a tenth, not YAML's binary fraction

    @field_validator("matches")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _one_condition(self) -> CustomCheck:
        if sum((self.required, bool(self.one_of), bool(self.matches), self.bounded)) != 1:
            raise ValueError("needs one of: required, one_of, matches, or at_least and at_most")
        return self

    @property
    def bounded(self) -> bool:
        return self.at_least is not None or self.at_most is not None

    @property
    def column(self) -> str:
        return f"{self.field} out of bounds ({self.name})" if self.bounded else self.field

    def rule(self) -> Rule:
        """As the flow's suite has it."""
        from erp_sync.quality.gate import Rule

        told: tuple[str, dict[str, Any], str]
        if self.required:
            told = ("ExpectColumnValuesToNotBeNull", {}, "is empty")
        elif self.one_of:
            told = (
                "ExpectColumnValuesToBeInSet", {"value_set": list(self.one_of)}, f"is none of {', '.join(self.one_of)}"
            )  # fmt: skip
        elif self.matches:
            told = ("ExpectColumnValuesToMatchRegex", {"regex": rf"^(?:{self.matches})\Z"}, f"is not {self.matches}")
        else:
            limits = [f"at least {self.at_least}"] if self.at_least is not None else []
            limits += [f"at most {self.at_most}"] if self.at_most is not None else []
            told = ("ExpectColumnValuesToBeBetween", {"max_value": 0}, f"is not {' and '.join(limits)}")
        expectation, arguments, words = told
        return Rule(
            name=f"custom_{self.name}",
            expectation=expectation,
            arguments={"column": self.column, **arguments},
            words=f"{self.field} {words}",
        )

    def value(self, custom: Mapping[str, Any]) -> Any:
        """What the column holds of a record's custom fields; None where it is empty."""
        value = custom.get(self.field.removeprefix("custom."))
        if value is None or value == "":
            return None
        return int(self._outside(value)) if self.bounded else _text(value)

    def _outside(self, value: Any) -> bool:
        try:
            number = decimal_of(value, scale=12)
        except BadNumber:
            return True
        return (self.at_least is not None and number < self.at_least) or (
            self.at_most is not None and number > self.at_most
        )


def columns(checks: Sequence[CustomCheck], record: Any) -> dict[str, Any]:
    """Columns of one record, for the rules of the same checks."""
    return {one.column: one.value(record.custom) for one in checks}


def problems(flow: str, checks: Sequence[CustomCheck]) -> list[str]:
    """What is wrong with a flow's checks, in words."""
    found = []
    if checks and flow not in FLOWS:
        found.append(f"flow {flow} has no custom fields: they are of {', '.join(FLOWS)}")
    names = [one.name for one in checks]
    found += [f"flow {flow}: two checks are called {name}" for name in sorted({n for n in names if names.count(n) > 1})]
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)
