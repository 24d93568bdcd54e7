"""Messages to people: by a real webhook and a real mail server of this machine, once per cause, and when it is over."""

from __future__ import annotations

import email
from collections.abc import Collection, Iterator
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from erp_sync.ledger import Ledger
from erp_sync.monitoring.alerting import AppriseChannels, Message, WrongChannel, message_of, tell
from erp_sync.runtime.service_set import free_port
from erp_sync_tests.ledger import fresh
from erp_sync_tests.ledger.world import Clock
from erp_sync_tests.monitoring.webhooks import Webhook


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    fresh.create(url)
    opened = Ledger.open(url, clock)
    yield opened
    opened.close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    yield hook
    hook.close()


def test_a_matter_is_told_once_and_its_end_once(ledger: Ledger, webhook: Webhook):
    channels = AppriseChannels([webhook.url])
    text = "sales orders on us: 0 came since 16:00 UTC, about 10 are usual by now. Look whether the store takes orders."
    for _ in range(3):
        ledger.notices.raise_once("watch/silent/us/orders", "critical", text, link="/asset-groups/us_orders")
        tell(ledger, channels, installation="shop", base_url="https://dagster.example.com")
    (told,) = webhook.posted
    assert told["title"] == "erp_sync shop: sales orders on us: 0 came since 16:00 UTC, about 10 are usual by now"
    assert told["type"] == "failure"
    assert "https://dagster.example.com/asset-groups/us_orders" in told["message"]
    ledger.notices.clear("watch/silent/us/orders")
    for _ in range(2):
        tell(ledger, channels, installation="shop")
    assert [(one["type"], "settled: " in one["title"]) for one in webhook.posted[1:]] == [("success", True)]


def test_what_no_channel_took_is_told_later(ledger: Ledger, webhook: Webhook):
    channels = AppriseChannels([webhook.url])
    webhook.status = 503
    ledger.notices.raise_once("a", "error", "something")
    assert tell(ledger, channels, installation="shop") == 0
    webhook.status = 200
    assert tell(ledger, channels, installation="shop") == 2  # and that the channel was broken
    assert "something" in {one["message"].splitlines()[0] for one in webhook.posted[1:]}


def test_a_broken_channel_makes_nobody_repeat_himself_and_is_told_by_the_others(ledger: Ledger, webhook: Webhook):
    channels = AppriseChannels([webhook.url, "json://127.0.0.1:9/nobody?token=hidden-token"])
    ledger.notices.raise_once("a", "error", "something")
    for _ in range(3):
        tell(ledger, channels, installation="shop")
    texts = [one["message"].splitlines()[0] for one in webhook.posted]
    assert texts[0] == "something"
    assert len(texts) == 2
    assert texts[1].startswith("Alert channel json://127.0.0.1:9/nobody")
    assert "hidden-token" not in texts[1]


def test_a_channel_that_was_down_is_told_what_it_missed_and_the_others_nothing_again(ledger: Ledger, webhook: Webhook):
    """What one channel had taken counted as told to all: who looks at the other one only never heard of it."""
    other = Webhook()
    try:
        channels = AppriseChannels([webhook.url, other.url])
        other.status = 503
        ledger.notices.raise_once("a", "error", "orders stand still")
        ledger.notices.raise_once("b", "error", "prices stand still")
        assert tell(ledger, channels, installation="shop") == 2
        ledger.notices.clear("b")
        tell(ledger, channels, installation="shop")
        heard = len(webhook.posted)
        other.posted.clear()
        other.status = 200
        tell(ledger, channels, installation="shop")
        # Not of what is over by now, and not that it is broken itself.
        assert [one["message"].splitlines()[0] for one in other.posted] == ["orders stand still"]
        ledger.notices.clear("a")
        tell(ledger, channels, installation="shop")
        about = [one["type"] for one in other.posted if "orders stand still" in one["message"]]
        assert about == ["failure", "success"]
        assert not any("prices stand still" in one["message"] for one in other.posted)
        assert ledger.notices.open() == []
        texts = [one["message"].splitlines()[0] for one in webhook.posted[heard:]]
        assert [text for text in texts if not text.startswith("Settled at")] == []
    finally:
        other.server.shutdown()
        other.server.server_close()


class Dying(AppriseChannels):
    """Of so many messages the last one is not sent: whoever tells it is killed."""

    left = 0

    def send(self, message: Message, only: Collection[str] | None = None) -> list[str]:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().send(message, only)


def heard(webhook: Webhook) -> list[tuple[str, str]]:
    return [(one["type"], one["title"].removeprefix("erp_sync shop: ")) for one in webhook.posted]


