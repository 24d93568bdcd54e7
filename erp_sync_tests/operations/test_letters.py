"""Letters shown, corrected and mended by what is proposed, over a real ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.components.run_context import land_records
from erp_sync.flows.orders.transform import encode
from erp_sync.flows.shipments.transform import encode as encode_shipment
from erp_sync.ledger import NewDelivery, State
from erp_sync.ledger.lookups import LookupRow
from erp_sync.model.keys import EntityKey
from erp_sync.model.order import PaymentState
from erp_sync.model.shipment import ShipmentLine
from erp_sync.operations import correcting, dead_letters, known_items, letters, proposing
from erp_sync.operations.choosing import CannotDo
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import QUANTITY_ABOVE_OPEN, CallFailed
from erp_sync.ports.raw import RawRecord
from erp_sync_tests.flows.samples import shipment
from erp_sync_tests.operations.house import ERP, ROUTE, STORE, House
from erp_sync_tests.systems.netsuite.samples import order
from erp_sync_tests.test_cli import as_json, run


def accept(house: House, native_id: str, **changes: Any) -> int:
    """A real order in the ledger, due; gives its id."""
    document = order(connection=STORE, native_id=native_id, number=f"{int(native_id):09d}", **changes)
    received = house.receive(native_id, {"entity_id": int(native_id)})
    with house.ledger.handling(ROUTE, "orders", "run-1") as work:
        work.mark_handled([received])
        (accepted,) = work.accept(
            [
                NewDelivery(
                    key=house_key(native_id),
                    target=ERP,
                    version="1",
                    payload=encode(document),
                    number=document.number,
                    received_id=received,
                )
            ]
        )
    return accepted.id


def house_key(native_id: str) -> Any:
    from erp_sync.model.keys import EntityKey

    return EntityKey(STORE, "", "sales_order", native_id)


def dead(house: House, native_id: str, code: str, reason: str, **changes: Any) -> int:
    delivery = accept(house, native_id, **changes)
    house.ledger.deliveries.dead(house.claim(), code, reason)
    return delivery


def payment(method: str) -> dict[str, Any]:
    paid = order().payments[0]
    return {"payments": (msgspec.structs.replace(paid, method=method, state=PaymentState.CAPTURED),)}


UNMAPPED = "payment_methods 'brain_tree': look-up table payment_methods has no row or rule for it"


@pytest.fixture
def tables(house: House) -> House:
    for table, rows in {
        "payment_methods": [("braintree", "5"), ("paypal_express", "7"), ("authorizenet", "3")],
        "tax_codes": [("US-CA", "31/2")],
    }.items():
        given = [LookupRow(key=key, value=value) for key, value in rows]
        house.ledger.lookups.replace(ROUTE, table, given, "ann")
    tax = {tax.code for line in order().lines for tax in line.taxes}
    house.ledger.lookups.replace(ROUTE, "tax_codes", [LookupRow(key=one, value="31/2") for one in tax], "ann")
    return house


def test_a_letter_is_told_with_what_it_holds_what_was_tried_and_what_can_be_done(house: House) -> None:
    delivery = dead(house, "1", "unmapped_payment_methods", UNMAPPED)
    dead_letters.retry(house.here, [f"d{delivery}"], who="ann", why="perhaps now")
    house.ledger.deliveries.dead(house.claim(), "unmapped_payment_methods", UNMAPPED)
    told = letters.told(house.here, f"d{delivery}")
    assert told.what == f"create of sales_order 000000001 of {STORE} to {ERP}"
    assert told.meaning.startswith("Look-up table payment_methods has no row or rule for a value of this document.")
    assert told.runbook == "docs/runbook.md#reason-unmapped_table"
    assert told.payload["number"] == "000000001"
    assert [(one.what, one.who, one.outcome) for one in told.tried] == [("retried", "ann", "perhaps now")]
    assert f"erp-sync retry d{delivery}" in told.can_do
    text = run("deadletters", "show", "000000001").stdout
    assert UNMAPPED in text
    assert "what can be done:" in text


def test_a_correction_stands_beside_the_original_and_goes_next(tables: House) -> None:
    delivery = dead(tables, "1", "malformed_address", "no postcode")
    told = as_json(
        "deadletters", "edit", f"d{delivery}", "--set", "shipping_address.postcode=94602", "--why", "asked", "--who",
        "ann",
    )  # fmt: skip
    assert told["changed"] == {"shipping_address.postcode": ["94601", "94602"]}
    found = tables.ledger.deliveries.get(delivery)
    assert (found.state, found.corrected) == (State.DUE, True)
    assert json.loads(found.payload)["shipping_address"]["postcode"] == "94602"
    tables.ledger.deliveries.dead(tables.claim(), "closed_period", "closed")
    shown = letters.told(tables.here, f"d{delivery}")
    assert (shown.original["shipping_address"]["postcode"], shown.corrections[0].who) == ("94601", "ann")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lines[0].quantity": "0"}, "a line's quantity is zero or negative"),
        ({"native_id": "99"}, "is another document"),
        ({"lines[0].quantity": "many"}, "is no document of orders"),
        ({"payments[0].method": "bitcoin"}, "unmapped_payment_methods"),
        ({"lines[7].sku": "A"}, "is no field of it"),
        ({"shipping_address.postcod": "62701"}, "shipping_address.postcode is"),
        ({"lines[0].skew": "A"}, "is no field of it"),
        ({"shipping_address.postcode": "NONSENSE"}, "malformed_address: shipping_address.postcode 'NONSENSE'"),
        ({"billing_address.country": "ZZ"}, "malformed_address: billing_address.country 'ZZ': is no country"),
        ({}, "nothing would change"),
    ],
)
def test_what_would_be_refused_again_is_not_taken_as_a_correction(
    tables: House, changes: dict[str, str], words: str
) -> None:
    delivery = dead(tables, "1", "malformed_address", "no postcode")
    with pytest.raises(CannotDo, match=words.replace("[", r"\[")):
        correcting.edit(tables.here, f"d{delivery}", changes=changes, who="ann", why="a try")
    assert tables.ledger.deliveries.get(delivery).corrected is False


def test_a_file_with_a_field_that_no_order_has_is_not_taken_as_a_correction(tables: House, tmp_path: Path) -> None:
    """Decoding would leave it out without a word, and the order would go as it was."""
    delivery = dead(tables, "1", "closed_period", "closed")
    given = json.loads(tables.ledger.deliveries.get(delivery).payload)
    given["lines"][0]["sku_"] = "MUG"
    (corrected := tmp_path / "corrected.json").write_text(json.dumps(given))
    refused = run("deadletters", "edit", f"d{delivery}", "--file", str(corrected), "--why", "asked")
    assert refused.exit_code == 2
    assert "lines[0].sku_ is no field of it; lines[0].sku is" in refused.stderr
    found = tables.ledger.deliveries.get(delivery)
    assert (found.state, found.corrected) == (State.DEAD, False)


def test_a_field_of_ones_own_may_be_added(tables: House) -> None:
    delivery = dead(tables, "1", "closed_period", "closed")
    correcting.edit(tables.here, f"d{delivery}", changes={"custom.gift": "yes"}, who="ann", why="asked")
    assert json.loads(tables.ledger.deliveries.get(delivery).payload)["custom"]["gift"] == "yes"


def test_a_later_version_from_the_source_takes_the_corrections_place(tables: House) -> None:
    delivery = dead(tables, "1", "malformed_address", "no postcode")
    correcting.edit(tables.here, f"d{delivery}", changes={"customer.phone": "1"}, who="ann", why="asked")
    newer = order(connection=STORE, native_id="1", number="000000001", version="2")
    with tables.ledger.handling(ROUTE, "orders", "run-2") as work:
        work.accept([NewDelivery(key=house_key("1"), target=ERP, version="2", payload=encode(newer))])
    found = tables.ledger.deliveries.get(delivery)
    assert (found.corrected, found.version) == (False, "2")
    (told,) = [one for one in tables.ledger.trace(house_key("1")).events if one.kind == "replaced"]
    assert told.details["correction_dropped"] is True


def test_a_value_without_a_row_is_proposed_the_nearest_and_taken_only_when_accepted(tables: House) -> None:
    dead(tables, "1", "unmapped_payment_methods", UNMAPPED, **payment("brain_tree"))
    dead(tables, "2", "unmapped_payment_methods", UNMAPPED, **payment("brain_tree"))
    (proposal,) = as_json("deadletters", "fix")
    assert (proposal["count"], proposal["key"], proposal["candidates"][0]["value"]) == (2, "brain_tree", "braintree")
    assert "brain_tree is not in payment_methods: 2 letters" in run("deadletters", "fix").stdout
    assert [one.state for one in tables.ledger.deliveries.find()] == [State.DEAD, State.DEAD]
    (fixed,) = proposing.fix(tables.here, ["000000001"], who="ann")
    assert (fixed.value, fixed.remembered, len(fixed.letters)) == ("braintree", False, 1)
    states = {one.number: one.state for one in tables.ledger.deliveries.find()}
    assert states == {"000000001": State.DUE, "000000002": State.DEAD}
    assert tables.ledger.lookups.of(ROUTE).get("payment_methods", "brain_tree") is None


def test_a_remembered_answer_is_a_row_that_outlives_imports_of_the_shipped_tables(tables: House) -> None:
    dead(tables, "1", "unmapped_payment_methods", UNMAPPED, **payment("brain_tree"))
    told = run("deadletters", "fix", "d1", "--accept", "--remember", "--who", "ann").stdout
    assert told == "brain_tree is braintree, remembered in payment_methods: 1 letters go with the next run\n"
    rows = [LookupRow(key="braintree", value="5")]
    tables.ledger.lookups.replace(ROUTE, "payment_methods", rows, "erp-sync init", keep_remembered=True)
    assert tables.ledger.lookups.of(ROUTE).get("payment_methods", "brain_tree") == "5"
    tables.ledger.lookups.replace(ROUTE, "payment_methods", rows, "ann")
    assert tables.ledger.lookups.of(ROUTE).get("payment_methods", "brain_tree") is None


def test_a_targets_own_code_is_kept_only_with_remember(tables: House) -> None:
    dead(tables, "1", "unmapped_payment_methods", UNMAPPED, **payment("brain_tree"))
    with pytest.raises(CannotDo, match="with --remember only"):
        proposing.fix(tables.here, ["d1"], value="12", who="ann")
    proposing.fix(tables.here, ["d1"], value="12", remember=True, who="ann")
    assert tables.ledger.lookups.of(ROUTE).get("payment_methods", "brain_tree") == "12"


def test_an_unknown_sku_is_proposed_the_items_that_the_erp_has(tables: House, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [("SKU1", "Thing"), ("SKU-9", "Other")]
    monkeypatch.setattr(known_items, "asked", lambda here, route: iter(items))
    delivery = accept(tables, "1")
    tables.ledger.deliveries.wait_for(tables.claim(), [Requirement("product", "SKU-1")])
    (proposal,) = proposing.proposals(tables.here)
    assert (proposal.cause, proposal.key, proposal.candidates[0].value) == ("sku", "SKU-1", "SKU1")
    (fixed,) = proposing.fix(tables.here, [f"d{delivery}"], remember=True, who="ann")
    assert fixed.letters == [f"d{delivery}"]
    found = tables.ledger.deliveries.get(delivery)
    assert found.state is State.DUE
    assert json.loads(found.payload)["lines"][0]["sku"] == "SKU1"
    assert tables.ledger.lookups.of(ROUTE).get("sku_map", order().lines[0].store_sku or "SKU-1") == "SKU1"


class Items:
    """The ERP's, which is away: what was read of them before can be understood."""

    def to_canonical(self, record: RawRecord, lookups: Any) -> Any:
        return SimpleNamespace(sku=record.payload["itemId"], name=record.payload["name"])

    def snapshot(self) -> Iterator[list[RawRecord]]:
        raise CallFailed("netsuite_us does not answer")


