"""Settings of an installation: a wrong one is refused with its name."""

import pytest

from erp_sync.settings import DAYS, WrongSetting, load


def test_a_setting_that_does_not_exist_is_named_without_its_value():
    """A credential under a name of ours would stand in a log."""
    with pytest.raises(
        WrongSetting, match=r"ERP_SYNC_TOKEN_SECRET.*no such setting; known are ERP_SYNC_ALERT"
    ) as wrong:
        load({"ERP_SYNC_TOKEN_SECRET": "hunter2hunter2"})
    assert "hunter2" not in str(wrong.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ERP_SYNC_EXCHANGE_DAYS", "0", "at least 1"),
        ("ERP_SYNC_RUN_DAYS", "a week", "at least 1"),
        ("ERP_SYNC_DELIVERY_DAYS", "39", "at least 40"),
        ("ERP_SYNC_PLAN_DAYS", "-90", "at least 30"),
        ("ERP_SYNC_EVENT_DAYS", "7", "at least 8"),
        ("ERP_SYNC_METRIC_DAYS", "30", "at least 31"),
        ("ERP_SYNC_SNAPSHOT_DAYS", "", "at least 1"),
        ("ERP_SYNC_DOCUMENT_DEATHS", "1", "at least 2"),
        ("ERP_SYNC_DEFS", "/nowhere/at/all", "a folder of connection and route YAML files"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_expected(name, value, words):
    with pytest.raises(WrongSetting, match=rf"setting {name} is '{value}'; expected .*{words}"):
        load({name: value})


@pytest.mark.parametrize("name", ["ERP_SYNC_LEDGER_URL", "ERP_SYNC_DAGSTER_POSTGRES_URL"])
def test_a_wrong_address_of_a_database_does_not_show_its_password(name):
    with pytest.raises(WrongSetting, match=name) as wrong:
        load({name: "mysql://ann:hunter2@db.invalid/ledger"})
    assert "hunter2" not in str(wrong.value)


def test_every_setting_of_days_is_read_and_has_its_default():
    empty = load({})
    for field, (name, default, least) in DAYS.items():
        assert getattr(empty, field) == default
        assert getattr(load({name: str(least)}), field) == least
