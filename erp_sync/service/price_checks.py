"""Who may ask what an account sees, and the answer: see `erp_sync.operations.price_check`."""

from __future__ import annotations

import hmac
import logging
from typing import Any

import msgspec
from sqlalchemy.exc import DBAPIError

from erp_sync.components.configuration import FromEnvironment, FromFile, RouteSpec
from erp_sync.components.installation import Installation
from erp_sync.ledger.errors import LedgerError
from erp_sync.model.advice import Advice
from erp_sync.operations.price_check import FLOW, check, compare_live

log = logging.getLogger(__name__)

#: Credential of the store's connection that its shop sends as a bearer token.
SECRET = "price_check_secret"


class NotAsked(Exception):
    """Nobody may ask here, or not with this token. Attributes: status, problem."""

    advice = Advice(
        means="Somebody asked the service for an account's prices without being known to it. Nothing was told.",
        look=("erp-sync doctor ROUTE",),
        do="Give the store's connection the credential price_check_secret, and the shop the same as its bearer token.",
    )

    def __init__(self, status: int, problem: str) -> None:
        self.status, self.problem = status, problem
        super().__init__(problem)


class PriceChecks:
    """Of one installation. Thread-safe."""

    def __init__(self, here: Installation) -> None:
        self._here = here

    def answer(self, name: str, account: str, token: str) -> dict[str, Any]:
        """What is known of the account now. Raises NotAsked."""
        found = check(self._here, self._admitted(name, token), account)
        told: dict[str, Any] = msgspec.to_builtins(found)
        return {**told, "agrees": found.agrees}

    def compare(self, name: str, account: str) -> None:
        """Has the account compared with both systems, behind the answer."""
        try:
            compare_live(self._here, self._here.configuration.route(name), account)
        except (LedgerError, DBAPIError) as error:
            # The next log-in asks again, and the full comparison does not need to be asked.
            log.error("a live comparison was not begun", extra={"account": account, "error": str(error)})

    def _admitted(self, name: str, token: str) -> RouteSpec:
        route = self._here.configuration.routes.get(name)
        if route is None or FLOW.name not in route.flows:
            raise NotAsked(404, f"no route {name} with contract prices")
        given = self._here.configuration.connection(getattr(route, FLOW.target))
        if SECRET not in given.credentials:
            raise NotAsked(404, f"route {name} answers nobody: its store has no {SECRET}")
        value = given.credentials[SECRET]
        secret = given.resolve().credentials.get(SECRET, "") if isinstance(value, FromEnvironment | FromFile) else value
        if not secret or not hmac.compare_digest(secret.encode(), token.encode()):
            raise NotAsked(401, "the bearer token is not the store's")
        return route