def items_of(names: dict[str, str], version: str = "1") -> list[RawRecord]:
    return [
        RawRecord(native_id=native_id, version=version, payload={"itemId": sku, "name": f"Thing {native_id}"})
        for native_id, sku in names.items()
    ]


def test_likely_items_are_those_that_were_read_before_also_while_the_erp_is_away(
    tables: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each proposal read all of the ERP's items, and failed with it."""
    monkeypatch.setattr(known_items, "_source", lambda here, route: Items())
    delivery = waiting(tables, "1")
    (proposal,) = proposing.proposals(tables.here)
    assert (proposal.candidates, proposal.note) == (
        [],
        "the ERP's items could not be read: netsuite_us does not answer",
    )
    land_records(tables.here, ERP, "product.snapshot", "run-0", items_of({"7": "SKU-OLD"}))
    land_records(tables.here, ERP, "product.snapshot", "run-1", items_of({"8": "SKU7", "9": "OTHER"}))
    land_records(tables.here, ERP, "product", "run-2", items_of({"8": "SKU1"}, version="2"))
    likely = [one.value for one in proposing.proposals(tables.here)[0].candidates]
    assert likely[0] == "SKU1"
    assert not {"SKU-OLD", "SKU7"} & set(likely), "of an earlier snapshot, and of an earlier version"
    (shown,) = letters.told(tables.here, f"d{delivery}").proposals
    assert shown.candidates[0].value == "SKU1"


def test_a_letter_is_shown_with_what_is_likely_and_commands_that_can_be_given_as_they_stand(tables: House) -> None:
    dead(tables, "1", "unmapped_payment_methods", UNMAPPED, **payment("brain_tree"))
    told = as_json("deadletters", "show", "d1")
    assert told["proposals"][0]["candidates"][0]["value"] == "braintree"
    assert "erp-sync deadletters fix d1" in told["can_do"]
    assert "`erp-sync deadletters fix d1 --accept --remember`" in told["can_do"][0]
    text = run("deadletters", "show", "d1").stdout
    assert "likely:\n  brain_tree is not in payment_methods: 1 letters (d1)\n    braintree  " in text
    assert " ID" not in text


def test_fix_is_offered_only_where_a_cause_is_known(tables: House) -> None:
    dead(tables, "1", "closed_period", "closed")
    told = letters.told(tables.here, "d1")
    assert told.proposals == []
    assert not [one for one in told.can_do if "fix" in one]


def test_lists_tell_the_number_of_a_record_in_quarantine(tables: House) -> None:
    tables.refused("3")
    assert [one["number"] for one in as_json("deadletters", "--each")] == ["000000003"]
    assert [one["sample_number"] for one in as_json("deadletters")] == ["000000003"]
    assert [one["number"] for one in as_json("retry", "--all", "--dry-run")["letters"]] == ["000000003"]
    assert letters.told(tables.here, "000000003").number == "000000003"


def test_a_regions_name_is_proposed_its_code(tables: House) -> None:
    address = msgspec.structs.replace(order().billing_address, region="Californa")
    delivery = dead(tables, "1", "invalid_state", "no such state", billing_address=address, shipping_address=address)
    (proposal,) = proposing.proposals(tables.here)
    assert (proposal.key, proposal.candidates[0].value) == ("US/Californa", "CA")
    proposing.fix(tables.here, [f"d{delivery}"], remember=True, who="ann")
    held = json.loads(tables.ledger.deliveries.get(delivery).payload)
    assert (held["billing_address"]["region"], held["shipping_address"]["region"]) == ("CA", "CA")
    assert tables.ledger.lookups.of(ROUTE).get("regions", "US/Californa") == "CA"


def test_retry_takes_those_that_hold_a_text(tables: House) -> None:
    dead(tables, "1", "closed_period", "closed", **payment("paypal_express"))
    dead(tables, "2", "closed_period", "closed", **payment("braintree"))
    assert as_json("retry", "--matching", "PayPal", "--who", "ann")["deliveries"] == ["d1"]


def test_a_dry_run_says_how_many_hold_a_text_and_where_and_retries_none(tables: House) -> None:
    dead(tables, "1", "closed_period", "closed", **payment("paypal_express"))
    dead(tables, "2", "refused", "PayPal said no", **payment("braintree"))
    dead(tables, "3", "closed_period", "closed", **payment("braintree"))
    found = as_json("retry", "--matching", "paypal", "--dry-run")
    assert (found["count"], found["codes"]) == (2, {"closed_period": 1, "refused": 1})
    assert [(one["id"], one["found_in"]) for one in found["letters"]] == [("d2", "reason"), ("d1", "content")]
    text = run("retry", "--matching", "paypal", "--dry-run").stdout
    assert text.startswith("2 dead letters and 0 records in quarantine: ")
    assert "paypal_express" not in text, "what a document holds may be a person's"
    assert run("retry", "--matching", "nothing like it", "--dry-run").stdout.startswith("none: no dead letter")
    assert len(tables.ledger.deliveries.ids(states=[State.DEAD])) == 3


def test_many_are_retried_only_once_somebody_said_yes(tables: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erp_sync.commands.letters.MANY", 1)
    for number in ("1", "2"):
        dead(tables, number, "closed_period", "closed", **payment("paypal_express"))
    for more in ((), ("--json",)):
        refused = run("retry", "--matching", "paypal", *more)
        assert refused.exit_code == 2
        assert "these are 2 letters, none was retried: look with --dry-run, then say --yes" in refused.stderr
    assert len(tables.ledger.deliveries.ids(states=[State.DEAD])) == 2
    assert as_json("retry", "d1", "--who", "ann")["deliveries"] == ["d1"], "what is named is not asked about"
    assert as_json("retry", "--matching", "paypal", "--yes", "--who", "ann")["deliveries"] == ["d2"]


@pytest.mark.parametrize(("answer", "left"), [("n\n", 2), ("y\n", 0)])
def test_at_a_terminal_it_is_asked(tables: House, monkeypatch: pytest.MonkeyPatch, answer: str, left: int) -> None:
    monkeypatch.setattr("erp_sync.commands.letters.MANY", 1)
    monkeypatch.setattr("erp_sync.commands.letters._at_a_terminal", lambda: True)
    for number in ("1", "2"):
        dead(tables, number, "closed_period", "closed", **payment("paypal_express"))
    result = CliRunner().invoke(app, ["retry", "--code", "closed_period", "--who", "ann"], input=answer)
    assert "retry these 2?" in result.stderr
    assert len(tables.ledger.deliveries.ids(states=[State.DEAD])) == left


def test_what_is_held_and_what_waits_stands_in_the_list_with_its_own_way_out(tables: House) -> None:
    tables.order("8", held=("tax_difference", "tax: 5.66 stated, 6.66 by NetSuite"))
    (group,) = dead_letters.groups(tables.here)
    assert (group.where, group.code, group.count) == ("held", "tax_difference", 1)
    told = letters.told(tables.here, "000000008")
    assert told.can_do[1] == "erp-sync approve d1 --why TEXT"


def waiting(house: House, native_id: str) -> int:
    delivery = accept(house, native_id)
    house.ledger.deliveries.wait_for(
        house.claim(), [Requirement("product", "SKU-1")], deadline=datetime(2031, 1, 4, 8, 30, tzinfo=UTC)
    )
    return delivery


def test_what_waits_tells_its_deadline_and_has_a_way_out(tables: House) -> None:
    """It stood in the list, and every command said that it is no dead letter and not held."""
    first, second, third = (waiting(tables, native_id) for native_id in ("1", "2", "3"))
    told = letters.told(tables.here, f"d{first}")
    assert told.deadline == datetime(2031, 1, 4, 8, 30, tzinfo=UTC)
    assert {f"erp-sync retry d{first}", f"erp-sync deadletters dismiss d{first} --why TEXT"} <= set(told.can_do)
    assert "becomes a dead letter at 2031-01-04 08:30:00Z" in run("deadletters", "show", f"d{first}").stdout
    assert as_json("deadletters", "dismiss", f"d{first}", "--why", "by hand", "--who", "ann") == {
        "dismissed": [f"d{first}"]
    }
    assert as_json("retry", "000000002", "--who", "ann")["deliveries"] == [f"d{second}"]
    assert as_json("retry", "--all", "--who", "ann")["deliveries"] == [], "what goes by itself is left to it"
    assert as_json("retry", "--code", "requirement_missing", "--who", "ann")["deliveries"] == [f"d{third}"]
    states = [tables.ledger.deliveries.get(one).state for one in (first, second, third)]
    assert states == [State.DISMISSED, State.DUE, State.DUE]


def test_a_record_in_quarantine_is_corrected_beside_what_was_received(
    tables: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = tables.refused("3")
    row = tables.ledger.received.rows([received])[0]
    tables.ledger.corrections.add(ROUTE, "orders", row, b'{"increment_id":"000000003","x":1}', who="ann", why="asked")
    (applied,) = tables.ledger.corrections.applied([row], ROUTE, "orders")
    assert json.loads(applied.payload or b"")["x"] == 1
    assert tables.ledger.received.rows([received])[0].payload == row.payload
    told = letters.told(tables.here, "q1")
    assert (told.payload["x"], told.original) == (1, {"increment_id": "000000003"})
    assert told.corrections[0].who == "ann"


def test_a_remembered_answer_is_enough_for_a_letter_that_became_due_meanwhile(
    tables: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = dead(tables, "1", "unmapped_payment_methods", UNMAPPED, **payment("brain_tree"))

    def while_bob_retries_it(one: proposing.Proposal) -> str:
        tables.ledger.dead_letters.retry([delivery], who="bob")
        return "braintree"

    monkeypatch.setattr(proposing, "_likeliest", while_bob_retries_it)
    (fixed,) = proposing.fix(tables.here, [f"d{delivery}"], remember=True, who="ann")
    assert fixed.letters == [f"d{delivery}"]
    assert tables.ledger.deliveries.get(delivery).state is State.DUE
    assert tables.ledger.lookups.of(ROUTE).get("payment_methods", "brain_tree") == "5"


def shipped(house: House, number: str, *lines: tuple[str, int]) -> int:
    """A fulfillment that the store has refused: more left than is open."""
    for table, value in (("carriers", "ups"), ("locations", "east")):
        row = LookupRow(key="", value=value, rule="default")
        house.ledger.lookups.replace(ROUTE, table, [row], "ann")
    document = shipment(
        native_id=number,
        order_connection=STORE,
        lines=tuple(ShipmentLine(order_line=sku, sku=sku, quantity=Decimal(many)) for sku, many in lines),
    )
    key = EntityKey(ERP, "", "shipment", number)
    with house.ledger.handling(ROUTE, "shipments", "run-1") as work:
        work.accept([NewDelivery(key=key, target=STORE, version="1", payload=encode_shipment(document))])
    (claim,) = house.ledger.deliveries.claim(ROUTE, "shipments", STORE, owner="run-1:1", lease_seconds=60)
    house.ledger.deliveries.dead(claim, QUANTITY_ABOVE_OPEN, "order 5: " + "; ".join(ABOVE[sku] for sku, _ in lines))
    return claim.id


ABOVE = {"MUG": "3 of MUG shipped, 1 more than open", "CUP": "2 of CUP shipped, 2 more than open"}


def test_of_a_shipment_above_what_is_open_the_open_part_is_proposed(tables: House) -> None:
    """The store takes none of it, and goes on reserving what is open."""
    delivery = shipped(tables, "900", ("MUG", 2), ("CUP", 2), ("MUG", 1))
    proposed = as_json("deadletters", "fix", f"d{delivery}")
    assert [(one["key"], one["candidates"][0]["value"]) for one in proposed] == [
        (ABOVE["CUP"], "0"),
        (ABOVE["MUG"], "2"),
    ]
    told = run("deadletters", "fix", f"d{delivery}", "--accept", "--who", "ann").stdout
    assert f"{ABOVE['MUG']}; 2 it is: 1 letters go with the next run" in told
    found = tables.ledger.deliveries.get(delivery)
    assert found.state is State.DUE
    assert [(line["sku"], line["quantity"]) for line in json.loads(found.payload)["lines"]] == [("MUG", "2.0000")]


def test_of_a_shipment_with_nothing_open_nothing_is_proposed(tables: House) -> None:
    delivery = shipped(tables, "901", ("CUP", 2))
    assert proposing.proposals(tables.here, [f"d{delivery}"]) == []


def test_two_causes_of_one_order_are_mended_together(tables: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_items, "asked", lambda here, route: iter([("SKU1", ""), ("SKU2", "")]))
    delivery = accept(tables, "1")
    lacking = [Requirement("product", "SKU-1"), Requirement("product", "SKU-2")]
    tables.ledger.deliveries.wait_for(tables.claim(), lacking)
    assert len(proposing.fix(tables.here, [f"d{delivery}"], who="ann")) == 2
    held = json.loads(tables.ledger.deliveries.get(delivery).payload)
    assert [line["sku"] for line in held["lines"]] == ["SKU1", "SKU2"]
