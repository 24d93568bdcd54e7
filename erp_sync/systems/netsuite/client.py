"""NetSuite over HTTP: signing, SuiteQL, records, RESTlets and what the error bodies mean. No business words.

Sources: Oracle NetSuite help (REST web services, SuiteQL, OAuth 2.0 client credentials, TBA, Errors,
Concurrency) and public error bodies where Oracle shows none; those are marked unconfirmed.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import httpx

from erp_sync.model.advice import Advice
from erp_sync.ports.connection import Breaker, ConnectionSettings, ExchangeSink, Slots
from erp_sync.systems.netsuite.errors import outcome
from erp_sync.transport.calls import Call, Reply, path_segment
from erp_sync.transport.client import VendorClient
from erp_sync.transport.errors import OutcomeUnknown

Value = TypeVar("Value")

RECORD = "services/rest/record/v1"
SUITEQL = "services/rest/query/v1/suiteql"
TOKEN = "services/rest/auth/oauth2/v1/token"
RESTLET = "app/site/hosting/restlet.nl"

PAGE = 1000  # most rows a SuiteQL page gives (Oracle NetSuite help, SuiteQL)
MOST_IN_LIST = 1000  # elements of an IN list: Oracle's limit
EXTERNAL_ID = "eid:"

TOKEN_CREDENTIALS = ("account", "consumer_key", "consumer_secret", "token_id", "token_secret")
ASSERTION_CREDENTIALS = ("account", "client_id", "certificate_id", "private_key_pem")


class MissingCredentials(ValueError):
    """The connection has neither a complete set of token nor of OAuth 2.0 credentials."""

    advice = Advice(
        means="The connection has no complete set of credentials: nothing is read from this system or sent to it.",
        look=("erp-sync doctor ROUTE",),
        do="Set the variables that the connection's YAML names, then `erp-sync down`, `erp-sync up`.",
    )

    def __init__(self, connection: str, given: Iterable[str]) -> None:
        self.connection = connection
        names = ", ".join(sorted(given)) or "none"
        super().__init__(
            f"{connection}: credentials given: {names}; NetSuite needs {', '.join(TOKEN_CREDENTIALS)} "
            f"or {', '.join(ASSERTION_CREDENTIALS)}"
        )


def authentication(connection: ConnectionSettings) -> httpx.Auth:
    """Token-based (OAuth 1.0a) or OAuth 2.0 with a signed assertion, by the credentials given.

    With both, setting ``authentication: oauth2`` chooses the second. Raises MissingCredentials.
    """
    given = connection.credentials
    has_tokens = all(given.get(name) for name in TOKEN_CREDENTIALS)
    has_assertion = all(given.get(name) for name in ASSERTION_CREDENTIALS)
    if not has_tokens and not has_assertion:
        raise MissingCredentials(connection.name, given)
    if has_assertion and (not has_tokens or connection.settings.get("authentication") == "oauth2"):
        from erp_sync.transport.auth import OAuth2ClientCredentials

        return OAuth2ClientCredentials(
            f"{connection.base_url.rstrip('/')}/{TOKEN}",
            client_id=given["client_id"],
            key_id=given["certificate_id"],
            private_key=given["private_key_pem"],
            algorithm=str(connection.settings.get("assertion_algorithm", "PS256")),
            scopes=["rest_webservices", "restlets"],
        )
    from erp_sync.transport.auth import OAuth1

    # The realm is the account id in upper case with an underscore (1234567_SB1); it is not signed.
    return OAuth1(
        given["consumer_key"],
        given["consumer_secret"],
        given["token_id"],
        given["token_secret"],
        realm=given["account"].upper().replace("-", "_"),
        signature_method="HMAC-SHA256",
    )


def restlet_base(connection: ConnectionSettings) -> str:
    """RESTlets have a host of their own; elsewhere (a sandbox, a proxy) they share the base URL."""
    explicit = connection.settings.get("restlet_url")
    base = str(explicit or connection.base_url).rstrip("/")
    return base if explicit else base.replace(".suitetalk.api.netsuite.com", ".restlets.api.netsuite.com")


class NetSuiteClient:
    """Calls to one account. Thread-safe: threads share it.

    Every method raises the TransportError tree. Numbers come back exact: Decimal, int or text.
    """

    def __init__(
        self,
        connection: ConnectionSettings,
        *,
        slots: Slots,
        breaker: Breaker,
        exchanges: ExchangeSink,
        **transport: Any,
    ) -> None:
        self.connection = connection
        self._restlets = restlet_base(connection)
        self._write_timeout = float(connection.settings.get("write_timeout_seconds", 60))
        # Unknown properties are dropped with a warning by default; refused, nothing is lost unseen.
        self._writing = {
            "X-NetSuite-PropertyNameValidation": str(connection.settings.get("property_name_validation", "Error"))
        }
        self._client = VendorClient(
            connection,
            auth=authentication(connection),
            slots=slots,
            breaker=breaker,
            exchanges=exchanges,
            outcome=outcome,
            hosts=[urllib.parse.urlsplit(self._restlets).netloc],
            timeout=float(connection.settings.get("read_timeout_seconds", 30)),
            deadline_seconds=float(connection.settings.get("deadline_seconds", 120)),
            **transport,
        )

    @property
    def behind_seconds(self) -> float:
        """By which the account's clock was behind ours when it answered last."""
        return self._client.behind_seconds

    def close(self) -> None:
        self._client.close()

    # Reading -------------------------------------------------------------------------------

    def query(self, suiteql: str, *, operation: str, limit: int = PAGE, poll: bool = False) -> list[dict[str, Any]]:
        """Rows of one page; the caller pages by key. Column names lower case, values mostly text.

        A `poll` that finds nothing is counted in the exchange log, not kept.
        """
        reply = self._client.send(
            Call(
                method="POST",
                path=SUITEQL,
                params=[("limit", str(limit)), ("offset", "0")],
                headers={"Prefer": "transient"},
                json={"q": suiteql},
                operation=operation,
                repeatable=True,
                found_nothing=_no_rows if poll else None,
            )
        )
        body = reply.json()
        items = body.get("items") if isinstance(body, Mapping) else None
        if not isinstance(items, list):
            raise OutcomeUnknown("a SuiteQL answer has no items", status=reply.status)
        return [{name: value for name, value in row.items() if name != "links"} for row in items]

    def pages(
        self, suiteql: Callable[[str], str], key: Callable[[dict[str, Any]], str], *, operation: str, poll: bool = False
    ) -> Iterator[list[dict[str, Any]]]:
        """Pages of a query that is read on from the last key, not by offset.

        `suiteql` gets a condition-making value: the last key, "" at first. Rows that move while one
        reads cannot shift others over a page's edge, and the cap of 100,000 rows a query (Oracle
        NetSuite help, SuiteQL) does not bind.
        """
        last = ""
        while True:
            rows = self.query(suiteql(last), operation=operation, poll=poll)
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            following = key(rows[-1])
            if following == last:
                raise OutcomeUnknown(f"SuiteQL page after {last} ends where it began")
            last = following

    def get(
        self, record: str, identity: str, *, operation: str, document: str = "", expand: bool = False, fields: str = ""
    ) -> dict[str, Any] | None:
        """One record by internal id or ``eid:...``; None where there is none. The most current read."""
        params = [("expandSubResources", "true")] if expand else []
        if fields:
            params.append(("fields", fields))
        reply = self._client.send(
            Call(
                method="GET",
                path=f"{RECORD}/{record}/{_identity(identity)}",
                params=params,
                operation=operation,
                document=document,
                repeatable=True,
                expected=(404,),
            )
        )
        return None if reply.status == 404 else reply.json()

    def catalog(self, record: str) -> dict[str, Any] | None:
        """The account's own schema of a record type, as JSON schema; None where it has no such record."""
        reply = self._client.send(
            Call(
                method="GET",
                path=f"{RECORD}/metadata-catalog/{path_segment(record)}",
                headers={"Accept": "application/schema+json"},
                operation="metadata.read",
                repeatable=True,
                expected=(404,),
            )
        )
        return None if reply.status == 404 else reply.json()

    def records(self) -> list[str]:
        """Names of all records that the role sees, by the metadata catalogue."""
        reply = self._client.send(
            Call(method="GET", path=f"{RECORD}/metadata-catalog", operation="metadata.list", repeatable=True)
        )
        return [str(one["name"]) for one in reply.json().get("items") or ()]

    def server_date(self) -> str:
        """The Date header of a signed call that anybody with access may make."""
        reply = self._client.send(
            Call(
                method="POST",
                path=SUITEQL,
                params=[("limit", "1"), ("offset", "0")],
                headers={"Prefer": "transient"},
                json={"q": "SELECT id FROM item WHERE id = 0 ORDER BY id"},
                operation="doctor.login",
                repeatable=True,
            )
        )
        return reply.header("Date")

    def restlet_version(self, script: str, deployment: str) -> Any:
        """GET of a RESTlet of this project: ``{"name", "version"}``."""
        reply = self._client.send(
            Call(
                method="GET",
                path=f"{self._restlets}/{RESTLET}",
                params=[("script", script), ("deploy", deployment)],
                headers={"Content-Type": "application/json"},
                operation="doctor.restlet",
                repeatable=True,
            )
        )
        return reply.json()

    def permissions(self, script: str, deployment: str, names: Sequence[str]) -> dict[str, int]:
        """What the role of the token may do, by the search RESTlet: 0 nothing, 1 view, 2 create, 3 edit, 4 full.

        Empty where the RESTlet that is installed does not know.
        """
        reply = self._client.send(
            Call(
                method="GET",
                path=f"{self._restlets}/{RESTLET}",
                params=[("script", script), ("deploy", deployment), ("permissions", ",".join(names))],
                headers={"Content-Type": "application/json"},
                operation="doctor.permissions",
                repeatable=True,
            )
        )
        answer = reply.json()
        found = answer.get("permissions") if isinstance(answer, Mapping) else None
        if not isinstance(found, Mapping):
            return {}
        return {str(name): int(level) for name, level in found.items() if str(level) in ("0", "1", "2", "3", "4")}

    def saved_search(self, script: str, deployment: str, search: str, rows: int = 1) -> Any:
        """The first rows of a saved search by the search RESTlet: ``{"rows": [{label: value}], "count", "more"}``."""
        reply = self._client.send(
            Call(
                method="GET",
                path=f"{self._restlets}/{RESTLET}",
                params=[
                    ("script", script),
                    ("deploy", deployment),
                    ("search", search),
                    ("start", "0"),
                    ("end", str(rows)),
                ],
                headers={"Content-Type": "application/json"},
                operation="doctor.search",
                repeatable=True,
            )
        )
        return reply.json()

    def governance(self) -> Reply:
        """Concurrency limits of the account; only an administrator may ask (Oracle, GovernanceLimits)."""
        return self._client.send(
            Call(
                method="GET",
                path="services/rest/system/v1/governanceLimits",
                operation="governance.read",
                repeatable=True,
                expected=(403, 404),
            )
        )

    # Writing -------------------------------------------------------------------------------

    def create(
        self, record: str, body: Mapping[str, Any], *, operation: str, document: str, repeatable: bool = True
    ) -> str:
        """Create a record with an external id; its internal id.

        Sent again after an unknown outcome: the external id makes a second one impossible, and the
        refusal of it (code ``already_exists``) is the caller's to look into. Not `repeatable` where that is not sure.
        """
        if not body.get("externalId"):
            raise ValueError(f"{operation}: a {record} without externalId could be created twice")
        reply = self._client.send(
            Call(
                method="POST",
                path=f"{RECORD}/{record}",
                json=body,
                headers=self._writing,
                operation=operation,
                document=document,
                repeatable=repeatable,
                timeout=self._write_timeout,
            )
        )
        return _id_of_location(reply, operation)

    def update(
        self,
        record: str,
        identity: str,
        body: Mapping[str, Any],
        *,
        operation: str,
        document: str,
        repeatable: bool = False,
        replace: str = "",
    ) -> None:
        """PATCH. Repeatable only where the body sets values and appends no lines.

        `replace` names sublists, with commas, whose lines become those of the body (Oracle NetSuite help, Sublists).
        """
        self._client.send(
            Call(
                method="PATCH",
                path=f"{RECORD}/{record}/{_identity(identity)}",
                params=[("replace", replace)] if replace else [],
                json=body,
                headers=self._writing,
                operation=operation,
                document=document,
                repeatable=repeatable,
                timeout=self._write_timeout,
            )
        )

    def restlet(
        self, script: str, deployment: str, body: Mapping[str, Any], *, operation: str, document: str, repeatable: bool
    ) -> Any:
        """POST to a RESTlet; its JSON answer."""
        reply = self._client.send(
            Call(
                method="POST",
                path=f"{self._restlets}/{RESTLET}",
                params=[("script", script), ("deploy", deployment)],
                json=body,
                operation=operation,
                document=document,
                repeatable=repeatable,
                timeout=self._write_timeout,
            )
        )
        return reply.json()


def _identity(identity: str) -> str:
    if identity.startswith(EXTERNAL_ID):
        return EXTERNAL_ID + path_segment(identity[len(EXTERNAL_ID) :])
    return path_segment(identity)


def _no_rows(reply: Reply) -> bool:
    try:
        body = reply.json()
    except OutcomeUnknown:
        return False
    return isinstance(body, Mapping) and not body.get("items")


def _id_of_location(reply: Reply, operation: str) -> str:
    """204 has no body; the id is the last segment of Location (Oracle NetSuite help)."""
    location = reply.header("Location")
    identity = urllib.parse.urlsplit(location).path.rstrip("/").rpartition("/")[2]
    if not identity:
        raise OutcomeUnknown(f"{operation}: HTTP {reply.status} came without a Location", status=reply.status)
    return identity


def chunks(values: Sequence[Value], size: int = MOST_IN_LIST) -> Iterator[Sequence[Value]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
