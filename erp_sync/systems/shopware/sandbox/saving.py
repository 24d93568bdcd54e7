"""Carries a unit of work out with all that follows from it: rights, stock, indexing, journal."""

from __future__ import annotations

from collections.abc import Sequence

from erp_sync.systems.shopware.sandbox import auth, indexing, names, stock
from erp_sync.systems.shopware.sandbox.indexing import Behavior
from erp_sync.systems.shopware.sandbox.pricing import rules
from erp_sync.systems.shopware.sandbox.schema.fields import Entity
from erp_sync.systems.shopware.sandbox.shop import Shop
from erp_sync.systems.shopware.sandbox.writing.deleting import Deleter
from erp_sync.systems.shopware.sandbox.writing.writer import Command, Writer

_PRIVILEGES = {"insert": "create", "update": "update", "delete": "delete"}
#: Entities that belong to another: a write of theirs is one of the other's, too, without fields.
PARENTS = {
    "product_price": ("product", "productId"), "product_visibility": ("product", "productId"),
    "product_configurator_setting": ("product", "productId"), "order_line_item": ("order", "orderId"),
    "order_delivery": ("order", "orderId"), "order_transaction": ("order", "orderId"),
    "order_address": ("order", "orderId"), "order_customer": ("order", "orderId"),
    "order_delivery_position": ("order_delivery", "orderDeliveryId"), "customer_address": ("customer", "customerId"),
    "rule_condition": ("rule", "ruleId"), "property_group_option": ("property_group", "groupId"),
    "country_state": ("country", "countryId"),
}  # fmt: skip


def save(shop: Shop, writer: Writer, behavior: Behavior | None = None) -> list[Command]:
    """Inside a transaction. Raises ShopwareError: rights first, then complaints, then references."""
    if not writer.system:
        auth.demand(shop, [f"{one.entity.name}:{_PRIVILEGES[one.operation]}" for one in writer.commands])
    commands = writer.execute()
    stock.lines_written(shop.database, commands)
    if writer.version == names.LIVE_VERSION:
        indexing.written(shop, commands, writer.links, behavior or Behavior())
    _tags(shop, writer)
    _rules(shop, commands)
    shop.note(commands)
    return commands


def remove(
    shop: Shop, entity: Entity, ids: Sequence[str], *, version: str = names.LIVE_VERSION,
    behavior: Behavior | None = None,
) -> tuple[list[Command], list[str]]:  # fmt: skip
    """Delete rows; returns what was deleted, and the ids that were not there. Raises ShopwareError."""
    auth.demand(shop, [f"{entity.name}:delete"] if ids else [])
    done, absent = Deleter(shop.database, shop.entities, version=version).delete(entity, ids)
    stock.lines_written(shop.database, done)
    if version == names.LIVE_VERSION:
        gone = {one.key[0] for one in done if one.entity.name == "product"}
        touched = [one for one in done if one.entity.name != "product"]
        touched = [one for one in touched if (one.before or {}).get("productId") not in gone]
        indexing.written(shop, touched, (), behavior or Behavior())
        for product in gone:
            shop.database.delete("sandbox_listing", {"product": product})
            shop.database.delete("custom_price", {"productId": product})
    shop.note(done)
    return done, absent


def _rules(shop: Shop, commands: Sequence[Command]) -> None:
    """Rules with conditions that nobody knows are invalid (RuleIndexer)."""
    written = [
        one.columns["ruleId"] for one in commands if one.entity.name == "rule_condition" and "ruleId" in one.columns
    ]
    rules.validate(shop.database, list(dict.fromkeys(written)))


def _tags(shop: Shop, writer: Writer) -> None:
    tagged(shop, [link.columns["customerId"] for link in writer.links if link.table == "customer_tag"])


def tagged(shop: Shop, customers: Sequence[str]) -> None:
    """The list of tag ids that a customer keeps beside its tags (CustomerIndexer, ManyToManyIdFieldUpdater). It runs
    after each write and each delete of a customer_tag, too: EntityWriteResultFactory::resolveWrite and resolveDelete
    name both sides of a mapping as updated."""
    known = shop.entity("customer").fields["tagIds"]
    for customer in dict.fromkeys(customers):
        ids = shop.database.column('SELECT "tagId" FROM customer_tag WHERE "customerId" = ? ORDER BY 1', [customer])
        shop.database.update("customer", {"id": customer}, {"tagIds": known.stored(ids) if ids else None})


def parents(shop: Shop, commands: Sequence[Command]) -> list[tuple[str, str]]:
    """Entities and ids of the owners of what was written, that were not written themselves."""
    own = {(one.entity.name, one.key[0]) for one in commands}
    found = []
    for one in commands:
        if one.entity.name in PARENTS:
            parent, field = PARENTS[one.entity.name]
            identity = {**(one.before or {}), **one.columns}.get(field)
            if identity and (parent, identity) not in own:
                found.append((parent, identity))
    return list(dict.fromkeys(found))
