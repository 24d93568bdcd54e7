"""Every command: documented, with an example, with JSON, refusing what is wrong in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.components.configuration import read_configuration
from erp_sync.components.starting import check_start
from erp_sync.operations import reconcile
from erp_sync.operations.reconcile_documents import Comparison
from erp_sync.operations.reconciliation import Reconciliation
from erp_sync.ports.raw import Window
from erp_sync.systems.magento.ports.orders import OrderSource
from erp_sync_tests.operations.conftest import home, house
from erp_sync_tests.operations.house import CREDENTIALS, ERP, STORE, House, write_defs

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
    assert told.stdout == "plan p1 of inventory on us with 1 row is approved; the next run loads it\n"
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
    assert told.stdout == "1 document is due again, 0 records are transformed again\n"
    house.ledger.deliveries.dead(house.claim(), "closed_period", "the period is closed")
    assert as_json("retry", "000000001", "--who", "ann")["deliveries"] == ["d1"]
    assert as_json("retry", "--flow", "orders", "--route", "us", "--code", "tax_difference")["deliveries"] == []


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


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gets as far as starting services fails the test."""
    monkeypatch.setattr("erp_sync.runtime.services.start", lambda *_, **__: pytest.fail("something was started"))


@pytest.mark.usefixtures("nothing_starts")
def test_what_is_missing_is_refused_at_start_all_at_once_and_by_name(home: Path) -> None:
    """Services came up, and every run failed with the first secret that it lacked."""
    secrets = {name: {"env": f"SECRET_{name.upper()}"} for name in ("access_token", "consumer_key")}
    write_defs(home.parent / "defs", magento_us={"credentials": secrets})
    result = run("up")
    assert result.exit_code == 2
    assert "SECRET_ACCESS_TOKEN (magento_us.credentials.access_token), SECRET_CONSUMER_KEY" in result.stderr
    assert "not set; expected where erp-sync runs" in result.stderr


@pytest.mark.usefixtures("nothing_starts")
def test_a_secret_file_that_cannot_be_read_is_refused_at_start(home: Path) -> None:
    write_defs(home.parent / "defs", magento_us={"credentials": {"access_token": {"file": "/nowhere/token"}}})
    result = run("up")
    assert result.exit_code == 2
    assert "connection magento_us: credentials.access_token: cannot read /nowhere/token" in result.stderr


@pytest.mark.usefixtures("nothing_starts")
def test_a_frequency_beyond_the_vendors_limit_is_refused_at_start_with_the_arithmetic(home: Path) -> None:
    flows = {"inventory": {"mode": "on", "every": "0.1s"}}
    write_defs(home.parent / "defs", route={"flows": flows}, netsuite_us={"settings": {"limits": {"concurrency": 5}}})
    result = run("up")
    assert result.exit_code == 2
    assert "20.00 calls a second (us/inventory 2 calls every 0.1 s)" in result.stderr


@pytest.mark.usefixtures("nothing_starts")
def test_a_route_whose_flows_are_all_off_needs_no_secret(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"access_token": {"env": "SECRET_ACCESS_TOKEN"}}
    flows = {"orders": {"mode": "off"}}
    write_defs(home.parent / "defs", magento_us={"credentials": secrets}, route={"flows": flows})
    check_start(read_configuration(home.parent / "defs"))


def test_plans_that_stand_are_shown_with_the_next_step(house: House) -> None:
    house.held_plan()
    text = run("plan", "inventory", "--offline", "--route", "us").stdout
    assert "plan p1: held, 1 row since" in text
    assert "next: erp-sync plan p1; erp-sync approve p1" in text
    assert as_json("plan", "inventory", "--offline", "--show", "1")["open_plans"][0]["state"] == "held"


def test_a_plan_of_documents_on_their_way_needs_no_system(house: House) -> None:
    told = as_json("plan", "orders", "--offline")
    assert (told["looked"], told["documents"]) == (False, [])
    assert run("plan", "orders", "--offline").stdout.startswith("orders of us, magento_us to netsuite_us, mode on")


