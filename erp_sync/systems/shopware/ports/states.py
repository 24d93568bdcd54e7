"""Orders and deliveries through their state machines.

Facts (core `StateMachineRegistry`, `BasicData` migration; fact sheet, section 4): what is in the wanted state already
answers 200 and changes nothing, but for 6.6, where ``cancel`` passes from every state, its own included: therefore
the state is read first. A wrong step answers 400 with the possible ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from erp_sync.ports.documents import Requirement
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.errors import UnexpectedAnswer

# Machine -> wanted state -> state -> steps. A state that is missing cannot go there.
WAYS: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {
    "order": {
        "in_progress": {"open": ("process",), "in_progress": ()},
        "completed": {"open": ("process", "complete"), "in_progress": ("complete",), "completed": ()},
        "cancelled": {"open": ("cancel",), "in_progress": ("cancel",), "cancelled": ()},
    },
    "order_delivery": {
        "shipped": {"open": ("ship",), "shipped_partially": ("ship",), "shipped": ()},
        "shipped_partially": {"open": ("ship_partially",), "shipped_partially": (), "shipped": ()},
    },
}


def way(machine: str, state: str, wanted: str) -> tuple[str, ...] | None:
    """The steps from one state to another, none where it is there; None where there is no way."""
    return WAYS[machine][wanted].get(state)


def step(
    client: ShopwareClient, machine: str, identity: str, name: str, *, operation: str, document: str, mail: bool
) -> str:
    """Take one step; gives the state that the vendor says it led to. Sent once: see above."""
    answer = client.write(
        "POST",
        f"_action/{machine}/{identity}/state/{name}",
        {"sendMail": mail},
        operation=operation,
        document=document,
    )
    state = answer.get("technicalName") if isinstance(answer, dict) else None
    if not isinstance(state, str) or not state:
        raise UnexpectedAnswer(f"step {name} of {machine} {identity} was answered without a state", operation=operation)
    return state


def order_requirement(native_id: str) -> Requirement:
    return Requirement("sales_order", native_id)


def existing_orders(
    client: ShopwareClient, requirements: Sequence[Requirement], page_size: int
) -> dict[Requirement, str]:
    """Those of the required orders that the shop has; `key` is its id."""
    wanted = {one.key: one for one in requirements if one.entity == "sales_order"}
    listed = Criteria().including({"order": ("id", "versionId")})
    pages = client.by_ids("order", list(wanted), listed, operation="sales_order.resolve", page_size=page_size)
    return {wanted[str(row["id"])]: str(row["id"]) for page in pages for row in page}
