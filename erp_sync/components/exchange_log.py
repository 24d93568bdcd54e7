"""The exchange log of an installation: that its database does not answer is said of it, not of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from erp_sync.ledger.errors import NO_ANSWER, DatabaseAway, is_away
from erp_sync.transport.exchanges import ExchangeLog

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


def _named(
    act: Callable[Concatenate[Any, _Given], _Found],
) -> Callable[Concatenate[Any, _Given], _Found]:
    """What the driver raises where the log does not answer becomes DatabaseAway."""

    @wraps(act)
    def answered(log: ExchangeLog, *args: _Given.args, **options: _Given.kwargs) -> _Found:
        try:
            return act(log, *args, **options)
        except NO_ANSWER as error:
            if not is_away(error):
                raise
            do = "end what holds its file (a backup, another program), or correct ERP_SYNC_HOME"
            raise DatabaseAway("the exchange log", "ERP_SYNC_HOME", log.url, error, do) from error

    return answered


class InstallationsLog(ExchangeLog):
    """What looks into it, forgets or erases also raises DatabaseAway, whose place and setting are the log's."""

    search = _named(ExchangeLog.search)
    request_body = _named(ExchangeLog.request_body)
    response_body = _named(ExchangeLog.response_body)
    empty_polls = _named(ExchangeLog.empty_polls)
    calls = _named(ExchangeLog.calls)
    about = _named(ExchangeLog.about)
    erase = _named(ExchangeLog.erase)
    expire = _named(ExchangeLog.expire)
