"""Pick lists (OPKL): rows of orders that a warehouse was told to pick, and what it has picked of them.

``POST PickLists {PickListsLines: [{BaseObjectType: 17, OrderEntry, OrderRowID, ReleasedQuantity}]}`` releases,
``PATCH`` or ``PUT`` with PickedQuantity picks, ``PickListsService_Close {PickList: {Absoluteentry}}`` ends (names:
contract; the order of calls: public code of warehouse software). A delivery of an order's row is taken off the rows
that picked it, oldest first: since 10.0 FP 2508 it may name them, which is newer than the contract.

Unconfirmed: the words of refusals, that no more can be released than remains open, that the order's own rows and
stamps stay as they are, and that an order may be closed while it is picked.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_building import ORDER
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import VALIDATION, ServiceLayerError, not_found, rule, unsupported
from erp_sync.systems.sap_b1.sandbox.kind import Entity, Kind
from erp_sync.systems.sap_b1.sandbox.service import Entities
from erp_sync.systems.sap_b1.sandbox.store import Store, loads
from erp_sync.systems.sap_b1.sandbox.values import ZERO, decimal, number

RELEASED, PARTLY_PICKED, PICKED = "ps_Released", "ps_PartiallyPicked", "ps_Picked"
PARTLY_DELIVERED, CLOSED = "ps_PartiallyDelivered", "ps_Closed"
_OBJECT_TYPE = "156"

_Row = tuple[int, int]  # DocEntry and LineNum of an order's row


class PickLists(Kind):
    def __init__(self) -> None:
        super().__init__(SETS["PickLists"])

    def new(self, context: Context, sent: Entity) -> Entity:
        entity = super().new(
            context,
            {"Name": None, "OwnerCode": 1, "Remarks": None, "UseBaseUnits": "tNO", "PickDate": context.today, **sent,
             "ObjectType": _OBJECT_TYPE},
        )  # fmt: skip
        return self._complete(context, entity, {})

    def changed(self, context: Context, before: Entity, after: Entity, sent: Entity) -> Entity:
        if before["Status"] == CLOSED:
            raise rule("The pick list is closed")
        return self._complete(context, after, {row["LineNumber"]: row for row in before["PickListsLines"]})

    def removable(self, context: Context, entity: Entity) -> None:
        raise unsupported()

    def _complete(self, context: Context, entity: Entity, held: dict[int, Entity]) -> Entity:
        given = entity.get("PickListsLines") or []
        if not given:
            raise rule("A pick list needs a row")
        last = max(held, default=-1)
        lines = []
        for line in given:
            known = held.get(line["LineNumber"]) if line.get("LineNumber") is not None else None
            if known is None:
                last += 1
                line = {**_released(context, line), "LineNumber": last, "AbsoluteEntry": entity["Absoluteentry"]}
            else:
                line = {**line, "PickStatus": known["PickStatus"]}  # follows from the quantities, whatever is sent
                if known["PickStatus"] == CLOSED and line != known:
                    raise rule("Closed rows of a pick list cannot be changed")
            lines.append(_checked(line))
        found = _with_states({**entity, "PickListsLines": lines})
        _check_open(context, found)
        return found


def _released(context: Context, line: Entity) -> Entity:
    """A new row. Raises ServiceLayerError."""
    if str(line.get("BaseObjectType", ORDER.number)) != ORDER.number:
        raise ServiceLayerError(VALIDATION, f"Base object type {line['BaseObjectType']} is not supported here")
    row = _order_row(context, (line.get("OrderEntry") or 0, line.get("OrderRowID") or 0))
    if row["LineStatus"] == "bost_Close":
        raise rule("The row of the order is closed")
    quantity = line.get("ReleasedQuantity")
    return {
        "BaseObjectType": int(ORDER.number), "OrderEntry": line["OrderEntry"], "OrderRowID": line.get("OrderRowID", 0),
        "ReleasedQuantity": quantity if quantity is not None else row["RemainingOpenQuantity"],
        "PickedQuantity": line.get("PickedQuantity") or number(0), "PreviouslyReleasedQuantity": number(0),
        "sandbox_delivered": "0",
    }  # fmt: skip


def _checked(line: Entity) -> Entity:
    released, picked = decimal(line["ReleasedQuantity"]), decimal(line["PickedQuantity"])
    if released <= 0 or not decimal(line["sandbox_delivered"]) <= picked <= released:
        raise rule(f"Enter valid quantity  [PKL1.PickQtty][line: {line['LineNumber'] + 1}]")
    return line


def _with_states(entity: Entity) -> Entity:
    lines = [{**line, "PickStatus": _state(line)} for line in entity["PickListsLines"]]
    states = {line["PickStatus"] for line in lines}
    if states == {CLOSED}:
        whole = CLOSED
    elif states & {CLOSED, PARTLY_DELIVERED}:
        whole = PARTLY_DELIVERED
    elif len(states) == 1:
        whole = states.pop()
    else:
        whole = PARTLY_PICKED
    return {**entity, "PickListsLines": lines, "Status": whole}


def _state(line: Entity) -> str:
    released, picked = decimal(line["ReleasedQuantity"]), decimal(line["PickedQuantity"])
    delivered = decimal(line["sandbox_delivered"])
    if line.get("PickStatus") == CLOSED or delivered >= released:
        return CLOSED
    if delivered:
        return PARTLY_DELIVERED
    if picked:
        return PICKED if picked == released else PARTLY_PICKED
    return RELEASED


def _order_row(context: Context, place: _Row) -> Entity:
    order = rows.read(context.store, "Orders", place[0])
    for row in (order or {}).get("DocumentLines") or []:
        if row["LineNum"] == place[1]:
            return dict(row)
    raise not_found()


def _check_open(context: Context, entity: Entity) -> None:
    """No more is on all lists than remains open of an order's row."""
    others = [one for one in _open_lists(context.store) if one["Absoluteentry"] != entity["Absoluteentry"]]
    waiting: dict[_Row, Decimal] = defaultdict(lambda: ZERO)
    for one in (*others, entity):
        for line in one["PickListsLines"]:
            if line["PickStatus"] != CLOSED:
                waiting[_place(line)] += decimal(line["ReleasedQuantity"]) - decimal(line["sandbox_delivered"])
    for line in entity["PickListsLines"]:
        if line["PickStatus"] == CLOSED:
            continue
        if waiting[_place(line)] > decimal(_order_row(context, _place(line))["RemainingOpenQuantity"]):
            raise rule(f"Released quantity exceeds the open quantity  [PKL1.RelQtty][line: {line['LineNumber'] + 1}]")


