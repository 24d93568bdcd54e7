"""`erp-sync maintenance`: start, end, list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.operations import choosing
from erp_sync.operations.choosing import CannotDo
from erp_sync_tests.operations.house import House


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["maintenance", *arguments])


def as_json(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_window_is_ordered_shown_and_ended_early(house: House) -> None:
    ordered = as_json("start", "netsuite_us", "--for", "2h", "--why", "release", "--who", "ann")
    assert (ordered["window"]["why"], ordered["window"]["who"]) == ("release", "ann")
    assert "maintenance until" in CliRunner().invoke(app, ["status"]).stdout
    told = {one["connection"]: one["window"] for one in as_json("list")}
    assert told["magento_us"] is None
    assert told["netsuite_us"] == ordered["window"]
    assert as_json("end", "netsuite_us")["window"] is None
    assert "maintenance until" not in CliRunner().invoke(app, ["status"]).stdout


def test_a_vendor_is_its_only_connection(house: House) -> None:
    assert as_json("start", "netsuite", "--for", "2h")["connection"] == "netsuite_us"
    assert as_json("end", "netsuite")["connection"] == "netsuite_us"


def test_of_two_connections_to_a_vendor_one_has_to_be_named(house: House) -> None:
    eu = house.here.configuration.connections["netsuite_us"].model_copy(update={"name": "netsuite_eu"})
    house.here.configuration.connections["netsuite_eu"] = eu
    with pytest.raises(CannotDo, match="there are 2 connections to netsuite; say which: netsuite_eu, netsuite_us"):
        choosing.connection(house.here, "netsuite")


def test_a_system_that_answers_has_nothing_to_be_asked(house: House) -> None:
    refused = CliRunner().invoke(app, ["probe", "netsuite"])
    assert refused.exit_code == 2
    assert "netsuite_us does not wait to be asked again; its breaker is closed: calls go" in refused.stderr
    for _ in range(5):
        house.here.ledger.breakers.failure("netsuite_us", "HTTP 503")
    asked = CliRunner().invoke(app, ["probe", "netsuite"])
    assert asked.exit_code == 0
    assert "the next call asks netsuite_us (last: HTTP 503); 0 on the way go once it answers" in asked.stdout


def test_a_later_window_is_shown_as_the_next_one(house: House) -> None:
    told = as_json("start", "netsuite_us", "--for", "90m", "--at", "2099-01-01T22:00-08:00")
    assert told["window"] is None
    assert told["following"]["starts_at"] == "2099-01-02T06:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["start", "sap", "--for", "2h"], "no connection is called sap; configured are: magento_us, netsuite_us"),
        (["start", "netsuite_us", "--for", "two hours"], "--for: 'two hours' is no duration"),
        (["start", "netsuite_us", "--for", "2h", "--at", "tomorrow"], "--at: 'tomorrow' is no date and time"),
        (["start", "netsuite_us", "--for", "2h", "--at", "2026-12-05T22:00"], "has no time zone"),
        (["start", "netsuite_us", "--for", "2h", "--at", "2020-12-05T22:00Z"], "--for says how long it lasts"),
        (["end", "netsuite_us"], "netsuite_us is in no maintenance window"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(house: House, arguments: list[str], words: str) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
