"""Lists that an administrator keeps: locations, subsidiaries, currencies, terms, price levels and the like.

REST reads them all; price levels can be written, too.
"""

from __future__ import annotations

from typing import Any

from erp_sync.systems.netsuite.sandbox.errors import missing
from erp_sync.systems.netsuite.sandbox.fields import Field
from erp_sync.systems.netsuite.sandbox.record_type import NO_REPLACE, RecordType
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import Row


class MasterData(RecordType):
    """A list that REST only reads here."""

    writes = False


_NAME = (
    Field("name", "name"),
    Field("externalId", "externalid"),
    Field("isInactive", "isinactive", "flag"),
    Field("lastModifiedDate", "lastmodifieddate", writable=False),
)


def _list(record: str, table: str, *extra: Field, name: str = "name") -> MasterData:
    kept = MasterData()
    kept.name, kept.table, kept.label = record, table, name
    base = _NAME if name == "name" else (Field("itemId", "itemid"), *_NAME[1:])
    kept.fields = (*base, *extra)
    return kept


class Location(MasterData):
    """``location``; its subsidiaries are a multi-select."""

    name = "location"
    table = "location"
    fields = (
        *_NAME,
        Field("fullName", "fullname"),
        Field("makeInventoryAvailable", "makeinventoryavailable", "flag"),
    )
    sublists = ("subsidiary",)

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        return [{"id": number} for number in (row["subsidiary"] or "").split(",") if number]


class PriceLevel(RecordType):
    """``priceLevel``."""

    name = "priceLevel"
    table = "pricelevel"
    fields = (*_NAME, Field("discountPct", "discountpct", "percent"), Field("isOnline", "isonline", "flag"))
    computed = frozenset({"id", "links", "lastModifiedDate"})

    def create(self, session: Session, body: Any) -> int:
        columns = self.columns(session, self.canonical(session, body))
        columns.pop("other", None)
        if columns.get("name") is None:
            raise missing("Price Level Name", "name")
        columns = {"isinactive": "F", "isonline": "F", **columns, "lastmodifieddate": session.now}
        level = session.store.insert("pricelevel", **columns)
        session.wrote(self.name, columns.get("externalid"), level)
        return level

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        stored = self.row(session, internal_id)
        assert stored is not None
        columns = self.columns(session, {k: v for k, v in self.canonical(session, body).items() if k in _LEVEL}, stored)
        session.store.update("pricelevel", {"id": internal_id}, **columns, lastmodifieddate=session.now)
        session.wrote(self.name, stored["externalid"], internal_id, "update")


_LEVEL = {field.name for field in PriceLevel.fields}


def master_data() -> list[RecordType]:
    """All of them."""
    return [
        Location(),
        _list(
            "subsidiary", "subsidiary", Field("fullName", "fullname"), Field("legalName", "legalname"),
            Field("currency", "currency", "reference", "currency"), Field("country", "country", "enum"),
            Field("isElimination", "iselimination", "flag"),
        ),
        _list(
            "currency", "currency", Field("symbol", "symbol"), Field("exchangeRate", "exchangerate", "rate"),
            Field("isBaseCurrency", "isbasecurrency", "flag"),
        ),
        _list("term", "term", Field("daysUntilNetDue", "daysuntilnetdue", "integer")),
        _list("paymentMethod", "paymentmethod", Field("creditCard", "creditcard", "flag")),
        _list("shipItem", "shipitem", Field("displayName", "displayname"), name="itemid"),
        _list(
            "salesTaxItem", "salestaxitem", Field("displayName", "displayname"), Field("rate", "rate", "percent"),
            Field("state", "state"), name="itemid",
        ),
        _list("department", "department"),
        _list("classification", "classification"),
        _accounts(),
        _periods(),
        PriceLevel(),
    ]  # fmt: skip


def _accounts() -> MasterData:
    kept = MasterData()
    kept.name, kept.table, kept.label = "account", "account", "fullname"
    kept.fields = (
        Field("acctNumber", "acctnumber"),
        Field("acctName", "fullname"),
        Field("acctType", "accttype", "enum"),
        Field("externalId", "externalid"),
        Field("isInactive", "isinactive", "flag"),
    )
    return kept


def _periods() -> MasterData:
    kept = MasterData()
    kept.name, kept.table, kept.label = "accountingPeriod", "accountingperiod", "periodname"
    kept.fields = (
        Field("periodName", "periodname"),
        Field("startDate", "startdate", "date"),
        Field("endDate", "enddate", "date"),
        Field("closed", "closed", "flag"),
    )
    return kept