def _open_lists(store: Store) -> list[Entity]:
    found = store.rows(
        "SELECT data FROM \"PickLists\" WHERE json_extract(data, '$.Status') IN (?, ?, ?, ?) ORDER BY k1",
        RELEASED, PARTLY_PICKED, PICKED, PARTLY_DELIVERED,
    )  # fmt: skip
    return [loads(text) for (text,) in found]


def _place(line: Entity) -> _Row:
    return line["OrderEntry"], line["OrderRowID"]


def delivered(context: Context, entities: Entities, order: int, row: int, quantity: Decimal) -> None:
    """So many units of an order's row have left: they are taken off what was picked of it, oldest list first."""
    for entity in _open_lists(context.store):
        lines = []
        for line in entity["PickListsLines"]:
            if _place(line) == (order, row) and line["PickStatus"] != CLOSED and quantity:
                before = decimal(line["sandbox_delivered"])
                taken = min(quantity, decimal(line["PickedQuantity"]) - before)
                quantity -= taken
                line = {**line, "sandbox_delivered": str(before + taken)}
            lines.append(line)
        if lines != entity["PickListsLines"]:
            entities.save(context, entities.kinds["PickLists"], _with_states({**entity, "PickListsLines": lines}))


def close(context: Context, entities: Entities, body: Any) -> Response:
    """``PickListsService_Close``: what was not delivered of it is free again. Raises ServiceLayerError."""
    given = body.get("PickList") if isinstance(body, dict) else None
    entry = given.get("Absoluteentry") if isinstance(given, dict) else None
    entity = rows.read(context.store, "PickLists", entry) if isinstance(entry, int) else None
    if entity is None:
        raise not_found()
    if entity["Status"] == CLOSED:
        raise rule("The pick list is closed")
    lines = [{**line, "PickStatus": CLOSED} for line in entity["PickListsLines"]]
    entities.save(context, entities.kinds["PickLists"], _with_states({**entity, "PickListsLines": lines}))
    return Response(204)
