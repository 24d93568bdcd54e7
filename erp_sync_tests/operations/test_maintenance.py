"""`erp-sync maintenance`: start, end, list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from erp_sync.cli import app
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
