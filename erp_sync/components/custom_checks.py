"""Rules of quality of an installation's own, as a flow's YAML declares them: over custom fields, or by a function.

A custom field that a rule looks at is a column of what the flow's suite judges, named as in mappings
(``custom.channel``); of a function the column is what it says is wrong with the record. A record that breaks a rule
goes to quarantine as ``custom_<name>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from erp_sync.components.flow_table import FLOWS as KINDS
from erp_sync.components.records import judged_record
from erp_sync.model.money import BadNumber, decimal_of
from erp_sync.ports.own_functions import PATTERN, OwnFunction, OwnFunctionFailed, own_function

if TYPE_CHECKING:
    from erp_sync.quality.gate import Rule

#: Flows whose records have custom fields.
FLOWS = ("orders", "order_status", "shipments", "products", "customers")


class CustomCheck(BaseModel):
    """One rule of one custom field; an empty field breaks `required` only. Or a function that judges the record.

    Attributes:
        name: stable, goes into reasons.
        field: e.g. ``custom.channel``.
        one_of, matches: of its text; `matches` is a regular expression of the whole.
        at_least, at_most: of its number; what is no number is out of bounds.
        function: ``module:function`` instead of field and condition, see `erp_sync.ports.own_functions`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    field: str = Field(default="", pattern=r"^(custom\.\w+)?$")
    required: bool = False
    one_of: tuple[str, ...] = ()
    matches: str = ""
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    function: str = Field(default="", pattern=f"{PATTERN}|^$")

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
        conditions = sum((self.required, bool(self.one_of), bool(self.matches), self.bounded))
        if self.function:
            if conditions or self.field:
                raise ValueError("a function judges the whole record: leave field and conditions out")
        elif not self.field:
            raise ValueError("needs a field, or a function")
        elif conditions != 1:
            raise ValueError("needs one of: required, one_of, matches, or at_least and at_most")
        return self

    @property
    def bounded(self) -> bool:
        return self.at_least is not None or self.at_most is not None

    @property
    def column(self) -> str:
        if self.function:
            return f"what {self.function} says ({self.name})"
        return f"{self.field} out of bounds ({self.name})" if self.bounded else self.field

    def rule(self) -> Rule:
        """As the flow's suite has it."""
        from erp_sync.quality.gate import Rule

        told: tuple[str, dict[str, Any], str]
        if self.function:
            return Rule(
                name=f"custom_{self.name}",
                expectation="ExpectColumnValuesToBeNull",
                arguments={"column": self.column},
                words=f"{self.function} refuses it",
                words_in=self.column,
            )
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

    def own(self, flow: str) -> OwnFunction:
        """The function. Raises OwnFunctionMistake."""
        return own_function(self.function, "check", judged_record(KINDS[flow].entity))

    def value(self, flow: str, record: Any) -> Any:
        """What the column holds of a record; None where it is empty. Raises OwnFunctionMistake."""
        if not self.function:
            return self.value_of(record.custom)
        try:
            return self.own(flow)(record)
        except OwnFunctionFailed as failure:
            return str(failure)

    def value_of(self, custom: Mapping[str, Any]) -> Any:
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


def columns(flow: str, checks: Sequence[CustomCheck], record: Any) -> dict[str, Any]:
    """Columns of one record of a flow, for the rules of the same checks. Raises OwnFunctionMistake."""
    return {one.column: one.value(flow, record) for one in checks}


def problems(flow: str, checks: Sequence[CustomCheck]) -> list[str]:
    """What is wrong with a flow's checks, in words."""
    found = []
    if any(one.field for one in checks) and flow not in FLOWS:
        found.append(f"flow {flow} has no custom fields: they are of {', '.join(FLOWS)}")
    names = [one.name for one in checks]
    found += [f"flow {flow}: two checks are called {name}" for name in sorted({n for n in names if names.count(n) > 1})]
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)
