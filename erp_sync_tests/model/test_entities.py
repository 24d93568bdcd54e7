"""Canonical entities keep their values exactly on the way through the ledger, and never a float."""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from typing import Any

import msgspec
import pytest

import erp_sync.model
from erp_sync.model.address import Address
from erp_sync.model.keys import EntityKey

MODULES = [
    importlib.import_module(f"erp_sync.model.{found.name}") for found in pkgutil.iter_modules(erp_sync.model.__path__)
]
STRUCTS = [
    thing
    for module in MODULES
    for thing in vars(module).values()
    if isinstance(thing, type) and issubclass(thing, msgspec.Struct) and thing.__module__ == module.__name__
]


def kinds(annotation: Any) -> set[Any]:
    """All types that an annotation is made of."""
    inner = typing.get_args(annotation)
    if isinstance(annotation, types.UnionType) or inner:
        return set().union(*(kinds(one) for one in inner)) | {typing.get_origin(annotation)}
    return {annotation}


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_no_field_is_a_float_and_every_entity_is_frozen(struct):
    assert struct.__struct_config__.frozen
    hints = typing.get_type_hints(struct)
    assert {name for name, hint in hints.items() if float in kinds(hint)} == set()


def test_two_stores_may_have_the_same_order_number():
    ours, theirs = EntityKey("us", "", "sales_order", "000000001"), EntityKey("ca", "", "sales_order", "000000001")
    assert ours != theirs
    assert str(EntityKey("us", "base", "sales_order", "1")) == "sales_order 1 of us[base]"


def test_the_addressee_is_the_person_else_the_company():
    assert Address(country="US", first_name="Ada", company="Maker").addressee == "Ada"
    assert Address(country="US", company="Maker").addressee == "Maker"
