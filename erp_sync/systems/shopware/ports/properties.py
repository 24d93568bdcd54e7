"""What tells variants apart: options of property groups, and which of them a parent offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from erp_sync.model.product import Product
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.outcomes import Refused
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria, OneOf, is_id
from erp_sync.systems.shopware.mapping.common import records
from erp_sync.systems.shopware.mapping.products import identity

Option = tuple[str, str]
LISTED = Criteria().including({"property_group_option": ("id", "groupId", "name", "translated")})
PARENTS = (
    Criteria()
    .along("configuratorSettings")
    .including(
        {
            "product": ("id", "versionId", "configuratorSettings"),
            "product_configurator_setting": ("id", "versionId", "optionId"),
        }
    )
)


class Properties:
    """Options by attribute and label. The setting ``property_groups`` ({attribute: id of the group}) says where.

    An option that the shop does not have is made by the write that needs it, with an id of its group and label: two
    writes make one.
    """

    def __init__(self, client: ShopwareClient, connection: ConnectionSettings, page_size: int) -> None:
        self._client, self._page_size = client, page_size
        groups = connection.settings.get("property_groups") or {}
        self._groups = {str(attribute): str(group) for attribute, group in groups.items()}

    def refusal(self, row: Product) -> Refused | None:
        """Why a product's options cannot be written; None where they can."""
        for attribute, _ in row.variant_options:
            group = self._groups.get(attribute, "")
            if not is_id(group):
                return Refused(
                    code="unknown_property_group",
                    message=f"{row.sku} differs by {attribute}, for which setting property_groups names no group",
                )
        return None

    def options(self, rows: Iterable[Product]) -> dict[Option, dict[str, Any]]:
        """As a product's payload has them: the id of one that is there, else all of a new one."""
        wanted = {
            (self._groups[attribute], label): (attribute, label)
            for row in rows
            for attribute, label in row.variant_options
            if attribute in self._groups
        }
        found: dict[Option, dict[str, Any]] = {}
        if not wanted:
            return found
        for row in self._there({group for group, _ in wanted}, sorted({label for _, label in wanted})):
            translated = row.get("translated")
            name = row.get("name") or (translated.get("name") if isinstance(translated, Mapping) else None)
            key = wanted.get((str(row.get("groupId")), str(name)))
            if key is not None:
                found.setdefault(key, {"id": str(row["id"])})
        for (group, label), key in wanted.items():
            new = {"id": identity("property_group_option", group, label), "groupId": group, "name": label}
            found.setdefault(key, new)
        return found

    def _there(self, groups: set[str], labels: Sequence[str]) -> Iterable[dict[str, Any]]:
        for start in range(0, len(labels), self._page_size):
            part = tuple(labels[start : start + self._page_size])
            search = LISTED.where(OneOf("groupId", tuple(sorted(groups))), OneOf("name", part)).at_most(500)
            page = self._client.search("property-group-option", search, operation="product.read_options")
            yield from page.rows

    def offered(
        self, rows: Sequence[Product], parents: Mapping[str, str], options: Mapping[Option, Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Rows of product_configurator_setting that variants need and their parents do not have: without one of theirs
        the shop does not show them."""
        needed = {
            (parents[row.variant_of], str(options[one]["id"]))
            for row in rows
            if row.variant_of
            for one in row.variant_options
        }
        there: set[tuple[str, str]] = set()
        owners = sorted({parent for parent, _ in needed})
        pages = self._client.by_ids(
            "product", owners, PARENTS, operation="product.read_parents", page_size=self._page_size
        )
        for page in pages:
            for row in page:
                for one in records(row.get("configuratorSettings")):
                    there.add((str(row["id"]), str(one.get("optionId"))))
        return [
            {"id": identity("product_configurator_setting", parent, option), "productId": parent, "optionId": option}
            for parent, option in sorted(needed - there)
        ]
