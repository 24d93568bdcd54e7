from __future__ import annotations

import httpx
import pytest

from erp_sync.transport.errors import NotSentError, OutcomeUnknown
from erp_sync.transport.wire import MAY_HAVE_ARRIVED, NEVER_LEFT, translate

REQUEST = httpx.Request("POST", "http://vendor.example/orders")

# Raised by misuse of httpx, never by what happens on a wire; and HTTPStatusError by raise_for_status only.
MISUSE = {
    httpx.HTTPStatusError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamConsumed,
    httpx.StreamClosed,
    httpx.ResponseNotRead,
    httpx.RequestNotRead,
}


def leaves(kind: type) -> set[type]:
    below = {leaf for child in kind.__subclasses__() for leaf in leaves(child)}
    return below or {kind}


def test_every_exception_of_httpx_is_mapped():
    public = {getattr(httpx, name) for name in httpx._exceptions.__all__}
    tree = {leaf for kind in public for leaf in leaves(kind) if leaf.__module__.startswith("httpx")}
    assert tree == set(NEVER_LEFT) | set(MAY_HAVE_ARRIVED) | MISUSE


def test_no_exception_is_in_both_tables():
    assert not set(NEVER_LEFT) & set(MAY_HAVE_ARRIVED)


@pytest.mark.parametrize("kind", sorted(NEVER_LEFT, key=lambda kind: kind.__name__))
def test_what_never_left_is_not_sent(kind):
    assert isinstance(translate(kind("x", request=REQUEST), REQUEST), NotSentError)


@pytest.mark.parametrize("kind", sorted(MAY_HAVE_ARRIVED, key=lambda kind: kind.__name__))
def test_what_may_have_arrived_is_unknown(kind):
    assert isinstance(translate(kind("x", request=REQUEST), REQUEST), OutcomeUnknown)


def test_an_exception_of_tomorrow_is_unknown():
    class NewError(httpx.TransportError):
        pass

    assert isinstance(translate(NewError("x", request=REQUEST), REQUEST), OutcomeUnknown)


def test_a_lost_token_request_means_the_write_never_left():
    token = httpx.Request("POST", "http://vendor.example/token")
    error = translate(httpx.ReadTimeout("x", request=token), REQUEST)
    assert isinstance(error, NotSentError)
    assert "authenticating" in str(error)