def test_what_somebody_was_telling_who_was_killed_is_told_by_the_next_and_nothing_twice(
    ledger: Ledger, webhook: Webhook, clock: Clock
):
    dying = Dying([webhook.url])
    for key in ("a", "b", "c"):
        ledger.notices.raise_once(key, "critical", f"{key} stands still")
    dying.left = 1
    with pytest.raises(KeyboardInterrupt):
        tell(ledger, dying, installation="shop")
    channels = AppriseChannels([webhook.url])
    for _ in range(3):
        clock.advance(360)
        tell(ledger, channels, installation="shop")
    assert heard(webhook) == [("failure", f"{key} stands still") for key in "abc"]
    # Owed ones too, and that something is over.
    webhook.status = 503
    ledger.notices.clear("a")
    tell(ledger, AppriseChannels([webhook.url, "json://127.0.0.1:9/nobody"]), installation="shop")
    webhook.status, webhook.posted[:] = 200, []
    dying.left = 0
    with pytest.raises(KeyboardInterrupt):
        tell(ledger, dying, installation="shop")
    clock.advance(1000)
    tell(ledger, channels, installation="shop")
    assert ("success", "settled: a stands still") in heard(webhook)


def test_what_is_over_by_then_is_not_told_behind_its_end(ledger: Ledger, webhook: Webhook, clock: Clock):
    ledger.notices.raise_once("a", "critical", "a stands still")
    with pytest.raises(KeyboardInterrupt):
        tell(ledger, Dying([webhook.url]), installation="shop")
    ledger.notices.clear("a")
    for _ in range(3):
        tell(ledger, AppriseChannels([webhook.url]), installation="shop")
        clock.advance(1000)
    assert heard(webhook) == [("success", "settled: a stands still")]


def test_a_channel_that_is_taken_out_of_the_settings_is_owed_nothing(ledger: Ledger, webhook: Webhook):
    gone = "json://127.0.0.1:9/nobody?token=hidden-token"
    ledger.notices.raise_once("a", "error", "something")
    tell(ledger, AppriseChannels([webhook.url, gone]), installation="shop")
    assert len(ledger.owed.channels()) == 1
    tell(ledger, AppriseChannels([webhook.url]), installation="shop")
    assert ledger.owed.channels() == set()


def test_what_is_lighter_than_wanted_is_not_told(ledger: Ledger, webhook: Webhook):
    ledger.notices.raise_once("a", "info", "by the way")
    assert tell(ledger, AppriseChannels([webhook.url]), installation="shop") == 0
    assert webhook.posted == []


def test_mail_arrives_at_a_real_server(ledger: Ledger):
    class Mailbox:
        def __init__(self) -> None:
            self.mails: list[Any] = []

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            self.mails.append(email.message_from_bytes(envelope.content))
            return "250 OK"

    mailbox = Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        channels = AppriseChannels(
            [f"mailto://127.0.0.1:{server.port}/?from=erp@example.com&to=ops@example.com&mode=insecure"]
        )
        ledger.notices.raise_once("a", "error", "Orders wait. Look at them.")
        assert tell(ledger, channels, installation="shop") == 1
    finally:
        server.stop()
    (mail,) = mailbox.mails
    assert mail["To"].endswith("ops@example.com") or "ops@example.com" in mail["To"]
    assert str(make_header(decode_header(mail["Subject"]))) == "erp_sync shop: Orders wait"


@pytest.mark.parametrize(
    "url",
    [
        "mailtos://user:password@smtp.example.com?to=ops@example.com",
        "slack://TokenA12345/TokenB12345/TokenC1234567890123456/#orders",
        "workflows://prod-01.westeurope.logic.azure.com/643e69f83c8944/signature/",
        "pagerduty://IntegrationKey1234567890123456@ApiKey123456789",
        "jsons://hooks.example.com/erp?token=secret",
    ],
)
def test_mail_slack_teams_pagerduty_and_webhooks_are_known_and_their_secrets_are_not_told(url: str):
    (name,) = AppriseChannels([url]).names()
    for secret in ("password", "TokenC1234567890123456", "643e69f83c8944", "IntegrationKey1234567890123456", "secret"):
        assert secret not in name


def test_a_channel_that_cannot_be_is_refused_without_its_secret():
    with pytest.raises(WrongChannel, match=r"alert channel 2 \(nothing://\.\.\.\)") as refused:
        AppriseChannels(["json://127.0.0.1/a", "nothing://secret"])
    assert "secret" not in str(refused.value)


def test_a_title_is_one_short_line(ledger: Ledger):
    ledger.notices.raise_once("a", "error", "x" * 500 + "\nmore")
    (notice,) = ledger.notices.open()
    message = message_of(notice, "shop")
    assert isinstance(message, Message)
    assert len(message.title) <= 160
    assert "\n" not in message.title
