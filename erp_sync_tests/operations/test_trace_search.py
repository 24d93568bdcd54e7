"""Without a document's name: by customer, by run, by time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.model.keys import EntityKey
from erp_sync.operations import trace_search
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.trace import trace
from erp_sync.operations.trace_search import search, trace_customer, within
from erp_sync_tests.operations.house import STORE, House

MINUTE = timedelta(minutes=1)


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["trace", *words])


def told(report: Any) -> list[tuple[str, str]]:
    return [(entry.kind, entry.about) for entry in report.entries]


def test_a_run_tells_what_it_received_decided_and_said(house: House) -> None:
    house.delivered("7")
    house.order("8")
    house.held_plan()
    now = datetime.now(UTC)
    house.exchange(document="000000007", run_id="run-2", time=now, request_body=b'{"a": 1}')
    house.exchange(document="000000009", run_id="run-7", time=now)
    seven = "sales_order 7 of magento_us"
    report = search(house.here, run="run-2")
    assert told(report) == [
        *[(kind, seven) for kind in ("claimed", "planned", "sending", "confirmed", "delivered")],
        ("exchange", "000000007"),
    ]
    assert (report.documents, report.left_out) == ([seven], False)
    assert {one.run_id for one in report.entries} == {"run-2"}
    assert report.entries[-1].request is None
    assert search(house.here, run="run-2", bodies=True).entries[-1].request == {"a": 1}
    assert ("received", "sales_order 8 of magento_us") in told(search(house.here, run="run-1"))
    (plan,) = search(house.here, run="run-3").entries
    assert (plan.kind, plan.facts["flow"], plan.facts["rows"], plan.facts["state"]) == ("plan", "inventory", 1, "held")
    with pytest.raises(CannotDo, match="nothing is known of run run-404"):
        search(house.here, run="run-404")


def test_a_span_of_time_tells_what_happened_in_it(house: House) -> None:
    house.refused("5")
    house.order("8")
    now = datetime.now(UTC)
    house.exchange(document="early", time=now - 5 * MINUTE)
    house.exchange(document="late", time=now + 5 * MINUTE)
    kinds = [kind for kind, _ in told(search(house.here, since=now - MINUTE, until=now + MINUTE))]
    assert sorted(kinds) == ["accepted", "quarantined", "received", "received"]
    found = search(house.here, since=now + MINUTE)
    assert (told(found), found.asked) == ([("exchange", "late")], f"from {now + MINUTE:%Y-%m-%d %H:%M:%S} UTC")
    assert told(search(house.here, until=now - MINUTE)) == [("exchange", "early")]
    assert told(search(house.here, until=now - MINUTE, run="run-2")) == [("exchange", "early")]


def test_the_newest_are_told_and_that_there_are_older_ones(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_search, "MOST_ENTRIES", 2)
    now = datetime.now(UTC)
    for number in range(3):
        house.exchange(document=str(number), run_id="run-7", time=now + number * MINUTE)
    report = search(house.here, run="run-7")
    assert (told(report), report.left_out) == ([("exchange", "1"), ("exchange", "2")], True)
    assert "older entries are left out" in run("--run", "run-7").stdout


def test_a_trace_of_an_order_is_narrowed_to_a_run_and_a_span(house: House) -> None:
    house.delivered("7")
    report = trace(house.here, "7")
    assert [kind for kind, _ in told(within(report, "run-1", None, None))] == ["received", "accepted"]
    assert within(report, None, datetime.now(UTC) + MINUTE, None).entries == []
    assert within(report, None, None, datetime.now(UTC) + MINUTE).entries == report.entries


def test_a_customer_is_found_by_address_and_by_id_with_their_orders_alone(house: House) -> None:
    for native_id, email, customer in (("7", "ann@example.com", 17), ("8", "bob@example.com", 18)):
        payload = {"entity_id": int(native_id), "customer_email": email, "customer_id": customer}
        house.receive(native_id, payload)
    expected = [str(EntityKey(STORE, "", "sales_order", "7"))]
    for name in ("ann@example.com", f"{STORE}:17"):
        report = trace_customer(house.here, name)
        assert (report.documents, report.asked) == (expected, f"customer {name}")
        assert told(report) == [("received", expected[0])]
    with pytest.raises(CannotDo, match="nothing is known of customer eve"):
        trace_customer(house.here, "eve@example.com")


def test_of_a_customer_with_many_orders_it_is_said_how_many_are_left_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_search, "MOST", 2)
    for number in ("7", "8", "9"):
        house.receive(number, {"entity_id": int(number), "customer_email": "ann@example.com"})
    report = trace_customer(house.here, "ann@example.com")
    assert (report.documents, report.left_out, report.older) == (
        [f"sales_order {number} of magento_us" for number in ("8", "9")],
        True,
        1,
    )
    text = run("--customer", "ann@example.com").stdout
    assert "1 older orders and records are left out; next: erp-sync trace ORDER" in text
    assert "--from" not in text, "a span of time shows no older order"
    monkeypatch.setattr(trace_search, "MOST", 3)
    whole = trace_customer(house.here, "ann@example.com")
    assert (whole.left_out, whole.older) == (False, 0)


def test_a_time_of_another_zone_is_said_in_utc(house: House) -> None:
    house.exchange(document="7", time=datetime(2026, 11, 27, 14, 30, tzinfo=UTC))
    text = run("--from", "2026-11-27T16:00+02:00", "--to", "2026-11-27T15:00").stdout
    assert text.startswith("from 2026-11-27 14:00:00 UTC, to 2026-11-27 15:00:00 UTC\n")


def test_the_command_takes_each_of_them(house: House) -> None:
    house.receive("7", {"entity_id": 7, "customer_email": "ann@example.com"})
    house.exchange(document="000000007", run_id="run-7", time=datetime(2026, 11, 20, 8, 30, tzinfo=UTC))
    text = run("--run", "run-7")
    assert text.stdout.startswith("run run-7\n2026-11-20 08:30:00.000Z  netsuite_us POST")
    assert "(sales_order.create of 000000007)" in text.stdout
    found = json.loads(run("--from", "2026-11-20", "--to", "2026-11-21T00:00Z", "--json").stdout)
    assert [(one["kind"], one["facts"]["document"]) for one in found["entries"]] == [("exchange", "000000007")]
    assert json.loads(run("--customer", "ann@example.com", "--json").stdout)["documents"] == [
        "sales_order 7 of magento_us"
    ]
    assert json.loads(run("7", "--run", "run-404", "--json").stdout)["entries"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "what is to be traced?"),
        (["7", "--customer", "ann@example.com"], "give an order or --customer, not both"),
        (["--from", "yesterday"], "--from 'yesterday' is no date"),
        (["--customer", "ann"], "neither an e-mail address nor CONNECTION:CUSTOMER"),
    ],
)
def test_a_wrong_question_is_one_sentence(house: House, words: list[str], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr
