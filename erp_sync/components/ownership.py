"""The system of record of a flow's entity and fields, as the route's YAML gives it.

system_of_record: erp                       # short for entity: erp
system_of_record:
  entity: erp                               # always the side that the flow reads
  foreign_edits: hold                       # put_back (default of state), hold or report (default of documents)
  fields:
    description: store                      # never written over in the store
    name: {foreign_edits: report}           # another policy for one field

Of orders the fields are parts: lines, shipping (its cost), shipping_address, payments (deposits), and the customers
that went with them: `customer` for all that is mapped of them, or customer.name, customer.email and so on. A total
follows from its parts, and a cancellation is never undone by itself: both are reported, or the ERP's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.flows.ownership import ForeignEdits, SystemOfRecord

SideName = Literal["store", "erp"]

# Of the customers that go with orders; each may be said for itself, or all of them as ``customer``.
CUSTOMER_FIELDS = (
    "customer",
    *(f"customer.{name}" for name in ("name", "company", "email", "phone", "tax_number", "addresses", "active")),
    *(f"customer.{name}" for name in ("price_level", "currency", "subsidiary")),
)
# What a flow writes, by name as plans and the daily reconciliation show it.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "orders": ("lines", "shipping", "shipping_address", "payments", "total", "cancellation", *CUSTOMER_FIELDS),
    "inventory": ("quantity", "in_stock", "backorders", "restock_date"),
    "products": ("name", "active", "kind", "weight", "description", "short_description"),
    "prices": ("amount", "valid_from", "valid_to"),
}
# What can only be reported: why nothing puts it back, or waits to.
ONLY_REPORTED: Mapping[str, Mapping[str, str]] = {
    "orders": {
        "total": "the ERP works it out from lines, shipping and tax, and nothing writes it: say what becomes of lines "
        "and shipping, the total follows",
        "cancellation": "whoever cancels or closes an order in the ERP stops goods, and opening it again would ship "
        "them: with flow order_status on, the store is told and cancels, too; else settle it in the ERP or the store",
    },
}
# Without these a row cannot be written at all.
NEVER_GIVEN_AWAY: Mapping[str, tuple[str, ...]] = {"products": ("kind",), "prices": ("amount",)}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldRecord(_Strict):
    """One field; without an owner it is the entity's."""

    owner: SideName | None = None
    foreign_edits: ForeignEdits | None = None


class EntityRecord(_Strict):
    """See the module."""

    entity: SideName | None = None
    foreign_edits: ForeignEdits | None = None
    fields: dict[str, FieldRecord] = {}

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"entity": value} if isinstance(value, str) else value

    @field_validator("fields", mode="before")
    @classmethod
    def _short_fields(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: {"owner": one} if isinstance(one, str) else one for name, one in value.items()}


def check(flow: str, record: EntityRecord) -> None:
    """Raises ValueError where the flow cannot keep what is said."""
    kind = FLOWS[flow]
    owner = record.entity or kind.source
    if owner != kind.source:
        raise ValueError(
            f"flow {flow} writes {kind.title} from {kind.source} to {kind.target}, so that their system of record is "
            f"{kind.source}; give single fields to the {kind.target}, or switch the flow off"
        )
    known = FIELDS.get(flow, ())
    if (record.fields or record.foreign_edits is not None) and not known:
        raise ValueError(
            f"flow {flow} delivers documents that nobody compares by field: no fields and no foreign_edits"
        )
    for name, field in record.fields.items():
        if name not in known:
            raise ValueError(f"flow {flow} has no field {name!r}; known are {', '.join(known)}")
        if field.owner == kind.target and name in NEVER_GIVEN_AWAY.get(flow, ()):
            raise ValueError(f"flow {flow} cannot write without field {name}: it belongs to the {kind.source}")
        why = ONLY_REPORTED.get(flow, {}).get(name)
        if why is not None and field.foreign_edits not in (None, ForeignEdits.REPORT):
            raise ValueError(f"{name} of {flow} can only be reported, not {field.foreign_edits.value}: {why}")
        if field.owner == kind.target and field.foreign_edits is not None:
            raise ValueError(
                f"field {name} of flow {flow} belongs to the {kind.target}: what is edited there is no foreign edit"
            )


def system_of_record(kind: FlowKind, record: EntityRecord | None, source: str, target: str) -> SystemOfRecord:
    """What the flow's logic gets; `source` and `target` are names of connections."""
    said = record or EntityRecord()
    return SystemOfRecord(
        edits=said.foreign_edits or (ForeignEdits.REPORT if kind.delivers else ForeignEdits.PUT_BACK),
        fields={name: one.foreign_edits for name, one in said.fields.items() if one.foreign_edits is not None},
        of_target=frozenset(name for name, one in said.fields.items() if one.owner == kind.target),
        source=source,
        target=target,
    )


def in_words(kind: FlowKind, record: EntityRecord | None, source: str, target: str) -> str:
    """For a data engineer: who owns what, and what becomes of foreign edits."""
    said = system_of_record(kind, record, source, target)
    actions = {
        ForeignEdits.PUT_BACK: "are put back",
        ForeignEdits.HOLD: "wait for a person",
        ForeignEdits.REPORT: "are reported",
    }
    parts = [f"System of record is `{source}`"]
    if FIELDS.get(kind.name):
        parts.append(f"edits in `{target}` {actions[said.edits]}")
        parts += [f"those of {name} {actions[policy]}" for name, policy in sorted(said.fields.items())]
        if said.of_target:
            parts.append(f"{', '.join(sorted(said.of_target))} belong to `{target}` and are never written over")
    return "; ".join(parts) + "."
