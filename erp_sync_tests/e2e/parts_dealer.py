"""A dealer in industrial parts: Shopware and SAP Business One over HTTP, erp_sync between them.

What shoppers do goes through the Store API; what is in the ERP is read from its sandbox's own database.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml

from erp_sync.sandbox.testing import RunningSandbox, running
from erp_sync.settings import load
from erp_sync.systems.sap_b1 import sandbox as sap_b1
from erp_sync.systems.shopware import sandbox as shopware
from erp_sync.systems.shopware.sandbox.bootstrap import country
from erp_sync_tests.e2e.business import Business, rows
from erp_sync_tests.ledger import fresh

ROUTE, STORE, ERP = "parts", "shopware_de", "sap_de"
CREDENTIALS = {"shopware": ("client_id", "client_secret"), "sap_b1": ("company_db", "user_name", "password")}
PASSWORD = "Bearing-6204"
#: Gross prices in the shop, net in the ERP: 19 % lies between.
ITEMS = (("BEARING-6204", "5.36", "4.50"), ("SHAFT-20", "17.85", "15.00"), ("GREASE-400", "11.90", "10.00"))
COMPANY = {
    "number": "C10010",
    "email": "einkauf@noether.example",
    "first_name": "Emmy",
    "last_name": "Noether",
    "company": "Noether Maschinenbau GmbH",
    "password": PASSWORD,
    "addresses": [{"street": "Am Wehr 3", "city": "Erlangen", "postcode": "91052", "country": "DE"}],
}
STORE_DATA: dict[str, Any] = {
    "items": [{"sku": sku, "name": f"Part {sku}", "price": gross} for sku, gross, _ in ITEMS],
    "stock": [{"sku": sku, "location": "01", "quantity": 500} for sku, _, _ in ITEMS],
    "customers": [COMPANY],
}
KEY_FIELD = {"TableName": "ORDR", "Name": "ErpSyncKey", "Type": "db_Alpha", "Size": 50, "SubType": "st_None"}
ERP_DATA: dict[str, Any] = {
    "currency": "EUR",
    "locations": [{"code": "01", "name": "Main warehouse"}],
    "items": [{"sku": sku, "name": f"Part {sku}", "price": net} for sku, _, net in ITEMS],
    "stock": [{"sku": sku, "location": "01", "quantity": 500} for sku, _, _ in ITEMS],
    "vat_groups": [{"Code": "A1", "Name": "19 %", "VatGroups_Lines": [{"Effectivefrom": "2020-01-01", "Rate": 19}]}],
    "business_partners": [{"CardCode": "C10010", "CardName": "Noether Maschinenbau GmbH", "CardType": "cCustomer"}],
    "user_fields": [KEY_FIELD],
}
LOOKUPS = {
    "tax_codes": ["DE-19,A1,exact,"],
    "sku_map": ["(.+),\\1,pattern,the shop uses the SKUs of the ERP"],
    "locations": ["01,default,exact,the core of the shop has one stock"],
}
FLOWS = ("orders", "order_status", "shipments", "inventory", "products", "customers")


@dataclass
class Dealer:
    """Everything that is running; `books` is one process's worth of erp_sync."""

    shop: RunningSandbox
    erp: RunningSandbox
    books: Business

    def buy(self, lines: Mapping[str, int], *, account: bool = True) -> str:
        """Check out, as the company that has an account in both systems or as a guest; gives the order's number."""
        with Shopper(self.shop) as shopper:
            if account:
                shopper.call("account/login", {"username": COMPANY["email"], "password": PASSWORD})
            else:
                shopper.register_guest()
            for sku, quantity in lines.items():
                found = shopper.call(
                    "product", {"filter": [{"type": "equals", "field": "productNumber", "value": sku}]}
                )
                item = {"type": "product", "referencedId": found["elements"][0]["id"], "quantity": quantity}
                shopper.call("checkout/cart/line-item", {"items": [item]})
            return str(shopper.call("checkout/order", {})["orderNumber"])

    def look(self, entity: str, **fields: str) -> dict[str, Any]:
        """What the back office sees of the one record with these fields."""
        with BackOffice(self.shop) as office:
            wanted = [{"type": "equals", "field": name, "value": value} for name, value in fields.items()]
            ways = {"order": {"stateMachineState": {}, "deliveries": {"associations": {"stateMachineState": {}}}}}
            criteria = {"filter": wanted, "associations": ways.get(entity, {})}
            (found,) = office.call(f"search/{entity}", criteria)["data"]
            return dict(found)

    def cancel(self, number: str) -> None:
        """The back office cancels an order."""
        order = self.look("order", orderNumber=number)
        with BackOffice(self.shop) as office:
            office.call(f"_action/order/{order['id']}/state/cancel", {"sendMail": False})

    def decide(self, decision: str, remarks: str, *, adds: bool = True) -> None:
        """A person in the ERP decides about all that waits for approval, and adds what they approve as an order."""
        with User(self.erp) as user:
            for request in user.call("GET", "ApprovalRequests?$filter=Status eq 'arsPending'")["value"]:
                said = {"ApprovalRequestDecisions": [{"Status": decision, "Remarks": remarks}]}
                user.call("PATCH", f"ApprovalRequests({request['Code']})", said)
                if decision == "ardApproved" and adds:
                    draft = {"Document": {"DocEntry": request["DraftEntry"]}}
                    user.call("POST", "DraftsService_SaveDraftToDocument", draft)

    def deliver(self, number: str, quantities: Mapping[int, int], tracking: str = "") -> None:
        """The warehouse ships so many of these rows."""
        (order,) = self.in_erp(number)
        rows = [
            {"BaseType": 17, "BaseEntry": order["DocEntry"], "BaseLine": row, "Quantity": quantity}
            for row, quantity in quantities.items()
        ]
        with User(self.erp) as user:
            note = {"CardCode": order["CardCode"], "TrackingNumber": tracking, "DocumentLines": rows}
            user.call("POST", "DeliveryNotes", note)

    def invoice(self, number: str, quantities: Mapping[int, int]) -> None:
        """So many of these rows go on a bill: of the order's delivery note where there is one, else of the order."""
        (order,) = self.in_erp(number)
        notes = [note for note in documents(self.erp, "DeliveryNotes") if note["CardCode"] == order["CardCode"]]
        kind, base = (15, notes[0]) if notes else (17, order)
        rows = [
            {"BaseType": kind, "BaseEntry": base["DocEntry"], "BaseLine": row, "Quantity": quantity}
            for row, quantity in quantities.items()
        ]
        with User(self.erp) as user:
            user.call("POST", "Invoices", {"CardCode": order["CardCode"], "DocumentLines": rows})

    def run(self) -> None:
        """Until nothing is on its way any more."""
        self.books.settle("orders", ROUTE)

    def run_once(self) -> None:
        """A run some minutes later."""
        self.books.clock.skipped += timedelta(minutes=10)
        self.books.run("orders", ROUTE)

    def reason(self, number: str) -> str:
        return next(one.reason for one in self.books.deliveries("orders", route=ROUTE) if one.number == number)

    def states(self) -> dict[str, tuple[str, str]]:
        return self.books.states("orders", ROUTE)

    def in_erp(self, number: str) -> list[dict[str, Any]]:
        """Sales orders of the ERP with this number of the shop, their lines in `lines`."""
        found = [one for one in documents(self.erp, "Orders") if one["NumAtCard"] == number]
        return sorted(found, key=lambda one: int(one["DocEntry"]))

    def block(self, card: str) -> None:
        """Accounting blocks an account."""
        with User(self.erp) as user:
            user.call("PATCH", f"BusinessPartners('{card}')", {"Frozen": "tYES"})

    def unblock(self, card: str) -> None:
        with User(self.erp) as user:
            user.call("PATCH", f"BusinessPartners('{card}')", {"Frozen": "tNO"})

    def retry(self, number: str) -> None:
        """An operator sends a dead letter again."""
        (dead,) = [one for one in self.books.deliveries("orders", route=ROUTE) if one.number == number]
        with self.books.installation() as here:
            here.ledger.dead_letters.retry([dead.id], who="noether", why="mended")

    def tell(self) -> None:
        """What became of the orders in the ERP reaches the shop."""
        self.books.clock.skipped += timedelta(minutes=10)
        self.books.run("order_status", ROUTE)

    def told(self, number: str) -> dict[str, Any]:
        """What the shop's order tells its customer of the ERP."""
        fields: dict[str, Any] = self.look("order", orderNumber=number)["customFields"] or {}
        return {name.removeprefix("erp_sync_"): value for name, value in fields.items()}

    def empty_key(self, number: str) -> None:
        """An add-on empties the field of our key."""
        (order,) = self.in_erp(number)
        with User(self.erp) as user:
            user.call("PATCH", f"Orders({order['DocEntry']})", {"U_ErpSyncKey": None})

    def drafts_in_erp(self, number: str) -> list[dict[str, Any]]:
        """Drafts of the ERP with this number of the shop."""
        return [one for one in documents(self.erp, "Drafts") if one["NumAtCard"] == number]

    def partners(self) -> list[dict[str, Any]]:
        return documents(self.erp, "BusinessPartners")


