"""A person's data in one store: the customer is deleted, their orders are anonymised.

REST 2.4.8: ``DELETE /V1/customers/{id}`` removes account, address book and newsletter; orders stay, without their
customer (foreign key ``ON DELETE SET NULL``). There is no call that anonymises an order: ``POST /V1/orders`` with
``entity_id`` changes the given fields and, by ``Order::setBillingAddress`` and the shipping assignment, the addresses
that it has (magento2 OrderRepository::save; that no module stands in the way is unconfirmed). Carts, the text of
comments and the archive of e-mails are reached by no call: they are told as kept.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from erp_sync.model.personal import ERASED, PersonalTexts
from erp_sync.ports.privacy import Holding, Treated, Treatment
from erp_sync.systems.magento.client import MagentoClient
from erp_sync.systems.magento.criteria import Criteria
from erp_sync.transport.errors import Rejected

FIELDS = frozenset(
    [
        "email",
        "customer_email",
        "firstname",
        "customer_firstname",
        "lastname",
        "customer_lastname",
        "middlename",
        "customer_middlename",
        "prefix",
        "customer_prefix",
        "suffix",
        "customer_suffix",
        "company",
        "street",
        "city",
        "postcode",
        "telephone",
        "fax",
        "vat_id",
        "taxvat",
        "customer_taxvat",
        "dob",
        "customer_dob",
        "remote_ip",
        "x_forwarded_for",
        "customer_note",
        "recipient_name",
        "recipient_email",
        "sender_name",
        "sender_email",
    ]
)
_NOT_BY_REST = "comments, carts and the archive of e-mails are reached by no call of the REST API"
PAGE = 100
_ENDED = frozenset(("complete", "closed", "canceled"))


class StorePersons:
    """`ports.privacy.PersonalData` of one store."""

    def __init__(self, client: MagentoClient) -> None:
        self._client = client

    def find(self, person: PersonalTexts) -> list[Holding]:
        orders = self._all("orders", "customer_email", person.email, "privacy.orders")
        customers = self._all("customers/search", "email", person.email, "privacy.customers")
        return [
            *(
                Holding(
                    entity="sales_order", native_id=str(one["entity_id"]), data=one, open=one.get("state") not in _ENDED
                )
                for one in orders
            ),
            *(Holding(entity="customer", native_id=str(one["id"]), data=one) for one in customers),
        ]

    def _all(self, path: str, field: str, value: str, operation: str) -> list[dict[str, Any]]:
        search = Criteria().where(field, value)
        sort = ["entity_id"]
        pages = self._client.all(path, search, operation=operation, page_size=PAGE, sort=sort)
        return [one for page in pages for one in page]

    def newer(
        self, person: PersonalTexts, found: Sequence[Holding], known: Collection[tuple[str, str]]
    ) -> list[Holding]:
        """Orders and accounts of after it, and an account with which one of these orders was placed."""
        later = [one for one in found if (one.entity, one.native_id) not in known]
        accounts = {str(one.data.get("customer_id") or "") for one in later if one.entity == "sales_order"}
        return [one for one in found if one in later or (one.entity == "customer" and one.native_id in accounts)]

    def erase(self, person: PersonalTexts, holding: Holding) -> list[Treated]:
        if holding.entity == "customer":
            return [self._delete(holding)]
        body = {"entity": anonymous_order(holding.data, person)}
        self._client.post(
            "orders", body, operation="sales_order.anonymise", document=holding.native_id, repeatable=True
        )
        return [
            Treated(
                entity="sales_order",
                native_id=holding.native_id,
                how=Treatment.ANONYMISED,
                why=f"an invoice may be asked for as long as the law says; {_NOT_BY_REST}",
            )
        ]

    def _delete(self, holding: Holding) -> Treated:
        try:
            self._client.post(
                f"customers/{holding.native_id}",
                operation="customer.erase",
                document=holding.native_id,
                repeatable=True,
                method="DELETE",
            )
        except Rejected as rejected:
            if rejected.code != "not_found":
                raise
        return Treated(entity="customer", native_id=holding.native_id, how=Treatment.DELETED)


def anonymous_order(order: dict[str, Any], person: PersonalTexts) -> dict[str, Any]:
    """What changes of an order: who bought it, and both addresses but country and region."""
    body: dict[str, Any] = {
        "entity_id": order["entity_id"],
        "customer_email": person.pseudonym,
        "customer_firstname": ERASED,
        "customer_lastname": ERASED,
    }
    for name in ("customer_middlename", "customer_prefix", "customer_suffix", "customer_taxvat", "customer_note"):
        if order.get(name):
            body[name] = ERASED
    for name in ("remote_ip", "x_forwarded_for"):
        if order.get(name):
            body[name] = "0.0.0.0"
    if order.get("billing_address"):
        body["billing_address"] = _address(order["billing_address"], person)
    shipping = [
        {"shipping": {"address": _address(one["shipping"]["address"], person), "method": one["shipping"].get("method")}}
        for one in (order.get("extension_attributes") or {}).get("shipping_assignments") or ()
        if (one.get("shipping") or {}).get("address")
    ]
    if shipping:
        body["extension_attributes"] = {"shipping_assignments": shipping}
    return body


def _address(address: dict[str, Any], person: PersonalTexts) -> dict[str, Any]:
    kept = {
        name: address[name]
        for name in ("entity_id", "parent_id", "address_type", "country_id", "region", "region_code", "region_id")
        if address.get(name) is not None
    }
    erased = dict.fromkeys(("firstname", "lastname", "city", "postcode", "telephone"), ERASED)
    more = {
        name: ERASED for name in ("company", "fax", "vat_id", "middlename", "prefix", "suffix") if address.get(name)
    }
    return {**kept, **erased, **more, "street": [ERASED], "email": person.pseudonym}