def test_a_plan_offline_needs_no_secret_and_calls_nobody(house: House) -> None:
    """What was received is mapped and judged; what would have to be asked of a system is said to be so."""
    away = {"base_url": {"env": "NO_SUCH_URL"}}
    store = dict.fromkeys(CREDENTIALS[STORE], "x") | {"access_token": {"env": "NO_SUCH_TOKEN"}}
    erp = dict.fromkeys(CREDENTIALS[ERP], "x") | {"token_secret": {"file": "/nowhere"}}
    write_defs(
        house.here.settings.defs, magento_us={"credentials": store, **away}, netsuite_us={"credentials": erp, **away}
    )
    house.receive("1", {"store_id": 1, "entity_id": 1})
    told = as_json("plan", "orders", "--offline")
    assert told["looked"] is False
    assert [(one["where"], one["outcome"]) for one in told["documents"]] == [("received", "reject")], "it is mapped"
    assert as_json("plan", "inventory", "--offline")["looked"] is False
    refused = run("plan", "orders")
    assert refused.exit_code == 2
    assert "NO_SUCH_" in refused.stderr


def test_what_a_plan_offline_would_have_to_ask_is_named_and_not_asked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.receive("1", {"store_id": 1, "entity_id": 1})

    def asks(self: OrderSource, record: Any, lookups: Any) -> Any:
        return list(self.fetch(["1"]))

    monkeypatch.setattr(OrderSource, "to_canonical", asks)
    (one,) = as_json("plan", "orders", "--offline")["documents"]
    words = "magento_us would have to be asked: leave out --offline"
    assert (one["outcome"], one["code"], one["reason"]) == ("later", "not_asked", words)


def test_a_plan_that_is_held_is_shown_with_its_rows_by_its_id_and_by_status(house: House) -> None:
    house.held_plan()
    shown = run("plan", "p1").stdout
    assert "plan p1 of inventory on us, to magento_us: held since " in shown
    assert "1 row: 1 held\nheld by zeroed: all of it goes to zero\n" in shown
    assert "east/MUG  update  5       0      sold out" in shown
    assert shown.endswith("next: erp-sync approve p1 [--only KEY]; erp-sync reject p1 --why TEXT\n")
    assert as_json("plan", "p1")["changes"][0]["after"] == "0"
    assert run("plan", "p9").exit_code == 2
    assert "waits with 1 row since" in run("status").stdout


def test_a_letter_shows_what_can_be_done_before_the_start_of_what_it_holds(house: House) -> None:
    lines = [{"sku": f"MUG-{number}", "price": "30.649999999999999"} for number in range(50)]
    house.refused("7", payload={"increment_id": "000000007", "items": lines})
    shown = run("deadletters", "show", "q1").stdout
    assert shown.index("what can be done:") < shown.index("holds:") < shown.index("MUG-0")
    assert '"price": "30.65"' in shown
    assert "refused 1 time\n" in shown
    assert "MUG-49" not in shown
    assert shown.endswith(" more lines, see --payloads\n")
    whole = run("deadletters", "show", "q1", "--payloads").stdout
    assert "MUG-49" in whole
    assert "see --payloads" not in whole
    assert as_json("deadletters", "show", "q1")["payload"]["items"][0]["price"] == "30.649999999999999"


def test_a_system_that_does_not_answer_is_one_sentence_and_exit_code_2(house: House) -> None:
    result = run("reconcile", "us", "--days", "1", "--show", "5")
    assert result.exit_code == 2
    assert result.stderr.startswith("erp-sync: magento_us sales_order.list")


@pytest.mark.parametrize(
    ("kinds", "exit_code", "words"),
    [
        ((), 0, "no difference"),
        (("other_than_store",), 0, "differences: 1, none that must be settled"),
        (("other_than_store", "edited"), 1, "differences: 2\n"),
    ],
)
def test_reconcile_ends_with_1_where_something_is_to_be_settled(
    house: House, monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...], exit_code: int, words: str
) -> None:
    """A customer's record that the ERP had before us differs for ever: a job that asks every night must not fail."""

    class Found(Comparison):
        flow, batch, what = "orders", 100, "orders"

        def finish(self, ids: Sequence[str]) -> None:
            for kind in kinds:
                self.differs(kind, "customer-7", store="Ann", erp="Anna", words="first name")

    class Nothing:
        def created(self, window: Window) -> list[str]:
            return []

    def compared(here: Any, route: Any, window: Window, progress: Any) -> Reconciliation:
        return Found(here, route, window, Nothing(), (STORE, ERP)).run(progress)

    monkeypatch.setattr(reconcile, "reconcile_orders", compared)
    result = run("reconcile", "us", "--flow", "orders")
    assert (result.exit_code, words in result.stdout) == (exit_code, True), result.output


