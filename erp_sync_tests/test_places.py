"""What people read of a database's URL."""

import pytest

from erp_sync.places import place


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/ledger.db", "sqlite:////var/ledger.db"),
        ("postgresql://clerk:hidden@db:5432/ledger", "postgresql://clerk:***@db:5432/ledger"),
        ("postgresql://db/ledger?user=clerk&password=hidden", "postgresql://db/ledger?password=***&user=clerk"),
        (
            "postgresql://db/ledger?sslpassword=hidden&sslmode=require",
            "postgresql://db/ledger?sslmode=require&sslpassword=***",
        ),
    ],
)
def test_a_password_is_hidden_wherever_it_stands(url: str, shown: str):
    base, _, query = place(url).partition("?")
    expected, _, parts = shown.partition("?")
    assert base == expected
    assert sorted(query.replace("%2A", "*").split("&")) == sorted(parts.split("&"))