class Shopper:
    """One session of the Store API."""

    def __init__(self, shop: RunningSandbox) -> None:
        keys = shop.status()["credentials"]
        self._http = httpx.Client(base_url=f"{shop.base_url}/store-api/", headers={"sw-access-key": keys["access_key"]})

    def __enter__(self) -> Shopper:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, path: str, body: Any) -> Any:
        answer = self._http.post(path, json=body, headers={"accept": "application/json"})
        assert answer.status_code < 300, answer.text
        if token := answer.headers.get("sw-context-token"):
            self._http.headers["sw-context-token"] = token
        return answer.json() if answer.content else None

    def register_guest(self) -> None:
        place = {"street": "Ring 1", "city": "Hof", "zipcode": "95028", "countryId": country("DE")}
        person = {"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron", "guest": True}
        self.call("account/register", {**person, "billingAddress": place})


class BackOffice:
    """An administrator of the shop."""

    def __init__(self, shop: RunningSandbox) -> None:
        keys = shop.status()["credentials"]
        self._http = httpx.Client(base_url=f"{shop.base_url}/api/", headers={"accept": "application/json"})
        told = {"grant_type": "client_credentials", **{one: keys[one] for one in CREDENTIALS["shopware"]}}
        token = self._http.post("oauth/token", json=told).json()["access_token"]
        self._http.headers["authorization"] = f"Bearer {token}"

    def __enter__(self) -> BackOffice:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, path: str, body: Any) -> Any:
        answer = self._http.post(path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None


class User:
    """Somebody who is logged in to the ERP."""

    def __init__(self, erp: RunningSandbox) -> None:
        keys = erp.status()["credentials"]
        self._http = httpx.Client(base_url=f"{erp.base_url}/b1s/v2/")
        names = {"CompanyDB": "company_db", "UserName": "user_name", "Password": "password"}
        self.call("POST", "Login", {name: keys[key] for name, key in names.items()})

    def __enter__(self) -> User:
        return self

    def __exit__(self, *_: object) -> None:
        self.call("POST", "Logout", None)
        self._http.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None


def documents(sandbox: RunningSandbox, entity_set: str) -> list[dict[str, Any]]:
    """All of a set, as the ERP keeps them."""
    return [json.loads(row["data"]) for row in rows(sandbox, f'SELECT data FROM "{entity_set}" ORDER BY k1')]


@contextmanager
def parts_dealer(
    folder: Path,
    *,
    erp_data: Mapping[str, Any] | None = None,
    erp_options: Mapping[str, Any] | None = None,
    erp_settings: Mapping[str, Any] | None = None,
    flows: Mapping[str, Mapping[str, Any]] | None = None,
    erp_items: Collection[str] = tuple(sku for sku, _, _ in ITEMS),
) -> Iterator[Dealer]:
    """The shop sells gross in EUR, with 19 %; the company has an account in both systems by its number."""
    with ExitStack() as stack:
        homes = {name: folder / name for name in (STORE, ERP)}
        for home in homes.values():
            home.mkdir(parents=True)
        options = {"currency": "EUR", "tax_rate": "19", "shipping_gross": "5.95"}
        shop = stack.enter_context(running(shopware.create, vendor="shopware", folder=homes[STORE], options=options))
        shop.control("POST", "seed", STORE_DATA)
        options = {"local_currency": "EUR", "timezone": "Europe/Berlin", **(erp_options or {})}
        erp = stack.enter_context(running(sap_b1.create, vendor="sap_b1", folder=homes[ERP], options=options))
        known = {name: [one for one in ERP_DATA[name] if one["sku"] in erp_items] for name in ("items", "stock")}
        erp.control("POST", "seed", {**ERP_DATA, **known, **(erp_data or {})})
        told = {
            "currencies": {"EUR": "EUR"},
            "warehouse": "01",
            "freight_expense": "1",
            "source_connections": [STORE],
            **(erp_settings or {}),
        }
        defs = folder / "defs" / ROUTE
        defs.mkdir(parents=True)
        lookups = defs / "lookups"
        lookups.mkdir()
        for table, lines in LOOKUPS.items():
            (lookups / f"{table}.csv").write_text("\n".join(["key,value,rule,note", *lines, ""]))
        (defs / "defs.yaml").write_text(yaml.safe_dump_all(_route(shop, erp, told, flows or {})))
        settings = load({"ERP_SYNC_HOME": str(folder / "home"), "ERP_SYNC_DEFS": str(folder / "defs")})
        settings.home.mkdir()
        fresh.create(settings.ledger_url)
        books = Business({}, erp, settings, lookups)
        with books.installation() as here:
            here.import_lookups()
        yield Dealer(shop, erp, books)


def _route(
    shop: RunningSandbox, erp: RunningSandbox, told: Mapping[str, Any], more: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    def connection(name: str, vendor: str, sandbox: RunningSandbox, settings: Mapping[str, Any]) -> dict[str, Any]:
        keys = sandbox.status()["credentials"]
        attributes = {
            "name": name,
            "vendor": vendor,
            "base_url": sandbox.base_url,
            "time_zone": "Europe/Berlin",
            "credentials": {one: str(keys[one]) for one in CREDENTIALS[vendor]},
            "settings": dict(settings),
        }
        return {"type": "erp_sync.components.Connection", "attributes": attributes}

    flows = {name: {"mode": "on", "start": "2026-01-01T00:00:00Z"} for name in FLOWS}
    flows |= {name: {"mode": "on", **flow} for name, flow in more.items()}
    route = {"name": ROUTE, "store": STORE, "erp": ERP, "lookups": "lookups", "flows": flows}
    return [
        connection(STORE, "shopware", shop, {}),
        connection(ERP, "sap_b1", erp, told),
        {"type": "erp_sync.components.Route", "attributes": route},
    ]
