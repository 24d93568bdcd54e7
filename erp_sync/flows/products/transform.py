"""From products of the ERP to products of the store. Pure: no network, no ledger.

Products are created and changed, and disabled where the ERP has them inactive or no more; never deleted. What
the ERP leaves empty is the store's own and is not compared.

Rules of the flow (YAML ``rules``):

``kinds``      kinds of products that the store sells, default simple, configurable, bundle and virtual; others
               (an ERP's gift certificate item) are left out, counted

Look-up: ``sku_map`` (the store's SKU to the ERP's, turned round here, also for a variant's parent).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from erp_sync.flows.guards import Share
from erp_sync.flows.ownership import AGREED
from erp_sync.flows.state_flow import Desired, Surroundings, Unusable, microseconds
from erp_sync.model.money import decimal_of
from erp_sync.model.product import Product, ProductKind
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord

GUARDS = {"max_disabled_share": 0.05, "max_missing_share": 0.05}
# Only values that the ERP gives are compared.
PARTIAL = True

# Fields of a product that are in its values as they are.
_PLAIN = ("name", "active", "description", "short_description")

_encoder = msgspec.json.Encoder(decimal_format="string", order="sorted")


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The flow's rules as YAML gives them; see the module."""

    kinds: tuple[ProductKind, ...] = (
        ProductKind.SIMPLE,
        ProductKind.CONFIGURABLE,
        ProductKind.BUNDLE,
        ProductKind.VIRTUAL,
    )


def convert_rules(rules: Mapping[str, Any]) -> Rules:
    """Raises ValueError (msgspec.ValidationError) naming the rule that is wrong."""
    return msgspec.convert(dict(rules), Rules)


def identity(product: Product) -> tuple[str, ...]:
    """What may be in the ERP once only."""
    return (product.sku,)


def order(product: Product, record: RawRecord) -> int:
    """Place in the order of values: the ERP's time of last change."""
    time = record.source_time or product.updated_at
    if time is None:
        raise BadRecord(record.native_id, "updated_at", "a product does not say when it was changed")
    return microseconds(time)


def desired(products: Sequence[Product], around: Surroundings) -> Desired:
    """What the store should hold, configurable products before their variants, bundles after their parts."""
    rows: list[tuple[Product, int]] = []
    unusable: list[Unusable] = []
    left_out = 0
    options = _options(products)
    for position, product in enumerate(products):
        if product.sku in options:
            # A store makes a configurable product only of values that it knows.
            product = msgspec.structs.replace(product, variant_options=options[product.sku])
        if product.kind not in around.rules.kinds:
            left_out += 1
            continue
        try:
            parent = _store_sku(around.lookups, product.variant_of) if product.variant_of else None
            components = tuple(
                msgspec.structs.replace(one, sku=_store_sku(around.lookups, one.sku)) for one in product.components
            )
            for sku in around.lookups.reverse("sku_map", product.sku):
                row = msgspec.structs.replace(product, sku=sku, variant_of=parent, components=components)
                rows.append((row, position))
        except MappingProblem as problem:
            unusable.append(Unusable(position=position, rule=problem.code, problem=str(problem)))
    rows.sort(key=lambda pair: (bool(pair[0].components), bool(pair[0].variant_of)))
    return Desired(rows=rows, unusable=unusable, left_out={"kind_not_sold": left_out} if left_out else {})


def _options(products: Sequence[Product]) -> dict[str, tuple[tuple[str, str], ...]]:
    """By SKU of a configurable product, the values that its variants have."""
    found: dict[str, dict[tuple[str, str], None]] = {}
    for product in products:
        if product.variant_of:
            found.setdefault(product.variant_of, {}).update(dict.fromkeys(product.variant_options))
    return {sku: tuple(sorted(options)) for sku, options in found.items()}


def _store_sku(lookups: Lookups, sku: str) -> str:
    return next(iter(lookups.reverse("sku_map", sku)), sku)


def whole(product: Product, was: Mapping[str, Any] | None, will: Mapping[str, Any]) -> str:
    """What a plan keeps: the values, and the product that makes them. Without what changes by itself.

    Of a product that is there only the fields that change are written, and the others stay the store's.
    """
    values = {**(was or {}), **will}  # with what both sides agreed on of edits that stay
    given = {name: value for name, value in values.items() if name in _PLAIN}
    weight = values.get("weight")
    row = msgspec.structs.replace(
        product,
        **given,
        weight=decimal_of(weight) if weight is not None else None,
        only=()
        if was is None
        else tuple(sorted(name for name, value in will.items() if name != AGREED and was.get(name) != value)),
        version="",
        updated_at=None,
    )
    return _encoder.encode({**values, "row": row}).decode()


# -- missing, guards, words ----------------------------------------------------------------------


def missing_row(key: str, values: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None] | None:
    """A product that the ERP has no more is disabled. None where it is already."""
    return ("disable", {**values, "active": False, "only": ["active"]}) if values.get("active") else None


def action(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    if before is None:
        return "create"
    if before.get("active") != after.get("active"):
        return "enable" if after.get("active") else "disable"
    return "update"


def reason(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    """Why the row is written, in words."""
    if before is None:
        return f"not there yet: {after.get('name')}"
    changed = [name for name, value in after.items() if before.get(name) != value]
    return "; ".join(f"{name}: {_words(before.get(name))} becomes {_words(after[name])}" for name in changed)


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{many} {one}" for one, many in sorted(value.items()))
    return ", ".join(value) if isinstance(value, list) else str(value)


def alone(before: Mapping[str, Any] | None, after: Mapping[str, Any], limits: Mapping[str, float]) -> str | None:
    """Products wait for approval as a plan; none waits by itself."""
    return None


def shares(
    pairs: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any]]], *, whole: int, missing: int, base: int
) -> list[Share]:
    """Figures for the guards. `whole`: rows compared, or all that the store has where only changes were read."""
    disabled = sum(before is not None and bool(before.get("active")) and not after.get("active")
                   for before, after in pairs)  # fmt: skip
    return [
        Share(guard="max_disabled_share", part=disabled, whole=whole, words="products are disabled"),
        Share(guard="max_missing_share", part=missing, whole=base, words="products are missing from the extract"),
    ]
