"""Cross references, look-ups, inbox, quarantine, notices, counters, retention."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from erp_sync.ledger import Ledger, Link, Refusal
from erp_sync.ledger.errors import BadLookupFile, CrossReferenceConflict
from erp_sync.ledger.inbox import InboxEvent
from erp_sync.ledger.lookups import LookupRow, parse_csv
from erp_sync.ledger.outlook import Reader
from erp_sync.ledger.retention import Retention
from erp_sync.ports.raw import BadRecord, MappingProblem
from erp_sync_tests.ledger.world import FLOW, ROUTE, START, STORE, accept, claim, deliver, document, record

ERP = "netsuite_us"


def link(id_a: str, id_b: str, **values) -> Link:
    return Link(
        **{"entity": "customer", "connection_a": STORE, "id_a": id_a, "connection_b": ERP, "id_b": id_b, **values}
    )


def test_partners_are_found_from_both_sides(ledger: Ledger):
    assert ledger.cross_references.link([link("1", "501"), link("2", "502"), link("1", "501")]) == 2
    assert ledger.cross_references.find("customer", STORE, ["1", "2", "3"], ERP) == {"1": "501", "2": "502"}
    assert ledger.cross_references.find("customer", ERP, ["502"], STORE) == {"502": "2"}
    assert ledger.cross_references.find("product", STORE, ["1"], ERP) == {}
    assert ledger.cross_references.all("customer", ERP, STORE) == {"501": "1", "502": "2"}


def test_an_id_has_one_partner_unless_a_person_corrects_it(ledger: Ledger):
    ledger.cross_references.link([link("1", "501")])
    with pytest.raises(CrossReferenceConflict, match="customer 1 of magento_us is linked to 501"):
        ledger.cross_references.link([link("9", "509"), link("1", "502")])
    assert ledger.cross_references.find("customer", STORE, ["9"], ERP) == {}
    ledger.cross_references.link([link("1", "502", origin="manual")], replace=True)
    assert ledger.cross_references.find("customer", STORE, ["1"], ERP) == {"1": "502"}
    assert ledger.cross_references.unlink("customer", STORE, "1", ERP)
    assert not ledger.cross_references.unlink("customer", STORE, "1", ERP)


def test_what_a_person_linked_is_known_also_where_it_was_linked_before(ledger: Ledger):
    references = ledger.cross_references
    references.link([link("1", "501", origin="adopted"), link("2", "502", origin="adopted")])
    assert references.by_hand("customer", STORE, ERP) == set()
    assert references.link([link("1", "501", origin="manual")], replace=True) == 0
    assert references.link([link("2", "502", origin="manual")]) == 0
    assert references.by_hand("customer", STORE, ERP) == {"1"}


def test_scopes_keep_the_same_id_apart(ledger: Ledger):
    ledger.cross_references.link([link("1", "501", scope_a="us"), link("1", "777", scope_a="de")])
    assert ledger.cross_references.find("customer", STORE, ["1"], ERP, scope="de") == {"1": "777"}
    assert ledger.cross_references.find("customer", STORE, ["1"], ERP, scope="us") == {"1": "501"}


def sku_map(ledger: Ledger, text: str):
    ledger.lookups.replace(ROUTE, "sku_map", parse_csv(text, "sku_map.csv"), who="ann")
    return ledger.lookups.of(ROUTE)


def test_rules_map_and_exact_rows_beat_them(ledger: Ledger):
    lookups = sku_map(
        ledger,
        "key,value,rule,note\n"
        "WEB-7,SPECIAL,exact,\n"
        "WEB-,,prefix,drop the prefix\n"
        "-EU,-E,suffix,\n"
        r"([A-Z]+)_(\d+),\2-\1,pattern,"
        "\n",
    )
    assert lookups.get("sku_map", "WEB-7") == "SPECIAL"
    assert lookups.get("sku_map", "WEB-8") == "8"
    assert lookups.get("sku_map", "SHOE-EU") == "SHOE-E"
    assert lookups.get("sku_map", "SHOE_42") == "42-SHOE"
    assert lookups.get("sku_map", "OTHER") is None
    with pytest.raises(MappingProblem, match="no row or rule") as problem:
        lookups.require("sku_map", "OTHER")
    assert problem.value.code == "unmapped_sku_map"


def test_two_rules_that_match_name_file_and_lines(ledger: Ledger):
    lookups = sku_map(ledger, "key,value,rule\nWEB-,X-,prefix\n-EU,-E,suffix\n")
    with pytest.raises(MappingProblem, match=r"sku_map.csv, line 2\) and suffix '-EU' \(sku_map.csv, line 3"):
        lookups.get("sku_map", "WEB-1-EU")


def test_a_default_answers_what_nothing_else_does(ledger: Ledger):
    lookups = sku_map(ledger, "key,value,rule\nups,UPS,exact\n,OTHER,default\n")
    assert (lookups.get("sku_map", "ups"), lookups.get("sku_map", "dhl")) == ("UPS", "OTHER")
    assert lookups.get("carriers", "ups") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1, column key: the file is empty"),
        ("key\nA\n", "line 1, column value: the column is missing"),
        ("key,value,price\n", "line 1, column price: no such column; there are key, value, rule, note"),
        ("key,value\nA,1\nB\n", "line 3, column value: the row has 1 cells, the header 2"),
        ("key,value\nA,1\nA,2\n", "line 3, column key: exact 'A' is in line 2 already"),
        ("key,value\n,1\n", "line 2, column key: empty"),
        ("key,value\nA,\n", "line 2, column value: empty"),
        ("key,value\n A,1\n", "line 2, column key: ' A' begins or ends with a space"),
        ("key,value,rule\nA,1,like\n", "line 2, column rule: 'like' is no rule; there are exact"),
        ("key,value,rule\n(,1,pattern\n", "line 2, column key: no regular expression"),
        ("key,value,rule\n(a),\\2,pattern\n", "line 2, column value: the pattern has no group 2"),
        ("key,value,rule\nx,1,default\n", "line 2, column key: a default has no key"),
        ('key,value\n"A,1\n', "not CSV"),
    ],
)
def test_a_broken_file_names_line_and_column(text, problem):
    with pytest.raises(BadLookupFile) as refused:
        parse_csv(text, "sku_map.csv")
    assert problem in str(refused.value)


def test_a_broken_import_changes_nothing(ledger: Ledger, tmp_path):
    sku_map(ledger, "key,value\nA,1\n")
    (tmp_path / "bad.csv").write_bytes(b"key,value\nA,2\nB,\xff\n")
    with pytest.raises(BadLookupFile, match=r"bad.csv, line 3, column key: not UTF-8"):
        ledger.lookups.import_csv(ROUTE, "sku_map", tmp_path / "bad.csv", who="ann")
    assert ledger.lookups.of(ROUTE).get("sku_map", "A") == "1"


def test_look_ups_keep_their_history(ledger: Ledger, clock, tmp_path):
    sku_map(ledger, "key,value\nA,1\nB,1\nC,1\n")
    clock.advance(60)
    result = ledger.lookups.replace(
        ROUTE,
        "sku_map",
        [LookupRow(key="A", value="1"), LookupRow(key="B", value="2"), LookupRow(key="D", value="1")],
        "bob",
    )
    assert (result.added, result.changed, result.removed, result.unchanged) == (1, 1, 1, 1)
    assert ledger.lookups.of(ROUTE).get("sku_map", "B") == "2"
    assert ledger.lookups.of(ROUTE).get("sku_map", "C") is None
    assert ledger.lookups.of(ROUTE, at=START).get("sku_map", "B") == "1"
    assert [(one.row.value, one.who) for one in ledger.lookups.history(ROUTE, "sku_map", "B")] == [
        ("1", "ann"),
        ("2", "bob"),
    ]
    file = tmp_path / "out.csv"
    assert ledger.lookups.export_csv(ROUTE, "sku_map", file) == 3
    again = ledger.lookups.import_csv(ROUTE, "sku_map", file, who="bob")
    assert (again.added, again.changed, again.removed, again.unchanged) == (0, 0, 0, 3)


def test_an_event_is_taken_once(ledger: Ledger, clock):
    event = InboxEvent(connection=STORE, event_id="e1", topic="order.updated", entity="sales_order", native_id="1")
    assert ledger.inbox.put(event)
    assert not ledger.inbox.put(event)
    assert ledger.inbox.put_all([InboxEvent(connection=ERP, event_id="e1", topic="stock"), event]) == 1
    assert [(one.connection, one.count) for one in ledger.inbox.pending()] == [(STORE, 1), (ERP, 1)]
    (mine,) = ledger.inbox.unprocessed(STORE, ["sales_order"])
    assert mine.event == event
    assert ledger.inbox.mark([mine.id], "extracted") == 1
    assert ledger.inbox.mark([mine.id], "extracted") == 0
    assert ledger.inbox.unprocessed(STORE) == []
    assert not ledger.inbox.put(event)


def test_quarantine_counts_what_comes_again_and_closes_what_passed(ledger: Ledger, clock):
    refusal = Refusal(connection=STORE, entity="product", native_id="9", rule="negative_price", problem="price is -1")
    first = ledger.quarantine.add([refusal], ROUTE, "products", "run-1")
    clock.advance(60)
    assert ledger.quarantine.add([refusal], ROUTE, "products", "run-2") == first
    (row,) = ledger.quarantine.find(route=ROUTE)
    assert (row.times, row.run_id, row.first_at, row.last_at) == (2, "run-2", START, clock())
    assert ledger.quarantine.counts() == {(ROUTE, "products", "negative_price"): 1}
    assert ledger.quarantine.resolve(STORE, "product", ["9"], "passed") == 1
    assert ledger.quarantine.find() == []
    assert len(ledger.quarantine.find(resolved=True)) == 1
    assert ledger.quarantine.add([refusal], ROUTE, "products") != first


def test_a_received_record_is_quarantined_with_its_row(ledger: Ledger):
    ledger.receive(STORE, "sales_order", [record("1")])
    (row,) = ledger.unhandled(ROUTE, FLOW, STORE, "sales_order")
    with ledger.handling(ROUTE, FLOW, "run-1") as work:
        work.quarantine(row, rule="malformed_record", field="items[0].sku", problem="no SKU")
        work.mark_handled([row.id])
    (kept,) = ledger.quarantine.find()
    assert (kept.field, kept.row, kept.received_id) == ("items[0].sku", row.payload, row.id)
    assert [event.kind for event in ledger.trace("1").events] == ["received", "quarantined"]


TOLD = ("critical", "error", "warning")


def test_a_matter_is_told_once_until_it_is_settled_and_then_that(ledger: Ledger):
    assert ledger.notices.raise_once("plan_held/us", "warning", "a plan waits")
    assert not ledger.notices.raise_once("plan_held/us", "warning", "a plan still waits")
    (told,) = ledger.notices.take_untold(TOLD)
    assert (told.text, told.times, told.cleared_at) == ("a plan still waits", 2, None)
    assert ledger.notices.take_untold(TOLD) == []
    assert ledger.notices.clear("plan_held/us")
    assert not ledger.notices.clear("plan_held/us")
    assert ledger.notices.open() == []
    (settled,) = ledger.notices.take_untold(TOLD)
    assert settled.cleared_at == ledger.now()
    assert ledger.notices.take_untold(TOLD) == []
    assert ledger.notices.raise_once("plan_held/us", "warning", "another plan waits")


def test_what_is_settled_before_anybody_was_told_is_never_told(ledger: Ledger):
    ledger.notices.raise_once("breaker/erp", "warning", "does not answer")
    assert ledger.notices.clear("breaker/erp")
    assert ledger.notices.take_untold(TOLD) == []


def test_what_comes_back_before_its_end_was_told_goes_on_in_silence(ledger: Ledger):
    ledger.notices.raise_once("breaker/erp", "warning", "does not answer")
    ledger.notices.take_untold(TOLD)
    ledger.notices.clear("breaker/erp")
    assert not ledger.notices.raise_once("breaker/erp", "warning", "does not answer again")
    assert ledger.notices.take_untold(TOLD) == []
    assert [one.text for one in ledger.notices.open()] == ["does not answer again"]


def test_a_matter_that_comes_to_stand_for_more_is_told_again_and_for_less_is_not(ledger: Ledger):
    def found(*digests: str) -> list[str]:
        ledger.notices.raise_once("edited", "warning", " and ".join(digests), about=digests)
        return [one.text for one in ledger.notices.take_untold(TOLD)]

    assert found("ann", "lou") == ["ann and lou"]
    assert found("lou", "ann") == []
    assert found("lou") == []
    assert ledger.notices.about("edited") == {"lou"}
    assert found("lou", "ann") == ["lou and ann"]
    ledger.notices.clear("edited")
    assert found("ann", "max") == ["ann and max"], "before it was told that the others are settled"
    assert [one.times for one in ledger.notices.open()] == [5]
    assert ledger.notices.about("another") == frozenset()


def test_what_could_not_be_told_is_told_later_unless_it_is_too_light(ledger: Ledger):
    ledger.notices.raise_once("a", "error", "one")
    ledger.notices.raise_once("b", "info", "two")
    taken = ledger.notices.take_untold(TOLD)
    ledger.notices.not_told(taken)
    assert [one.key for one in ledger.notices.take_untold(TOLD)] == ["a"]
    ledger.notices.clear("a")
    settled = ledger.notices.take_untold(TOLD)
    ledger.notices.not_told(settled)
    assert ledger.notices.take_untold(TOLD) == settled
    assert [one.key for one in ledger.notices.open()] == ["b"]


def test_a_heartbeat_is_written_as_often_as_is_asked_and_seen_by_others(ledger: Ledger, clock):
    other = Ledger.open(ledger.database.url.render_as_string(hide_password=False), clock)
    ledger.heartbeats.beat(["sensor", "watchdog"], timedelta(seconds=20))
    clock.advance(19)
    ledger.heartbeats.beat(["sensor"], timedelta(seconds=20))
    assert other.heartbeats.all()["sensor"].at == START
    clock.advance(1)
    ledger.heartbeats.beat(["sensor"], timedelta(seconds=20))
    found = other.heartbeats.all()
    other.close()
    assert (found["sensor"].at, found["sensor"].since) == (START + timedelta(seconds=20), START)
    assert found["watchdog"].at == START


def test_counters_add_up_by_the_hour(ledger: Ledger, clock):
    ledger.metrics.add(ROUTE, FLOW, {"delivered": 2, "dead": 0})
    ledger.metrics.add(ROUTE, FLOW, {"delivered": 3})
    clock.advance(3600)
    ledger.metrics.add(ROUTE, FLOW, {"delivered": 1})
    assert ledger.metrics.sums(START) == {(ROUTE, FLOW, "delivered"): 6}
    assert [point.amount for point in ledger.metrics.series(ROUTE, FLOW, "delivered", START)] == [5, 1]


def test_retention_removes_what_is_done_and_keeps_what_prevents_a_second_send(ledger: Ledger, clock):
    ids = ledger.receive(STORE, "sales_order", [record("1"), record("2")])
    accept(ledger, document("1"), document("2"))
    with ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled(ids[:1])
    (first,) = claim(ledger, limit=1)
    deliver(ledger, first)
    accept(ledger, document("1", "2", operation="update"))
    ledger.inbox.put(InboxEvent(connection=STORE, event_id="e", topic="t"))
    clock.advance(timedelta(days=500).total_seconds())
    counts = ledger.retention.expire(Retention())
    assert (counts["payloads"], counts["deliveries"], counts["inbox"]) == (1, 1, 0)
    assert ledger.receive(STORE, "sales_order", [record("1"), record("2")]) == []
    rows = {row.native_id: row.payload for row in ledger.received.of(STORE, "sales_order", ["1", "2"])}
    assert rows["1"] is None
    assert rows["2"] is not None
    assert ledger.steps.receipt(ERP, "order-1") is not None
    assert {mine.delivery.key.native_id for mine in claim(ledger)} == {"1", "2"}
    assert ledger.retention.expire(Retention())["deliveries"] == 0


def test_corrections_go_with_what_they_corrected_and_stay_while_it_is_open(ledger: Ledger, clock):
    """They stayed for ever, with a customer's address in them."""
    refused, settled, wanted = ledger.receive(STORE, "sales_order", [record("1"), record("2"), record("3")])
    rows = {row.id: row for row in ledger.received.rows([refused, settled, wanted])}
    for row in rows.values():
        ledger.corrections.add(ROUTE, FLOW, row, b'{"x":1}', who="ann", why="asked")
    with ledger.handling(ROUTE, FLOW) as work:
        for row in (rows[refused], rows[settled]):
            work.quarantine(row, rule="malformed_address", field="postcode", problem="no postcode")
        work.mark_handled([refused, settled])
    ledger.quarantine.resolve(STORE, "sales_order", ["2"], "passed")
    clock.advance(timedelta(days=170).total_seconds())
    assert ledger.retention.expire()["corrections"] == 0
    clock.advance(timedelta(days=20).total_seconds())
    assert ledger.retention.expire()["corrections"] == 1
    assert [len(ledger.corrections.of(one, ROUTE, FLOW)) for one in (refused, settled, wanted)] == [1, 0, 1]


