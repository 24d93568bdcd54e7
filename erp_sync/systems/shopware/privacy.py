"""A person's data in one shop: the customer is deleted, their orders are anonymised.

OpenAPI 6.7.10.1: ``DELETE /customer/{id}`` removes account and address book (core: CustomerDefinition cascades); orders
stay, without their customer (``SetNullOnDelete``). Name and addresses of an order are records of their own and are
overwritten by one sync. What no write of these reaches is told as kept: documents that were made, e-mails, the
newsletter, custom fields of plugins, and drafts of an order that is being edited.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from erp_sync.model.personal import ERASED, PersonalTexts
from erp_sync.ports.privacy import Holding, Treated, Treatment
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria, Equals
from erp_sync.systems.shopware.mapping.common import records, state_of
from erp_sync.systems.shopware.ports.sync import Rows, upsert_all
from erp_sync.transport.errors import Rejected

FIELDS = frozenset(
    [
        *("email", "firstName", "lastName", "title", "company", "department", "street", "additionalAddressLine1"),
        *("additionalAddressLine2", "zipcode", "city", "phoneNumber", "vatId", "vatIds", "birthday", "remoteAddress"),
        "customerComment",
    ]
)
_NOT_BY_API = (
    "documents that were made of it, e-mails, the newsletter and custom fields of plugins are reached by no write of "
    "an order"
)
PAGE = 100
_ENDED = frozenset(("completed", "cancelled"))
# Whatever the person, these must not be empty; the others are overwritten where they say something.
_NEEDED = ("firstName", "lastName", "street", "city")
_OTHERS = (
    "company",
    "department",
    "title",
    "additionalAddressLine1",
    "additionalAddressLine2",
    "zipcode",
    "phoneNumber",
)
ORDERS = Criteria().along("addresses", "orderCustomer", "stateMachineState")
_NOWHERE = "0.0.0.0"


class ShopPersons:
    """`ports.privacy.PersonalData` of one shop."""

    def __init__(self, client: ShopwareClient) -> None:
        self._client = client

    def find(self, person: PersonalTexts) -> list[Holding]:
        orders = self._all("order", ORDERS.where(Equals("orderCustomer.email", person.email)), "privacy.orders")
        customers = self._all("customer", Criteria().where(Equals("email", person.email)), "privacy.customers")
        return [
            *(
                Holding(
                    entity="sales_order",
                    native_id=str(one["id"]),
                    data=one,
                    open=state_of(one) not in _ENDED,
                )
                for one in orders
            ),
            *(Holding(entity="customer", native_id=str(one["id"]), data=one) for one in customers),
        ]

    def _all(self, entity: str, criteria: Criteria, operation: str) -> list[dict[str, Any]]:
        pages = self._client.all(entity, criteria, operation=operation, page_size=PAGE)
        return [one for page in pages for one in page]

    def newer(
        self, person: PersonalTexts, found: Sequence[Holding], known: Collection[tuple[str, str]]
    ) -> list[Holding]:
        """Orders and accounts of after it, and an account with which one of these orders was placed."""
        later = [one for one in found if (one.entity, one.native_id) not in known]
        accounts = {
            str((one.data.get("orderCustomer") or {}).get("customerId") or "")
            for one in later
            if one.entity == "sales_order"
        }
        return [one for one in found if one in later or (one.entity == "customer" and one.native_id in accounts)]

    def erase(self, person: PersonalTexts, holding: Holding) -> list[Treated]:
        if holding.entity == "customer":
            return [self._delete(holding)]
        upsert_all(self._client, list(anonymous_order(holding.data, person)), operation="sales_order.anonymise")
        return [
            Treated(
                entity="sales_order",
                native_id=holding.native_id,
                how=Treatment.ANONYMISED,
                why=f"an invoice may be asked for as long as the law says; {_NOT_BY_API}",
            )
        ]

    def _delete(self, holding: Holding) -> Treated:
        try:
            self._client.write(
                "DELETE",
                f"customer/{holding.native_id}",
                operation="customer.erase",
                document=holding.native_id,
                repeatable=True,
            )
        except Rejected as rejected:
            if rejected.code != "not_found":
                raise
        return Treated(entity="customer", native_id=holding.native_id, how=Treatment.DELETED)


def anonymous_order(order: Mapping[str, Any], person: PersonalTexts) -> Iterator[Rows]:
    """What changes of an order: who bought it, all its addresses but country and region, and what was remarked."""
    customer = order.get("orderCustomer")
    if isinstance(customer, Mapping):
        row = {"id": customer["id"], "email": person.pseudonym, "firstName": ERASED, "lastName": ERASED}
        row |= {name: ERASED for name in ("company", "title") if customer.get(name)}
        row |= {"vatIds": []} if customer.get("vatIds") else {}
        row |= {"remoteAddress": _NOWHERE} if customer.get("remoteAddress") else {}
        yield Rows("order_customer", [row])
    addresses = [
        {
            "id": one["id"],
            **dict.fromkeys(_NEEDED, ERASED),
            **{name: ERASED for name in (*_OTHERS, "vatId") if one.get(name)},
        }
        for one in records(order.get("addresses"))
    ]
    if addresses:
        yield Rows("order_address", addresses)
    if order.get("customerComment"):
        yield Rows("order", [{"id": order["id"], "customerComment": ERASED}])
