"""What became of orders in SAP Business One, drafts that wait for approval included."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from erp_sync.model.order import OrderStatus
from erp_sync.ports.lookups import Passthrough
from erp_sync.ports.raw import MappingProblem, Window
from erp_sync_tests.systems.sap_b1.requests import KEY, draft, saved
from erp_sync_tests.systems.sap_b1.samples import D
from erp_sync_tests.systems.sap_b1.scripted import Answer

WINDOW = Window(start=datetime(2026, 1, 14, 23, 30, tzinfo=UTC), end=datetime(2026, 1, 14, 23, 32, tzinfo=UTC))
CREATED = {"CreationDate": "2026-01-15T00:00:00Z", "DocTime": "00:31:00", "DocRate": 1.0}


def source(connector, **settings: Any):
    return connector(source_connections=["shopware_de"], **settings).port("order_status", "source")


def placed(entry: int = 91, *lines: tuple[float, float], **changes: Any) -> dict[str, Any]:
    """Lines are quantity and what is open of it."""
    rows = [
        {"LineNum": at, "ItemCode": f"A{at}", "Quantity": there, "RemainingOpenQuantity": left, "FreeText": "x"}
        for at, (there, left) in enumerate(lines or ((10.0, 10.0),))
    ]
    return saved(entry, DocumentLines=rows, **CREATED) | changes


def waiting(status: str = "dasPending", **changes: Any) -> dict[str, Any]:
    stamps = {"UpdateDate": "2026-01-15T00:00:00Z", "UpdateTime": "00:30:40", "DataVersion": 2}
    return draft(status=status) | CREATED | stamps | changes


def told(found, pages) -> dict[str, Any]:
    return {record.native_id: found.to_canonical(record, Passthrough()) for page in pages for record in page}


def test_an_order_as_the_store_is_told_of_it(connector, server):
    server.rows("Orders", placed())
    server.rows("Drafts")
    found = source(connector)
    update = told(found, found.changed(WINDOW))["91"]
    assert (update.connection, update.number, update.status) == ("sap_de", "5091", OrderStatus.OPEN)
    assert (update.order_connection, update.order_key, update.reason) == ("shopware_de", "018f5c", "")
    assert update.version == "2026-01-15 00:31:07 1"
    assert update.updated_at == datetime(2026, 1, 14, 23, 31, 7, tzinfo=UTC)
    assert update.custom == {"order_number": "10045", "grand_total": D("119.000000")}
    assert server.sent[0].where == (
        "UpdateDate gt '2026-01-15' or (UpdateDate eq '2026-01-15' and UpdateTime ge '00:30:00')"
    )


@pytest.mark.parametrize(
    ("order", "status"),
    [
        (placed(91, (10.0, 10.0), (1.0, 1.0)), OrderStatus.OPEN),
        (placed(91, (10.0, 6.0), (1.0, 1.0)), OrderStatus.PARTIALLY_FULFILLED),
        (placed(91, (10.0, 10.0), DocumentStatus="bost_Close", Cancelled="tYES"), OrderStatus.CANCELLED),
    ],
)
def test_a_status_follows_from_what_is_open(connector, server, order, status):
    server.rows("Orders", order)
    server.rows("Drafts")
    found = source(connector)
    assert told(found, found.changed(WINDOW))["91"].status is status
    assert {sent.path for sent in server.sent} == {"Orders", "Drafts"}


@pytest.mark.parametrize("open_quantity", [0.0, 4.0, 10.0])
@pytest.mark.parametrize(
    ("notes", "status"),
    [
        ([10.0], OrderStatus.FULFILLED),
        ([4.0, 6.0], OrderStatus.FULFILLED),
        ([6.0], OrderStatus.CLOSED),
        ([], OrderStatus.CANCELLED),
    ],
)
def test_of_a_closed_order_its_deliveries_tell(connector, server, notes, status, open_quantity):
    """Whether one that was closed by hand keeps its open quantity is not known: nothing depends on it."""
    server.rows("Orders", placed(91, (10.0, open_quantity), DocumentStatus="bost_Close"))
    server.rows("Drafts")
    line = {"BaseType": 17, "BaseEntry": 91, "BaseLine": 0}
    documents = [{"DocEntry": at, "DocumentLines": [{**line, "Quantity": units}]} for at, units in enumerate(notes)]
    void = {"DocEntry": 98, "Cancelled": "tYES", "DocumentLines": [{**line, "Quantity": 10.0}]}
    other = {"DocEntry": 99, "DocumentLines": [{**line, "BaseEntry": 90, "Quantity": 10.0}]}
    server.rows("DeliveryNotes", *documents[:1], void)
    server.rows("Invoices", *documents[1:], other)
    found = source(connector)
    assert told(found, found.changed(WINDOW))["91"].status is status
    asked = next(sent for sent in server.sent if sent.path == "Invoices")
    assert asked.where == "(CardCode eq 'C20000') and (CreationDate ge '2026-01-15')"


def test_a_document_that_delivers_nothing_is_refused_by_name(connector):
    with pytest.raises(ValueError, match="'Orders' delivers no order; known are DeliveryNotes, Invoices"):
        source(connector, delivering_documents=["Orders"])


def test_components_that_sap_adds_do_not_count(connector, server):
    order = placed(91, (1.0, 1.0), (4.0, 0.0))
    order["DocumentLines"][1]["TreeType"] = "iIngredient"
    server.rows("Orders", order)
    server.rows("Drafts")
    found = source(connector)
    assert told(found, found.changed(WINDOW))["91"].status is OrderStatus.OPEN


def test_a_status_that_is_not_known_is_named(connector, server):
    server.rows("Orders", placed(91, DocumentStatus="bost_New"))
    server.rows("Drafts")
    found = source(connector)
    with pytest.raises(MappingProblem) as raised:
        told(found, found.changed(WINDOW))
    assert raised.value.code == "unknown_order_status"


def test_a_draft_of_ours_holds_the_order_and_says_why(connector, server):
    server.rows("Orders")
    others = [waiting(DocEntry=78, U_ErpSyncKey=None), waiting("dasGenerated", DocEntry=79)]
    server.rows("Drafts", waiting(), waiting("dasRejected", DocEntry=80), *others)
    found = source(connector)
    got = told(found, found.changed(WINDOW))
    assert {name: (one.status, one.reason, one.number) for name, one in got.items()} == {
        "draft:77": (OrderStatus.ON_HOLD, "waits for approval", ""),
        "draft:80": (OrderStatus.ON_HOLD, "not approved", ""),
    }
    assert got["draft:77"].order_key == "018f5c"
    assert "(DocObjectCode eq 'oOrders')" in server.sent[-1].where


def test_an_order_of_somebody_else_has_no_key(connector, server):
    server.rows("Orders", placed(91, U_ErpSyncKey=None), placed(92, U_ErpSyncKey="shopware_at_7"))
    server.rows("Drafts")
    found = source(connector)
    assert {one.order_key for one in told(found, found.changed(WINDOW)).values()} == {""}


def test_only_news_is_given_and_a_look_gives_the_same_versions(connector, server):
    server.rows("Orders", placed(91), placed(92))
    server.rows("Drafts", waiting())
    found = source(connector)
    assert set(told(found, found.changed(WINDOW, lambda versions: {"92"} & set(versions)))) == {"92"}
    versions = {record.native_id: record.version for page in found.changed(WINDOW) for record in page}
    assert found.peek(WINDOW) == versions
    assert set(versions) == {"91", "92", "draft:77"}


def test_more_than_a_page_is_not_looked_at(connector, server):
    more = {"@odata.nextLink": "Orders?$skip=1"}
    pages = [Answer(body={"value": [placed(entry)], **more}) for entry in (91, 92, 93)]
    server.on("GET", "^Orders", *pages)
    assert source(connector).peek(WINDOW) is None


def test_single_ones_are_read_by_their_numbers(connector, server):
    server.rows("Orders", placed(91))
    server.rows("Drafts", waiting())
    found = source(connector)
    assert set(told(found, found.fetch(["91", "draft:77", "draft:x", "x"]))) == {"91", "draft:77"}
    assert [sent.where for sent in server.sent] == [
        "DocEntry eq 91",
        "(DocEntry eq 77) and (DocObjectCode eq 'oOrders')",
    ]


def test_what_was_created_is_told_by_the_minute_in_the_server_s_time(connector, server):
    early = placed(90, DocTime="00:29:00")
    late = placed(92, DocTime="00:32:00")
    server.rows("Orders", early, placed(91), late)
    assert source(connector).created(WINDOW) == {"91": "2026-01-15 00:31:07 1"}
    assert server.sent[0].where == "(CreationDate ge '2026-01-15') and (CreationDate le '2026-01-15')"


def test_of_a_document_s_lines_only_what_the_status_needs_is_kept(connector, server):
    server.rows("Orders", placed())
    server.rows("Drafts")
    (page,) = source(connector).changed(WINDOW)
    assert set(page[0].payload["DocumentLines"][0]) == {"LineNum", "ItemCode", "Quantity", "RemainingOpenQuantity"}
    assert page[0].payload["U_ErpSyncKey"] == KEY


def test_of_the_hour_that_comes_twice_the_later_change_is_the_later_version(connector, server):
    """It would be called stale, and the store never told."""
    first = placed(UpdateDate="2026-10-25T00:00:00Z", UpdateTime="02:59:00", DataVersion=5)
    second = first | {"UpdateTime": "02:01:00", "DataVersion": 6}
    server.on("GET", r"^Orders\?", Answer(body={"value": [first]}), Answer(body={"value": [second]}))
    found = source(connector)
    times = [record.source_time for _ in range(2) for page in found.fetch(["91"]) for record in page]
    assert times[0] < times[1]


def test_a_draft_that_was_added_says_nothing_any_more(connector, server):
    """As live systems show it: closed and without a status. Its order tells what became of it."""
    server.rows("Orders", placed())
    server.rows("Drafts", waiting("dasWithout", DocumentStatus="bost_Close"), waiting("dasCancelled", DocEntry=78))
    found = source(connector)
    assert set(told(found, found.changed(WINDOW))) == {"91", "draft:78"}
