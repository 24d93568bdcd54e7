"""The mapping core: what a declaration does, before and after side by side."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.address import Address
from erp_sync.model.shipment import Parcel
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.mapping import Context, Direction, Field, MappingMistake, RecordMapping
from erp_sync.ports.mapping_overlay import check_names, overlaid
from erp_sync.ports.paths import MISSING, BadPath, getter, leaves, setter
from erp_sync.ports.raw import BadRecord, MappingProblem

CONNECTION = ConnectionSettings(
    name="erp", vendor="netsuite", base_url="http://127.0.0.1", credentials={}, time_zone="America/Los_Angeles"
)
CONTEXT = Context(CONNECTION)
IN, OUT = Direction.TO_CANONICAL, Direction.TO_VENDOR

RECORD = {
    "id": 7,
    "o:weird.name": {"x": 1},
    "billing": {"city": "Bonn", "empty": ""},
    "items": [{"sku": "A", "options": [{"code": "color", "value": "red"}]}, {"sku": "B"}],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", 7),
        ("billing.city", "Bonn"),
        ("billing.nothing.deeper", MISSING),
        ("items[1].sku", "B"),
        ("items[-1].sku", "B"),
        ("items[5].sku", MISSING),
        ("items[*].sku", ["A", "B"]),
        ("items[0].options[code=color].value", "red"),
        ("items[0].options[code=size].value", MISSING),
        ('"o:weird.name".x', 1),
        ("@", RECORD),
    ],
)
def test_a_path_finds_its_value(path, value):
    assert getter(path)(RECORD) == value


@pytest.mark.parametrize("path", ["a.", "a..b", "a[", "a[x]"])
def test_a_broken_path_is_refused_when_compiled(path):
    with pytest.raises(BadPath):
        getter(path)


def test_a_path_reads_structs_too():
    assert getter("city")(Address(country="DE", city="Bonn")) == "Bonn"


@given(st.lists(st.from_regex(r"\A[a-z_]{1,8}\Z"), min_size=1, max_size=4), st.integers())
def test_what_a_path_writes_it_reads_back(names, value):
    record: dict = {}
    setter(".".join(names))(record, value)
    assert getter(".".join(names))(record) == value


def mapping(*fields: Field, direction: Direction = IN, build=None) -> RecordMapping:
    return RecordMapping("thing", direction, fields, build)


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        (rules.text(), 12, "12"),
        (rules.decimal(4), "10.994999999999999", Decimal("10.9950")),
        (rules.decimal(4, sign=-1), "-3", Decimal("3.0000")),
        (rules.integer(), "3.0", 3),
        (rules.boolean(), "F", False),
        (rules.timestamp(zone="UTC"), "2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (rules.timestamp("%m/%d/%Y"), "1/15/2026", datetime(2026, 1, 15, 8, tzinfo=UTC)),
        (rules.local_date(), datetime(2026, 1, 15, 3, tzinfo=UTC), "2026-01-14"),
        (rules.utc_text(), datetime(2026, 1, 15, 3, tzinfo=UTC), "2026-01-15T03:00:00Z"),
        (rules.choice({"A": "open"}, code="unknown_status"), "A", "open"),
        (rules.chain(rules.text(), rules.wrapped()), 5, {"id": "5"}),
        (rules.cut(3), "abcdef", "abc"),
    ],
)
def test_a_rule_changes_a_value(rule, before, after):
    assert mapping(Field("x", "y", rule)).apply({"x": before}, CONTEXT) == {"y": after}


def test_zero_and_false_are_values_but_empty_text_is_not():
    declared = mapping(Field("a", "a", default="d"), Field("b", "b", default="d"), Field("c", "c", default="d"))
    assert declared.apply({"a": 0, "b": False, "c": ""}, CONTEXT) == {"a": 0, "b": False, "c": "d"}


def test_a_bad_vendor_value_names_record_and_field():
    lines = RecordMapping("thing.lines", IN, (Field("qty", "quantity", rules.decimal(), required=True),))
    declared = mapping(Field("items", "lines", rules.each(lines)))
    with pytest.raises(BadRecord) as caught:
        declared.apply({"items": [{"qty": "1"}, {"qty": "many"}]}, CONTEXT, native_id="17")
    assert (caught.value.native_id, caught.value.field) == ("17", "lines[1].qty")
    with pytest.raises(BadRecord, match=r"lines\[0\].qty: is empty"):
        declared.apply({"items": [{}]}, CONTEXT, native_id="17")


def test_the_other_way_it_is_a_mapping_problem():
    declared = mapping(Field("x", "y", rules.text(), validation=(rules.at_most(3),)), direction=OUT)
    with pytest.raises(MappingProblem, match="at most 3 characters"):
        declared.apply({"x": "abcd"}, CONTEXT)


def test_nested_mappings_see_the_records_around_them():
    inner = RecordMapping("thing.lines", IN, (Field("$.currency", "currency"), Field("^.name", "parent")))
    outer = mapping(Field("items", "lines", rules.each(inner)))
    result = outer.apply({"currency": "EUR", "name": "n", "items": [{}]}, CONTEXT)
    assert result == {"lines": [{"currency": "EUR", "parent": "n"}]}


def test_it_builds_canonical_structs_and_names_what_does_not_fit():
    parcel = RecordMapping(
        "parcel", IN, (Field("t", "tracking_number", rules.text()), Field("c", "carrier"), Field("w", "weight")), Parcel
    )
    assert parcel.apply({"t": 1, "c": "ups"}, CONTEXT) == Parcel(tracking_number="1", carrier="ups")
    with pytest.raises(BadRecord, match="Parcel"):
        parcel.apply({"t": 1}, CONTEXT, native_id="9")


def test_two_fields_of_one_target_are_refused():
    with pytest.raises(MappingMistake, match="two fields write y"):
        mapping(Field("a", "y"), Field("b", "y"))


def test_the_document_lists_nested_fields_and_the_version_follows_the_declaration():
    lines = RecordMapping("thing.lines", IN, (Field("qty", "quantity", rules.decimal()),))
    declared = mapping(Field("items", "lines", rules.each(lines)))
    assert [(row.source, row.target) for row in declared.rows()] == [
        ("items", "lines"),
        ("items[].qty", "lines[].quantity"),
    ]
    assert declared.version != mapping(Field("items", "lines")).version


def test_what_is_not_read_is_named():
    lines = RecordMapping("thing.lines", IN, (Field("qty", "quantity", rules.decimal()),))
    declared = mapping(Field("items", "lines", rules.each(lines)), Field("custom[code=a].value", "a"))
    record = {"items": [{"qty": 1, "tax": 2}], "custom": [{"code": "a", "value": 1}], "note": "x"}
    assert leaves(record)[0] == "items[].qty"
    assert declared.unread(record) == ["items[].tax", "note"]


OVERLAY = {
    "thing": {
        "drop": ["memo"],
        "replace": [{"target": "number", "source": "other", "type": "text"}],
        "add": [{"target": "custbody_gift", "source": "custom.gift", "type": "date"}],
    },
    "thing.lines": {"add": [{"target": "custcol_channel", "constant": "web"}]},
}


def base() -> RecordMapping:
    lines = RecordMapping("thing.lines", OUT, (Field("sku", "item"),))
    return mapping(
        Field("memo", "memo"), Field("number", "number"), Field("lines", "item.items", rules.each(lines)), direction=OUT
    )


def test_an_overlay_adds_replaces_and_drops_fields():
    record = {"memo": "m", "other": 5, "custom": {"gift": datetime(2026, 5, 1, 12, tzinfo=UTC)}, "lines": [{"sku": 1}]}
    assert overlaid(base(), OVERLAY).apply(record, CONTEXT) == {
        "number": "5",
        "custbody_gift": "2026-05-01",
        "item": {"items": [{"item": 1, "custcol_channel": "web"}]},
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ad": []}, "unknown change 'ad'; known: add, replace, drop"),
        ({"drop": ["nope"]}, "drop: no field 'nope'"),
        ({"replace": [{"target": "nope", "source": "a"}]}, "replace: no field 'nope'"),
        ({"add": [{"target": "memo", "source": "a"}]}, "is there already"),
        ({"add": [{"source": "a"}]}, "is no field"),
        ({"add": [{"target": "t"}]}, "either source or constant"),
        ({"add": [{"target": "t", "source": "a", "type": "money"}]}, "unknown type 'money'"),
        ({"add": [{"target": "t", "source": "a", "typ": "text"}]}, "unknown key 'typ'"),
        ({"add": [{"target": "t", "source": "a["}]}, "not understood"),
        (["x"], "overlay is list"),
        ({"drop": "memo"}, "drop: expected a list, each entry with a dash, not 'memo'"),
        ({"add": {"target": "t", "source": "a"}}, "add: expected a list"),
        ({"add": [{"target": "t", "source": "a", "max_length": "long"}]}, "t: max_length is 'long'; expected a whole"),
        ({"add": [{"target": "t", "source": "a", "required": "false"}]}, "t: required is 'false'; expected true or"),
        ({"add": [{"target": "t", "source": "a", "type": "integer", "default": "few"}]}, "default 'few' is no integer"),
    ],
)
def test_a_wrong_overlay_is_refused_with_its_place(changes, message):
    with pytest.raises(MappingMistake, match=message.replace("[", r"\[")):
        overlaid(base(), {"thing": changes})


def test_the_default_of_an_amount_is_exact_and_a_time_in_text_is_told_in_utc():
    fields = [
        {"target": "share", "source": "share", "type": "decimal", "default": 0.1},
        {"target": "at", "source": "at", "type": "time"},
    ]
    given = {"at": "2026-05-01T14:00:00+02:00"}
    mapped = overlaid(mapping(direction=OUT), {"thing": {"add": fields}}).apply(given, CONTEXT)
    assert (mapped["share"], type(mapped["share"])) == (Decimal("0.1"), Decimal)
    assert mapped["at"] == "2026-05-01T12:00:00Z"
    with pytest.raises(MappingProblem, match="at"):
        overlaid(mapping(direction=OUT), {"thing": {"add": fields}}).apply({"at": "soon"}, CONTEXT)


def test_an_overlay_that_would_have_no_effect_is_refused():
    lines = RecordMapping("thing.lines", OUT, (Field("sku", "item"),))
    fixed = rules.Rule("fixed", lambda value, scope: value, nested=lines, many=True)
    with pytest.raises(MappingMistake, match="cannot be overlaid"):
        overlaid(mapping(Field("lines", "lines", fixed), direction=OUT), {"thing.lines": OVERLAY["thing.lines"]})


def test_an_overlay_of_a_mapping_that_does_not_exist_lists_those_that_do():
    with pytest.raises(MappingMistake, match=r"does not exist; this connection has: thing, thing\.lines"):
        check_names([base()], {"thingy": {}})
