"""Magento's customer to the canonical one (REST schema 2.4.8, customer-data-customer-interface)."""

from __future__ import annotations

from typing import Any

from erp_sync.model.address import Address
from erp_sync.model.customer import Customer, CustomerAddress
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Scope
from erp_sync.ports.paths import MISSING
from erp_sync.systems.magento.mapping.common import ADDRESS_FIELDS, moment, records, text

POSTAL = RecordMapping(
    name="customer.postal_address",
    direction=Direction.TO_CANONICAL,
    build=Address,
    fields=(
        *ADDRESS_FIELDS,
        Field("", "region", rules.first_of("region.region_code", "region.region", then=text)),
    ),
)

ADDRESS = RecordMapping(
    name="customer.addresses",
    direction=Direction.TO_CANONICAL,
    build=CustomerAddress,
    fields=(
        Field("id", "native_id", text, default=""),
        Field("default_billing", "default_billing", rules.boolean(), default=False),
        Field("default_shipping", "default_shipping", rules.boolean(), default=False),
        Field("@", "address", rules.record(POSTAL)),
    ),
)


def _of_default_billing(name: str) -> Any:
    def find(scope: Scope) -> Any:
        listed = records(scope.record.get("addresses"))
        chosen = [one for one in listed if one.get("default_billing")] or listed
        return str(chosen[0].get(name) or "") if chosen else MISSING

    return find


CUSTOMER = RecordMapping(
    name="customer",
    direction=Direction.TO_CANONICAL,
    build=Customer,
    fields=(
        Field("", "connection", rules.computed("name of the connection", lambda scope: scope.context.connection.name)),
        Field("", "scope", rules.value_of("website", "website of the account"), default=""),
        Field("id", "native_id", text, required=True),
        Field("", "version", rules.value_of("version", "time of change and digest of the record"), default=""),
        Field("email", "email", text, required=True, validation=(rules.matches(r"[^@\s]+@[^@\s]+"),)),
        Field("", "first_name", rules.joined(" ", "prefix", "firstname", "middlename")),
        Field("", "last_name", rules.joined(" ", "lastname", "suffix")),
        Field(
            "",
            "company",
            rules.computed(
                "of the default billing address", _of_default_billing("company"), reads=("addresses[].company",)
            ),
        ),
        Field(
            "",
            "phone",
            rules.computed(
                "of the default billing address", _of_default_billing("telephone"), reads=("addresses[].telephone",)
            ),
        ),
        Field("taxvat", "tax_number", text),
        Field("group_id", "group", text, note="price group; the ERP's is looked up in customer_groups"),
        Field("created_at", "created_at", moment),
        Field("updated_at", "updated_at", moment),
        Field("addresses", "addresses", rules.each(ADDRESS), default=()),
        Field("dob", "custom.birth_date", text),
        Field("gender", "custom.gender", text),
        Field("created_in", "custom.created_in", text),
        Field("disable_auto_group_change", "custom.disable_auto_group_change", text),
    ),
)
