"""Every wrong YAML is refused with file, field and what is expected; the shipped ones load, and cheaply."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from datetime import time, timedelta
from pathlib import Path

import pytest

from erp_sync.components import known_names
from erp_sync.components.configuration import (
    DELIVERIES_BEYOND,
    LONGEST_WINDOW,
    STATE_FLOWS,
    Configuration,
    Mode,
    WrongConfiguration,
    read_configuration,
)
from erp_sync.components.route import installation_definitions
from erp_sync.flows import guards
from erp_sync.ledger.retention import Retention
from erp_sync.monitoring.expectations import AtLeast, ByHand

PACKAGE = Path(__file__).resolve().parents[2] / "erp_sync"
SHIPPED = ("defs", "demo/defs")

CONNECTIONS = """
type: erp_sync.components.Connection
attributes: {name: shop, vendor: magento, base_url: "http://shop.invalid"}
---
type: erp_sync.components.Connection
attributes: {name: books, vendor: netsuite, base_url: {env: BOOKS_URL}}
---
"""
ROUTE = """
type: erp_sync.components.Route
attributes:
  name: us
  store: shop
  erp: books
  flows: {orders: {mode: on, start: "2026-01-01T00:00:00Z"}}
"""


def written(folder: Path, text: str) -> Path:
    (folder / "us").mkdir(parents=True, exist_ok=True)
    (folder / "us" / "defs.yaml").write_text(text)
    return folder


def read(folder: Path, text: str = CONNECTIONS + ROUTE) -> Configuration:
    return read_configuration(written(folder, text))


WRONG = {
    # what is replaced, by what: field that is named, words of the message
    "no YAML": (("flows: {", "flows: {{"), "YAML", "flow"),
    "no type": (("type: erp_sync.components.Route", "kind: route"), "type", "every document needs a type"),
    "another type": (("components.Route", "components.Rout"), "type", "is neither erp_sync.components.Connection nor"),
    "a field that does not exist": (("  store: shop", "  store: shop\n  stor: shop"), "stor", "not permitted"),
    "lanes, which are a limit of the connection": (
        ("  store: shop", "  lanes: {now: 0.5}\n  store: shop"),
        "lanes",
        "not",
    ),
    "a mapping, which is the connection's": (
        ("  store: shop", "  mapping: {}\n  store: shop"),
        "mapping",
        "not permitted",
    ),
    "no name": (("  name: us\n", ""), "name", "Field required"),
    "a name with spaces": (("name: us", "name: the us"), "name", "should match pattern"),
    "a store that is not there": (("store: shop", "store: mall"), "store", "'mall'; configured are: books, shop"),
    "an ERP that is not there": (("erp: books", "erp: ledger"), "erp", "'ledger'; configured are: books, shop"),
    "an unknown flow": (("{orders:", "{order:"), "attributes", "no flow is called 'order'; known are orders,"),
    "a mode that does not exist": (("mode: on", "mode: maybe"), "flows.orders.mode", "'off', 'shadow' or 'on'"),
    "orders without a start": (
        (', start: "2026-01-01T00:00:00Z"', ""),
        "attributes",
        "flow orders needs a start time: what lies before it is never sent",
    ),
    "a start without a time zone": (("00:00Z", "00:00"), "flows.orders.start", "has no time zone; write e.g."),
    "a start that is no time": (("2026-01-01T00:00:00Z", "soon"), "flows.orders.start", "datetime"),
    "a frequency without a unit": (("mode: on", "mode: on, every: 5"), "flows.orders.every", "5 is no duration"),
    "a frequency in fortnights": (("mode: on", "mode: on, every: 1f"), "flows.orders.every", "30s, 5m, 1h or 1d"),
    "an age that is no duration": (("mode: on", "mode: on, latest: old"), "flows.orders.latest", "is no duration"),
    "a guard that is no number": (
        ("mode: on", "mode: on, guards: {max_zeroed_share: few}"),
        "flows.orders.guards.max_zeroed_share",
        "valid number",
    ),
    "a guard that does not exist": (
        ("{orders: {", "{inventory: {guards: {max_zerod_share: 0.1}}, orders: {"),
        "attributes",
        "flow inventory: no guard is called 'max_zerod_share'; is max_zeroed_share meant? known are few,",
    ),
    "a guard of documents": (
        ("mode: on", "mode: on, guards: {max_zeroed_share: 0.1}"),
        "attributes",
        "flow orders: no guard is called 'max_zeroed_share': there are none here",
    ),
    "a rule that does not exist": (
        ("{orders: {", "{prices: {rules: {roundings: {}}}, orders: {"),
        "attributes",
        "flow prices: no rule is called 'roundings'; is rounding meant?",
    ),
    "a rule whose value is none of those there are": (
        ("{orders: {", "{shipments: {mode: on, start: 2026-01-01T00:00:00Z, rules: {booked_by: warehause}}, orders: {"),
        "attributes",
        "rules.booked_by: 'warehause' is given; expected is erp_sync or warehouse (is warehouse meant?)",
    ),
    "a rule whose value has another shape": (
        ("{orders: {", "{products: {rules: {kinds: simple}}, orders: {"),
        "attributes",
        "flow products: rules.kinds: 'simple' is given; expected is a list",
    ),
    "a vendor that does not exist": (("vendor: magento", "vendor: magenta"), "vendor", "known are magento, netsuite"),
    "a setting that does not exist": (
        ('base_url: "http://shop.invalid"', 'base_url: "http://shop.invalid", settings: {editoin: commerce}'),
        "settings.editoin",
        "connection shop: no setting is called 'editoin'; is edition meant? known are",
    ),
    "a setting of another vendor": (
        ('base_url: "http://shop.invalid"', 'base_url: "http://shop.invalid", settings: {subsidiary: "1"}'),
        "settings.subsidiary",
        "no setting is called 'subsidiary'",
    ),
    "a setting inside another": (
        ('base_url: "http://shop.invalid"', 'base_url: "http://shop.invalid", settings: {events: {entites: []}}'),
        "settings.events.entites",
        "is entities meant?",
    ),
    "a value that a setting cannot have": (
        ('base_url: "http://shop.invalid"', 'base_url: "http://shop.invalid", settings: {edition: opensource}'),
        "settings.edition",
        "shop: 'opensource' is given; expected is open_source or commerce (is open_source meant?)",
    ),
    "a tax regime that does not exist": (
        ("base_url: {env: BOOKS_URL}", "base_url: {env: BOOKS_URL}, settings: {tax_engine: vat}"),
        "settings.tax_engine",
        "connection books: 'vat' is given; expected is suitetax or legacy",
    ),
    "words where a number is expected": (
        ("base_url: {env: BOOKS_URL}", "base_url: {env: BOOKS_URL}, settings: {tax_tolerance: 5ct}"),
        "settings.tax_tolerance",
        "'5ct' is given; expected is a number that is not negative",
    ),
    "no true and no false": (
        ('base_url: "http://shop.invalid"', 'base_url: "http://shop.invalid", settings: {input_limits: "no way"}'),
        "settings.input_limits",
        "'no way' is given; expected is true or false",
    ),
    "one value of a list that does not exist": (
        ("base_url: {env: BOOKS_URL}", "base_url: {env: BOOKS_URL}, settings: {deposit_states: [paid]}"),
        "settings.deposit_states.0",
        "'paid' is given; expected is pending, authorised, captured, voided or refunded",
    ),
    "one value of a table that does not exist": (
        ('base_url: "http://shop.invalid"', 'base_url: "http://shop.invalid", settings: {payment_kinds: {cod: cash}}'),
        "settings.payment_kinds.cod",
        "'cash' is given; expected is card, wallet",
    ),
    "a value inside another setting": (
        ('base_url: "http://shop.invalid"', 'base_url: "http://shop.invalid", settings: {events: {every_seconds: x}}'),
        "settings.events.every_seconds",
        "'x' is given",
    ),
    "a setting without a value": (
        ("base_url: {env: BOOKS_URL}", "base_url: {env: BOOKS_URL}, settings: {tax_engine: }"),
        "settings.tax_engine",
        "nothing is given; expected is suitetax or legacy",
    ),
    "an approval that does not exist": (
        ("mode: on", "mode: on, approval: maybe"),
        "flows.orders.approval",
        "'none' or 'required'",
    ),
    "a system of record on the other side": (
        ("{orders: {", "{prices: {mode: on, system_of_record: store}, orders: {"),
        "attributes",
        "flow prices writes prices from erp to store, so that their system of record is erp; give single fields to",
    ),
    "a system of record that is no side": (
        ("mode: on", "mode: on, system_of_record: magento"),
        "flows.orders.system_of_record.entity",
        "'store' or 'erp'",
    ),
    "a policy that is misspelt": (
        ("mode: on", "mode: on, system_of_record: {fields: {lines: {foreign_edits: putback}}}"),
        "flows.orders.system_of_record.fields.lines.foreign_edits",
        "'put_back', 'hold' or 'report'",
    ),
    "fields of documents that nobody compares": (
        ("{orders: {", "{shipments: {system_of_record: {foreign_edits: hold}}, orders: {"),
        "attributes",
        "flow shipments delivers documents that nobody compares by field: no fields and no foreign_edits",
    ),
    "a total that is to be put back": (
        ("mode: on", "mode: on, system_of_record: {fields: {total: {foreign_edits: put_back}}}"),
        "attributes",
        "total of orders can only be reported, not put_back: the ERP works it out from lines, shipping and tax, and "
        "nothing writes it: say what becomes of lines and shipping, the total follows",
    ),
    "a cancellation that is to wait": (
        ("mode: on", "mode: on, system_of_record: {fields: {cancellation: {foreign_edits: hold}}}"),
        "attributes",
        "cancellation of orders can only be reported, not hold: whoever cancels or closes an order in the ERP stops "
        "goods, and opening it again would ship them",
    ),
    "a window that two daily comparisons do not share": (
        ("  store:", "  reconcile_window: 1d\n  store:"),
        "reconcile_window",
        "expected 2d to 365d",
    ),
    "a window beyond what is kept": (
        ("  store:", "  reconcile_window: 500d\n  store:"),
        "reconcile_window",
        "what was sent of them is kept for 400 days",
    ),
    "a window that is no duration": (
        ("  store:", "  reconcile_window: 7\n  store:"),
        "reconcile_window",
        "7 is no duration",
    ),
    "fields of documents": (
        ("mode: on", "mode: on, system_of_record: {fields: {number: erp}}"),
        "attributes",
        "flow orders has no field 'number'; known are lines, shipping, shipping_address, payments",
    ),
    "a field that the flow does not have": (
        ("{orders: {", "{products: {mode: on, system_of_record: {fields: {colour: store}}}, orders: {"),
        "attributes",
        "flow products has no field 'colour'; known are name, active, kind, weight, description, short_description",
    ),
    "a field that cannot be given away": (
        ("{orders: {", "{prices: {mode: on, system_of_record: {fields: {amount: store}}}, orders: {"),
        "attributes",
        "flow prices cannot write without field amount: it belongs to the erp",
    ),
    "a policy for edits by the owner": (
        (
            "{orders: {",
            "{products: {system_of_record: {fields: {name: {owner: store, foreign_edits: hold}}}}, orders: {",
        ),
        "attributes",
        "field name of flow products belongs to the store: what is edited there is no foreign edit",
    ),
    "a policy that does not exist": (
        ("{orders: {", "{prices: {mode: on, system_of_record: {foreign_edits: forgive}}, orders: {"),
        "flows.prices.system_of_record.foreign_edits",
        "'put_back', 'hold' or 'report'",
    ),
    "expected numbers of no kind": (
        ("mode: on", "mode: on, expected: [{days: [mon]}]"),
        "flows.orders.expected.0",
        "say either per_hour (what is usual) or at_least (fewer are told)",
    ),
    "a least number of a longer time than its hours": (
        ("mode: on", 'mode: on, expected: [{at_least: 2, within: 3h, from: "08:00", to: "10:00"}]'),
        "flows.orders.expected.0",
        "within is longer than the hours of from and to last",
    ),
    "a folder that is not there": (("  store:", "  lookups: tables\n  store:"), "lookups", "is no folder"),
    "a connection without a vendor": (("vendor: magento, ", ""), "vendor", "Field required"),
    "a credential that is no text": (
        ('base_url: "http://shop.invalid"', 'base_url: "http://shop.invalid", credentials: {token: [1]}'),
        "credentials.token",
        "",
    ),
}


@pytest.mark.parametrize(("change", "field", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused_with_file_field_and_reason(tmp_path, change, field, words):
    text = CONNECTIONS + ROUTE
    assert change[0] in text
    with pytest.raises(WrongConfiguration) as refused:
        read(tmp_path, text.replace(*change))
    assert refused.value.file == str(tmp_path / "us" / "defs.yaml")
    assert refused.value.field.startswith(field)
    assert words in refused.value.problem
    assert str(refused.value) == f"{refused.value.file}: {refused.value.field}: {refused.value.problem}"


@pytest.mark.parametrize("flow", STATE_FLOWS)
def test_names_of_guards_and_rules_are_those_that_the_flow_knows(flow):
    logic = importlib.import_module(f"erp_sync.flows.{flow}.transform")
    text = Path(logic.__file__).read_text() + Path(guards.__file__).read_text()
    asked = set(re.findall(r'limits\.get\(\s*"(\w+)"', text)) | set(logic.GUARDS)
    assert asked <= set(known_names.GUARDS[flow])
    assert set(logic.Rules.__struct_fields__) == set(known_names.RULES[flow])


@pytest.mark.parametrize("what", ["connection", "route"])
def test_a_name_is_given_once(tmp_path, what):
    again = CONNECTIONS.split("---")[0] if what == "connection" else ROUTE
    with pytest.raises(WrongConfiguration, match=f"there is another {what} called"):
        read(tmp_path, f"{CONNECTIONS}{ROUTE}---{again}")


def test_yaml_words_for_yes_and_no_are_modes(tmp_path):
    flows = "{orders: {mode: off}, inventory: {mode: on, every: 1.5h}, prices: {mode: shadow}}"
    configuration = read(tmp_path, CONNECTIONS + ROUTE.split("  flows:")[0] + f"  flows: {flows}\n")
    modes = {name: flow.mode for name, flow in configuration.routes["us"].flows.items()}
    assert modes == {"orders": Mode.OFF, "inventory": Mode.ON, "prices": Mode.SHADOW}
    assert configuration.routes["us"].flows["inventory"].every == timedelta(minutes=90)


def test_a_secret_that_is_not_set_is_named_when_the_connection_is_used(tmp_path):
    connection = read(tmp_path).connections["books"]
    assert connection.variables() == ["BOOKS_URL"]
    with pytest.raises(WrongConfiguration, match="connection books: base_url: environment variable BOOKS_URL is not"):
        connection.resolve({})
    assert connection.resolve({"BOOKS_URL": "http://books.invalid/"}).base_url == "http://books.invalid"


def test_a_secret_may_be_a_file(tmp_path):
    text = CONNECTIONS.replace("{env: BOOKS_URL}", f"{{file: {tmp_path / 'url'}}}")
    connection = read(tmp_path / "defs", text + ROUTE).connections["books"]
    with pytest.raises(WrongConfiguration, match="cannot read"):
        connection.resolve({})
    (tmp_path / "url").write_text("http://books.invalid\n")
    assert connection.resolve({}).base_url == "http://books.invalid"


def test_secrets_do_not_show_in_the_settings_words(tmp_path):
    text = CONNECTIONS.replace("vendor: magento,", "vendor: magento, credentials: {token: very-secret},")
    assert "very-secret" not in repr(read(tmp_path, text + ROUTE).connections["shop"].resolve({}))


def test_who_asks_for_what_is_not_configured_hears_what_is(tmp_path):
    configuration = read(tmp_path)
    with pytest.raises(KeyError, match="configured are: books, shop"):
        configuration.connection("mall")
    with pytest.raises(KeyError, match="configured are: us"):
        configuration.route("de")


@pytest.mark.parametrize(
    ("variables", "routes", "connections"),
    [
        ({}, {"us"}, {"shop", "books"}),
        ({"SHOP_DE_URL": "https://shop.invalid"}, {"us", "de"}, {"shop", "books", "shop_de"}),
        ({"SHOP_DE_URL": ""}, {"us"}, {"shop", "books"}),
    ],
    ids=["not set", "set", "empty"],
)
def test_a_route_that_waits_for_a_variable_is_not_there_nor_what_only_it_reads(
    tmp_path, monkeypatch, variables, routes, connections
):
    monkeypatch.delenv("SHOP_DE_URL", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    second = ROUTE.replace("name: us", "name: de\n  where_set: SHOP_DE_URL").replace("store: shop", "store: shop_de")
    german = CONNECTIONS.partition("---\n")[0].replace("name: shop", "name: shop_de")
    text = f"{CONNECTIONS}{german}---\n{ROUTE}---\n{second}"
    found = read(tmp_path, text)
    assert (set(found.routes), set(found.connections)) == (routes, connections)
    assert set(read_configuration(tmp_path, everything=True).routes) == {"us", "de"}


def test_a_second_route_ships_and_sleeps_until_its_shop_is_named(monkeypatch):
    monkeypatch.delenv("SHOPWARE_DE_URL", raising=False)
    assert set(read_configuration(PACKAGE / "defs").routes) == {"netsuite_magento"}
    monkeypatch.setenv("SHOPWARE_DE_URL", "https://shop.invalid")
    configuration = read_configuration(PACKAGE / "defs")
    assert set(configuration.routes) == {"netsuite_magento", "sap_b1_shopware"}
    keys = installation_definitions(configuration).get_repository_def().asset_graph.get_all_asset_keys()
    assert {("sap_b1_shopware", "orders", "loaded")} <= {tuple(key.path) for key in keys}


@pytest.mark.parametrize("folder", SHIPPED)
def test_the_shipped_routes_load_into_definitions(folder):
    configuration = read_configuration(PACKAGE / folder)
    definitions = installation_definitions(configuration)
    repository = definitions.get_repository_def()
    (route,) = configuration.routes.values()
    active = [name for name, flow in route.flows.items() if flow.mode is not Mode.OFF]
    keys = {key.path[-1] for key in repository.asset_graph.get_all_asset_keys()}
    assert keys == {"extracted", "transformed", "loaded", "housekeeping"}
    assert {"orders", "order_status", "shipments"} <= set(active)
    assert len(repository.asset_graph.get_all_asset_keys()) == 3 * len(active) + 1


def test_another_pair_of_systems_is_another_file_and_no_python(tmp_path):
    read(tmp_path)
    second = CONNECTIONS.replace("shop", "shop_de").replace("books", "books_de") + ROUTE.replace("name: us", "name: de")
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "defs.yaml").write_text(second.replace("shop\n", "shop_de\n").replace("books\n", "books_de\n"))
    repository = installation_definitions(read_configuration(tmp_path)).get_repository_def()
    assert {job.name for job in repository.get_all_jobs()} >= {"us", "de"}


def test_what_two_routes_read_from_one_connection_is_extracted_once(tmp_path):
    second = ROUTE.replace("name: us", "name: second")
    configuration = read(tmp_path, f"{CONNECTIONS}{ROUTE}---{second}")
    graph = installation_definitions(configuration).get_repository_def().asset_graph
    paths = sorted("/".join(key.path) for key in graph.get_all_asset_keys())
    assert paths == [
        "installation/housekeeping",
        "second/orders/loaded",
        "second/orders/transformed",
        "shop/sales_order/extracted",
        "us/orders/loaded",
        "us/orders/transformed",
    ]


@pytest.mark.parametrize("module", ["erp_sync.definitions", "erp_sync.components.sensing", "erp_sync.components.due"])
def test_definitions_and_sensors_import_neither_pandas_nor_great_expectations(tmp_path, module):
    environment = {**os.environ, "ERP_SYNC_HOME": str(tmp_path)}
    environment.pop("ERP_SYNC_DEFS", None)
    heavy = "{'pandas', 'great_expectations'}"
    program = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True, cwd=PACKAGE.parent
    )
    assert done.stdout.strip() == "[]"


def test_expected_numbers_are_what_is_usual_or_a_bound(tmp_path):
    expected = '[{per_hour: 20, days: [mon]}, {at_least: 3, within: 45m, from: "08:00", to: "22:00"}]'
    text = (CONNECTIONS + ROUTE).replace("mode: on", f"mode: on, expected: {expected}", 1)
    usual, bound = (one.by_hand() for one in read(tmp_path, text).routes["us"].flows["orders"].expected)
    assert usual == ByHand(days=(0,), begins=time(0), ends=time(0), per_hour=20)
    assert bound == AtLeast(days=tuple(range(7)), begins=time(8), ends=time(22), count=3, within=timedelta(minutes=45))


def test_the_window_of_the_daily_comparison_keeps_to_what_the_ledger_keeps():
    assert timedelta(days=Retention().deliveries) >= LONGEST_WINDOW + DELIVERIES_BEYOND
