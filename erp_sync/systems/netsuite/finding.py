"""Finding what an order's steps have created: by external id, many with one query.

`find` is what decides after an unknown outcome and after 'already exists'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from erp_sync.model.money import decimal_of
from erp_sync.model.order import SalesOrder
from erp_sync.ports.documents import Step, StepRequest
from erp_sync.ports.outcomes import Absent, Ambiguous, Finding, Found, Later, Receipt
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.client import EXTERNAL_ID, NetSuiteClient, chunks
from erp_sync.transport.errors import TransportError

CUSTOMER, SALES_ORDER, DEPOSIT = "customer", "sales_order", "customer_deposit"


class Kind(msgspec.Struct, frozen=True):
    """How the record of a step is found again: record name, SuiteQL table, condition, columns."""

    record: str
    table: str
    condition: str
    columns: tuple[str, ...]
    proof: str  # column that must carry our natural key if the record is ours
    fields: str  # of the record GET, with the proof's REST name
    proof_field: str


KINDS = {
    CUSTOMER: Kind("customer", "customer", "", ("entityid", "email"), "email", "id,externalId,entityId,email", "email"),
    SALES_ORDER: Kind(
        "salesOrder",
        "transaction",
        "type = 'SalesOrd'",
        ("tranid", "otherrefnum", "status", "foreigntotal"),
        "otherrefnum",
        "id,externalId,tranId,otherRefNum,total,lastModifiedDate",
        "otherRefNum",
    ),
    DEPOSIT: Kind(
        "customerDeposit",
        "transaction",
        "type = 'CustDep'",
        ("tranid", "foreigntotal"),
        "",
        "id,externalId,tranId,payment,lastModifiedDate",
        "",
    ),
}


def kind_of(step: Step) -> str:
    """customer, sales_order or customer_deposit. Raises ValueError for a step of another target."""
    kind = step.name.partition(":")[0]
    if kind not in KINDS:
        raise ValueError(f"step {step.name!r} is none of {', '.join(KINDS)}")
    return kind


class OrderFinder:
    """Thread-safe; keeps nothing."""

    def __init__(self, client: NetSuiteClient) -> None:
        self._client = client

    def find(self, requests: Sequence[StepRequest]) -> list[Finding]:
        """Is the record there? One SuiteQL per kind of step; what that misses is read by ``eid:``.

        SuiteQL may lag behind a write (unconfirmed); the record GET is the most current read, so it is
        made for a request that was sent before or is asked about alone. A record with our key that is not
        of this document is Ambiguous.
        """
        findings: list[Finding] = [Absent()] * len(requests)
        kinds: dict[str, list[int]] = {}
        for position, request in enumerate(requests):
            kinds.setdefault(kind_of(request.step), []).append(position)
        for kind, positions in kinds.items():
            try:
                rows = self._rows(kind, [requests[position].step.key for position in positions])
            except TransportError as error:
                for position in positions:
                    findings[position] = Later(seconds=error.retry_after_seconds or 10.0, why=str(error))
                continue
            for position in positions:
                request = requests[position]
                current = request.attempt > 1 or len(requests) == 1
                findings[position] = self._finding(kind, request, rows, current=current)
        return findings

    def _finding(
        self, kind: str, request: StepRequest, rows: Mapping[str, list[dict[str, Any]]], *, current: bool
    ) -> Finding:
        found = rows.get(request.step.key, [])
        if len(found) > 1:
            return Ambiguous(target_ids=tuple(str(row["id"]) for row in found))
        if found:
            proof = str(found[0].get(KINDS[kind].proof, ""))
            return self._judged(kind, request, proof, self._receipt(found[0]))
        return self._read(kind, request) if current else Absent()

    def _read(self, kind: str, request: StepRequest) -> Finding:
        known = KINDS[kind]
        try:
            record = self._client.get(
                known.record,
                EXTERNAL_ID + request.step.key,
                operation=f"{kind}.find",
                document=str(request.document.number),
                fields=known.fields,
            )
        except TransportError as error:
            return Later(seconds=error.retry_after_seconds or 10.0, why=str(error))
        if record is None:
            return Absent()
        number = str(record.get("tranId") or record.get("entityId") or "")
        receipt = Receipt(
            target_id=str(record["id"]),
            number=number,
            version=str(record.get("lastModifiedDate") or ""),
            totals={"grand_total": str(record["total"])} if record.get("total") is not None else {},
            existed=True,
        )
        return self._judged(kind, request, str(record.get(known.proof_field, "")), receipt)

    def _judged(self, kind: str, request: StepRequest, proof: str, receipt: Receipt) -> Finding:
        document: SalesOrder = request.document
        # People correct a customer's e-mail address in the ERP: there the key alone is proof enough.
        if kind == SALES_ORDER and proof and proof != document.number:
            return Ambiguous(target_ids=(receipt.target_id,))
        return Found(receipt=receipt)

    def _rows(self, kind: str, keys: Sequence[str], column: str = "externalid") -> dict[str, list[dict[str, Any]]]:
        """Rows by the column that was searched."""
        known = KINDS[kind]
        columns = ", ".join(("id", "externalid", *known.columns))
        modified = suiteql.time_column("lastmodifieddate", "modified")
        condition = f"{known.condition} AND " if known.condition else ""
        found: dict[str, list[dict[str, Any]]] = {}
        for some in chunks(list(dict.fromkeys(keys))):
            literals = suiteql.texts(some) if column == "externalid" else ", ".join(some)
            rows = self._client.query(
                f"SELECT {columns}, {modified} FROM {known.table} "
                f"WHERE {condition}{column} IN ({literals}) ORDER BY id",
                operation=f"{kind}.find",
            )
            for row in rows:
                found.setdefault(str(row[column]), []).append(row)
        return found

    def _receipt(self, row: Mapping[str, Any]) -> Receipt:
        totals = {"grand_total": str(decimal_of(row["foreigntotal"]))} if row.get("foreigntotal") is not None else {}
        return Receipt(
            target_id=str(row["id"]),
            number=str(row.get("tranid") or row.get("entityid") or ""),
            version=str(row.get("modified") or ""),
            totals=totals,
            existed=True,
            values={"status": str(row["status"])} if row.get("status") else {},
        )

    def read_back(self, keys: Sequence[str]) -> dict[str, Receipt]:
        """Number, total, status and time of last change of orders, by external id: one query per 1,000.

        Keys that are not (yet) seen are left out. `version` is the local time of last change as text.
        Raises the TransportError tree.
        """
        rows = self._rows(SALES_ORDER, keys)
        return {key: self._receipt(found[0]) for key, found in rows.items() if len(found) == 1}

    def read_back_ids(self, ids: Sequence[str]) -> dict[str, Receipt]:
        """The same of orders by internal id, for those that carry no key of ours; deleted ones are left out."""
        rows = self._rows(SALES_ORDER, [suiteql.number(one) for one in ids], column="id")
        return {identity: self._receipt(found[0]) for identity, found in rows.items()}
