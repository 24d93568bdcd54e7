"""Every command: documented, with an example, with JSON, refusing what is wrong in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync_tests.operations.conftest import home, house
from erp_sync_tests.operations.house import House, write_defs

__all__ = ["home", "house"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def as_json(*arguments: str, exit_code: int = 0) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
            if not command.invoke_without_command:
                continue
        yield (*path, name), command


ALL = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_tells_what_it_does_with_an_example_and_json(path: tuple[str, ...]) -> None:
    command = ALL[path]
    words = command.help or ""
    assert f"Example: erp-sync {' '.join(path)}" in words, f"{path} has no example"
    options = [option for parameter in command.params for option in parameter.opts]
    assert "--json" in options
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{' '.join(path)}: {parameter.name} is not explained"


def test_status_tells_flows_connections_and_the_next_step(house: House) -> None:
    house.dead("1")
    text = run("status").stdout
    assert "no service runs; next: erp-sync up" in text
    assert "next: erp-sync deadletters" in text
    told = as_json("status")
    assert [(flow["flow"], flow["dead"]) for flow in told["flows"]] == [
        ("orders", 1),
        ("shipments", 0),
        ("inventory", 0),
    ]


def test_trace_shows_the_beginning_of_bodies_or_all_of_them(house: House) -> None:
    house.delivered("7")
    body = json.dumps({f"field {position}": "value" for position in range(40)}).encode()
    house.exchange(document="000000007", request_body=body)
    short, whole = run("trace", "000000007").stdout, run("trace", "7", "--payloads").stdout
    assert "field 39" in whole
    assert "field 39" not in short
    assert "more lines, see --payloads" in short
    assert "delivery d1, create of sales_order 7 of magento_us to netsuite_us: delivered" in short
    assert as_json("trace", "7")["deliveries"][0]["steps"][0]["target_id"] == "901"


def test_amounts_keep_their_digits_in_json(house: House) -> None:
    house.delivered("7")
    house.exchange(document="000000007", request_body=b'{"total": 10.9900}')
    assert '"total": 10.9900' in run("trace", "7", "--json").stdout


def test_trace_of_something_unknown_is_one_sentence_and_exit_code_2(house: House) -> None:
    result = run("trace", "404")
    assert result.exit_code == 2
    assert result.stderr.startswith("erp-sync: nothing is known of 404")


def test_plans_and_documents_are_approved_and_rejected(house: House) -> None:
    house.held_plan()
    house.order("7", held=("on_hold", "in the store"))
    told = run("approve", "p1", "--why", "checked", "--who", "ann")
    assert told.stdout == "plan p1 of inventory with 1 rows is approved\n"
    assert run("reject", "000000007").exit_code == 2
    assert as_json("reject", "000000007", "--why", "a test order")["decision"] == "rejected"


def test_dead_letters_are_listed_retried_and_dismissed(house: House) -> None:
    assert run("deadletters").stdout == "no dead letter, nothing in quarantine\n"
    house.dead("1")
    house.refused("2")
    assert "next: erp-sync deadletters --code" in run("deadletters", "--flow", "orders", "--route", "us").stdout
    assert [one["count"] for one in as_json("deadletters")] == [1, 1]
    assert "no answer for 1" in run("deadletters", "--code", "unmapped_payment_method").stdout
    assert len(as_json("deadletters", "--each")) == 2
    assert as_json("deadletters", "dismiss", "q1", "--why", "a robot", "--who", "ann") == {"dismissed": ["q1"]}
    told = run("retry", "--all", "--why", "mapped now")
    assert told.stdout == "1 documents are due again, 0 records are transformed again\n"
    house.ledger.deliveries.dead(house.claim(), "closed_period", "the period is closed")
    assert as_json("retry", "000000001", "--who", "ann")["deliveries"] == ["d1"]
    assert as_json("retry", "--flow", "orders", "--route", "us", "--code", "none")["deliveries"] == []


def test_a_wrong_setting_is_named_with_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERP_SYNC_LEDGER_URL", "mysql://somewhere")
    result = run("status")
    assert result.exit_code == 2
    assert "ERP_SYNC_LEDGER_URL" in result.stderr
    assert "expected sqlite:///PATH or postgresql+psycopg://..." in result.stderr


def test_a_setting_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERP_SYNC_HOMME", "/somewhere")
    result = run("status")
    assert result.exit_code == 2
    assert "ERP_SYNC_HOMME" in result.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"route": {"flows": {"order": {}}}}, "no flow is called 'order'"),
        ({"route": {"flows": {"orders": {"mode": "on"}}}}, "flow orders needs a start time"),
        ({"route": {"erp": "netsuite_de"}}, "erp: no connection is called 'netsuite_de'"),
        ({"magento_us": {"base_urls": "x"}}, "base_urls: Extra inputs are not permitted"),
    ],
)
def test_wrong_yaml_is_named_with_file_and_field(home: Path, changes: dict[str, Any], words: str) -> None:
    write_defs(home.parent / "defs", **changes)
    result = run("status")
    assert result.exit_code == 2
    assert "defs.yaml" in result.stderr
    assert words in result.stderr