def test_what_is_refused_or_undelivered_keeps_what_it_was_made_of(ledger: Ledger, clock):
    """After a month a refused record could not be corrected any more, nor a dead letter be made anew."""
    refused, waits, gone = ledger.receive(STORE, "sales_order", [record("1"), record("2"), record("3")])
    with ledger.handling(ROUTE, FLOW) as work:
        work.quarantine(ledger.received.rows([refused])[0], rule="malformed_address", field="", problem="no postcode")
        work.accept([document("3", received_id=gone), document("2", received_id=waits)])
        work.mark_handled([refused, waits, gone])
    first, second = claim(ledger)
    ledger.deliveries.dead(second, "closed_period", "closed")
    deliver(ledger, first)
    clock.advance(timedelta(days=40).total_seconds())
    assert ledger.retention.expire()["payloads"] == 1
    assert ledger.received.kept([refused, waits, gone]) == {refused, waits}
    ledger.quarantine.resolve(STORE, "sales_order", ["1"], "passed")
    ledger.dead_letters.dismiss([second.id], "ann", "by hand")
    assert ledger.retention.expire()["payloads"] == 2


def test_a_flow_that_has_handled_nothing_yet_keeps_the_payloads_that_it_reads(ledger: Ledger, clock):
    ids = ledger.receive(STORE, "sales_order", [record("1"), record("2")])
    with ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled(ids)
    clock.advance(timedelta(days=40).total_seconds())
    slow = Reader("de", FLOW, STORE, "sales_order")
    assert ledger.retention.expire(readers=[slow])["payloads"] == 0
    assert all(row.payload for row in ledger.unhandled("de", FLOW, STORE, "sales_order"))
    with ledger.handling("de", FLOW) as work:
        work.mark_handled(ids[:1])
    assert ledger.retention.expire(readers=[slow])["payloads"] == 1
    # A flow that is added later names what is gone, and goes on.
    gone, kept = ledger.unhandled("fr", FLOW, STORE, "sales_order")
    with pytest.raises(BadRecord, match=r"record 1, field payload: .* removed by retention; read magento_us again"):
        gone.record()
    assert kept.record().native_id == "2"


def test_a_large_table_is_replaced_in_few_statements_of_few_parameters(ledger: Ledger):
    """A map of all articles has more rows than a database takes parameters, and each cost a statement."""
    many = range(3000)
    first = [LookupRow(key=f"S{number}", value=f"I{number}", file="sku_map.csv", line=number) for number in many]
    assert ledger.lookups.replace(ROUTE, "sku_map", first, "ann").added == len(many)
    sizes: list[int] = []

    def noted(connection, cursor, statement, parameters, context, executemany):
        sizes.append(0 if executemany else len(parameters or ()))

    sa.event.listen(ledger.database.engine, "before_cursor_execute", noted)
    assert ledger.lookups.replace(ROUTE, "sku_map", first, "ann").unchanged == len(many)
    assert len(sizes) < 5
    second = [LookupRow(key=row.key, value=row.value.lower()) for row in first]
    assert ledger.lookups.replace(ROUTE, "sku_map", second, "ann").changed == len(many)
    assert ledger.lookups.of(ROUTE).get("sku_map", "S2999") == "i2999"
    sa.event.remove(ledger.database.engine, "before_cursor_execute", noted)
    assert max(sizes) < 20_000
    assert len(sizes) < 30
