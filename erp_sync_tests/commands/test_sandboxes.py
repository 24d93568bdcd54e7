"""A person chooses what a sandbox is, and is told what it did."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from erp_sync.commands import sandboxes
from erp_sync.sandbox import supervisor
from erp_sync_tests.test_cli import run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ERP_SYNC_HOME", str(tmp_path))
    yield tmp_path
    supervisor.down(tmp_path / "sandboxes")


def test_edition_and_tax_are_chosen_and_every_exchange_is_counted_by_class(home):
    started = run("sandbox", "up", "netsuite", "--contract", "--option", "netsuite.tax=legacy", "--json")
    assert started.exit_code == 0, started.output
    told = json.loads(started.stdout)["netsuite"]
    assert (told["tax"], told["contract"]["counts"]) == ("legacy", [])
    assert httpx.get(f"{told['base_url']}/services/rest/record/v1/customer/1").status_code == 401
    lines = run("sandbox", "status").stdout.splitlines()
    assert lines[1] == "  answers: constant, median read 0.005 s, write 0.005 s; a slot is held throughout"
    assert lines[2] == '  options: tax "legacy"'
    assert lines[-3].startswith("  requests, ")
    assert lines[-2] == "  responses, own schema: 1"
    assert lines[-1] == "  against the contract: 0"


def test_a_sandbox_comes_up_as_it_was_last_started_but_for_what_is_said(home):
    """A demo's sandboxes, stopped and started by hand, answer as slowly as they did and are the same account."""
    folder, demos = home / "sandboxes", {"netsuite": {"tax": "legacy", "concurrency": 5}}
    supervisor.up(folder, ["netsuite"], "demo", demos)
    supervisor.down(folder)

    def up(*words):
        done = run("sandbox", "up", "netsuite", *words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["netsuite"]

    first = up()
    assert (first["profile"], first["options"]) == ("demo", demos["netsuite"])
    assert first["latency"]["profile"] == "demo"
    assert up()["pid"] == first["pid"], "it runs already, and as it should"
    supervisor.down(folder)
    told = up("--profile", "none", "--option", "netsuite.concurrency=7", "--contract")
    assert (told["profile"], told["options"]) == ("none", {"tax": "legacy", "concurrency": 7})
    supervisor.down(folder)
    assert up()["contract"]["violations_total"] == 0
    supervisor.down(folder)
    told = up("--no-contract")
    assert ("contract" in told, told["profile"]) == (False, "none")


def test_a_sandbox_that_cannot_be_is_refused_with_what_it_may_be(home):
    result = run("sandbox", "up", "netsuite", "--option", "netsuite.tax=none")
    assert result.exit_code == 2
    assert "option tax is 'none'; expected one of suitetax, legacy" in result.stderr
    started = run("sandbox", "up", "netsuite", "--json")
    assert json.loads(started.stdout)["netsuite"]["options"] == {}, "what it could not start with is not kept"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--option", "tax=legacy"), "expected VENDOR.NAME=VALUE"),
        (("--option", "magento.edition=commerce"), "where VENDOR is started here: netsuite"),
        (("--tls", "netsuite"), "expected VENDOR=HOST"),
    ],
)
def test_what_is_no_choice_is_refused(home, words, expected):
    result = run("sandbox", "up", "netsuite", *words)
    assert (result.exit_code, expected in result.stderr) == (2, True)


def test_values_are_json_or_words():
    words = ["magento.edition=commerce", "magento.input_limits=true", "netsuite.concurrency=10"]
    assert sandboxes.options(words, ["netsuite", "magento"]) == {
        "magento": {"edition": "commerce", "input_limits": True},
        "netsuite": {"concurrency": 10},
    }
    assert sandboxes.hosts(["netsuite=a.example", "netsuite=b.example"], ["netsuite"]) == {
        "netsuite": ("a.example", "b.example")
    }


def test_secrets_among_the_options_are_not_told():
    assert "hush" not in sandboxes.text({"netsuite": {"options": {"push_secret": "hush", "push_url": "http://here"}}})


def test_those_of_the_configured_routes_are_started_when_none_is_named(tmp_path, monkeypatch):
    connection = (
        "type: erp_sync.components.Connection\nattributes: {{name: {name}, vendor: {vendor}, base_url: http://x}}"
    )
    file = tmp_path / "route" / "defs.yaml"
    file.parent.mkdir()
    file.write_text(
        "\n---\n".join(
            connection.format(name=name, vendor=vendor)
            for name, vendor in (("shop_us", "magento"), ("shop_de", "magento"), ("books", "netsuite"))
        )
    )
    assert sandboxes.configured(tmp_path) == ["magento", "netsuite"]
    monkeypatch.setattr(supervisor, "known_vendors", lambda: ["magento"])
    assert sandboxes.configured(tmp_path) == ["magento"], "nothing can be started for a vendor without a sandbox"


def test_with_nothing_configured_they_have_to_be_named(monkeypatch, home, tmp_path):
    (tmp_path / "defs").mkdir()
    monkeypatch.setenv("ERP_SYNC_DEFS", str(tmp_path / "defs"))
    result = run("sandbox", "up")
    assert result.exit_code != 0
    assert "has a vendor with a sandbox; name some: " in result.output
    assert "magento, netsuite" in result.output
