"""A company's own guards and policies, as a flow's YAML names them; functions: `erp_sync.ports.own_functions`.

.. code-block:: yaml

    flows:
      prices:
        own_guards:
          - {name: below_cost, of: row, function: "acme_rules:below_cost"}
          - {name: whole_brand, of: plan, function: "acme_rules:whole_brand"}
      orders:
        policies:
          - {name: export_control, function: "acme_rules:export_control"}

A guard of a row makes that row wait for a person, the others go; one of a plan makes all of it wait. A policy holds a
document until a person lets it pass, or leaves it out. One that fails does as if it had refused, and says so: what is
not judged does not go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from erp_sync.components.flow_table import FLOWS
from erp_sync.components.records import judged_record
from erp_sync.ports.differences import Difference, held_by
from erp_sync.ports.own_functions import (
    PATTERN,
    Change,
    Changes,
    Hold,
    LeaveOut,
    OwnFunction,
    OwnFunctionFailed,
    own_function,
)

if TYPE_CHECKING:
    from erp_sync.components.custom_checks import CustomCheck
    from erp_sync.ledger.plans import PlanRow


#: Code of documents that a policy leaves out.
LEFT_OUT_BY_POLICY = "left_out_by_policy"


class _Named(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    function: str = Field(pattern=PATTERN)


class OwnGuard(_Named):
    """`of`: whether it judges single rows of a plan, or all of them together."""

    of: Literal["row", "plan"]

    def own(self) -> OwnFunction:
        """Raises OwnFunctionMistake."""
        return own_function(self.function, self.of)


class OwnPolicy(_Named):
    """Judges documents."""

    def own(self, flow: str) -> OwnFunction:
        """Raises OwnFunctionMistake."""
        return own_function(self.function, "policy", judged_record(FLOWS[flow].entity))


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An own function as the mapping document tells it; `kind` as a reader knows it."""

    kind: str
    name: str
    function: str
    signature: str
    words: str


def wrong_names(
    flow: str, guards: Sequence[OwnGuard], policies: Sequence[OwnPolicy], *, documents: bool
) -> Iterator[str]:
    """What is wrong with the own rules of a flow, in words."""
    if guards and documents:
        yield f"flow {flow}: own_guards judge plans, and it has none; use policies"
    if policies and not documents:
        yield f"flow {flow}: policies judge documents, and it has none; use own_guards"
    for rules in (guards, policies):
        names = [one.name for one in rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        yield from (f"flow {flow}: two rules are called {name}" for name in twice)


def told(
    flow: str, checks: Sequence[CustomCheck], guards: Sequence[OwnGuard], policies: Sequence[OwnPolicy]
) -> tuple[Told, ...]:
    """All own functions of a flow but those of mappings, which their fields tell. Raises OwnFunctionMistake."""
    found = [("check", one.name, one.own(flow)) for one in checks if one.function]
    found += [(f"guard of a {one.of}", one.name, one.own()) for one in guards]
    found += [("policy", one.name, one.own(flow)) for one in policies]
    return tuple(
        Told(kind=kind, name=name, function=own.reference, signature=own.signature, words=own.words)
        for kind, name, own in found
    )


# -- documents ----------------------------------------------------------------------


def by_policies(flow: str, policies: Iterable[OwnPolicy], document: Any) -> tuple[LeaveOut | None, list[Difference]]:
    """Whether a policy leaves the document out, else what a person is asked. Raises OwnFunctionMistake."""
    asked: list[Difference] = []
    for one in policies:
        try:
            answer = one.own(flow)(document)
        except OwnFunctionFailed as failure:
            answer = Hold(str(failure))
        if isinstance(answer, LeaveOut):
            return LeaveOut(f"{one.name}: {answer.why}"), []
        if isinstance(answer, Hold):
            asked.append(held_by(one.name, answer.why))
    return None, asked


# -- plans --------------------------------------------------------------------------


def waits(guards: Iterable[OwnGuard], row: PlanRow) -> str | None:
    """Why a row of a plan waits for a person by the own guards of rows; None where it need not. Raises
    OwnFunctionMistake."""
    for one in guards:
        if one.of == "row" and (why := _asked(one, _change(row))) is not None:
            return f"{one.name}: {why}"
    return None


def verdicts(guards: Iterable[OwnGuard], rows: Sequence[PlanRow], compared: int) -> list[tuple[str, str | None]]:
    """Name of each own guard of plans, and why the plan waits by it. Raises OwnFunctionMistake."""
    chosen = [one for one in guards if one.of == "plan"]
    if not chosen:
        return []
    changes = Changes(rows=[_change(row) for row in rows], compared=compared)
    return [(one.name, _asked(one, changes)) for one in chosen]


def _asked(guard: OwnGuard, what: Change | Changes) -> str | None:
    try:
        answer: str | None = guard.own()(what)
    except OwnFunctionFailed as failure:
        return str(failure)
    return answer or None


def _change(row: PlanRow) -> Change:
    return Change(key=row.key, before=_values(row.before), after=_values(row.after))


def _values(text: str | None) -> dict[str, Any] | None:
    return msgspec.json.decode(text) if text is not None else None