def test_a_wrong_flow_or_route_is_refused_with_those_that_exist(house: House) -> None:
    assert "no flow is called order; there are: orders" in run("plan", "order").stderr
    assert "no route is called de; configured are: us" in run("doctor", "de").stderr
    assert "route us has no flow prices" in run("plan", "prices").stderr


def test_the_mapping_is_printed_and_written_in_both_formats(house: House, tmp_path: Path) -> None:
    assert run("mapping", "us").stdout.startswith("# Mapping of route us")
    file = tmp_path / "mapping.csv"
    told = run("mapping", "us", "--format", "csv", "--output", str(file))
    assert told.stdout == f"written: {file}\n"
    assert file.read_text().startswith("route,flow,part,connection,mapping,source,target,rule")
    assert [flow["flow"] for flow in as_json("mapping")["flows"]] == ["orders", "shipments", "inventory"]
    assert "cannot write" in run("mapping", "us", "--output", str(tmp_path / "none" / "mapping.md")).stderr


def test_the_mapping_needs_no_secrets(home: Path) -> None:
    write_defs(home.parent / "defs", magento_us={"credentials": {"access_token": {"env": "NOT_SET_HERE"}}})
    assert run("mapping").exit_code == 0


def test_a_wrong_overlay_is_named_with_its_connection(home: Path) -> None:
    write_defs(home.parent / "defs", netsuite_us={"settings": {"mapping": {"sales_orders": {"drop": ["memo"]}}}})
    result = run("mapping")
    assert result.exit_code == 2
    assert "connection netsuite_us" in result.stderr
    assert "sales_orders" in result.stderr


def test_the_doctor_names_every_variable_that_is_missing_and_ends_with_1(home: Path) -> None:
    secrets = {name: {"env": f"SECRET_{name.upper()}"} for name in ("access_token", "consumer_key")}
    unasked = {"credentials": {name: {"env": f"SECRET_{name.upper()}"} for name in CREDENTIALS[ERP]}}
    write_defs(home.parent / "defs", **{STORE: {"credentials": secrets}, ERP: unasked})
    found = as_json("doctor", "us", exit_code=1)["findings"]
    missing = [one["check"] for one in found if one["where"] == "magento_us" and one["verdict"] == "error"]
    assert missing == ["environment variable SECRET_ACCESS_TOKEN", "environment variable SECRET_CONSUMER_KEY"]
    text = run("doctor").stdout
    assert "mend: Set it where erp-sync runs: export SECRET_ACCESS_TOKEN=..." in text
    assert "flows of us will fail" in text


def test_adopt_refuses_a_wrong_date_and_a_wrong_link(house: House) -> None:
    assert "--since 'may' is no date" in run("adopt", "us", "--since", "may").stderr
    assert "'123' is no link; expected KEY=ID" in run("adopt", "us", "--apply", "--link", "123").stderr


def test_look_up_tables_are_imported_and_exported(house: House, tmp_path: Path) -> None:
    file, copy = tmp_path / "carriers.csv", tmp_path / "copy.csv"
    file.write_text("key,value,rule,note\nups,custom:UPS,exact,\n")
    assert run("lookups", "import", "carriers", str(file), "--route", "us", "--who", "ann").stdout == (
        "carriers: 1 added, 0 changed, 0 removed, 0 as before\n"
    )
    assert as_json("lookups", "export", "carriers", str(copy), "--route", "us")["rows"] == 1
    assert copy.read_text() == file.read_text()
    assert "has no look-up table tax; it has: carriers" in run("lookups", "export", "tax", str(copy)).stderr
    assert "cannot read" in run("lookups", "import", "carriers", str(tmp_path / "none.csv")).stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("key,value\nups,custom\nups,other\n", "line 3, column key: exact 'ups' is in line 2 already"),
        ("key,value,rule\nups,custom,perhaps\n", "line 2, column rule: 'perhaps' is no rule"),
        ("key,valeu\nups,custom\n", "line 1, column valeu: no such column"),
        ("key,value,rule\n(ups,custom,pattern\n", "line 2, column key: no regular expression"),
    ],
)
def test_a_broken_row_is_named_with_file_line_and_column(house: House, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "carriers.csv"
    file.write_text(text)
    result = run("lookups", "import", "carriers", str(file))
    assert result.exit_code == 2
    assert f"{file}, {words}" in result.stderr
    assert house.ledger.lookups.of("us").tables == ()
